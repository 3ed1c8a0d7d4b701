import Cluster
import Columns
import Environment
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// What becomes of a query when something fails: it is tried again, or has ended and says why.
extension PersistentQuery {
    func failed(_ task: TaskRun, _ failure: TaskFailure, _ generation: Int) async {
        guard generation == self.generation else { return }
        let mayFit = await mayFit(failure, of: task)
        guard generation == self.generation else { return }
        self.generation += 1
        let own = self.generation
        if let care = TaskRun.Care(failure) {
            logger.notice("query \(id): task \(task.name) looks for the record that ends it")
            cares[task.place.task] = care
            state = .rebalancing
            // Records of a commit under way may be written before its offsets: whoever begins anew must not be in between.
            let last = tasks + (tasks.contains { $0 === task } ? [] : [task])
            ending += last
            tasks = []
            share?.hold()
            retry = Task {
                await self.endAll(last)
                await self.tryAgain(own)
            }
            return
        }
        var (message, isFinal) = describe(failure, of: task.name)
        if mayFit { isFinal = false }
        note(message)
        logger.error("query \(id) failed: \(message)")
        state = isFinal ? .error : .rebalancing
        dropTasks(and: task)
        share?.hold()
        if isFinal { return leave() }
        scheduleRetry(own)
    }

    /// Whether a result that was too large for its topic may not be any more: somebody has set another `max.message.bytes`.
    private func mayFit(_ failure: TaskFailure, of task: TaskRun) async -> Bool {
        guard case .cluster(let error) = failure, [.messageTooLarge, .recordListTooLarge].contains(error.code)
        else { return false }
        for (topic, known) in task.context.messageByteCountsMax {
            if let now = await cluster.messageByteCountMax(of: topic), now != known { return true }
        }
        return false
    }

    /// A task could not be begun, or the query could not.
    func failed(_ error: ClusterError, _ generation: Int) {
        guard generation == self.generation else { return }
        self.generation += 1
        dropTasks()
        note("\(error)")
        logger.error("query \(id) failed: \(error)")
        share?.hold()
        state = isFinal(error) ? .error : .rebalancing
        if state == .error { return leave() }
        scheduleRetry(self.generation)
    }

    /// Ends all tasks as they are. Transactions keep what they still write from those who begin anew; where there are none,
    /// these have to wait for it: records could come again that are counted in state already, and older state and offsets
    /// come to lie behind newer ones.
    ///
    /// - Parameter failed: a task that has ended by itself.
    func dropTasks(and failed: TaskRun? = nil) {
        let tasks = self.tasks
        self.tasks = []
        for task in tasks where task !== failed { task.post(.drop) }
        guard properties.guarantee == .atLeastOnce else { return }
        let last = tasks + [failed].compactMap { $0 }.filter { task in !tasks.contains { $0 === task } }
        ending += last
        // Ends with what is under way.
        Task { await self.endAll(last) }
    }

    /// A cluster or a registry comes back: the query waits for it, longer and longer while nothing gets through.
    func scheduleRetry(_ own: Int) {
        let commits = commits.load(ordering: .relaxed)
        if commits != commitsSeen { retries = 0 }
        commitsSeen = commits
        retries += 1
        let properties = properties
        // The first attempts follow soon: most failures are over in a moment.
        var delay = Duration.milliseconds(100) * (1 << min(retries, 6))
        if retries > 6 { delay = min(properties.backoffMax, properties.backoffInitial * (1 << min(retries - 7, 16))) }
        retry = Task {
            try? await Task.sleep(for: delay)  // a cancelled wait ends at the look below
            await self.tryAgain(own)
        }
    }

    func tryAgain(_ own: Int) async {
        attempts += 1
        await endAll(ending)
        guard own == generation, !Task.isCancelled else { return }
        do throws(ClusterError) { try await run(replacing: replaced) } catch {
            // `run` has raised the generation by one; anything more means that somebody else has taken over.
            guard own + 1 == generation else { return }
            note("\(error)")
            if isFinal(error) {
                state = .error
                return leave()
            }
            scheduleRetry(generation)
        }
    }

    func describe(_ failure: TaskFailure, of task: String) -> (String, isFinal: Bool) {
        switch failure {
        case .cluster(let error):
            if error.code == .producerFenced, share == nil {
                return (
                    "another process has taken task \(task): it runs the same query. Give each a ksql.service.id of its own, or "
                        + "have them share it: set ksql.advertised.listener here. Or a commit took more than a minute, and was "
                        + "taken back", false
                )
            }
            return ("\(error)", isFinal(error))
        case .engine(let error, let batch, _):
            let first = batch.offsets[0]
            let last = batch.offsets[max(0, batch.count - 1)]
            return (
                "task \(task), topic \(batch.topic), partition \(batch.partition), "
                    + (first == last ? "offset \(first)" : "offsets \(first) to \(last)") + ": \(error.message)",
                // A registry comes back, as a cluster does.
                error.code != .unavailable
            )
        case .memory(let bytes, let most, let isOfAll):
            let what = isOfAll ? "all queries have" : "the query has"
            return (
                "\(what) \(bytes) bytes of state, \(most) are allowed: let it keep less, by a window or a condition, or "
                    + "raise the limit and start it again", true
            )
        }
    }

    func isFinal(_ error: ClusterError) -> Bool {
        let lasting: [ClusterError.Code] = [
            .unknownTopicOrPartition, .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIdAuthorizationFailed, .messageTooLarge, .recordListTooLarge, .invalidRecord, .corruptMessage,
            .invalidTopic,
            .invalidRequest,
        ]
        return lasting.contains(error.code)
    }

    func note(_ message: String) {
        errors.append((SystemWallClock().now(), message))
        if errors.count > properties.errorCountMax { errors.removeFirst(errors.count - properties.errorCountMax) }
    }
}
