import Environment
import RecordBatches
import Testing

@testable import LogStorage

@Suite struct PartitionLogTests {
    @Test func `reads back what was appended, after a clean and an unclean stop`() throws {
        let disk = RealDisk()
        let root = "/tmp/swiftwater-log-\(UInt64.random(in: 0 ... .max))"
        defer { try? disk.removeTree(root) }
        var directory = try LogDirectory(directory: root, disk: disk)
        let name = PartitionName(topic: "t", partition: 0)
        var config = LogConfig()
        config.segmentBytes = 2000
        var log = try directory.open(name, topicId: (1, 2), config: config, now: 0)
        var expected: [UInt8] = []
        for round in 0..<4 {
            for step in 0..<20 {
                let bytes = TestBatch(count: 3, timestamp: Int64(step), salt: UInt8(step)).bytes()
                let header = try BatchHeader(bytes.span.bytes)
                let result = try log.append(bytes.span.bytes, header: header, now: 0)
                #expect(result.baseOffset == Int64(round * 60 + step * 3))
                expected += bytes[16...]
            }
            #expect(try log.sync() == Int64(round * 60 + 60))
            if round % 2 == 0 { try directory.close(clean: true) } else { try log.close(clean: false) }
            directory = try round % 2 == 0 ? LogDirectory(directory: root, disk: disk) : directory
            if round % 2 == 1 { break }
            log = try directory.open(name, topicId: (1, 2), config: config, now: 0)
            #expect(log.recovery.wasUnclean == false)
            var offset: Int64 = 0
            var read: [UInt8] = []
            while offset < log.logEnd {
                let slice = try log.read(from: offset, maxBytes: 500, upTo: .max, minOneBatch: true)
                let bytes = try slice.bytes()
                var at = 0
                while at < bytes.count {
                    let header = try BatchHeader(bytes.span.bytes, at: at)
                    #expect(header.baseOffset == offset)
                    read += bytes[(at + 16)..<(at + header.byteCount)]
                    at += header.byteCount
                    offset = header.nextOffset
                }
                #expect(slice.nextOffset == offset)
            }
            #expect(read == expected)
        }
    }
}
