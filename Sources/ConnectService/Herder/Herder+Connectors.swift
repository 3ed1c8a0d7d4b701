import Cluster
import ConnectCore
import JSONFormat
import Logging

/// What a connector itself does: lays out its tasks, when it starts and whenever its source has changed.
extension Herder {
    func runConnector(
        _ name: String, _ properties: [String: String], _ target: TargetState, _ reconfigure: Signal
    ) async {
        var className = properties["connector.class"] ?? ""
        do throws(ConnectError) {
            do throws(ConnectError) {
                className = try await resolved(properties)["connector.class"] ?? ""
            } catch {
                // What does not run needs no provider.
                if target == .started { throw error }
            }
            guard let plugin = plugins.plugin(className) else {
                throw ConnectError(.connect, plugins.unknown(className))
            }
            switch target {
            case .stopped:
                // What was laid out while the connector was being stopped came behind the stop.
                if config.read({ ($0.tasks(name)?.count ?? 0) > 0 }) {
                    try? await publish(name, properties, [])  // they do not run in any case
                }
                return await tell(name, .stopped, version: plugin.version)
            case .paused: return await tell(name, .paused, version: plugin.version)
            case .started: break
            }
            var isFirst = true
            while !Task.isCancelled {
                let generation = reconfigure.generation
                do throws(ConnectError) {
                    let configs = try await layOut(plugin, properties)
                    if isFirst { await tell(name, .running, version: plugin.version) }
                    isFirst = false
                    guard !Task.isCancelled else { return }
                    try await publish(name, properties, configs)
                } catch {
                    guard error.isRetriable else { throw error }
                    logger.warning(
                        "the tasks of a connector could not be laid out, trying again",
                        metadata: ["connector": "\(name)", "error": "\(error)"])
                    if isFirst { await tell(name, .running, version: plugin.version) }
                    isFirst = false
                    await reconfigure.wait(after: generation, timeout: .seconds(1))
                    continue
                }
                await reconfigure.wait(after: generation)
            }
        } catch {
            guard !Task.isCancelled else { return }
            logger.error("connector failed", metadata: ["connector": "\(name)", "error": "\(error)"])
            await tell(name, .failed, TaskFailure(error, at: "\(className).start"))
        }
    }

    /// The configurations of the tasks, with placeholders where the connector's has them.
    private func layOut(
        _ plugin: any ConnectorPlugin, _ properties: [String: String]
    ) async throws(ConnectError) -> [[String: String]] {
        let role: ConnectorConfig.Role = plugin is any SinkPlugin ? .sink : .source
        let resolved = try await resolved(properties)
        let values = try ConnectorConfig.definition(role, resolved, version: plugin.version).parse(resolved)
        let countMax = Int(clamping: values.integer("tasks.max") ?? 1)
        let configs = try await plugin.taskConfigs(resolved, countMax: countMax)
        if configs.count > countMax, values.flag("tasks.max.enforce") {
            throw ConnectError(
                .connect,
                "The connector \(properties["name"] ?? "") has generated \(configs.count) tasks, which is greater than "
                    + "\(countMax), the maximum number of tasks it is configured to create. This behaviour should be "
                    + "considered a bug and is disallowed by default; it can be allowed by setting 'tasks.max.enforce' "
                    + "to 'false' in the connector's configuration.")
        }
        let taskClass = TaskNames.taskClass(plugin.classNames.first ?? "")
        return configs.map { config in
            var config = config
            // What providers gave is neither stored nor shown.
            for (key, value) in properties where config[key] != nil && resolved[key] != value { config[key] = value }
            config["task.class"] = taskClass
            if role == .sink {
                for key in ["topics", "topics.regex"] where properties[key] != nil { config[key] = properties[key] }
            }
            return config
        }
    }

    /// Stores the tasks' configurations when they are others than before.
    private func publish(
        _ name: String, _ properties: [String: String], _ configs: [[String: String]]
    ) async throws(ConnectError) {
        let isSame = config.read { state in
            guard let set = state.tasks(name), !set.isInconsistent, set.count == configs.count else { return false }
            guard set.connector == nil || set.connector == properties else { return false }
            return configs.enumerated().allSatisfy { set.configs[$0] == $1 }
        }
        guard !isSame else { return }
        switch standing.role {
        case .leader: try await store(name, configs)
        case .follower(let url):
            do {
                try await peers.sendTasks(name, configs, to: url, key: config.read { $0.sessionKey })
            } catch {
                throw ConnectError(.retriable, "the leader at \(url) did not take the tasks of \(name): \(error)")
            }
        case .none: throw ConnectError(.retriable, "no leader of the workers is known")
        }
    }

    /// As the leader.
    func store(_ name: String, _ configs: [[String: String]]) async throws(ConnectError) {
        do throws(ClusterError) {
            try await config.write(ConfigRecords.tasks(name, configs))
        } catch {
            throw ConnectError(.retriable, "the tasks of \(name) could not be stored: \(error)")
        }
        signal.notify()
        let gone = status.read { ($0.tasks[name] ?? [:]).keys.filter { $0 >= configs.count } }
        await write(gone.sorted().map { StatusRecords.task(TaskIdentity(connector: name, task: $0), nil) })
    }

    // MARK: Exactly once

    /// Makes sure, through the leader, that no task of an earlier layout can write any more.
    func fence(_ name: String) async throws {
        var attempt = 0
        while true {
            do {
                switch standing.role {
                case .leader: return try await fenceAsLeader(name)
                case .follower(let url): return try await peers.fence(name, at: url, key: config.read { $0.sessionKey })
                case .none: throw ConnectError(.retriable, "no leader of the workers is known")
                }
            } catch {
                attempt += 1
                guard attempt < 20, !Task.isCancelled else { throw error }
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    /// Takes the transactional id of every task that the connector had, which ends whoever used it. Tasks of the new
    /// layout wait for that, and only the first of them has it done.
    func fenceAsLeader(_ name: String) async throws {
        while fencing.contains(name) {
            let generation = fenced.generation
            guard fencing.contains(name) else { break }
            await fenced.wait(after: generation)
            try Task.checkCancellation()
        }
        guard let earlier = config.read({ $0.unfencedCount(name) }) else { return }
        fencing.insert(name)
        defer {
            fencing.remove(name)
            fenced.notify()
        }
        for number in 0..<earlier {
            let writer = try await parts.cluster.transactionalWriter(
                "\(settings.groupId)-\(name)-\(number)", timeout: .seconds(60))
            await writer.close()
        }
        let count = config.read { $0.tasks(name)?.count ?? 0 }
        try await config.write([ConfigRecords.fenced(name, count)])
    }
}
