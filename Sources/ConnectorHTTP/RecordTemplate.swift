import ConnectCore
import JSONFormat

/// A text with places for what a record holds: `${topic}`, `${key}`, `${partition}`, `${offset}`, `${timestamp}`, and fields
/// of the value, also inside others: `${customer.name}`.
struct RecordTemplate: Sendable {
    private enum Part: Sendable {
        case text(String)
        case place([String], name: String)
    }

    private let parts: [Part]
    /// Whether a field counts before what the record itself has under the same name.
    private let prefersFields: Bool
    let hasPlaces: Bool

    /// `${` without an end is text.
    init(_ text: String, prefersFields: Bool = false) {
        self.prefersFields = prefersFields
        var parts: [Part] = []
        var rest = text[...]
        while let start = rest.firstRange(of: "${"), let end = rest[start.upperBound...].firstIndex(of: "}") {
            if start.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<start.lowerBound]))) }
            let name = String(rest[start.upperBound..<end])
            parts.append(.place(name.split(separator: ".").map(String.init), name: name))
            rest = rest[rest.index(after: end)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
        hasPlaces = parts.contains { if case .place = $0 { true } else { false } }
    }

    /// - Parameter encode: what is done to the texts that are put in.
    func text(_ record: ConnectRecord, encode: (String) -> String = { $0 }) -> String {
        var output = ""
        for part in parts {
            switch part {
            case .text(let text): output += text
            case .place(let path, let name): output += encode(value(path, name, record))
            }
        }
        return output
    }

    private func value(_ path: [String], _ name: String, _ record: ConnectRecord) -> String {
        if !prefersFields, let own = Self.own(name, record) { return own }
        if let found = Self.field(path, Self.opened(record.value.value)) { return Self.shown(found) }
        return Self.own(name, record) ?? ""
    }

    private static func own(_ name: String, _ record: ConnectRecord) -> String? {
        switch name {
        case "topic": return record.topic
        case "key": return shown(record.key.value)
        case "timestamp": return record.timestamp.map { String($0) } ?? ""
        case "partition", "offset":
            guard case .sink(_, let partition, let offset, _) = record.origin else { return nil }
            return name == "partition" ? String(partition) : String(offset)
        default: return nil
        }
    }

    /// A text that holds a JSON object is that object.
    private static func opened(_ value: ConnectValue) -> ConnectValue {
        guard case .string(let text) = value, text.utf8.first(where: { $0 != 0x20 }) == UInt8(ascii: "{"),
            let json = JSONValue.parse(Array(text.utf8))
        else { return value }
        var options = JSONConverter.Options()
        options.hasSchemas = false
        // What is no JSON for Connect stays a text.
        return (try? JSONConverter(options).value(json).value) ?? value
    }

    private static func field(_ path: [String], _ value: ConnectValue) -> ConnectValue? {
        var value = value
        for name in path {
            switch value {
            case .structure(let structure):
                guard
                    let index = structure.schema.index(of: name)
                        ?? structure.schema.fields.firstIndex(where: {
                            $0.name.lowercased() == name.lowercased()
                        })
                else { return nil }
                value = structure[index]
            case .map(let map):
                guard
                    let entry = map[name]
                        ?? map.entries.first(where: { $0.key.string?.lowercased() == name.lowercased() })?.value
                else { return nil }
                value = entry
            default: return nil
            }
        }
        return value
    }

    static func shown(_ value: ConnectValue) -> String {
        if value.isNull { return "" }
        return (try? StringConverter().bytes(SchemaAndValue(nil, value), topic: "")).flatMap { $0 }.map {
            String(decoding: $0, as: UTF8.self)
        } ?? ""
    }
}
