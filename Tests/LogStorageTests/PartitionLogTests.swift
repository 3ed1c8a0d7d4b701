import Environment
import Glibc
import RecordBatches
import Testing

@testable import LogStorage

/// The log on the machine's own file system.
@Suite struct PartitionLogTests {
    @Test(arguments: [true, false])
    func `reads back what was appended, after any stop`(clean: Bool) throws {
        let root = "/tmp/swiftwater-log-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        defer { try? RealDisk().removeTree(root) }
        var config = LogConfig()
        config.segmentBytes = 2000
        var expected: [UInt8] = []
        for round in 0..<3 {
            let directory = try LogDirectory(directory: root, disk: RealDisk())
            let log = try directory.open(Fixture.name, topicId: (1, 2), config: config, now: 0)
            #expect(log.recovery.wasUnclean == (!clean && round > 0))
            #expect(try batches(log) == expected)
            for step in 0..<20 {
                let bytes = TestBatch(count: 3, timestamp: Int64(step), salt: UInt8(step)).bytes()
                let header = try BatchHeader(bytes.span.bytes)
                let result = try log.append(bytes.span.bytes, header: header, now: 0)
                #expect(result.baseOffset == Int64(round * 60 + step * 3))
                expected += bytes[16...]
            }
            #expect(try batches(log) == expected)
            #expect(try log.sync() == Int64(round * 60 + 60))
            try directory.close(clean: clean)
        }
    }

    /// All batches of the log without the 16 bytes that the log sets, read in small slices.
    private func batches(_ log: PartitionLog) throws -> [UInt8] {
        var offset: Int64 = 0
        var all: [UInt8] = []
        while offset < log.logEnd {
            let slice = try log.read(from: offset, maxBytes: 500, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            var at = 0
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                #expect(header.baseOffset == offset)
                all += bytes[(at + 16)..<(at + header.byteCount)]
                at += header.byteCount
                offset = header.nextOffset
            }
            #expect(slice.nextOffset == offset && slice.file?.descriptor != nil)
        }
        return all
    }
}
