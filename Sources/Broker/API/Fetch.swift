import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import Security

extension BrokerNode {
    /// Answers a Fetch, at once when there is enough, else when there is or the client's time is up.
    func handleFetch(_ request: FetchRequest, _ connection: Connection, _ responder: Responder) {
        let access = access(responder)
        // Who says to be a follower gets what followers get only as one of the cluster's brokers.
        let isFollower = max(request.replicaId, request.replicaState.replicaId) >= 0
        if isFollower, !access.permitsCluster(.clusterAction) {
            return responder.send(request.refused(.topicAuthorizationFailed))
        }
        var targets: [FetchTarget] = []
        for topic in request.topics {
            for partition in topic.partitions { targets.append(FetchTarget(topic, partition)) }
        }
        do throws(ControlError) {
            let (session, isFull) = try session(of: request, responder.apiVersion, targets)
            let maxBytes = fetchBytes(Int(request.maxBytes), on: isFollower ? nil : connection)
            let work = FetchWork(
                responder: responder,
                limits: FetchLimits(
                    version: responder.apiVersion, isReadCommitted: request.isolationLevel == 1, maxBytes: maxBytes,
                    minBytes: min(Int(request.minBytes), maxBytes),
                    access: isFollower ? nil : access),
                targets: session?.targets ?? targets, session: session, isFull: isFull, isFollower: isFollower)
            let found = collect(work.targets, work.limits)
            let isEnough = found.isUrgent || found.byteCount >= work.limits.minBytes
            if isEnough || request.maxWaitMs <= 0 || work.targets.isEmpty {
                answer(work, found.parts)
            } else {
                FetchWaiter(self, work, on: connection.registry.eventLoop).wait(
                    .milliseconds(Int64(request.maxWaitMs)), byteCount: found.byteCount, on: connection)
            }
        } catch {
            var response = FetchResponse()
            response.errorCode = error.code.rawValue
            responder.send(response)
        }
    }

    /// The session that the request opens or goes on with, and whether the answer must list all partitions.
    private func session(
        of request: FetchRequest, _ version: Int16, _ targets: [FetchTarget]
    ) throws(ControlError) -> (FetchSession?, isFull: Bool) {
        guard version >= 7 else { return (nil, true) }
        if request.sessionEpoch == 0 || request.sessionEpoch == -1 {
            // -1: without a session. 0: with a new one. Both end the one they name.
            if request.sessionId != 0 { fetchSessions.close(request.sessionId) }
            guard request.sessionEpoch == 0, !targets.isEmpty else { return (nil, true) }
            return (fetchSessions.open(targets, version: version), true)
        }
        var forgotten: [FetchTarget.Key] = []
        for topic in request.forgottenTopicsData {
            for partition in topic.partitions {
                forgotten.append(.init(topicId: topic.topicId, topicName: topic.topic, partition: partition))
            }
        }
        let session = try fetchSessions.resume(
            request.sessionId, epoch: request.sessionEpoch, version: version, changed: targets, forgotten: forgotten)
        // One that has nothing left to fetch is over (`FetchManager.newContext`).
        guard !session.isEmpty else {
            fetchSessions.close(session.id)
            return (nil, true)
        }
        return (session, false)
    }

    /// Sends what was found. Large slices go from the file to the socket, small ones by way of memory.
    func answer(_ work: FetchWork, _ parts: [FetchedPartition]) {
        if let throttled = throttled(work, parts) { return work.responder.send(throttled) }
        var response = FetchResponse()
        response.sessionId = work.session?.id ?? 0
        var regions: [LogSlice] = []
        let told = work.session?.changes(in: parts, isFull: work.isFull) ?? parts
        metrics.noteFetched(told)
        for part in told {
            var data = FetchResponse.PartitionData()
            data.partitionIndex = part.key.partition
            data.errorCode = part.error.rawValue
            data.highWatermark = part.highWatermark
            data.lastStableOffset = part.lastStable
            data.logStartOffset = part.logStart
            data.abortedTransactions = part.abortedTransactions.map { aborted in
                aborted.map { transaction in
                    var entry = FetchResponse.AbortedTransaction()
                    entry.producerId = transaction.producerId
                    entry.firstOffset = transaction.firstOffset
                    return entry
                }
            }
            data.records = .bytes(ByteBuffer())
            if let diverging = part.divergingEpoch {
                data.divergingEpoch.epoch = diverging.epoch
                data.divergingEpoch.endOffset = diverging.endOffset
            }
            if let slice = part.slice { add(slice, to: &data, &regions) }
            if let last = response.responses.indices.last,
                response.responses[last].topicId == part.key.topicId,
                response.responses[last].topic == part.key.topicName
            {
                response.responses[last].partitions.append(data)
            } else {
                var topic = FetchResponse.FetchableTopicResponse()
                topic.topic = part.key.topicName
                topic.topicId = part.key.topicId
                topic.partitions = [data]
                response.responses.append(topic)
            }
        }
        work.responder.send(response, regions: regions)
    }

    /// Bytes that an answer may have.
    ///
    /// - Parameter connection: of a client that is bound by quotas.
    func fetchBytes(_ wanted: Int, on connection: Connection?) -> Int {
        let byteCountMax = max(0, min(wanted, fetchByteCountMax))
        // More would be over the quota for certain, and the client would never get on.
        guard let sensor = connection?.quotas.fetch else { return byteCountMax }
        return Int(min(Double(byteCountMax), sensor.valueMax))
    }

    /// The answer to a client that is over a quota: nothing.
    ///
    /// - Returns: nil when the client gets what was found.
    private func throttled(_ work: FetchWork, _ parts: [FetchedPartition]) -> FetchResponse? {
        guard !work.isFollower else { return nil }
        let milliseconds = throttleTime(of: work.responder, parts.reduce(0) { $0 + $1.byteCount })
        guard milliseconds > 0 else { return nil }
        // A session begins with an answer that tells all its partitions.
        if work.isFull, let session = work.session { fetchSessions.close(session.id) }
        return FetchResponse(throttleTimeMs: milliseconds, sessionId: work.isFull ? 0 : work.session?.id ?? 0)
    }

    /// Counts what was found for a client. One that is over a quota gets nothing, and hears after which time it may ask again
    /// (KIP-219); what was found then does not count. On the event loop.
    ///
    /// - Returns: that time in milliseconds; 0 for a client that gets it.
    func throttleTime(of responder: Responder, _ byteCount: Int) -> Int32 {
        guard case .connection(let place) = responder.target else { return 0 }
        let connection = place.connection.value
        let bound = connection.quotas
        guard bound.fetch != nil || bound.requestTime != nil else { return 0 }
        let time = bound.requestTime.map(connection.recordTime) ?? 0
        let now = QuotaTime.now
        let bytes = bound.fetch?.record(Double(byteCount), at: now) ?? 0
        let milliseconds = max(time, bytes)
        guard milliseconds > 0 else { return 0 }
        bound.fetch?.note(-Double(byteCount), at: now)
        connection.throttle(for: milliseconds, because: bytes > time ? .consumerByteRate : .requestPercentage)
        return Int32(clamping: milliseconds)
    }

    private func add(_ slice: LogSlice, to data: inout FetchResponse.PartitionData, _ regions: inout [LogSlice]) {
        if slice.byteCount >= Connection.sendfileByteCountMin, slice.file?.descriptor != nil {
            data.records = .external(byteCount: slice.byteCount, token: regions.count)
            regions.append(slice)
            return
        }
        do throws(LogError) {
            data.records = .bytes(try slice.buffer())
        } catch {
            data.errorCode = error.kafkaCode
            alarm.note(error, reading: slice.file?.path ?? "a log")
        }
    }
}

/// A Fetch on its way.
struct FetchWork: Sendable {
    var responder: Responder
    var limits: FetchLimits
    var targets: [FetchTarget]
    var session: FetchSession?
    /// Whether the answer lists all partitions, also those without news.
    var isFull: Bool
    /// No quota is for it.
    var isFollower: Bool
}

extension FetchRequest {
    /// - Parameter code: the error of every partition that is asked for.
    fileprivate func refused(_ code: ErrorCode) -> FetchResponse {
        var response = FetchResponse()
        response.responses = topics.map { topic in
            var refused = FetchResponse.FetchableTopicResponse()
            refused.topic = topic.topic
            refused.topicId = topic.topicId
            refused.partitions = topic.partitions.map { partition in
                var data = FetchResponse.PartitionData()
                data.partitionIndex = partition.partition
                data.errorCode = code.rawValue
                data.highWatermark = -1
                data.records = .bytes(ByteBuffer())
                return data
            }
            return refused
        }
        return response
    }
}
