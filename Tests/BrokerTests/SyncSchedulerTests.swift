import Cluster
import Environment
import LogStorage
import Logging
import NIOCore
import NIOPosix
import Observability
import RecordBatches
import Synchronization
import Testing

@testable import Broker

/// Who shares a force to disk with whom.
@Suite(.serialized) struct SyncSchedulerTests {
    /// Partitions on a simulated disk, with producers that write again as soon as they are answered.
    private final class Producers: Sendable {
        let partitions: [Partition]
        let scheduler: SyncScheduler
        let forces = Histogram(HistogramBounds(upper: [1_000_000], scale: 1))
        /// Answers that came before the records were durable.
        let early = Atomic<Int>(0)
        private let left: Mutex<Int>
        private let inFlight: Atomic<Int>
        private let finished: AsyncStream<Void>.Continuation
        private let end: AsyncStream<Void>
        private let batch: [UInt8]
        /// Threads that no other test uses, so that nobody holds them up longer than `patience`. They stay: one that waits
        /// for those that have written all they had is not stopped.
        private static let pool = ThreadPool(threadCount: threadCount)
        private static let threadCount = 16
        private static let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

        init(partitionCount: Int, requestCount: Int, patience: TimeAmount) throws {
            let directory = try LogDirectory(directory: "/data", disk: SimulatedDisk(seed: 1))
            partitions = try (0..<partitionCount).map { index in
                let name = PartitionName(topic: "t", partition: Int32(index))
                let log = try directory.open(name, topicId: (1, 2), config: LogConfig(), now: 0)
                return Partition(topicName: "t", index: Int32(index), log: log)
            }
            scheduler = SyncScheduler(
                directory, alarm: StorageAlarm(logger: Logger(label: "test")), pool: Self.pool, threadCountMax: 4,
                durations: forces, patience: patience...patience)
            var builder = BatchBuilder()
            try builder.append(timestamp: 1_000, key: nil, value: [1])
            batch = try builder.build()
            left = Mutex(requestCount)
            inFlight = Atomic(0)
            (end, finished) = AsyncStream.makeStream()
        }

        /// Sends all requests, `window` of them at a time for each partition, and returns when all are answered. No force
        /// begins before the first ones are all there.
        func run(window: Int) async throws {
            try await beforeForces {
                for partition in partitions { for _ in 0..<window { send(to: partition) } }
            }
            for await _ in end {}
        }

        /// Keeps the disk threads busy until what `requests` sends has arrived.
        func beforeForces(_ requests: () -> Void) async throws {
            let blocked = (0..<Self.threadCount).map { _ in BlockedThread() }
            for thread in blocked { Self.pool.submit { _ in thread.wait() } }
            defer { for thread in blocked { thread.wake() } }
            requests()
            try await Self.loop.submit {}.get()
        }

        /// Appends a record and calls `answered` when it is durable, as a connection does: off the thread that answers.
        func write(to partition: Partition, answered: @escaping @Sendable () -> Void) {
            Self.loop.execute { [self] in
                guard append(to: partition.log) else { return finished.finish() }
                let offset = partition.log.logEnd
                scheduler.sync(partition, upTo: offset) { [self] failure in
                    if failure != nil || partition.log.offsets.durableEnd < offset { early.add(1, ordering: .relaxed) }
                    answered()
                    return nil
                }
            }
        }

        private func append(to log: PartitionLog) -> Bool {
            let batch = batch
            do {
                _ = try log.append(batch.span.bytes, header: try BatchHeader(batch.span.bytes), now: 0)
                return true
            } catch {
                return false
            }
        }

        private func send(to partition: Partition) {
            let isOver = left.withLock { left in
                guard left > 0 else { return true }
                left -= 1
                return false
            }
            guard !isOver else { return }
            inFlight.add(1, ordering: .relaxed)
            write(to: partition) { [self] in
                send(to: partition)
                let rest = inFlight.subtract(1, ordering: .relaxed).newValue
                if rest == 0, left.withLock({ $0 == 0 }) { finished.finish() }
            }
        }
    }

    /// Requests that are in flight together stay together, however slowly they return.
    @Test(arguments: [(partitions: 1, window: 5), (1, 2), (6, 3)])
    func `those that wait together share each force`(partitions: Int, window: Int) async throws {
        let rounds = 120
        let together = partitions * window
        let producers = try Producers(
            partitionCount: partitions, requestCount: rounds * together, patience: .minutes(1))
        try await producers.run(window: window)
        #expect(producers.early.load(ordering: .relaxed) == 0)
        #expect(producers.forces.figures.count == rounds)
    }

    /// Of two that have parted, the one that is answered is waited for.
    @Test func `those that wait for each other's forces come together`() async throws {
        let producers = try Producers(partitionCount: 1, requestCount: 0, patience: .minutes(1))
        let partition = producers.partitions[0]
        let (answers, answer) = AsyncStream.makeStream(of: String.self)
        try await producers.beforeForces {
            producers.write(to: partition) {
                producers.write(to: partition) { answer.yield("again") }
            }
            // What the first force does not complete.
            producers.scheduler.sync(partition, upTo: 2) { _ in
                answer.yield("the other")
                return nil
            }
        }
        var order: [String] = []
        for await name in answers.prefix(2) { order.append(name) }
        #expect(order == ["the other", "again"])
        #expect(producers.forces.figures.count == 2)
    }

    @Test(.timeLimit(.minutes(5))) func `one that waits alone is not made to wait for others`() async throws {
        let producers = try Producers(partitionCount: 1, requestCount: 50, patience: .minutes(10))
        try await producers.run(window: 1)
        #expect(producers.forces.figures.count == 50)
    }

    /// With no patience at all everybody is answered as well.
    @Test(arguments: [1, 3, 6]) func `all are answered when nobody returns in time`(partitions: Int) async throws {
        let producers = try Producers(partitionCount: partitions, requestCount: 1_000, patience: .nanoseconds(1))
        try await producers.run(window: 3)
        #expect(producers.early.load(ordering: .relaxed) == 0)
        #expect(producers.partitions.reduce(0) { $0 + $1.log.logEnd } == 1_000)
    }
}
