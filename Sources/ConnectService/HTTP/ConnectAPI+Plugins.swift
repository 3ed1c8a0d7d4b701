import ConnectCore
import HTTPKit
import HTTPTypes
import JSONFormat

extension ConnectAPI {
    mutating func addPlugins() {
        on(.get, "/connector-plugins") { herder, call, _ in
            var all = Self.connectors(herder)
            if try !call.flag("connectorsOnly", default: true) { all += Self.otherPlugins(herder.settings.version) }
            return .json(.array(all))
        }
        on(.get, "/connector-plugins/{plugin}/config") { herder, call, _ in
            let name = call.parameter("plugin")
            guard let options = Self.options(name, herder) else {
                throw HerderFailure.notFound("Unknown plugin \(name).")
            }
            do throws(ConnectError) {
                try PluginVersion.check(
                    call.query("version"), of: name,
                    available: herder.plugins.plugin(name)?.version ?? herder.settings.version)
            } catch {
                throw HerderFailure.badRequest(error.message)
            }
            return .json(.array(options.filter { !$0.isInternal }.map(\.json)))
        }
        for method in [HTTPRequest.Method.put, .post] {
            on(method, "/connector-plugins/{plugin}/config/validate") { herder, call, body in
                let json = try Self.object(body)
                let properties = try Self.configuration(json)
                let name = call.parameter("plugin")
                if let given = properties["connector.class"], !Self.isSame(given, name) {
                    throw HerderFailure.badRequest(
                        "Included connector type \(given) does not match request type \(name)")
                }
                return .json(try await Self.validated(properties, herder))
            }
        }
    }

    private static func validated(_ properties: [String: String], _ herder: Herder) async throws -> JSONValue {
        do {
            return try await herder.validate(properties).json
        } catch {
            guard case .refused(let status, let message) = error, status == 400 else { throw error }
            // The original runs the check on another thread, and answers what comes of that.
            throw HerderFailure.refused(
                status: 500, "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: " + message)
        }
    }

    private static func entry(_ name: String, _ type: String, _ version: String) -> JSONValue {
        .object([("class", .string(name)), ("type", .string(type)), ("version", .string(version))])
    }

    private static func connectors(_ herder: Herder) -> [JSONValue] {
        let sorted = herder.plugins.plugins.sorted { a, b in
            let (x, y) = (PluginRegistry.type(a), PluginRegistry.type(b))
            return x == y ? (a.classNames.first ?? "") < (b.classNames.first ?? "") : x < y
        }
        return sorted.filter(\.isAvailable).map {
            entry($0.classNames.first ?? "", PluginRegistry.type($0), $0.version)
        }
    }

    private static func otherPlugins(_ version: String) -> [JSONValue] {
        TransformPlugins.transforms.map { entry($0.className, "transformation", version) }
            + TransformPlugins.predicates.map { entry($0.className, "predicate", version) }
            + ConverterPlugins.names.map { entry($0, "converter", version) }
            + ConverterPlugins.headerNames.map { entry($0, "header_converter", version) }
    }

    private static func isSame(_ given: String, _ name: String) -> Bool {
        func short(_ text: String) -> String {
            text.hasSuffix("Connector") && text != "Connector" ? String(text.dropLast("Connector".count)) : text
        }
        return short(given).hasSuffix(short(name)) || short(name).hasSuffix(short(given))
    }

    private static func options(_ name: String, _ herder: Herder) -> [ConfigDef.Option]? {
        if let plugin = herder.plugins.plugin(name) {
            let role: ConnectorConfig.Role = plugin is any SinkPlugin ? .sink : .source
            return plugin.definition.options
                + ConnectorConfig.definition(role, [:], version: plugin.version).options.filter {
                    plugin.definition[$0.name] == nil
                }
        }
        return TransformPlugins.transform(name)?.definition.options
            ?? TransformPlugins.predicate(name)?.definition.options ?? ConverterOptions.definition(name)?.options
    }

    // MARK: Loggers

    private static func entry(_ level: String, _ modified: Int64?) -> JSONValue {
        .object([("level", .string(level)), ("last_modified", modified.map { .number($0) } ?? .null)])
    }

    private static func checkAdmin(_ herder: Herder) throws {
        guard herder.settings.servesAdmin else { throw HerderFailure.notFound("HTTP 404 Not Found") }
    }

    mutating func addLoggers() {
        on(.get, "/admin/loggers") { herder, _, _ in
            try Self.checkAdmin(herder)
            return .json(.object(herder.loggers.all.map { ($0.name, Self.entry($0.level, $0.modified)) }))
        }
        on(.get, "/admin/loggers/{name}") { herder, call, _ in
            try Self.checkAdmin(herder)
            let name = call.parameter("name")
            guard let found = herder.loggers.level(name) else {
                throw HerderFailure.notFound("Logger \(name) not found.")
            }
            return .json(Self.entry(found.level, found.modified))
        }
        on(.put, "/admin/loggers/{name}") { herder, call, body in
            try Self.checkAdmin(herder)
            guard let text = try Self.object(body)["level"]?.text else {
                throw HerderFailure.badRequest("Desired 'level' parameter was not specified in request.")
            }
            let level = text.uppercased()
            guard LoggerLevels.levels.contains(level) else {
                throw HerderFailure.notFound("invalid log level '\(text)'.")
            }
            let name = call.parameter("name")
            if call.query("scope")?.lowercased() == "cluster" {
                try await herder.config.write([ConfigRecords.logger(name, level)])
                return .empty()
            }
            return .json(.array(herder.loggers.set(name, level).map { .string($0) }))
        }
    }
}
