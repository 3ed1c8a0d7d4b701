import JSONFormat
import SQLPlan
import SQLSyntax

/// Connector statements: what a Connect worker answers, as entities.
extension StatementRequest {
    private func admin(_ parsed: ParsedStatement) throws(KsqlFailure) -> any ConnectorAdmin {
        guard engine.settings.script == nil else {
            throw .badStatement("Connector statements are not available in headless mode", parsed.text)
        }
        guard let admin = engine.connectors else {
            throw .server("There is no Connect worker: set 'ksql.connect.url'", parsed.text)
        }
        return admin
    }

    private typealias Answer = (status: Int, body: JSONValue)

    private func ask(
        _ what: String, _ parsed: ParsedStatement,
        _ body: (any ConnectorAdmin) async throws(ConnectorAdminError) -> Answer
    ) async throws(KsqlFailure) -> Answer {
        let admin = try admin(parsed)
        do { return try await body(admin) } catch {
            throw .server("\(what): \(error.message)", parsed.text)
        }
    }

    /// What the worker refused, with its own status.
    private func refusal(_ what: String, _ answer: Answer, _ parsed: ParsedStatement) -> KsqlFailure {
        let message = answer.body["message"]?.text ?? "HTTP \(answer.status)"
        let code =
            switch answer.status {
            case 400: 40001
            case 404: 40400
            case 409: 40901
            case 401: 40100
            case 403: 40300
            default: 50000
            }
        return KsqlFailure(code, "\(what): \(message)", statementText: parsed.text)
    }

    // MARK: CREATE and DROP

    func createConnector(
        _ create: CreateConnector, _ parsed: ParsedStatement
    ) async throws(KsqlFailure) -> JSONValue {
        let what = "Failed to create connector"
        var config: [(String, JSONValue)] = create.properties.entries.map { entry in
            let value =
                switch entry.value {
                case .string(let text): text
                default: entry.value.sql
                }
            return (entry.name.text, .string(value))
        }
        let name = create.name.text
        if !config.contains(where: { $0.0 == "name" }) { config.append(("name", .string(name))) }
        let all = config
        if create.ifNotExists {
            let known = try await ask(what, parsed) { admin throws(ConnectorAdminError) in
                try await admin.describe(name)
            }
            if known.status == 200 { return warning("Connector \(name) already exists", parsed) }
        }
        if let plugin = config.first(where: { $0.0 == "connector.class" })?.1.text {
            let short = plugin.split(separator: ".").last.map(String.init) ?? plugin
            let checked = try await ask(what, parsed) { admin throws(ConnectorAdminError) in
                try await admin.validate(short, all)
            }
            if let errors = Self.validationErrors(checked) {
                throw .badStatement("Validation error: \(errors)", parsed.text)
            }
        } else {
            throw .badStatement(
                "Validation error: Connector config {\(name)} contains no connector type: give \"connector.class\"",
                parsed.text)
        }
        let answer = try await ask(what, parsed) { admin throws(ConnectorAdminError) in
            try await admin.create(name, all)
        }
        if answer.status == 409, create.ifNotExists {
            return warning("Connector \(name) already exists", parsed)
        }
        guard (200..<300).contains(answer.status) else { throw refusal(what, answer, parsed) }
        return entity(
            "connector_info", parsed,
            [
                (
                    "info",
                    .object([
                        ("name", answer.body["name"] ?? .string(name)),
                        ("config", answer.body["config"] ?? .object(all)),
                        ("tasks", answer.body["tasks"] ?? .array([])),
                        ("type", answer.body["type"] ?? .string(create.kind.rawValue.lowercased())),
                    ])
                )
            ])
    }

    /// Errors of single options, "name - message"; nil when there are none or the worker cannot tell.
    private static func validationErrors(_ answer: Answer) -> String? {
        guard answer.status == 200, answer.body["error_count"]?.integer ?? 0 > 0 else { return nil }
        var errors: [String] = []
        for config in answer.body["configs"]?.elements ?? [] {
            guard let value = config["value"], let name = value["name"]?.text else { continue }
            for error in value["errors"]?.elements?.compactMap(\.text) ?? [] { errors.append("\(name) - \(error)") }
        }
        return errors.isEmpty ? nil : errors.joined(separator: "\n")
    }

    func dropConnector(
        _ name: Identifier, _ ifExists: Bool, _ parsed: ParsedStatement
    ) async throws(KsqlFailure) -> JSONValue {
        let what = "Failed to drop connector"
        let connector = name.text
        let answer = try await ask(what, parsed) { admin throws(ConnectorAdminError) in try await admin.drop(connector)
        }
        if answer.status == 404, ifExists { return warning("Connector '\(connector)' does not exist.", parsed) }
        guard (200..<300).contains(answer.status) else { throw refusal(what, answer, parsed) }
        return entity("drop_connector", parsed, [("connectorName", .string(connector))])
    }

    // MARK: SHOW and DESCRIBE

    func connectors(_ kind: ConnectorKind?, _ parsed: ParsedStatement) async throws(KsqlFailure) -> JSONValue {
        let what = "Failed to list connectors"
        let answer = try await ask(what, parsed) { admin throws(ConnectorAdminError) in try await admin.list() }
        guard answer.status == 200, let names = answer.body.elements?.compactMap(\.text) else {
            throw refusal(what, answer, parsed)
        }
        var list: [JSONValue] = []
        for name in names.sorted() {
            let info = try await ask(what, parsed) { admin throws(ConnectorAdminError) in try await admin.describe(name)
            }
            // It may have been dropped meanwhile.
            guard info.status != 404 else { continue }
            let status = try await status(of: name, info, what, parsed)
            let type = status.body["type"]?.text ?? info.body["type"]?.text ?? "unknown"
            if let kind, kind.rawValue.lowercased() != type { continue }
            list.append(
                .object([
                    ("name", .string(name)), ("type", .string(type)),
                    ("className", .string(info.body["config"]?["connector.class"]?.text)),
                    ("state", .string(Self.state(status.body))),
                ]))
        }
        return entity("connector_list", parsed, [("connectors", .array(list))])
    }

    /// The status that the worker tells; of a connector that is new, and that no worker has begun, "UNASSIGNED".
    private func status(
        of name: String, _ info: Answer, _ what: String, _ parsed: ParsedStatement
    ) async throws(KsqlFailure) -> Answer {
        let status = try await ask(what, parsed) { admin throws(ConnectorAdminError) in try await admin.status(name) }
        guard status.status == 404, info.status == 200 else { return status }
        let waiting: [(String, JSONValue)] = [("state", .string("UNASSIGNED")), ("worker_id", .string(""))]
        return (
            200,
            .object([
                ("name", .string(name)), ("connector", .object(waiting)), ("tasks", .array([])),
                ("type", info.body["type"] ?? .string("unknown")),
            ])
        )
    }

    /// "RUNNING (1/1 tasks RUNNING)"
    private static func state(_ status: JSONValue) -> String {
        let state = status["connector"]?["state"]?.text ?? "UNKNOWN"
        guard state == "RUNNING" else { return state }
        let tasks = status["tasks"]?.elements ?? []
        let running = tasks.count { $0["state"]?.text == "RUNNING" }
        let word = running == tasks.count && running > 0 ? "RUNNING" : running == 0 ? "FAILED" : "WARNING"
        return "\(word) (\(running)/\(tasks.count) tasks RUNNING)"
    }

    func connectorPlugins(_ parsed: ParsedStatement) async throws(KsqlFailure) -> JSONValue {
        let what = "Failed to list connector plugins"
        let answer = try await ask(what, parsed) { admin throws(ConnectorAdminError) in try await admin.plugins() }
        guard answer.status == 200, let plugins = answer.body.elements else { throw refusal(what, answer, parsed) }
        let list = plugins.map { plugin in
            JSONValue.object([
                ("className", plugin["class"] ?? .null), ("type", plugin["type"] ?? .null),
                ("version", plugin["version"] ?? .null),
            ])
        }
        return entity("connector_plugins_list", parsed, [("connectorsPlugins", .array(list))])
    }

    func describeConnector(_ name: Identifier, _ parsed: ParsedStatement) async throws(KsqlFailure) -> JSONValue {
        let what = "Failed to query connector status"
        let connector = name.text
        let info = try await ask(what, parsed) { admin throws(ConnectorAdminError) in
            try await admin.describe(connector)
        }
        guard info.status == 200 else { throw refusal(what, info, parsed) }
        let status = try await status(of: connector, info, what, parsed)
        guard status.status == 200 else { throw refusal(what, status, parsed) }
        let topics = try await ask(what, parsed) { admin throws(ConnectorAdminError) in
            try await admin.topics(connector)
        }
        let names = topics.body[connector]?["topics"]?.elements?.compactMap(\.text) ?? []
        let catalog = engine.current
        let shared = await engine.sharedStatus()
        var sources: [JSONValue] = []
        for source in catalog.sourceNames.compactMap({ catalog[$0] }) where names.contains(source.topic) {
            sources.append(await description(of: source, catalog, shared, extended: false).entity)
        }
        return entity(
            "connector_description", parsed,
            [
                ("connectorClass", info.body["config"]?["connector.class"] ?? .null), ("status", status.body),
                ("sources", .array(sources)), ("topics", .array(names.map { .string($0) })),
            ])
    }
}
