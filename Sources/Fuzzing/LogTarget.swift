import Bytes
import Environment
import LogStorage
import RecordBatches
import TestKit

extension FuzzTarget {
    /// A partition's folder in which files were damaged, cut, removed or swapped while the broker was stopped. Opening it
    /// is an error or gives a log that can be read from end to end and written to.
    static let logs = FuzzTarget(name: "logs", stepCount: 20) { random in
        let disk = SimulatedDisk(seed: random.next())
        var config = LogConfig()
        config.segmentBytes = Int32(300 + random.roll(900))
        config.indexIntervalBytes = Int32(1 + random.roll(200))
        try write(disk, config, isClean: random.roll(3) != 0, &random)
        for _ in 0...random.roll(2) { try damageFile(of: disk, &random) }
        let isKept = random.roll(2) == 0
        do {
            try useAndReopen(disk, config, isKept: isKept, &random)
        } catch is LogError {}
    }

    private static let name = PartitionName(topic: "t", partition: 0)
    private static let folder = "/data/topics/t-0"

    private static func write(
        _ disk: SimulatedDisk, _ config: LogConfig, isClean: Bool, _ random: inout SeededRandom
    ) throws {
        let directory = try LogDirectory(directory: "/data", disk: disk)
        let log = try directory.open(name, topicId: (1, 2), config: config, now: 0)
        // What does not fit on the producer's sequence numbers is refused; that is not what this is about.
        for _ in 0...random.roll(30) { try? append(to: log, &random) }
        if random.roll(2) == 0 { _ = try log.sync() }
        if random.roll(2) == 0 { try directory.checkpoint() }
        for _ in 0..<random.roll(5) { try? append(to: log, &random) }
        try directory.close(clean: isClean)
    }

    private static func append(to log: PartitionLog, _ random: inout SeededRandom) throws {
        let bytes = try batch(&random)
        let header = try BatchHeader(bytes.span.bytes)
        if header.attributes.isControl, let marker = try ControlMarker(batch: bytes.span.bytes, header: header) {
            _ = try log.appendMarker(marker, producerId: header.producerId, producerEpoch: header.producerEpoch, now: 7)
        } else {
            _ = try log.append(bytes.span.bytes, header: header, now: 7)
        }
    }

    private static func damageFile(of disk: SimulatedDisk, _ random: inout SeededRandom) throws {
        var paths = try disk.list(folder).sorted().map { folder + "/" + $0 }
        if random.roll(8) == 0 {
            paths = try disk.list("/data").sorted().map { "/data/" + $0 }.filter { $0 != "/data/topics" }
        }
        guard !paths.isEmpty else { return }
        let path = paths[random.roll(paths.count)]
        let other = paths[random.roll(paths.count)]
        switch random.roll(10) {
        case 0: try disk.removeFile(path)
        case 1: try disk.rename(path, to: other)
        case 2:
            let suffixes = ["log", "index", "timeindex", "snapshot", "txnindex", "swap", "cleaned", "deleted"]
            let digits = String(repeating: "0", count: 20 - 3) + String(100 + random.roll(900))
            _ = try disk.open(folder + "/" + digits + "." + suffixes[random.roll(suffixes.count)], create: true)
                .write(random.noise(80), at: 0)
        default:
            var bytes = try disk.contents(path)
            random.damage(&bytes)
            let file = try disk.open(path, create: false)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
        }
    }

    private static func useAndReopen(
        _ disk: SimulatedDisk, _ config: LogConfig, isKept: Bool, _ random: inout SeededRandom
    ) throws {
        var end: Int64 = 0
        for round in 0..<2 {
            let directory = try LogDirectory(directory: "/data", disk: disk)
            let log = try directory.open(name, topicId: (1, 2), config: config, now: 10)
            if round == 1, isKept { try require(log.logEnd >= end, "the end went from \(end) to \(log.logEnd)") }
            readAll(log)
            var appended = 0
            for _ in 0..<3 {
                do {
                    try append(to: log, &random)
                    appended += 1
                } catch is LogError {}
            }
            _ = try log.sync()
            try readBack(log, appended)
            _ = try log.offset(forTimestamp: 1_500)
            _ = try log.offsetOfMaxTimestamp()
            _ = try log.abortedTransactions(from: log.offsets.logStart, upTo: log.logEnd)
            _ = log.producers()
            _ = log.openTransactions()
            end = log.logEnd
            try directory.close(clean: isKept)
        }
    }

    /// Walks from the start to the end. A reader may meet an error, but it gets on or stops: it does not turn in circles.
    private static func readAll(_ log: PartitionLog) {
        var offset = log.offsets.logStart
        while offset < log.logEnd {
            guard let slice = try? log.read(from: offset, maxBytes: 500, upTo: .max, minOneBatch: true),
                slice.nextOffset > offset
            else { return }
            offset = slice.nextOffset
        }
    }

    /// What was appended after the damage is there.
    private static func readBack(_ log: PartitionLog, _ count: Int) throws {
        guard count > 0 else { return }
        let slice = try log.read(from: log.logEnd - 1, maxBytes: 1 << 20, upTo: .max, minOneBatch: true)
        let bytes = try slice.bytes()
        let header = try BatchHeader(bytes.span.bytes)
        try require(header.lastOffset == log.logEnd - 1, "the last batch ends at \(header.lastOffset) of \(log.logEnd)")
    }
}
