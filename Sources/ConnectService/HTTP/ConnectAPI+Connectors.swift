import Bytes
import ConnectCore
import HTTPKit
import HTTPTypes
import JSONFormat

extension ConnectAPI {
    mutating func addConnectors() {
        on(.get, "/connectors") { herder, call, _ in
            let names = herder.config.read { $0.names }
            let expansions = call.queries("expand")
            guard !expansions.isEmpty else { return .json(.array(names.map { .string($0) })) }
            var all: [(String, JSONValue)] = []
            for name in names {
                var members: [(String, JSONValue)] = []
                // A connector that is new or going may have one and not the other.
                for expansion in expansions {
                    if expansion == "status", let json = try? herder.statusJSON(name) {
                        members.append(("status", json))
                    }
                    if expansion == "info", let json = try? herder.info(name) { members.append(("info", json)) }
                }
                all.append((name, .object(members)))
            }
            return .json(.object(all))
        }
        on(.post, "/connectors") { herder, call, body in
            let json = try Self.object(body)
            for (member, _) in json.members ?? [] where !["name", "config", "initial_state"].contains(member) {
                throw HerderFailure.badRequest(
                    "Unrecognized field \"\(member)\": a connector is created with \"name\", \"config\" and "
                        + "\"initial_state\"")
            }
            guard let given = json["config"], given.members != nil else {
                throw HerderFailure.badRequest("The request has no \"config\"")
            }
            var initial: TargetState?
            if let text = json["initial_state"]?.text {
                let states: [String: TargetState] = ["RUNNING": .started, "PAUSED": .paused, "STOPPED": .stopped]
                guard let state = states[text.uppercased()] else {
                    throw HerderFailure.badRequest("initial_state is RUNNING, PAUSED or STOPPED, not '\(text)'")
                }
                initial = state
            }
            var properties = try Self.configuration(given)
            // A number is taken for its text, as the original's reader of JSON does.
            let name = Self.trimmed(json["name"]?.text ?? json["name"]?.integer.map { String($0) } ?? "")
            try Self.checkName(name, &properties)
            return try await Self.put(herder, name, properties, initial, replaces: false)
        }
        on(.get, "/connectors/{name}") { herder, call, _ in .json(try herder.info(call.parameter("name"))) }
        on(.delete, "/connectors/{name}") { herder, call, _ in
            try await herder.delete(call.parameter("name"))
            return .empty()
        }
        on(.get, "/connectors/{name}/config") { herder, call, _ in
            guard let properties = herder.config.read({ $0.connectors[call.parameter("name")]?.properties }) else {
                throw HerderFailure.notFound("Connector \(call.parameter("name")) not found")
            }
            return .json(Herder.object(properties))
        }
        on(.put, "/connectors/{name}/config") { herder, call, body in
            var properties = try Self.configuration(Self.object(body))
            try Self.checkName(call.parameter("name"), &properties)
            return try await Self.put(herder, call.parameter("name"), properties, nil, replaces: true)
        }
        on(.patch, "/connectors/{name}/config") { herder, call, body in
            let name = call.parameter("name")
            let changes = try Self.properties(Self.object(body))
            if let given = changes.first(where: { $0.0 == "name" }), given.1 != name {
                throw HerderFailure.badRequest(
                    "Connector name configuration (\(given.1 ?? "null")) doesn't match connector name in the URL (\(name))"
                )
            }
            try await herder.patch(name, changes)
            return .json(try herder.info(name))
        }
        on(.get, "/connectors/{name}/tasks") { herder, call, _ in .json(try herder.taskConfigs(call.parameter("name")))
        }
    }

    private static func checkName(_ name: String, _ properties: inout [String: String]) throws(HerderFailure) {
        guard let given = properties["name"] else {
            properties["name"] = name
            return
        }
        guard given == name else {
            throw .badRequest(
                "Connector name configuration (\(given)) doesn't match connector name in the URL (\(name))")
        }
    }

    private static func put(
        _ herder: Herder, _ name: String, _ properties: [String: String], _ initial: TargetState?, replaces: Bool
    ) async throws(HerderFailure) -> HTTPAnswer {
        let isNew = try await herder.put(name, properties, initial: initial, replaces: replaces)
        var answer = HTTPAnswer.json(try herder.info(name, properties), status: isNew ? .created : .ok)
        if isNew { answer.headers[.location] = herder.settings.url + "connectors/" + PercentEncoding.encoded(name) }
        return answer
    }

    static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    // MARK: States

    mutating func addStates() {
        on(.get, "/connectors/{name}/status") { herder, call, _ in .json(try herder.statusJSON(call.parameter("name")))
        }
        on(.get, "/connectors/{name}/tasks/{task}/status") { herder, call, _ in
            let (name, text) = (call.parameter("name"), call.parameter("task"))
            guard let number = Int(text) else { throw HerderFailure.notFound("HTTP 404 Not Found") }
            return .json(try herder.taskStatus(name, number))
        }
        on(.post, "/connectors/{name}/restart") { herder, call, _ in
            let name = call.parameter("name")
            let request = RestartRequest(
                connector: name, includesTasks: try call.flag("includeTasks"), onlyFailed: try call.flag("onlyFailed"))
            if !request.includesTasks, !request.onlyFailed {
                try await herder.restart(name)
                return .empty()
            }
            return .json(try await herder.restart(request), status: .accepted)
        }
        on(.post, "/connectors/{name}/tasks/{task}/restart") { herder, call, _ in
            guard let number = Int(call.parameter("task")) else { throw HerderFailure.notFound("HTTP 404 Not Found") }
            try await herder.restart(call.parameter("name"), task: number)
            return .empty()
        }
        on(.put, "/connectors/{name}/pause") { herder, call, _ in
            try await herder.setTarget(call.parameter("name"), .paused)
            return .empty(.accepted)
        }
        on(.put, "/connectors/{name}/resume") { herder, call, _ in
            try await herder.setTarget(call.parameter("name"), .started)
            return .empty(.accepted)
        }
        on(.put, "/connectors/{name}/stop") { herder, call, _ in
            try await herder.setTarget(call.parameter("name"), .stopped)
            return .empty()
        }
        on(.get, "/connectors/{name}/topics") { herder, call, _ in
            guard herder.settings.tracksTopics else {
                throw HerderFailure.refused(status: 403, "Topic tracking is disabled.")
            }
            let name = call.parameter("name")
            let topics = herder.status.read { $0.topics[name] ?? [] }.sorted()
            return .json(.object([(name, .object([("topics", .array(topics.map { .string($0) }))]))]))
        }
        on(.put, "/connectors/{name}/topics/reset") { herder, call, _ in
            guard herder.settings.tracksTopics else {
                throw HerderFailure.refused(status: 403, "Topic tracking is disabled.")
            }
            guard herder.settings.allowsTopicReset else {
                throw HerderFailure.refused(status: 403, "Topic tracking reset is disabled.")
            }
            let name = call.parameter("name")
            let topics = herder.status.read { $0.topics[name] ?? [] }.sorted()
            await herder.write(topics.map { StatusRecords.forget($0, of: name) })
            return .empty(.accepted)
        }
    }

    // MARK: Offsets

    mutating func addOffsets() {
        on(.get, "/connectors/{name}/offsets") { herder, call, _ in
            .json(try await herder.offsets(call.parameter("name")))
        }
        on(.patch, "/connectors/{name}/offsets") { herder, call, body in
            let json = try Self.object(body)
            let message = try await herder.alterOffsets(call.parameter("name"), json)
            return .json(.object([("message", .string(message))]))
        }
        on(.delete, "/connectors/{name}/offsets") { herder, call, _ in
            let message = try await herder.alterOffsets(call.parameter("name"), nil)
            return .json(.object([("message", .string(message))]))
        }
    }
}
