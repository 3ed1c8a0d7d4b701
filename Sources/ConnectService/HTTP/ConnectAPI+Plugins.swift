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

    mutating func addLoggers() {
        on(.get, "/admin/loggers") { herder, _, _ in
            .json(.object(herder.loggers.all.map { ($0.name, Self.entry($0.level, $0.modified)) }))
        }
        on(.get, "/admin/loggers/{name}") { herder, call, _ in
            let name = call.parameter("name")
            guard let found = herder.loggers.level(name) else {
                throw HerderFailure.notFound("Logger \(name) not found.")
            }
            return .json(Self.entry(found.level, found.modified))
        }
        on(.put, "/admin/loggers/{name}") { herder, call, body in
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

/// Options of converters, as lists show them.
enum ConverterOptions {
    /// The options of a converter that is not a registry's, of whose options the lists show some.
    static func validated(_ name: String) -> ConfigDef? {
        guard let known = definition(name), known["schema.registry.url"] == nil else { return nil }
        return known
    }

    static func definition(_ name: String) -> ConfigDef? {
        let all = Set(ConverterPlugins.names).union(ConverterPlugins.headerNames)
        guard
            let known = all.first(where: {
                $0 == name || $0.hasSuffix("." + name) || $0.hasSuffix("." + name + "Converter")
            })
        else { return nil }
        switch known.split(separator: ".").last.map(String.init) {
        case "JsonConverter": return json
        case "StringConverter": return string
        case "AvroConverter", "JsonSchemaConverter", "ProtobufConverter": return registry
        default: return plain
        }
    }

    private static let plain: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "converter.type", .string, .required, .oneOf(["key", "value", "header"]), .low,
            "How this converter is used.")
        return definition
    }()

    private static let json: ConfigDef = {
        var definition = plain
        let (schemas, serialization) = ("Schemas", "Serialization")
        definition.define(
            "schemas.enable", .boolean, .value(.boolean(true)), nil, .high, "Whether values carry their schemas.",
            group: schemas, order: 0, width: .medium, displayName: "Enable Schemas")
        definition.define(
            "schemas.cache.size", .int, .value(.integer(1000)), nil, .high, "The most schemas that are kept.",
            group: schemas, order: 1, width: .medium, displayName: "Schema Cache Size")
        definition.define(
            "schema.content", .string, .null, nil, .high, "The schema of values that carry none.", group: schemas,
            order: 2, width: .medium, displayName: "Schema Content")
        definition.define(
            "decimal.format", .string, .value(.string("BASE64")), .oneOf(["NUMERIC", "BASE64"], ignoresCase: true),
            .low,
            "Decimals as BASE64 of their bytes or NUMERIC.", group: serialization, order: 0, width: .medium,
            displayName: "Decimal Format")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .low,
            "Whether null becomes the field's default.", group: serialization, order: 1, width: .medium,
            displayName: "Replace null with default")
        return definition
    }()

    private static let string: ConfigDef = {
        var definition = plain
        definition.define(
            "converter.encoding", .string, .value(.string("UTF-8")), nil, .high, "The encoding of texts.",
            width: .medium, displayName: "Encoding")
        return definition
    }()

    private static let registry: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "schema.registry.url", .list, .required, .notEmptyList, .high, "Addresses of the schema registry.")
        definition.define(
            "auto.register.schemas", .boolean, .value(.boolean(true)), nil, .medium, "Whether schemas are registered.")
        definition.define(
            "use.latest.version", .boolean, .value(.boolean(false)), nil, .low,
            "Whether values are written with the subject's newest schema.")
        return definition
    }()
}
