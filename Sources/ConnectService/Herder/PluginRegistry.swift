import Bytes
package import ConnectCore

/// The connectors of this program by their class names.
package struct PluginRegistry: Sendable {
    package let plugins: [any ConnectorPlugin]
    /// What tells those who look for a class how to get it; shown behind the list of what is there.
    private let hint: String

    package init(_ plugins: [any ConnectorPlugin], hint: String = "") {
        self.plugins = plugins.sorted { ($0.classNames.first ?? "") < ($1.classNames.first ?? "") }
        self.hint = hint
    }

    /// By full class name, or by its last part with or without `Connector` at the end.
    package func plugin(_ name: String) -> (any ConnectorPlugin)? {
        if let exact = plugins.first(where: { $0.classNames.contains(name) }) { return exact }
        guard !name.contains(".") else { return nil }
        return plugins.first { plugin in
            plugin.classNames.contains { full in
                let last = full.split(separator: ".").last.map(String.init) ?? full
                return last == name || last == name + "Connector"
            }
        }
    }

    /// Connect's words for a class that is not there, with what is.
    package func unknown(_ name: String) -> String {
        let shown = plugins.map { plugin in
            let name = plugin.classNames.first ?? ""
            let type = Self.type(plugin)
            return "PluginDesc{klass=class \(name), name='\(name)', version='\(plugin.version)', "
                + "encodedVersion=\(plugin.version), type=\(type), typeName='\(type)', location='builtin'}"
        }.joined(separator: ", ")
        let short = plugins.flatMap { $0.classNames.compactMap { $0.split(separator: ".").last.map(String.init) } }
        let wanted = name.split(separator: ".").last.map(String.init) ?? name
        let meant = Self.extended(wanted, among: short)
        let nearest =
            (meant.isEmpty ? nearestName(to: wanted, among: short) : meant.joined(separator: " or "))
            .map { ". Did you mean \($0)?" } ?? ""
        return
            "Failed to find any class that implements Connector and which name matches \(name), available connectors "
            + "are: \(shown)\(nearest)" + (hint.isEmpty ? "" : ". " + hint)
    }

    /// Names that have all words of `name` and others between them, such as `S3SinkConnector` for `S3Connector`; none when
    /// they are so many that the name says little.
    private static func extended(_ name: String, among names: [String]) -> [String] {
        func words(_ name: String) -> [String] {
            var words: [String] = []
            for letter in name {
                if letter.isUppercase || words.isEmpty { words.append("") }
                words[words.count - 1] += letter.lowercased()
            }
            return words
        }
        let wanted = words(name)
        guard !wanted.allSatisfy({ ["connector", "source", "sink"].contains($0) }) else { return [] }
        let found = Set(names).filter { candidate in
            var rest = wanted[...]
            for word in words(candidate) where word == rest.first { rest.removeFirst() }
            return rest.isEmpty
        }
        return found.count <= 3 ? found.sorted() : []
    }

    package static func type(_ plugin: any ConnectorPlugin) -> String {
        plugin is any SourcePlugin ? "source" : plugin is any SinkPlugin ? "sink" : "unknown"
    }
}
