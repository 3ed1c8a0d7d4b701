import Cluster
import ConnectCore
import ConnectService
import Security

/// The Connect worker's options among the program's settings.
enum WorkerProperties {
    private static let prefix = "connect."
    private static let own = ["connect.listener", "connect.config"]

    /// Whether a setting is an option of the worker: `connect.` and a name that the worker has.
    static func isOption(_ name: String) -> Bool {
        guard name.hasPrefix(prefix), !own.contains(name) else { return false }
        let option = String(name.dropFirst(prefix.count))
        return WorkerSettings.definition[option] != nil || WorkerSettings.prefixes.contains { option.hasPrefix($0) }
    }

    /// The names of these settings.
    static var names: [String] { WorkerSettings.definition.names.map { prefix + $0 } }

    /// What an option of the worker means; nil for what is none, or has its meaning elsewhere.
    static func documentation(_ name: String) -> String? {
        guard isOption(name) else { return nil }
        return WorkerSettings.definition[String(name.dropFirst(prefix.count))]?.documentation
    }

    /// What the worker runs with: its file, then variables as the original's images take them (`CONNECT_GROUP_ID`),
    /// then the program's settings.
    ///
    /// - Throws: `CommandFailure` that names the option.
    static func settings(_ settings: ServerSettings, environment: [String: String]) throws -> WorkerSettings {
        let file = settings["connect.config"].text
        let properties = try properties(settings.set, environment: environment)
        do throws(ConnectError) {
            return try WorkerSettings(properties)
        } catch {
            throw CommandFailure.usage(error.message + (file.isEmpty ? "" : " (\(file))"))
        }
    }

    /// The same by their names, not looked at yet.
    static func properties(
        _ set: [String: ServerSettings.Value], environment: [String: String]
    ) throws -> [String: String] {
        var properties: [String: String] = [:]
        if let file = set["connect.config"]?.text, !file.isEmpty { properties = try PropertiesFile.read(file) }
        for (name, value) in environment where name.hasPrefix("CONNECT_") {
            let option = name.dropFirst("CONNECT_".count).lowercased().replacing("_", with: ".")
            // Other programs have variables with such names, too: only what the worker knows is the worker's.
            if isOption(prefix + option) { properties[option] = value }
        }
        for (name, value) in set where isOption(name) && !isOfPort(name) {
            properties[String(name.dropFirst(prefix.count))] = value.text
        }
        // Names of TLS are the port's where it has TLS; the connection's, as all others, where it has none.
        if WebPort.isSecure(set["connect.listener"]?.text ?? properties["listeners"] ?? "") { return properties }
        for (name, value) in set where isOption(name) && isOfPort(name) {
            properties[String(name.dropFirst(prefix.count))] = value.text
        }
        return properties
    }

    /// Whether a setting of the program names TLS of the worker's port.
    private static func isOfPort(_ name: String) -> Bool { KeyStore.isKnown(String(name.dropFirst(prefix.count))) }

    /// Properties of the connection to a cluster, by librdkafka's names. Empty where none says how the worker connects: names
    /// of TLS alone are those of its port.
    static func connection(_ worker: WorkerSettings) throws(ClusterError) -> [String: String] {
        guard worker.properties.keys.contains(where: { $0 == "security.protocol" || $0.hasPrefix("sasl.") }) else {
            return [:]
        }
        return try RemoteConfiguration.properties(
            fromJava: worker.properties.filter { name, _ in
                name == "security.protocol" || name.hasPrefix("ssl.") || name.hasPrefix("sasl.")
            })
    }
}
