import Environment
import RecordBatches
import Synchronization
import Testing

@testable import LogStorage

/// A process may open only so many files.
@Suite struct FewFilesTests {
    /// A simulated disk on which files cannot be opened while too many are.
    private final class FewFilesDisk: Disk {
        /// Counts itself as long as it lives.
        private final class CountedFile: DiskFile {
            private let file: any DiskFile
            private let disk: FewFilesDisk

            init(_ file: any DiskFile, _ disk: FewFilesDisk) {
                self.file = file
                self.disk = disk
                disk.count.add(1, ordering: .relaxed)
            }

            deinit { disk.count.subtract(1, ordering: .relaxed) }

            var path: String { file.path }
            var descriptor: Int32? { file.descriptor }
            func byteCount() throws(DiskError) -> Int64 { try file.byteCount() }
            func read(at position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskError) -> Int {
                try file.read(at: position, into: buffer)
            }
            func write(
                _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int64
            ) throws(DiskError) {
                try file.write(first, second, at: position)
            }
            func truncate(to byteCount: Int64) throws(DiskError) { try file.truncate(to: byteCount) }
            func sync() throws(DiskError) { try file.sync() }
        }

        let below = SimulatedDisk(seed: 1)
        let count = Atomic<Int>(0)
        let countMax = Atomic<Int>(.max)

        func open(_ path: String, create: Bool) throws(DiskError) -> any DiskFile {
            guard count.load(ordering: .relaxed) < countMax.load(ordering: .relaxed) else {
                throw DiskError(code: .tooManyFiles, operation: "open", path: path, reason: "Too many open files")
            }
            return CountedFile(try below.open(path, create: create), self)
        }

        func list(_ directory: String) throws(DiskError) -> [String] { try below.list(directory) }
        func makeDirectory(_ path: String) throws(DiskError) { try below.makeDirectory(path) }
        func removeFile(_ path: String) throws(DiskError) { try below.removeFile(path) }
        func removeTree(_ path: String) throws(DiskError) { try below.removeTree(path) }
        func rename(_ path: String, to newPath: String) throws(DiskError) { try below.rename(path, to: newPath) }
        func exists(_ path: String) -> Bool { below.exists(path) }
        func syncDirectory(_ path: String) throws(DiskError) { try below.syncDirectory(path) }
        func space(_ path: String) throws(DiskError) -> DiskSpace { try below.space(path) }
        func lock(_ path: String) throws(DiskError) -> any DiskLock { try below.lock(path) }
    }

    private static var config: LogConfig {
        var config = LogConfig()
        config.segmentMs = 1_000
        return config
    }

    private static func open(_ directory: LogDirectory) throws -> PartitionLog {
        try directory.open(Fixture.name, topicId: (1, 2), config: config, now: 0)
    }

    private static func append(_ index: Int, to log: PartitionLog) throws {
        let bytes = TestBatch(timestamp: Int64(index) * 2_000).bytes()
        _ = try log.append(bytes.span.bytes, header: try BatchHeader(bytes.span.bytes), now: 0)
    }

    /// Every batch closes a segment by its time; no sync comes in between.
    @Test(arguments: [false, true])
    func `closed segments do not keep all their files open until the next sync`(checkpoints: Bool) throws {
        let disk = FewFilesDisk()
        var directory = try LogDirectory(directory: "/data", disk: disk)
        var log = try Self.open(directory)
        disk.countMax.store(UnsyncedFile.openCountMax + 8, ordering: .relaxed)
        for index in 0..<200 { try Self.append(index, to: log) }
        #expect(log.segmentCount == 200)
        if checkpoints { try directory.checkpoint() } else { #expect(try log.sync() == 200) }
        disk.countMax.store(.max, ordering: .relaxed)
        // All of it was made durable, that of files that were opened again too.
        disk.below.crash()
        directory = try LogDirectory(directory: "/data", disk: disk)
        log = try Self.open(directory)
        #expect(log.logEnd == 200)
        #expect(log.segmentCount == 200)
    }

    @Test func `a sync for which there are too many open files is tried again`() throws {
        let disk = FewFilesDisk()
        let directory = try LogDirectory(directory: "/data", disk: disk)
        let log = try Self.open(directory)
        try Self.append(0, to: log)
        disk.countMax.store(0, ordering: .relaxed)
        let refusals: [() throws -> Void] = [
            { _ = try log.sync() }, { _ = try log.checkpoint() }, { try directory.checkpoint() },
            { try directory.writeOffsets() },
        ]
        for refused in refusals {
            let error = #expect(throws: LogError.self) { try refused() }
            #expect(error?.isPassing == true)
        }
        disk.countMax.store(.max, ordering: .relaxed)
        try Self.append(1, to: log)
        #expect(try log.sync() == 2)
        try directory.checkpoint()
        try directory.close(clean: true)
    }
}
