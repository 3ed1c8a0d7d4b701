import LogStorage
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

    private let waiters = Mutex<[ObjectIdentifier: any PartitionWaiter]>([:])
    /// Written under the lock; read without it, so that an append nobody waits for costs one load.
    private let waiterCount = Atomic<Int>(0)
    private let isDeletedFlag = Atomic<Bool>(false)

    init(topicName: String, index: Int32, log: PartitionLog) {
        self.topicName = topicName
        self.index = index
        self.log = log
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
