import Bytes
import ConnectCore

/// What a connector's configuration names and nothing reads. It is taken, as in the original; the log tells what looks like
/// a slip.
enum UnknownOptions {
    /// - Parameters:
    ///   - properties: with placeholders resolved.
    ///   - base: the options that all connectors of the role have, with those of its transforms and predicates.
    /// - Returns: a sentence for each, in the order of their names.
    static func words(
        _ role: ConnectorConfig.Role, _ properties: [String: String], _ plugin: any ConnectorPlugin, _ base: ConfigDef,
        _ settings: WorkerSettings
    ) -> [String] {
        var known = Set(base.names).union(plugin.definition.names)
        let named = (try? HostedFormats.converters(role, properties)) ?? properties  // what is wrong is told elsewhere
        for option in ["key.converter", "value.converter", "header.converter"] {
            let className = named[option] ?? settings.values.string(option) ?? ""
            let converter = ConverterOptions.definition(ConnectAPI.trimmed(className))
            var names = converter?.names ?? []
            if converter?["schema.registry.url"] != nil { names += registryNames }
            for name in names { known.insert("\(option).\(name)") }
        }
        for part in ["output.data", "output.key", "input.data", "input.key"] { known.insert(part + ".format") }
        let open = plugin.openPrefixes + ["topic.creation."]
        return properties.keys.sorted().compactMap { name in
            if known.contains(name) { return nil }
            if let words = ClientOverrides.words(unread: name) { return words }
            guard !open.contains(where: { name.hasPrefix($0) }), !isEarlier(name, properties, plugin),
                let nearest = nearestName(to: name, among: known.sorted())
            else { return nil }
            return "option '\(name)' is not known and has no effect: did you mean '\(nearest)'?"
        }
    }

    /// Options of the registry's client that the original has and its converters do not list.
    private static let registryNames = [
        "proxy.host", "proxy.port", "schemas.cache.size",
    ]

    /// Whether it is what another option was called in earlier versions.
    private static func isEarlier(
        _ name: String, _ properties: [String: String], _ plugin: any ConnectorPlugin
    ) -> Bool {
        var others = properties
        others[name] = nil
        var modern = plugin.modernized(properties)
        modern[name] = nil
        return plugin.modernized(others) != modern
    }
}
