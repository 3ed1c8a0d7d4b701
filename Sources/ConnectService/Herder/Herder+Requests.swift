import Cluster
import ConnectCore
import JSONFormat
import Logging

/// What clients ask for. Questions are answered from what this worker has read; changes are the leader's.
extension Herder {
    /// - Parameter problem: why this worker is in no group.
    static func notReady(_ problem: String?) -> HerderFailure {
        guard let problem else {
            return .refused(
                status: 409,
                "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config "
                    + "change)")
        }
        return .refused(
            status: 409, "Cannot complete request because this worker cannot join the group of workers: \(problem)")
    }

    /// Returns when this worker leads.
    ///
    /// - Throws: `.elsewhere` when another one does; 409 when nobody does yet.
    func mustLead() async throws(HerderFailure) {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(10)
        while true {
            switch standing.role {
            case .leader: return
            case .follower(let url): throw .elsewhere(url: url)
            case .none: break
            }
            let generation = signal.generation
            guard clock.now < deadline else { throw Self.notReady(standing.problem) }
            await signal.wait(after: generation, timeout: .milliseconds(500))
        }
    }

    /// The worker that runs a piece of work; nil for this one or when nobody does.
    func owner(of work: Work) -> String? {
        if standing.isAlone { return nil }
        return standing.workers.first { !$0.value.intersection(work).isEmpty && $0.key != settings.url }?.key
    }

    private func write(config records: [ConfigRecords.Record]) async throws(HerderFailure) {
        do throws(ClusterError) { try await config.write(records) } catch { throw HerderFailure(error) }
        signal.notify()
    }

    nonisolated func mustExist(_ name: String, _ words: String = "Connector") throws(HerderFailure) {
        guard config.read({ $0.connectors[name] != nil }) else {
            throw .notFound(words == "Connector" ? "Connector \(name) not found" : "\(words) \(name)")
        }
    }

    // MARK: Configuration

    /// - Throws: 400 for a class that is not there, as the original says it.
    func validate(_ properties: [String: String]) async throws(HerderFailure) -> ConnectorValidation {
        do {
            let resolved = try await resolved(properties)
            guard let name = resolved["connector.class"], !name.isEmpty else {
                let shown = properties.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: ", ")
                throw HerderFailure.badRequest("Connector config {\(shown)} contains no connector type")
            }
            guard let plugin = plugins.plugin(name) else { throw HerderFailure.badRequest(plugins.unknown(name)) }
            try PluginVersion.check(
                resolved["connector.plugin.version"], of: plugin.classNames.first ?? name, available: plugin.version)
            return await ConnectorValidation(properties, resolved, plugin, settings)
        } catch let failure as HerderFailure {
            throw failure
        } catch let error as ConnectError {
            throw .badRequest(error.message)
        } catch {
            throw .refused(status: 500, "\(error)")
        }
    }

    /// - Parameter replaces: whether a connector that is there gets the new configuration.
    /// - Returns: whether the connector is new.
    func put(
        _ name: String, _ properties: [String: String], initial: TargetState?, replaces: Bool
    ) async throws(HerderFailure) -> Bool {
        try await mustLead()
        let validation = try await validate(properties)
        if let refusal = validation.refusal { throw .badRequest(refusal) }
        let isNew = config.read { $0.connectors[name] == nil }
        guard isNew || replaces else { throw .refused(status: 409, "Connector \(name) already exists") }
        var records: [ConfigRecords.Record] = []
        if isNew, let initial { records.append(ConfigRecords.target(name, initial)) }
        records.append(ConfigRecords.connector(name, properties))
        try await write(config: records)
        tell(validation.unknown, of: name)
        return isNew
    }

    /// - Parameter changes: null takes an option away.
    func patch(_ name: String, _ changes: [(String, String?)]) async throws(HerderFailure) {
        try await mustLead()
        try mustExist(name)
        var properties = config.read { $0.connectors[name]?.properties } ?? [:]
        for (option, value) in changes { properties[option] = value }
        let validation = try await validate(properties)
        if let refusal = validation.refusal { throw .badRequest(refusal) }
        try await write(config: [ConfigRecords.connector(name, properties)])
        tell(validation.unknown, of: name)
    }

    private func tell(_ unknown: [String], of name: String) {
        for words in unknown { logger.warning("\(words)", metadata: ["connector": "\(name)"]) }
    }

    func delete(_ name: String) async throws(HerderFailure) {
        try await mustLead()
        try mustExist(name)
        let numbers = status.read { $0.tasks[name].map { Array($0.keys) } ?? [] }
        let topics = status.read { $0.topics[name] ?? [] }
        try await write(config: [ConfigRecords.connector(name, nil), ConfigRecords.target(name, nil)])
        await stopped(name)
        await write(
            [StatusRecords.connector(name, nil)]
                + numbers.sorted().map { StatusRecords.task(TaskIdentity(connector: name, task: $0), nil) }
                + topics.sorted().map { StatusRecords.forget($0, of: name) })
    }

    /// Waits until nothing of a connector runs here.
    private func stopped(_ name: String) async {
        let clock = ContinuousClock()
        let deadline = clock.now + settings.gracefulTimeout + .seconds(5)
        while connectors[name] != nil || tasks.keys.contains(where: { $0.connector == name }), clock.now < deadline {
            signal.notify()
            try? await Task.sleep(for: .milliseconds(2))  // a cancelled wait ends at the deadline
        }
    }

    // MARK: States

    func setTarget(_ name: String, _ target: TargetState) async throws(HerderFailure) {
        try mustExist(name, "Unknown connector")
        try await mustLead()
        let numbers = config.read { $0.tasks(name)?.count ?? 0 }
        if target == .stopped {
            try await write(config: ConfigRecords.tasks(name, []) + [ConfigRecords.target(name, .stopped)])
            await stoppedTasks(name)
            await write((0..<numbers).map { StatusRecords.task(TaskIdentity(connector: name, task: $0), nil) })
        } else {
            try await write(config: [ConfigRecords.target(name, target)])
        }
    }

    private func stoppedTasks(_ name: String) async {
        let clock = ContinuousClock()
        let deadline = clock.now + settings.gracefulTimeout + .seconds(5)
        while clock.now < deadline {
            let state = status.read { $0.connectors[name]?.state }
            let isDone = state == .stopped || state == .failed || state == nil
            if isDone, !tasks.keys.contains(where: { $0.connector == name }) { return }
            signal.notify()
            try? await Task.sleep(for: .milliseconds(2))  // a cancelled wait ends at the deadline
        }
    }

    /// Restarts the connector itself, where it runs.
    func restart(_ name: String) async throws(HerderFailure) {
        try mustExist(name, "Unknown connector:")
        if connectors[name] != nil { return restartHere(name) }
        try await mustLead()
        if let url = owner(of: Work(connectors: [name])) { throw .elsewhere(url: url) }
        restartHere(name)
    }

    func restartHere(_ name: String) {
        take([.restart(RestartRequest(connector: name, includesTasks: false, onlyFailed: false))])
    }

    /// - Returns: the connector's state as it will be.
    func restart(_ request: RestartRequest) async throws(HerderFailure) -> JSONValue {
        try mustExist(request.connector, "Unknown connector:")
        try await mustLead()
        let plan = plan(request)
        let answer = try statusJSON(request.connector, restarting: plan)
        try await write(config: [ConfigRecords.restart(request)])
        return answer
    }

    func restart(_ name: String, task number: Int) async throws(HerderFailure) {
        try mustExist(name, "Unknown connector:")
        let task = TaskIdentity(connector: name, task: number)
        let count = config.read { $0.tasks(name)?.count ?? 0 }
        guard 0..<count ~= number else { throw .notFound("Unknown task: \(task)") }
        if tasks[task] != nil { return restart(task: task) }
        try await mustLead()
        if let url = owner(of: Work(tasks: [task])) { throw .elsewhere(url: url) }
        restart(task: task)
    }

    // MARK: Answers

    nonisolated func type(_ properties: [String: String]) -> String {
        plugin(of: properties).map(PluginRegistry.type) ?? "unknown"
    }

    nonisolated func info(_ name: String, _ given: [String: String]? = nil) throws(HerderFailure) -> JSONValue {
        let (known, count) = config.read { ($0.connectors[name]?.properties, $0.tasks(name)?.count ?? 0) }
        guard let properties = given ?? known else { throw .notFound("Connector \(name) not found") }
        return .object([
            ("name", .string(name)), ("config", Self.object(properties)),
            (
                "tasks",
                .array(
                    (0..<count).map { .object([("connector", .string(name)), ("task", .number(Int64($0)))]) })
            ), ("type", .string(type(properties))),
        ])
    }

    nonisolated static func object(_ properties: [String: String]) -> JSONValue {
        .object(properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }

    nonisolated func statusJSON(_ name: String, restarting: Work = Work()) throws(HerderFailure) -> JSONValue {
        let (connector, tasks) = status.read { ($0.connectors[name], $0.tasks[name] ?? [:]) }
        guard let connector else { throw .notFound("No status found for connector \(name)") }
        let properties = config.read { $0.connectors[name]?.properties } ?? [:]
        func members(_ status: RunStatus, _ isRestarting: Bool) -> [(String, JSONValue)] {
            var members: [(String, JSONValue)] = [
                ("state", .string((isRestarting ? RunState.restarting : status.state).rawValue)),
                ("worker_id", .string(status.workerId)),
            ]
            let version = status.version ?? plugin(of: properties)?.version
            if let version { members.append(("version", .string(version))) }
            if let trace = status.trace, !isRestarting { members.append(("trace", .string(trace))) }
            return members
        }
        return .object([
            ("name", .string(name)),
            ("connector", .object(members(connector, restarting.connectors.contains(name)))),
            (
                "tasks",
                .array(
                    tasks.sorted { $0.key < $1.key }.map { number, status in
                        let task = TaskIdentity(connector: name, task: number)
                        return .object(
                            [("id", .number(Int64(number)))] + members(status, restarting.tasks.contains(task)))
                    })
            ), ("type", .string(type(properties))),
        ])
    }

    nonisolated func taskStatus(_ name: String, _ number: Int) throws(HerderFailure) -> JSONValue {
        let task = TaskIdentity(connector: name, task: number)
        guard let all = (try? statusJSON(name))?["tasks"]?.elements,
            let found = all.first(where: { $0["id"]?.integer == Int64(number) })
        else { throw .notFound("No status found for task \(task)") }
        return found
    }

    nonisolated func taskConfigs(_ name: String) throws(HerderFailure) -> JSONValue {
        try mustExist(name)
        let set = config.read { $0.tasks(name) }
        return .array(
            (0..<(set?.count ?? 0)).map { number in
                .object([
                    ("id", .object([("connector", .string(name)), ("task", .number(Int64(number)))])),
                    ("config", Self.object(set?.configs[number] ?? [:])),
                ])
            })
    }
}
