import Cluster
package import ConnectCore
import Logging

/// Makes the registry that converters ask, from the addresses of `schema.registry.url` and the converter's options.
package typealias ConverterRegistries =
    @Sendable (_ addresses: [String], _ options: [String: String]) throws(ConnectError) -> any ConverterRegistry

/// What all tasks of a worker share.
struct WorkerParts: Sendable {
    var cluster: any Cluster
    var settings: WorkerSettings
    var registries: ConverterRegistries
    var offsets: OffsetStores
    var memberNames: MemberNames
    var figures: WorkerFigures
    /// The herder's.
    var logger: Logger
    var sourceLogger: Logger
    var sinkLogger: Logger
    var now: @Sendable () -> Int64
}

/// What a task runs with. Configurations have the values of providers in their places.
struct TaskEnvironment: Sendable {
    var parts: WorkerParts
    var identity: TaskIdentity
    /// The connector's.
    var connector: [String: String]
    /// The task's own.
    var properties: [String: String]
    /// Of the connector's class.
    var plugin: any ConnectorPlugin
    var control: TaskControl
    /// Tells the state; returns when it is on its way to the status topic.
    var report: @Sendable (RunState, TaskFailure?) async -> Void
    /// Notes that the task uses a topic.
    var track: @Sendable (String) async -> Void
    /// Has the connector's tasks laid out anew.
    var reconfigure: @Sendable () -> Void
    /// Makes sure that no earlier tasks of the connector can write any more.
    var fence: @Sendable () async throws -> Void

    /// `FileStreamSinkTask` for `FileStreamSinkConnector`, as traces name it.
    var taskClass: String { TaskNames.taskClass(plugin.classNames.first ?? "") }

    func log(_ level: TaskLogLevel, _ message: String) {
        let level: Logger.Level =
            switch level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        (plugin is any SinkPlugin ? parts.sinkLogger : parts.sourceLogger).log(
            level: level, "\(message)",
            metadata: ["connector": "\(identity.connector)", "task": "\(identity.task)"])
    }
}

enum TaskNames {
    static func taskClass(_ connectorClass: String) -> String {
        if connectorClass.hasPrefix("io.debezium.connector.") { return connectorClass + "Task" }
        return connectorClass.hasSuffix("Connector")
            ? String(connectorClass.dropLast("Connector".count)) + "Task" : connectorClass + "Task"
    }
}

/// The converters of a task: the connector's own, or the worker's.
struct TaskConverters: Sendable {
    var key: any Converter
    var value: any Converter
    var header: any HeaderConverter
    var keyClass: String
    var valueClass: String
    var headerClass: String

    init(
        _ given: [String: String], _ role: ConnectorConfig.Role, _ parts: WorkerParts
    ) throws(ConnectError) {
        let connector = try HostedFormats.converters(role, given)
        func converter(_ option: String) throws(ConnectError) -> (any Converter, String) {
            let options = Self.options(option, connector, given: given, parts.settings)
            guard let made = try ConverterPlugins.converter(option, options, registry: parts.registries) else {
                throw .config(option, nil, "no class is named")
            }
            return (made, Self.fullName(options[option] ?? "", ConverterPlugins.names))
        }
        (key, keyClass) = try converter("key.converter")
        (value, valueClass) = try converter("value.converter")
        let headers = Self.options("header.converter", connector, given: given, parts.settings)
        header = try ConverterPlugins.headerConverter(headers)
        headerClass = Self.fullName(headers["header.converter"] ?? "", ConverterPlugins.headerNames)
    }

    /// The class in full, as logs and dead letters have it, where a configuration has the last part alone.
    private static func fullName(_ given: String, _ names: [String]) -> String {
        let given = ConnectAPI.trimmed(given)
        guard !given.contains(".") else { return given }
        return names.first { $0.hasSuffix("." + given) || $0.hasSuffix("." + given + "Converter") } ?? given
    }

    /// A converter's options, with the prefix of `option`: the connector's, or the worker's.
    ///
    /// - Parameters:
    ///   - connector: the configuration with the converters that its formats name.
    ///   - given: the configuration as it was given.
    static func options(
        _ option: String, _ connector: [String: String], given: [String: String], _ settings: WorkerSettings
    ) -> [String: String] {
        // A connector that names a converter brings its options along; the worker's are for the worker's converter.
        let source = connector[option] != nil ? connector : settings.properties
        var found = source.filter { $0.key == option || $0.key.hasPrefix(option + ".") }
        if found[option] == nil { found[option] = settings.values.string(option) }
        if given[option] == nil, connector[option] != nil {
            // A format does not say where the registry is: the worker's own converters may.
            for (name, value) in settings.properties
            where [".schema.registry.", ".basic.auth.", ".bearer.auth."].contains(where: { name.hasPrefix(option + $0) }
            ) {
                if found[name] == nil { found[name] = value }
            }
        }
        if let url = settings.registryURL, found[option + ".schema.registry.url"] == nil {
            found[option + ".schema.registry.url"] = url
        }
        return found
    }
}
