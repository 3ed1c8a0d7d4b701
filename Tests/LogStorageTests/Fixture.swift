import Bytes
import Environment
import RecordBatches
import Testing

@testable import LogStorage

/// A data folder on a simulated disk with one partition log.
struct Fixture {
    static let name = PartitionName(topic: "t", partition: 0)
    static let folder = "/data/topics/t-0"

    let disk: SimulatedDisk
    private(set) var directory: LogDirectory
    private(set) var log: PartitionLog
    private var config: LogConfig

    init(seed: UInt64 = 1, _ configure: (inout LogConfig) -> Void = { _ in }) throws {
        disk = SimulatedDisk(seed: seed)
        config = LogConfig()
        configure(&config)
        directory = try LogDirectory(directory: "/data", disk: disk)
        log = try directory.open(Self.name, topicId: (1, 2), config: config, now: 0)
    }

    @discardableResult
    func append(_ batch: TestBatch, now: Int64 = 0) throws -> AppendResult { try append(batch.bytes(), now: now) }

    @discardableResult
    func append(_ bytes: [UInt8], now: Int64 = 0) throws -> AppendResult {
        let header = try BatchHeader(bytes.span.bytes)
        return try log.append(bytes.span.bytes, header: header, now: now)
    }

    /// Stops well, or without closing anything, and opens again. Unsynced bytes survive: the process died, not the machine.
    mutating func reopen(clean: Bool, now: Int64 = 0) throws {
        if clean { try directory.close(clean: true) } else { try directory.close(clean: false) }
        directory = try LogDirectory(directory: "/data", disk: disk)
        log = try directory.open(Self.name, topicId: (1, 2), config: config, now: now)
    }

    /// Base offsets of all batches that can be read.
    func readAll(maxBytes: Int = 1 << 20) throws -> [Int64] {
        var offset = log.offsets.logStart
        var bases: [Int64] = []
        while offset < log.logEnd {
            let slice = try log.read(from: offset, maxBytes: maxBytes, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            var at = 0
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                #expect(try header.checksumMatches(bytes.span.bytes, at: at))
                bases.append(header.baseOffset)
                at += header.byteCount
            }
            guard !slice.isEmpty else { break }
            offset = slice.nextOffset
        }
        return bases
    }

    func file(_ name: String) throws -> any DiskFile { try disk.open(Self.folder + "/" + name, create: false) }
    func text(_ path: String) throws -> String { try String(decoding: disk.contents(path), as: UTF8.self) }
}

/// The file name of a segment part.
func name(_ offset: Int64, _ suffix: FileNames.Suffix) -> String { FileNames.name(offset, suffix) }
