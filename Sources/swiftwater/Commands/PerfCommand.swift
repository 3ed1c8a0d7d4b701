import ArgumentParser
import Bytes
import Cluster
import JSONFormat
import NIOCore
import Synchronization

struct PerfCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perf", abstract: "Measure how fast a cluster takes and gives records.",
        discussion: """
            EXAMPLES
              swiftwater perf produce load --records 1000000 --size 1024
              swiftwater perf consume load --records 1000000
              swiftwater perf latency load
            """,
        subcommands: [PerfProduce.self, PerfConsume.self, PerfLatency.self])
}

struct PerfProduce: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write records as fast as the cluster takes them, or at a rate.",
        discussion: """
            Values are letters by chance. The latency of a record is the time from when it was handed to the client until \
            the cluster had confirmed it and those before it. The records stay in the topic.

            EXAMPLES
              swiftwater perf produce load --records 1000000 --size 1024
              swiftwater perf produce load --records 60000 --rate 1000 --acks 1
              swiftwater perf produce load -X linger.ms=20 -X batch.size=262144
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    @Option(name: [.customShort("n"), .long], help: "How many records.") var records = 100_000
    @Option(help: ArgumentHelp("Bytes of a value.", valueName: "bytes")) var size = 1024
    @Option(help: ArgumentHelp("Records a second. (default: as fast as possible)", valueName: "rate"))
    var rate: Double?
    @Option(help: "Whose confirmation to wait for: 0 (nobody's), 1 (the leader's) or all.") var acks: Produce.Acks =
        .all
    @Flag(help: "Number the records, so that a retry never writes one twice.") var idempotent = false
    @Option(name: [.customShort("z"), .long], help: "Compress batches.") var compression: Produce.Compression = .none
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard 1...100_000_000_000 ~= records else { throw ValidationError("--records is 1 to 100000000000") }
        guard 0...(64 << 20) ~= size else { throw ValidationError("--size is 0 to \(64 << 20)") }
        if let rate, !(rate > 0 && rate.isFinite) { throw ValidationError("--rate must be more than 0") }
        if idempotent, acks != .all { throw ValidationError("--idempotent needs --acks all") }
    }

    func run() async throws {
        let cluster = try await connection.connect([
            "compression.type": compression.rawValue, "linger.ms": "5",
            "message.timeout.ms": String(Int64(connection.timeout * 1000)),
        ])
        _ = try await ConnectionOptions.topic(topic, in: cluster)
        let writer = try await cluster.writer(idempotent ? .idempotent : .acks(acks.mode))
        let (confirmed, sent) = AsyncStream.makeStream(of: SentGroup.self)
        let start = ContinuousClock.now
        // Confirmations are awaited while the writing goes on, or the latency would be that of the writing.
        let measured = Task {
            var latencies = Latencies()
            for await group in confirmed {
                _ = try await group.receipt.positions()
                latencies.add(ContinuousClock.now - group.start, count: group.count)
            }
            return latencies
        }
        try await onThread { [topic, count = records, size, rate] in
            defer { sent.finish() }
            try Self.write(
                count, size: size, rate: rate, to: topic, by: writer, since: start
            ) { sent.yield($0) }
        }
        let latencies = try await measured.value
        let elapsed = ContinuousClock.now - start
        await writer.close()
        try PerfReport(count: records, byteCount: Int64(records) * Int64(size), elapsed: elapsed, latencies: latencies)
            .show("wrote", output.format)
    }

    /// On a thread of its own: writers for threads are the fastest.
    private static func write(
        _ count: Int, size: Int, rate: Double?, to topic: String, by writer: any RecordWriter,
        since start: ContinuousClock.Instant, _ note: (SentGroup) -> Void
    ) throws {
        let values = RandomValues(size: size)
        // Groups are small enough that a rate is kept evenly, and large enough that handing over costs little.
        let most = max(1, min(500, (256 << 10) / max(1, size)))
        let groupSize = rate.map { max(1, Int(min(Double(most), $0 / 50))) } ?? most
        var random = SystemRandomNumberGenerator()
        var under: [WriteReceipt] = []
        var done = 0
        while done < count {
            if let rate {
                let due = start + .nanoseconds(Int64(min(Double(done) / rate * 1e9, 9e18)))
                let pause = due - ContinuousClock.now
                if pause > .zero { sleepBlocking(pause) }
            }
            let group = (0..<min(groupSize, count - done)).map { _ in
                ProducerRecord(value: values.next(&random))
            }
            let sentAt = ContinuousClock.now
            let receipt = try writer.submitBlocking(group, to: topic)
            note(SentGroup(start: sentAt, count: group.count, receipt: receipt))
            done += group.count
            under.append(receipt)
            // Bounds what is under way; beyond it the writing waits for the cluster.
            if under.count >= 64 { _ = try under.removeFirst().positionsBlocking() }
        }
        for receipt in under { _ = try receipt.positionsBlocking() }
    }

    private struct SentGroup: Sendable {
        var start: ContinuousClock.Instant
        var count: Int
        var receipt: WriteReceipt
    }
}

struct PerfConsume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Read records as fast as the cluster gives them.",
        discussion: """
            It ends, too, when no record came for --timeout seconds.

            EXAMPLES
              swiftwater perf consume load
              swiftwater perf consume load --records 100000 --from beginning -o json
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    @Option(
        name: [.customShort("n"), .long],
        help: "End after so many records. (default: where the topic ended when the command began)")
    var records: Int?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Where to begin, as for consume --from.", valueName: "position"))
    var from = "beginning"
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let records, records < 1 { throw ValidationError("--records must be at least 1") }
    }

    func run() async throws {
        let position = try StartPosition.parse(from, now: Timestamps.nowMilliseconds())
        let cluster = try await connection.connect()
        let partitions = try await chosenPartitions(nil, of: topic, in: cluster)
        func offsets(_ position: LogPosition) async throws -> [TopicPartition: Int64] {
            try await cluster.offsets(
                Dictionary(partitions.map { ($0, position) }) { first, _ in first }, isolation: .readUncommitted)
        }
        let ends = try await offsets(.end)
        let starts = try await offsets(position)
        let start = ContinuousClock.now
        var readers: [any PartitionReader] = []
        for (partition, offset) in starts.sorted(by: { $0.key < $1.key }) {
            readers.append(try await cluster.reader(partition, from: .offset(offset), isolation: .readUncommitted))
        }
        var count = 0
        var byteCount: Int64 = 0
        var last = start
        let gaveUp = try await Consume.follow(
            readers, until: records == nil ? ends : nil, countMax: records ?? .max,
            idleMax: .milliseconds(Int64(connection.timeout * 1000)), { _ in },
            { batch in
                count += batch.count
                last = ContinuousClock.now
                for record in batch {
                    byteCount += Int64((record.key?.readableBytes ?? 0) + (record.value?.readableBytes ?? 0))
                }
            })
        // The time in which nothing came any more says nothing about how fast records come.
        try PerfReport(count: count, byteCount: byteCount, elapsed: (gaveUp ? last : ContinuousClock.now) - start).show(
            "read", output.format)
        if gaveUp {
            Output.complain(
                "swiftwater: no record came within --timeout: read \(count)"
                    + (records.map { " of \($0)" } ?? ""))
        }
    }
}

struct PerfLatency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latency", abstract: "Measure the time of records from the writer to a reader, one by one.",
        discussion: """
            Each record is written to partition 0 when the one before it was read. Nobody else should write to the topic \
            meanwhile.

            EXAMPLES
              swiftwater perf latency load
              swiftwater perf latency load --records 10000 --size 100 --acks 1
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    @Option(name: [.customShort("n"), .long], help: "How many records.") var records = 1000
    @Option(help: ArgumentHelp("Bytes of a value.", valueName: "bytes")) var size = 100
    @Option(help: "Whose confirmation to wait for: 1 (the leader's) or all.") var acks: Produce.Acks = .all
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard 1...10_000_000 ~= records else { throw ValidationError("--records is 1 to 10000000") }
        guard 0...(64 << 20) ~= size else { throw ValidationError("--size is 0 to \(64 << 20)") }
        if acks == .none { throw ValidationError("--acks 0 says nothing about when a record is there") }
    }

    func run() async throws {
        let cluster = try await connection.connect(["linger.ms": "0", "fetch.wait.max.ms": "500"])
        let partition = try await chosenPartitions("0", of: topic, in: cluster)[0]
        let writer = try await cluster.writer(.acks(acks.mode))
        let reader = try await cluster.reader(partition, from: .end, isolation: .readUncommitted)
        let values = RandomValues(size: size)
        var random = SystemRandomNumberGenerator()
        var latencies = Latencies()
        let clock = ContinuousClock()
        let start = clock.now
        for _ in 0..<records {
            let sentAt = clock.now
            let wanted = try await writer.write(
                [ProducerRecord(partition: 0, value: values.next(&random))], to: topic)[0].offset
            let deadline = sentAt + .milliseconds(Int64(connection.timeout * 1000))
            while reader.position <= wanted {
                guard clock.now < deadline else {
                    throw CommandFailure("the record at offset \(wanted) of \(partition) did not come back in time")
                }
                _ = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(1))
            }
            latencies.add(clock.now - sentAt, count: 1)
        }
        let elapsed = clock.now - start
        reader.close()
        await writer.close()
        try PerfReport(
            count: records, byteCount: Int64(records) * Int64(size), elapsed: elapsed, latencies: latencies
        ).show("sent and read", output.format)
    }
}
