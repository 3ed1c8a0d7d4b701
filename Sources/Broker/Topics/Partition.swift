package import LogStorage
import Synchronization

/// Somebody who waits for a partition to grow, such as a fetch that found too little.
protocol PartitionWaiter: AnyObject, Sendable {
    /// The partition got records, moved its start or went away. Called on any thread, must return quickly.
    func partitionChanged()
}

/// One partition of a topic: its log, and those who wait for it.
package final class Partition: Sendable {
    package let topicName: String
    package let index: Int32
    package let log: PartitionLog
    /// Where the log ended when it was opened.
    let recoveredEnd: Int64

    private let waiters = Mutex<[ObjectIdentifier: any PartitionWaiter]>([:])
    /// Written under the lock; read without it, so that an append nobody waits for costs one load.
    private let waiterCount = Atomic<Int>(0)
    /// When maintenance first saw records that are not on disk, in milliseconds since 1970; `.max` when it saw none.
    private let unflushedSince = Atomic<Int64>(.max)
    private let checkpointed: Atomic<Int64>
    private let isDeletedFlag = Atomic<Bool>(false)

    init(topicName: String, index: Int32, log: PartitionLog) {
        self.topicName = topicName
        self.index = index
        self.log = log
        recoveredEnd = log.logEnd
        checkpointed = Atomic(recoveredEnd)
    }

    /// The end of the log when its recovery point was last written; what lies behind it is scanned after a crash.
    var checkpointedEnd: Int64 {
        get { checkpointed.load(ordering: .relaxed) }
        set { checkpointed.store(newValue, ordering: .relaxed) }
    }

    /// Whether the topic was deleted; a fetch that waits must then answer.
    var isDeleted: Bool { isDeletedFlag.load(ordering: .acquiring) }

    /// Registers a waiter. It must look at the log again afterwards: an append between its last look and this call did
    /// not wake it.
    func add(_ waiter: any PartitionWaiter) {
        waiters.withLock { waiters in
            waiters[ObjectIdentifier(waiter)] = waiter
            waiterCount.store(waiters.count, ordering: .sequentiallyConsistent)
        }
    }

    func remove(_ waiter: any PartitionWaiter) {
        waiters.withLock { waiters in
            waiters[ObjectIdentifier(waiter)] = nil
            waiterCount.store(waiters.count, ordering: .sequentiallyConsistent)
        }
    }

    /// Whether records have waited longer than `flushMs` for being forced to disk (topic config flush.ms).
    func flushIsOverdue(_ flushMs: Int64, _ now: Int64) -> Bool {
        guard log.unflushedByteCount > 0 else {
            unflushedSince.store(.max, ordering: .relaxed)
            return false
        }
        let since = unflushedSince.load(ordering: .relaxed)
        if since == .max { unflushedSince.store(now, ordering: .relaxed) }
        let waited = since == .max ? 0 : now &- since
        guard waited >= flushMs else { return false }
        unflushedSince.store(.max, ordering: .relaxed)
        return true
    }

    /// Tells all waiters that there is something new.
    func wakeWaiters() {
        guard waiterCount.load(ordering: .sequentiallyConsistent) > 0 else { return }
        for waiter in waiters.withLock({ Array($0.values) }) { waiter.partitionChanged() }
    }

    func markDeleted() {
        isDeletedFlag.store(true, ordering: .releasing)
        wakeWaiters()
    }
}
