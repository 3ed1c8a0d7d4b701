import Environment
import KafkaMessages
import LogStorage
import Security
import Testing

@testable import Broker

@Suite struct MetadataLogTests {
    private static let folder = "/meta"
    private static let file = "/meta/__cluster_metadata-0/00000000000000000000.log"

    private static func open(_ disk: SimulatedDisk, wasClean: Bool = false) throws -> (MetadataLog, MetadataImage) {
        try MetadataLog.open(
            folder, disk: disk, files: FileCache(disk: disk), health: LogHealth(), wasClean: wasClean, now: 0)
    }

    private static func topic(_ number: UInt64) -> MetadataRecord {
        .topic(name: "t\(number)", id: KafkaUUID(high: 1, low: number), partitionCount: 1)
    }

    /// A disk with one batch per topic, all of them durable.
    private static func filled(topicCount: UInt64, closes: Bool = true) throws -> SimulatedDisk {
        let disk = SimulatedDisk(seed: 1)
        var (log, _) = try open(disk)
        for number in 0..<topicCount { try log.append([topic(number)], now: 0) }
        if closes { try log.close() }
        return disk
    }

    private static func overwrite(_ disk: SimulatedDisk, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try disk.contents(file)
        change(&bytes)
        try disk.replaceDurably(file, with: bytes)
    }

    @Test func `has everything again after a stop and after a crash`() throws {
        let disk = try Self.filled(topicCount: 20)
        #expect(try Self.open(disk, wasClean: true).1.topics.count == 20)
        var (log, _) = try Self.open(disk)
        try log.append([.topicRemoved(id: KafkaUUID(high: 1, low: 3)), .producerIds(below: 1000)], now: 0)
        disk.crash()
        let image = try Self.open(disk).1
        #expect(image.topics.count == 19)
        #expect(image.producerIdsBelow == 1000)
    }

    /// The folder's own name has to be on disk as well, whoever made it.
    @Test(arguments: [false, true], 1...16 as ClosedRange<UInt64>)
    func `what a first run acknowledged survives a loss of power`(folderIsThere: Bool, seed: UInt64) throws {
        let disk = SimulatedDisk(seed: seed)
        if folderIsThere { try disk.makeDirectory(Self.folder) }
        var (log, _) = try Self.open(disk)
        try log.append([Self.topic(1)], now: 0)
        disk.crash()
        #expect(try Self.open(disk).1.topics.count == 1)
    }

    /// Every byte of the first batch, and some of others: none may cost a topic in silence.
    @Test(arguments: Array(0..<95) + stride(from: 96, to: 400, by: 7))
    func `refuses to start when a batch before the last one is damaged`(byte: Int) throws {
        let disk = try Self.filled(topicCount: 5)
        let byteCount = try disk.contents(Self.file).count
        let lastBatchAt = byteCount / 5 * 4
        try Self.overwrite(disk) { $0[byte % lastBatchAt] ^= UInt8(1 << (byte % 8)) }
        do {
            let image = try Self.open(disk).1
            #expect(image.topics.count == 5)
        } catch let error as LogError {
            #expect(error.code == .corruptSegment)
            #expect("\(error)".contains(Self.file))
        }
    }

    @Test func `cuts what a crash left half written, but not after a clean stop`() throws {
        let disk = try Self.filled(topicCount: 5, closes: false)
        try Self.overwrite(disk) { $0.removeLast(10) }
        #expect(throws: LogError.self) { try Self.open(disk, wasClean: true) }
        let (log, image) = try Self.open(disk)
        #expect(image.topics.count == 4 && log.cutByteCount > 0)
    }

    /// How the end of the log goes missing, and whether it was noted by a stop or by a checkpoint before a crash.
    @Test(arguments: [3, 95, 200, Int.max], [true, false])
    func `refuses to start without metadata that was on disk`(cut: Int, closes: Bool) throws {
        let disk = try Self.filled(topicCount: 5, closes: false)
        var (log, _) = try Self.open(disk)
        if closes { try log.close() } else { try log.checkpoint() }
        try Self.overwrite(disk) { $0.removeLast(min(cut, $0.count)) }
        let error = #expect(throws: LogError.self) { try Self.open(disk) }
        #expect(error?.code == .corruptSegment)
        #expect(error?.message.contains("to 4, which were on disk, are gone") == true, "\(error?.message ?? "")")
        try disk.removeFile(Self.file)
        #expect(throws: LogError.self) { try Self.open(disk, wasClean: true) }
    }

    /// Few records, but large ones: the same tokens renewed again and again, over restarts as well.
    @Test func `replaces a large log by a snapshot`() throws {
        let disk = SimulatedDisk(seed: 1)
        var token = DelegationToken(
            id: "t", owner: Principal(name: "ann"), requester: Principal(name: "ann"),
            renewers: Array(repeating: Principal(name: String(repeating: "x", count: 1000)), count: 16), issuedAt: 0,
            expiresAt: 0, endsAt: .max)
        var byteCountMax = 0
        for _ in 0..<12 {
            var (log, image) = try Self.open(disk)
            #expect(image.delegationTokens[token.id] == (token.expiresAt == 0 ? nil : token))
            for _ in 0..<4 {
                let records = (0..<64).map { number in
                    token.id = "t\(number)"
                    token.expiresAt += 1
                    return MetadataRecord.delegationToken(token)
                }
                try log.append(records, now: 0)
                for record in records { image.apply(record) }
                try log.snapshotIfWorthwhile(image, now: 0)
            }
            try log.close()
            let folder = Self.folder + "/__cluster_metadata-0"
            let byteCount = try disk.list(folder).filter { $0.hasSuffix(".log") }.reduce(0) {
                try $0 + disk.contents(folder + "/" + $1).count
            }
            byteCountMax = max(byteCountMax, byteCount)
        }
        #expect(try disk.list(Self.folder).count(where: { $0.hasSuffix(".metadata") }) == 1)
        #expect(8 << 20...24 << 20 ~= byteCountMax)
    }

    @Test func `replaces a long log by a snapshot`() throws {
        let disk = SimulatedDisk(seed: 1)
        var (log, image) = try Self.open(disk)
        for round in 0..<60 {
            let records =
                (0..<200).map { MetadataRecord.producerIds(below: Int64(round * 200 + $0)) } + [
                    Self.topic(UInt64(round))
                ]
            try log.append(records, now: 0)
            for record in records { image.apply(record) }
            try log.snapshotIfWorthwhile(image, now: 0)
        }
        let names = try disk.list(Self.folder).filter { $0.hasSuffix(".metadata") }
        #expect(names.count == 1)
        disk.crash()
        let found: MetadataImage
        var reopened: MetadataLog
        (reopened, found) = try Self.open(disk)
        #expect(found.records == image.records)
        #expect(reopened.end == log.end)

        // What came after the snapshot is as good as what it holds.
        let name = try #require(
            try disk.list(Self.folder + "/__cluster_metadata-0").filter { $0.hasSuffix(".log") }.sorted().last)
        try reopened.append([.topicRemoved(id: KafkaUUID(high: 1, low: 3))], now: 0)
        try reopened.close()
        #expect(try Self.open(disk, wasClean: true).1.topics.count == 59)
        try disk.replaceDurably(Self.folder + "/__cluster_metadata-0/" + name, with: [])
        #expect(throws: LogError.self) { try Self.open(disk, wasClean: true) }
        try disk.removeFile(Self.folder + "/__cluster_metadata-0/" + name)
        let error = #expect(throws: LogError.self) { try Self.open(disk, wasClean: true) }
        #expect(error?.message.contains("restore 'meta' from a backup") == true)
    }
}
