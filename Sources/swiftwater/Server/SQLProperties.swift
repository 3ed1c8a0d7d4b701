import SQLService

/// The SQL server's settings, by the names of the original's `ksql-server.properties`.
enum SQLProperties {
    /// Whether a name is one of them: what begins with `ksql.`, and what names the server and its port.
    static func isKnown(_ name: String) -> Bool { name.hasPrefix("ksql.") && PropertyCatalog.isKnown(name) }

    /// `http://0.0.0.0:8088`, as `listeners` of that file has it, in our form, or `https://0.0.0.0:8088`; nil for anything
    /// else.
    static func listener(_ text: String) -> String? {
        let text = text.last == "/" ? text.dropLast() : text[...]
        guard !text.contains(",") else { return nil }
        guard let (scheme, rest) = WebPort.scheme(String(text)) else { return nil }
        switch scheme {
        case "https": return "https://" + rest
        case "http": return String(rest)
        default: return nil
        }
    }
}
