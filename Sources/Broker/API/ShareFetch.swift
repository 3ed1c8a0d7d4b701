import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import Security

extension BrokerNode {
    /// Answers a ShareFetch (KIP-932): does what it acknowledges, then delivers records, at once when there are enough, else
    /// when there are or the client's time is up. On the connection's event loop.
    func handleShareFetch(_ request: ShareFetchRequest, _ connection: Connection, _ responder: Responder) {
        let refuse: @Sendable (ControlError) -> Void = { error in
            responder.send(ShareFetchResponse(errorCode: error.code.rawValue, errorMessage: error.message))
        }
        let asked: ShareRequest
        do throws(ControlError) {
            asked = try ShareRequest(request, version: responder.apiVersion, access(responder))
        } catch { return refuse(error) }
        let loop = connection.registry.eventLoop
        let place = NIOLoopBound(connection, eventLoop: loop)
        shares.topic.prepare(controller) { [self] error in
            if let error { return refuse(error) }
            let go: @Sendable () -> Void = { self.shareFetch(request, asked, place.value, responder, refuse) }
            if loop.inEventLoop { go() } else { loop.execute(go) }
        }
    }

    private func shareFetch(
        _ request: ShareFetchRequest, _ asked: ShareRequest, _ connection: Connection, _ responder: Responder,
        _ refuse: @Sendable (ControlError) -> Void
    ) {
        // While the topic was made.
        guard !connection.isClosing else { return }
        do throws(ControlError) {
            let session = try shareSession(asked, on: connection)
            let forgotten = request.forgottenTopicsData.flatMap { topic in
                topic.partitions.map { ShareTarget(topicId: topic.topicId, partition: $0) }
            }
            let targets = try session.change(adding: asked.targets, forgetting: forgotten)
            let settings = shareGroupSettings(asked.group)
            let (acknowledged, syncs) = acknowledge(asked, settings, responder)
            let byteCountMax = fetchBytes(Int(request.maxBytes), on: connection)
            let isOver = asked.epoch == -1
            let work = ShareFetchWork(
                responder: responder, session: session, targets: isOver ? [] : targets, settings: settings,
                recordCountMax: request.isRenewAck ? 0 : max(0, Int(request.maxRecords)), byteCountMax: byteCountMax,
                byteCountMin: min(Int(request.minBytes), byteCountMax), isStrict: request.shareAcquireMode == 1,
                acknowledged: acknowledged, syncs: syncs)
            if isOver { end(session) }
            // Who acknowledges waits for that only.
            let isAtOnce =
                isOver || request.maxWaitMs <= 0 || !acknowledged.isEmpty || work.targets.isEmpty || isDraining
            if let parts = collect(work, evenIfTooLittle: isAtOnce) {
                answer(work, parts)
            } else {
                ShareFetchWaiter(self, work, on: connection.registry.eventLoop).wait(
                    .milliseconds(Int64(request.maxWaitMs)), on: connection)
            }
        } catch {
            refuse(error)
        }
    }

    /// The session that a request opens or goes on with.
    private func shareSession(_ asked: ShareRequest, on connection: Connection) throws(ControlError) -> ShareSession {
        let key = ShareSessions.Key(group: asked.group, member: asked.member)
        guard asked.epoch == 0 else { return try shareSessions.resume(key, epoch: asked.epoch) }
        // Whether it is a member is not asked, as upstream: what its group has begun to read is shared.
        if let code = groups.host(of: asked.group)?.unavailability { throw ControlError(code) }
        let (session, before) = try shareSessions.open(key, on: ObjectIdentifier(connection))
        connection.hasShareSessions = true
        if let before { giveBack(of: before) }
        return session
    }

    /// Ends a member's session: what it has goes to others.
    func end(_ session: ShareSession) {
        shareSessions.close(session)
        giveBack(of: session)
    }

    /// A connection has ended, and with it the sessions of its members.
    func endShareSessions(of connection: ObjectIdentifier) {
        for session in shareSessions.end(of: connection) { giveBack(of: session) }
    }

    /// Gives what a session that is over has to others, and lets its own fetch see that it waits for nothing.
    private func giveBack(of session: ShareSession) {
        let keys = session.partitions
        shares.release(keys, of: session.key.member)
        for key in keys { shares.wake(key) }
    }

    /// Sends what was delivered, once what was acknowledged is on disk. A client that is over a quota gets nothing of it, and
    /// others may have it. On the event loop.
    func answer(_ work: ShareFetchWork, _ found: [SharedPart]) {
        var parts = found
        let throttleTimeMs = throttleTime(of: work.responder, parts.reduce(0) { $0 + $1.byteCount })
        if throttleTimeMs > 0 {
            for part in found where !part.acquired.isEmpty {
                shares.takeBack(part.acquired, of: work.key(part.target), from: work.member)
            }
            parts = []
        }
        var told: [ShareTarget: ShareFetchResponse.PartitionData] = [:]
        var order: [ShareTarget] = []
        for (target, error) in work.acknowledged {
            order.append(target)
            told[target] = .init(
                partitionIndex: target.partition, acknowledgeErrorCode: (error?.code ?? .none).rawValue,
                acknowledgeErrorMessage: error?.message)
        }
        for part in parts {
            if told[part.target] == nil { order.append(part.target) }
            var data = told[part.target] ?? .init(partitionIndex: part.target.partition)
            data.errorCode = (part.error?.code ?? .none).rawValue
            data.errorMessage = part.error?.message
            data.records = .bytes(part.records)
            data.acquiredRecords = part.acquired.map {
                .init(firstOffset: $0.firstOffset, lastOffset: $0.lastOffset, deliveryCount: $0.deliveryCount)
            }
            told[part.target] = data
        }
        work.session.served(Set(parts.filter { !$0.acquired.isEmpty }.map(\.target)))
        metrics.noteFetched(parts)
        var response = ShareFetchResponse(
            throttleTimeMs: throttleTimeMs, acquisitionLockTimeoutMs: work.settings.recordLockDurationMs)
        var places: [KafkaUUID: Int] = [:]
        for target in order {
            guard let data = told[target] else { continue }
            let place = places[target.topicId] ?? response.responses.count
            if place == response.responses.count {
                places[target.topicId] = place
                response.responses.append(.init(topicId: target.topicId))
            }
            response.responses[place].partitions.append(data)
        }
        send(response, work.responder, whenForced: work.syncs + found.compactMap(\.started))
    }

    /// Sends an answer once these are on disk.
    func send(
        _ response: some KafkaMessage, _ responder: Responder, whenForced syncs: [(partition: Partition, offset: Int64)]
    ) {
        whenForced(syncs, responder) { responder.send(response) }
    }
}

/// A ShareFetch that found too little and waits: for records, for its time to be up, or for its connection to end.
///
/// `partitionChanged` and `sharePartitionChanged` may come from any thread; everything else happens on the connection's event
/// loop. `@unchecked Sendable`: the mutable state below is only touched there.
private final class ShareFetchWaiter: PartitionWaiter, SharePartitionWaiter, @unchecked Sendable {
    private let node: BrokerNode
    private let work: ShareFetchWork
    private let loop: any EventLoop
    private let wakeUps = WakeUps()

    // Only on the event loop.
    private var partitions: [Partition] = []
    private var timeout: Scheduled<Void>?
    private var isDone = false

    init(_ node: BrokerNode, _ work: ShareFetchWork, on loop: any EventLoop) {
        self.node = node
        self.work = work
        self.loop = loop
    }

    func wait(_ maxWait: TimeAmount, on connection: Connection) {
        for target in work.targets {
            node.shares.add(self, to: work.key(target))
            guard let partition = node.catalog.topic(id: target.topicId)?.partition(target.partition) else { continue }
            partitions.append(partition)
            partition.add(self)
        }
        timeout = loop.assumeIsolated().scheduleTask(in: maxWait) { self.finish(evenIfTooLittle: true) }
        connection.onClose(of: work.responder) { self.end() }
        // What happened between the look before and the registration woke nobody.
        finish(evenIfTooLittle: false)
    }

    func partitionChanged() { look() }
    func sharePartitionChanged() { look() }

    private func look() {
        guard wakeUps.begin() else { return }
        loop.execute { self.finish(evenIfTooLittle: false) }
    }

    private func finish(evenIfTooLittle: Bool) {
        guard !isDone else { return }
        wakeUps.end()
        guard !work.session.isOver else { return refuse() }
        guard let parts = node.collect(work, evenIfTooLittle: evenIfTooLittle || node.isDraining) else { return }
        guard !work.session.isOver else {
            // It has ended on another connection meanwhile.
            node.shares.release(parts.map { work.key($0.target) }, of: work.member)
            return refuse()
        }
        end()
        node.answer(work, parts)
    }

    private func refuse() {
        end()
        let error = ControlError(.shareSessionNotFound)
        work.responder.send(ShareFetchResponse(errorCode: error.code.rawValue, errorMessage: error.message))
    }

    private func end() {
        guard !isDone else { return }
        isDone = true
        timeout?.cancel()
        for target in work.targets { node.shares.remove(self, from: work.key(target)) }
        for partition in partitions { partition.remove(self) }
        partitions = []
    }
}
