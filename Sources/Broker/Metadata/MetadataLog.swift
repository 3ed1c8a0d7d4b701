import Bytes
import Environment
import LogStorage
import NIOCore
import RecordBatches

/// The durable sequence of metadata records: a partition log of its own, `meta/__cluster_metadata-0`, and now and then
/// a snapshot of what it adds up to, so that a start reads the snapshot and a short tail.
///
/// A snapshot is `meta/OFFSET.metadata`: record batches like the log's, which stand for all records before `OFFSET`.
struct MetadataLog {
    /// A snapshot is written once the log holds this many records more than the image needs.
    private static let surplusMin: Int64 = 10_000
    /// Or this many bytes more than four times the last snapshot: records can be of kilobytes, and the same ones again and again.
    static let surplusByteCountMin = 16 << 20
    private static let suffix = ".metadata"
    /// Bytes that one batch of metadata may decompress to; batches are not compressed.
    private static let batchByteCountMax = 1 << 20

    private let log: PartitionLog
    private let directory: String
    private let disk: any Disk
    /// Bytes of the last snapshot, and of the batches behind it.
    private var snapshotByteCount: Int
    private var tailByteCount = 0

    /// The offset of the next record.
    var end: Int64 { log.logEnd }
    /// What a crash left half written and the start cut off.
    var cutByteCount: Int64 { log.recovery.truncatedByteCount }

    /// - Parameter directory: the data folder's `meta`.
    /// - Parameter wasClean: the last stop was clean, so that nothing may be torn.
    /// - Throws: `LogError` when the folder cannot be read, is damaged, or was written by a newer program.
    static func open(
        _ directory: String, disk: any Disk, files: FileCache, health: LogHealth, wasClean: Bool, now: Int64
    ) throws(LogError) -> (MetadataLog, MetadataImage) {
        try makeFolder(directory, disk)
        let snapshot = try newestSnapshot(in: directory, disk)
        try MetadataDamage.check(
            directory + "/__cluster_metadata-0", disk, wasClean: wasClean, snapshot: snapshot?.offset)
        // All of it is checked at every start, and the snapshot says where it begins.
        let log = try PartitionLog.open(
            directory: directory + "/__cluster_metadata-0", topicId: (0, 1), config: LogConfig(), disk: disk,
            files: files, leaderEpoch: 0, recoveryPoint: 0, cleanShutdown: false, now: now,
            logStart: snapshot?.offset ?? 0, health: health, saveLogStart: { _ in })
        var opened = MetadataLog(
            log: log, directory: directory, disk: disk, snapshotByteCount: snapshot?.bytes.count ?? 0)
        var image = MetadataImage()
        var offset = log.offsets.logStart
        if let snapshot {
            try Self.replay(snapshot.bytes, of: "metadata snapshot \(snapshot.offset)", into: &image)
            offset = max(offset, snapshot.offset)
        } else if offset > 0 {
            throw LogError(
                .corruptSegment,
                "the metadata log in '\(directory)' begins at offset \(offset), but no snapshot is there")
        }
        let end = log.logEnd
        while offset < end {
            let slice = try log.read(from: offset, maxBytes: 1 << 20, upTo: end, minOneBatch: true)
            guard !slice.isEmpty else { break }
            let bytes = try slice.bytes()
            try Self.replay(bytes, of: "metadata log", from: offset, into: &image)
            opened.tailByteCount += bytes.count
            offset = slice.nextOffset
        }
        return (opened, image)
    }

    /// Appends the records as one batch; they are on disk when this returns.
    mutating func append(_ records: [MetadataRecord], now: Int64) throws(LogError) {
        let batch = try Self.batch(records, now: now)
        let header: BatchHeader
        do throws(WireError) {
            header = try BatchHeader(batch.span.bytes)
        } catch {
            throw LogError(.corruptBatch, "metadata batch: \(error)")
        }
        _ = try log.append(batch.span.bytes, header: header, now: now)
        tailByteCount += batch.count
        _ = try log.sync()
    }

    /// Replaces a log that has grown much longer than what it adds up to by a snapshot.
    mutating func snapshotIfWorthwhile(_ image: MetadataImage, now: Int64) throws(LogError) {
        let offsets = log.offsets
        let count = offsets.logEnd - offsets.logStart
        let isLarge = tailByteCount > Self.surplusByteCountMin + 4 * snapshotByteCount
        // Before the records are put together, which takes its time where there are many topics and rules.
        guard isLarge || count > Self.surplusMin else { return }
        let records = image.records
        guard isLarge || count > Self.surplusMin + 4 * Int64(records.count) else { return }
        var bytes: [UInt8] = []
        var rest = records[...]
        while !rest.isEmpty {
            bytes += try Self.batch(Array(rest.prefix(1000)), now: now)
            rest = rest.dropFirst(1000)
        }
        let old = try Self.newestSnapshot(in: directory, disk)?.offset
        do throws(DiskError) {
            try disk.replaceDurably(Self.path(offsets.logEnd, in: directory), with: bytes)
        } catch {
            throw LogError(error, "write the metadata snapshot")
        }
        snapshotByteCount = bytes.count
        tailByteCount = 0
        _ = try log.deleteRecords(before: offsets.logEnd)
        if let old, old != offsets.logEnd {
            // An old snapshot that stays is harmless: the newest one counts.
            try? disk.removeFile(Self.path(old, in: directory))
        }
    }

    /// Notes on disk how far the log reaches, so that a start after a crash knows when some of it is gone.
    func checkpoint() throws(LogError) { _ = try log.checkpoint() }

    mutating func close() throws(LogError) { try log.close(clean: true) }

    // MARK: Format

    private static func batch(_ records: [MetadataRecord], now: Int64) throws(LogError) -> [UInt8] {
        do throws(WireError) {
            var builder = BatchBuilder()
            for record in records {
                let value = try record.encoded()
                try builder.append(timestamp: now, key: nil, value: Array(value.readableBytesView))
            }
            return try builder.build()
        } catch {
            throw LogError(.corruptBatch, "metadata cannot be encoded: \(error)")
        }
    }

    /// Applies the records of whole batches whose offset is `first` or later.
    private static func replay(
        _ bytes: [UInt8], of source: String, from first: Int64 = .min, into image: inout MetadataImage
    ) throws(LogError) {
        var at = 0
        do {
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                guard try header.checksumMatches(bytes.span.bytes, at: at) else {
                    throw WireError.corrupt("batch at byte \(at) does not match its CRC")
                }
                let batch = bytes[at..<at + header.byteCount]
                for record in try BatchRecords.all(in: batch.span.bytes, header: header, limit: batchByteCountMax)
                where record.offset >= first {
                    image.apply(try MetadataRecord(ByteBuffer(bytes: record.value ?? [])))
                }
                at += header.byteCount
            }
        } catch {
            throw LogError(.corruptSegment, "\(source): \(error)")
        }
    }

    /// Makes the folder so that a crash does not take it away with all that is acknowledged later. One that is there may
    /// have been made by a process that ended before it was forced to disk.
    private static func makeFolder(_ directory: String, _ disk: any Disk) throws(LogError) {
        do throws(DiskError) {
            try disk.makeDirectory(directory)
            try disk.syncDirectory(RealDisk.folder(of: directory))
        } catch {
            throw LogError(error, "make folder '\(directory)'")
        }
    }

    private static func path(_ offset: Int64, in directory: String) -> String { "\(directory)/\(offset)\(suffix)" }

    private static func newestSnapshot(
        in directory: String, _ disk: any Disk
    ) throws(LogError) -> (offset: Int64, bytes: [UInt8])? {
        do throws(DiskError) {
            let offsets = try disk.list(directory).compactMap { name in
                name.hasSuffix(suffix) ? Int64(name.dropLast(suffix.count)) : nil
            }
            guard let newest = offsets.max() else { return nil }
            return (newest, try disk.contents(path(newest, in: directory)))
        } catch {
            throw LogError(error, "read the metadata snapshot in '\(directory)'")
        }
    }
}
