import Bytes
import Compression
import Environment
import Foundation
import LogStorage
import RecordBatches
import Synchronization
import TestKit

// Measures compaction on the disk of this machine: how fast a log of keyed records is cleaned, how much memory that takes,
// and what a producer that waits for the disk feels of it.
//
//     CompactionBench [--smoke] [--folder FOLDER] [--bytes N] [--keys N] [--value N] [--codec NAME]
//
// Writes N bytes of records with N keys to a compacted log in FOLDER (a new one in the system's place for temporary files
// by default; it is removed), then cleans it while another thread appends a batch of 1 KiB to another log of the same data
// folder, every 2 ms, and waits for it to be on disk, as `acks=all` does.

struct Options {
    var folder = FileManager.default.temporaryDirectory.appending(path: "compaction-\(getpid())").path
    var byteCount = 1 << 30
    var keyCount = 1_000_000
    var valueByteCount = 1000
    var codec = Codec.none
    /// Whether the producer beside it runs.
    var hasProducer = true

    init(_ arguments: [String]) {
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            switch name {
            case "--smoke": (byteCount, keyCount) = (4 << 20, 1000)
            case "--alone": hasProducer = false
            case "--folder": folder = rest.popFirst() ?? folder
            case "--bytes": byteCount = rest.popFirst().flatMap { Int($0) } ?? byteCount
            case "--keys": keyCount = rest.popFirst().flatMap { Int($0) } ?? keyCount
            case "--value": valueByteCount = rest.popFirst().flatMap { Int($0) } ?? valueByteCount
            case "--codec": codec = rest.popFirst().flatMap { Codec(name: $0) } ?? codec
            default:
                print("CompactionBench does not know \(name)")
                exit(2)
            }
        }
    }
}

let options = Options(CommandLine.arguments)
let clock = SystemMonotonicClock()

/// A field of /proc/self/status, in bytes.
func status(_ field: String) -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") } ?? ""
    return (Int(line.filter(\.isNumber)) ?? 0) * 1024
}

/// Forgets the peak of resident memory so far.
func resetPeak() { try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8) }

/// Appends a batch every 2 ms and waits for the disk, until it is stopped.
final class Producer: Sendable {
    private let log: PartitionLog
    private let latencies = Mutex<[Int64]>([])
    private let isStopped = Atomic<Bool>(false)
    private let done = DispatchSemaphore(value: 0)

    init(_ log: PartitionLog) { self.log = log }

    func start() throws {
        var builder = BatchBuilder()
        try builder.append(timestamp: 0, key: nil, value: [UInt8](repeating: 7, count: 1024))
        let batch = try builder.build()
        let header = try BatchHeader(batch.span.bytes)
        let thread = Thread { [self] in
            while !isStopped.load(ordering: .relaxed) {
                let start = clock.now()
                do {
                    _ = try log.append(batch.span.bytes, header: header, now: 0)
                    _ = try log.sync()
                } catch {
                    print("produce: \(error)")
                    exit(1)
                }
                latencies.withLock { $0.append(clock.now() - start) }
                usleep(2000)
            }
            done.signal()
        }
        thread.start()
    }

    /// The latencies since the last call, in order of size.
    func take() -> [Int64] {
        latencies.withLock { latencies in
            defer { latencies = [] }
            return latencies.sorted()
        }
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        done.wait()
    }
}

func milliseconds(_ latencies: [Int64], _ part: Double) -> String {
    guard !latencies.isEmpty else { return "-" }
    let index = min(latencies.count - 1, Int(Double(latencies.count) * part))
    return String(format: "%.2f ms", Double(latencies[index]) / 1e6)
}

func describe(_ latencies: [Int64]) -> String {
    "p50 \(milliseconds(latencies, 0.5)), p99 \(milliseconds(latencies, 0.99)), p99.9 \(milliseconds(latencies, 0.999)), "
        + "largest \(milliseconds(latencies, 1)) of \(latencies.count)"
}

func fill(_ log: PartitionLog) throws -> (byteCount: Int, recordCount: Int) {
    var random = SeededRandom(seed: 1)
    var builder = BatchBuilder(codec: options.codec)
    var (byteCount, recordCount) = (0, 0)
    var value = [UInt8](repeating: 0, count: options.valueByteCount)
    while byteCount < options.byteCount {
        while builder.uncompressedByteCount < 16_000 {
            // Half of the value is noise, so that codecs have something to do.
            for index in stride(from: 0, to: value.count / 2, by: 8) {
                value[index] = UInt8(truncatingIfNeeded: random.next())
            }
            let key = [UInt8]("key-\(random.next() % UInt64(options.keyCount))".utf8)
            try builder.append(timestamp: Int64(recordCount), key: key, value: value)
            recordCount += 1
        }
        let batch = try builder.build()
        _ = try log.append(batch.span.bytes, header: BatchHeader(batch.span.bytes), now: 0)
        byteCount += batch.count
    }
    return (byteCount, recordCount)
}

func run() throws {
    let disk = RealDisk()
    let directory = try LogDirectory(directory: options.folder, disk: disk)
    var config = LogConfig()
    config.compacts = true
    config.deletes = false
    config.segmentBytes = Int32(clamping: max(1 << 20, options.byteCount / 8))
    let name = PartitionName(topic: "keyed", partition: 0)
    let log = try directory.open(name, topicId: (1, 1), config: config, now: 0)
    let other = try directory.open(
        PartitionName(topic: "other", partition: 0), topicId: (2, 2), config: LogConfig(), now: 0)
    let (byteCount, recordCount) = try fill(log)
    try directory.checkpoint()
    print(
        "\(byteCount) bytes, \(recordCount) records, \(options.keyCount) keys, values of \(options.valueByteCount) bytes, codec \(options.codec.name)"
    )

    let producer = Producer(other)
    if options.hasProducer {
        try producer.start()
        sleep(options.byteCount < 1 << 26 ? 1 : 5)
        print("produce alone:    \(describe(producer.take()))")
    }
    guard let plan = directory.beginCleaning(now: 1) else {
        print("nothing to clean")
        exit(1)
    }
    resetPeak()
    let before = status("VmRSS")
    let started = clock.now()
    // Both are read after the thread has signalled its end.
    nonisolated(unsafe) var outcome: Result<CleaningStatistics, any Error>?
    nonisolated(unsafe) var processorSeconds = 0.0
    let done = DispatchSemaphore(value: 0)
    Thread {
        // As the broker does it.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        outcome = Result { try LogCleaner().clean(plan, now: 1) { _ in true } }
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        processorSeconds = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        done.signal()
    }.start()
    done.wait()
    let seconds = Double(clock.now() - started) / 1e9
    let during = producer.take()
    let peak = status("VmHWM")
    guard let statistics = try outcome?.get() else { return }
    try directory.endCleaning(plan, statistics)
    if options.hasProducer {
        print("produce beside:   \(describe(during))")
        producer.stop()
    }
    let cleaned = plan.dirtyByteCount
    print(
        String(
            format: "cleaned:          %.0f MB/s (%d bytes of log in %.2f s; %d read, %d written)",
            Double(cleaned) / seconds / 1e6,
            cleaned, seconds, statistics.mapByteCount + statistics.readByteCount, statistics.writtenByteCount))
    print(
        String(
            format: "processor:        %.2f s of the cleaner's thread, %.0f MB of log per second of it",
            processorSeconds,
            Double(cleaned) / processorSeconds / 1e6))
    print(
        "records:          \(statistics.readRecordCount) read, \(statistics.keptRecordCount) kept, \(statistics.keyCount) keys"
    )
    print(
        String(
            format: "memory:           %.0f MiB more at the peak, %.0f MiB of the whole program",
            Double(peak - before) / 1_048_576, Double(peak) / 1_048_576))
    try directory.close(clean: true)
}

do {
    defer { try? FileManager.default.removeItem(atPath: options.folder) }
    try run()
} catch {
    print("CompactionBench: \(error)")
    exit(1)
}
