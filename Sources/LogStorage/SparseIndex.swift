import Bytes
import Environment

/// One fixed-size entry of an index file.
protocol IndexEntry: Sendable {
    static var byteCount: Int { get }
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int)
    func append(to bytes: inout [UInt8])
}

/// Entry of `.index`: the batch that begins at `position` ends with the record `relativeOffset` after the segment's base.
///
/// | at | bytes | field            |
/// |---:|------:|------------------|
/// |  0 |     4 | `relativeOffset` |
/// |  4 |     4 | `position`       |
struct OffsetEntry: IndexEntry, Equatable {
    static let byteCount = 8
    var relativeOffset: Int32
    var position: Int32

    init(relativeOffset: Int32, position: Int32) {
        self.relativeOffset = relativeOffset
        self.position = position
    }

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        relativeOffset = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        position = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: Int32.self))
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: relativeOffset)
        bytes.append(bigEndian: position)
    }
}

/// Entry of `.timeindex`: no record up to `relativeOffset`, nor up to the entry's place in the log, is later than
/// `timestamp`, and the batch that ends with that offset has it.
///
/// | at | bytes | field            |
/// |---:|------:|------------------|
/// |  0 |     8 | `timestamp`      |
/// |  8 |     4 | `relativeOffset` |
struct TimeEntry: IndexEntry, Equatable {
    static let byteCount = 12
    var timestamp: Int64
    var relativeOffset: Int32

    init(timestamp: Int64, relativeOffset: Int32) {
        self.timestamp = timestamp
        self.relativeOffset = relativeOffset
    }

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        timestamp = Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
        relativeOffset = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self))
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: timestamp)
        bytes.append(bigEndian: relativeOffset)
    }
}

/// An index whose older entries are in its file and whose newest are in memory, so that memory stays small however large
/// the segment grows. Entries ascend.
struct SparseIndex<Entry: IndexEntry>: Sendable {
    /// Entries kept in memory before they are written out together.
    static var tailCountMax: Int { 1024 }

    /// Entries in the file. The file may hold more bytes than these: leftovers that do not count.
    private(set) var fileCount = 0
    private(set) var tail: [Entry] = []
    private(set) var last: Entry?

    init() {}

    /// An index whose first `fileCount` entries the file has.
    init(fileCount: Int, last: Entry?) {
        self.fileCount = fileCount
        self.last = last
    }

    var count: Int { fileCount + tail.count }

    mutating func append(_ entry: Entry) {
        tail.append(entry)
        last = entry
    }

    /// The last entry in memory for which `isBefore` holds; nil if it is not in memory but may be in the file.
    func floorInMemory(_ isBefore: (Entry) -> Bool) -> Entry? {
        guard let first = tail.first, isBefore(first) else { return nil }
        return tail[tail.partitionPoint(isBefore) - 1]
    }

    /// Writes the entries in memory to the end of the file's and forgets them. When it throws they stay in memory.
    mutating func spill(to file: any DiskFile) throws(DiskError) {
        guard !tail.isEmpty else { return }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tail.count * Entry.byteCount)
        for entry in tail { entry.append(to: &bytes) }
        let position = Int64(fileCount * Entry.byteCount)
        do throws(DiskError) {
            try file.write(bytes, at: position)
        } catch {
            // A part of an entry would spoil the file for the next start, which then only takes longer.
            try? file.truncate(to: position)
            throw error
        }
        fileCount += tail.count
        tail = []
    }
}

extension SparseIndex {
    /// The last of the first `count` entries of `file` for which `isBefore` holds; nil if there is none.
    ///
    /// Halves the range by single reads until one read of 4 KiB covers it.
    static func floor(
        in file: any DiskFile, count: Int, _ isBefore: (Entry) -> Bool
    ) throws(DiskError) -> Entry? {
        var low = 0  // entries before `low` hold
        var high = count  // entries from `high` on do not
        var found: Entry?
        let stride = Entry.byteCount
        return try withScratch(byteCount: 4096) { buffer throws(DiskError) in
            let window = buffer.count / stride
            while high - low > window {
                let middle = low + (high - low) / 2
                let count = try file.read(
                    at: Int64(middle * stride), into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<stride]))
                // A file cut short behind our back: what is missing does not hold.
                guard count == stride else {
                    high = middle
                    continue
                }
                let entry = Entry(UnsafeRawBufferPointer(buffer), at: 0)
                if isBefore(entry) {
                    low = middle + 1
                    found = entry
                } else {
                    high = middle
                }
            }
            let byteCount = try file.read(
                at: Int64(low * stride),
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<((high - low) * stride)]))
            for index in 0..<(byteCount / stride) {
                let entry = Entry(UnsafeRawBufferPointer(buffer), at: index * stride)
                guard isBefore(entry) else { break }
                found = entry
            }
            return found
        }
    }
}

extension Array {
    /// Number of elements at the beginning for which `isBefore` holds, in an array where they come first.
    func partitionPoint(_ isBefore: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// A buffer for the length of a call, on the stack where it is small.
func withScratch<Result, Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
    // The standard library's function rethrows untyped, so the outcome is carried out by hand.
    let outcome = withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 16) {
        buffer -> Swift.Result<Result, Failure> in
        do throws(Failure) { return .success(try body(buffer)) } catch { return .failure(error) }
    }
    return try outcome.get()
}
