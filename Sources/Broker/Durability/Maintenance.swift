import Environment
import LogStorage
import Logging
import NIOCore
import NIOPosix
import Observability
import Synchronization

/// The broker's background work, on a thread of its own: forces what nobody waits for to disk so that a start after a
/// crash has little to check, deletes old segments, forgets silent producers.
final class Maintenance: Sendable {
    /// How often it looks what is due.
    private static let tick = TimeAmount.seconds(1)
    private static let producerExpiryInterval: Int64 = 600_000
    /// Milliseconds until retention and tokens are looked at for the first time.
    private static let initialDelay: Int64 = 30_000

    private struct Due {
        var flush: Int64
        var retention: Int64
        var producerExpiry: Int64
        var tokens: Int64
    }
    private let node: BrokerNode
    private let pool: NIOThreadPool
    private let isRunning = Atomic<Bool>(false)
    private let due: Mutex<Due>
    private let task = Mutex<RepeatedTask?>(nil)

    init(_ node: BrokerNode, pool: NIOThreadPool) {
        self.node = node
        self.pool = pool
        let now = node.clock.now()
        // Retention is looked at soon after the start, as the program may have been off for days, but not at once, as in
        // Kafka (log.initial.task.delay.ms): whoever copies old records has a moment to set what is to become of them.
        // The same goes for tokens that are over.
        let delay = min(Self.initialDelay, node.controller.server.number("log.retention.check.interval.ms"))
        due = Mutex(
            Due(
                flush: now, retention: now + delay, producerExpiry: now + Self.producerExpiryInterval,
                tokens: now + min(Self.initialDelay, Self.tokenInterval(node))))
    }

    private static func tokenInterval(_ node: BrokerNode) -> Int64 {
        // The bound keeps sums with it in range: three hundred years.
        min(node.controller.server.number(ServerProperties.tokenCheckName), 1 << 43)
    }

    func start(on eventLoop: any EventLoop) {
        let interval = min(
            Self.tick, .milliseconds(node.controller.server.number("log.retention.check.interval.ms")))
        let repeated = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in
            // A round that takes longer than a tick is not started a second time.
            guard !isRunning.exchange(true, ordering: .acquiringAndReleasing) else { return }
            pool.submit { [self] _ in
                run()
                isRunning.store(false, ordering: .releasing)
            }
        }
        task.withLock { $0 = repeated }
    }

    func stop() {
        task.withLock { task in
            task?.cancel()
            task = nil
        }
    }

    private func run() {
        node.clockWatch.look()
        node.quotas.expire()
        node.controller.connectionRates.expire()
        let now = node.clock.now()
        let server = node.controller.server
        let (flush, retention, producers, tokens) = due.withLock { due in
            let flush = now >= due.flush
            let retention = now >= due.retention
            let producers = now >= due.producerExpiry
            if flush { due.flush = now + server.number("log.flush.offset.checkpoint.interval.ms") }
            if retention { due.retention = now + server.number("log.retention.check.interval.ms") }
            if producers { due.producerExpiry = now + Self.producerExpiryInterval }
            let tokens = now >= due.tokens
            if tokens { due.tokens = now + Self.tokenInterval(node) }
            return (flush, retention, producers, tokens)
        }
        let topics = node.catalog.snapshot.sorted
        var dirty: [(partition: Partition, end: Int64)] = []
        for topic in topics {
            for partition in topic.partitions where !partition.isDeleted {
                if topic.config.flushMs != .max && partition.flushIsOverdue(topic.config.flushMs, now) {
                    sync(partition)
                }
                if flush, partition.checkpointedEnd != partition.log.logEnd {
                    dirty.append((partition, partition.log.logEnd))
                }
                if retention { applyRetention(topic, partition, now) }
                if producers {
                    partition.log.expireProducers(now: now, olderThan: server.number("producer.id.expiration.ms"))
                }
            }
        }
        if flush { node.controller.perform { $0.checkpointMetadata() } }
        if tokens { node.controller.perform { $0.removeExpiredTokens() } }
        if !dirty.isEmpty { checkpoint(dirty) }
    }

    private func sync(_ partition: Partition) {
        do throws(LogError) {
            _ = try partition.log.sync()
        } catch {
            node.alarm.note(error)
        }
    }

    private func applyRetention(_ topic: Topic, _ partition: Partition, _ now: Int64) {
        do throws(LogError) {
            let deleted = try partition.log.applyRetention(now: now)
            guard !deleted.isEmpty else { return }
            node.metrics.segmentsDeleted.add(Int64(deleted.count))
            node.logger.info(
                "deleted old segments",
                metadata: [
                    "partition": "\(topic.name)-\(partition.index)", "segments": "\(deleted.count)",
                    "logStart": "\(partition.log.offsets.logStart)",
                ])
            partition.wakeWaiters()
        } catch {
            node.logger.error(
                "old segments cannot be deleted",
                metadata: ["partition": "\(topic.name)-\(partition.index)", "error": "\(error)"])
        }
    }

    private func checkpoint(_ dirty: [(partition: Partition, end: Int64)]) {
        do throws(LogError) {
            try node.directory.checkpoint()
            for (partition, end) in dirty { partition.checkpointedEnd = end }
        } catch {
            node.alarm.note(error)
        }
    }
}
