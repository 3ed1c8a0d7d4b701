import NIOCore

/// A Fetch that found too little and waits: for records, for its time to be up, or for its connection to end.
///
/// `partitionChanged` may come from any thread; everything else happens on the connection's event loop.
/// `@unchecked Sendable`: the mutable state below is only touched there.
final class FetchWaiter: PartitionWaiter, @unchecked Sendable {
    private let node: BrokerNode
    private let work: FetchWork
    private let loop: any EventLoop
    private let wakeUps = WakeUps()

    // Only on the event loop.
    private var partitions: [Partition] = []
    private var timeout: Scheduled<Void>?
    private var isDone = false

    init(_ node: BrokerNode, _ work: FetchWork, on loop: any EventLoop) {
        self.node = node
        self.work = work
        self.loop = loop
    }

    /// Waits for at most `maxWait`.
    ///
    /// - Parameter byteCount: what the fetch found when it decided to wait.
    func wait(_ maxWait: TimeAmount, byteCount: Int, on connection: Connection) {
        for target in work.targets {
            guard case .success((_, let partition)) = node.partition(target.key, version: work.limits.version) else {
                continue
            }
            partitions.append(partition)
            partition.add(self)
        }
        timeout = loop.assumeIsolated().scheduleTask(in: maxWait) { self.finish(evenIfTooLittle: true) }
        connection.onClose(of: work.responder) { self.end() }
        // An append between the look before and the registration woke nobody.
        finish(evenIfTooLittle: false)
    }

    func partitionChanged() {
        guard wakeUps.begin() else { return }
        loop.execute { self.finish(evenIfTooLittle: false) }
    }

    private func finish(evenIfTooLittle: Bool) {
        guard !isDone else { return }
        wakeUps.end()
        var limits = work.limits
        // Rules may have changed meanwhile.
        if limits.access != nil { limits.access = node.access(work.responder) }
        let found = node.collect(work.targets, limits)
        guard evenIfTooLittle || node.isDraining || found.isUrgent || found.byteCount >= limits.minBytes else {
            return
        }
        end()
        node.answer(work, found.parts)
    }

    private func end() {
        guard !isDone else { return }
        isDone = true
        timeout?.cancel()
        for partition in partitions { partition.remove(self) }
        partitions = []
    }
}
