import Cluster
import ConnectCore
import Logging

/// What the worker tells of its connectors and tasks.
extension Herder {
    func tell(_ name: String, _ state: RunState, _ failure: TaskFailure? = nil, version: String? = nil) async {
        guard told[name] != state || state == .failed else { return }
        guard config.read({ $0.connectors[name] != nil }) else { return }
        told[name] = state
        await write([
            StatusRecords.connector(
                name,
                RunStatus(
                    state, trace: failure?.trace(of: name), workerId: settings.workerId,
                    generation: Int64(standing.generation), version: version))
        ])
    }

    func tell(_ task: TaskIdentity, _ state: RunState, _ failure: TaskFailure? = nil, version: String? = nil) async {
        guard told[key(task)] != state || state == .failed else { return }
        let isThere = config.read { state in (state.tasks(task.connector)?.count ?? 0) > task.task }
        guard isThere else { return }
        told[key(task)] = state
        await write([
            StatusRecords.task(
                task,
                RunStatus(
                    state, trace: failure?.trace(of: task.description), workerId: settings.workerId,
                    generation: Int64(standing.generation), version: version))
        ])
    }

    /// Writes states; those that cannot be written now are kept, and written when it is possible.
    func write(_ records: [StatusRecords.Record]) async {
        guard !records.isEmpty else { return }
        let attempt = unwritten.begin(records)
        do throws(ClusterError) {
            try await status.write(records)
            unwritten.end(attempt, records, isWritten: true)
        } catch {
            unwritten.end(attempt, records, isWritten: false)
            guard rewriting == nil, !unwritten.isEmpty, !isStopping else { return }
            logger.error("a state could not be written, trying again", metadata: ["error": "\(error)"])
            // Owned here: `stop` ends and awaits it.
            rewriting = Task { await self.rewrite() }
        }
    }

    private func rewrite() async {
        var pause = Duration.milliseconds(500)
        while !isStopping, !unwritten.isEmpty {
            do { try await Task.sleep(for: pause) } catch { break }
            pause = min(pause * 2, .seconds(10))
            let outdated = unwritten.records.filter { isOutdated($0) }
            unwritten.drop(outdated.map(\.key))
            await write(unwritten.records)
        }
        if unwritten.isEmpty { logger.info("all states are written again") }
        rewriting = nil
    }

    /// Whether what a state is about is gone, or another worker has taken it over and told of it.
    private func isOutdated(_ record: StatusRecords.Record) -> Bool {
        guard record.value != nil else { return false }
        switch StatusRecords.subject(String(decoding: record.key, as: UTF8.self)) {
        case .connector(let name):
            guard config.read({ $0.connectors[name] != nil }) else { return true }
            return connectors[name] == nil && !isFreeOrMine(status.read { $0.connectors[name] })
        case .task(let task):
            guard config.read({ ($0.tasks(task.connector)?.count ?? 0) > task.task }) else { return true }
            return tasks[task] == nil && !isFreeOrMine(status.read { $0.tasks[task.connector]?[task.task] })
        case .topic(_, let name): return config.read { $0.connectors[name] == nil }
        case nil: return true
        }
    }

    private func isFreeOrMine(_ status: RunStatus?) -> Bool { status == nil || isMine(status) }

    func track(_ topic: String, _ task: TaskIdentity) async {
        guard settings.tracksTopics, status.read({ !($0.topics[task.connector]?.contains(topic) ?? false) }) else {
            return
        }
        await write([StatusRecords.topic(topic, task, at: parts.now())])
    }
}
