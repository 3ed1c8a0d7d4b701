/// A JSON value. Members keep the order they are given in.
package enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)
    /// JSON text that is known to be valid, printed as it is: what has no case of its own, such as a fraction.
    case raw([UInt8])
    case array([JSONValue])
    case object([(String, JSONValue)])

    /// A string, or null.
    package static func string(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    /// On one line, without spaces that JSON does not need.
    package var bytes: [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indent: nil)
        return output
    }

    /// For people: members on lines of their own.
    package var pretty: [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indent: 0)
        return output
    }

    /// As Java's Jackson prints what it has read: compact, numbers as `BigDecimal` prints them, and of members with the
    /// same name the last value in the place of the first.
    ///
    /// - Parameter isSorted: whether members go by the order of Java's strings instead of their own.
    package func javaBytes(isSorted: Bool = false) -> [UInt8] {
        var output: [UInt8] = []
        javaValue(isSorted: isSorted).write(to: &output, indent: nil)
        return output
    }

    private func javaValue(isSorted: Bool) -> JSONValue {
        switch self {
        case .raw(let text): return JSONNumber(text) == nil ? self : .raw(JSONNumber.javaText(text))
        case .array(let elements): return .array(elements.map { $0.javaValue(isSorted: isSorted) })
        case .object(let members):
            var unique: [(String, JSONValue)] = []
            var places: [JSONName: Int] = [:]
            for (name, value) in members {
                let value = value.javaValue(isSorted: isSorted)
                if let place = places.updateValue(places[JSONName(name)] ?? unique.count, forKey: JSONName(name)) {
                    unique[place].1 = value
                } else {
                    unique.append((name, value))
                }
            }
            if isSorted { unique.sort { JSONName($0.0) < JSONName($1.0) } }
            return .object(unique)
        default: return self
        }
    }

    func write(to output: inout [UInt8], indent: Int?) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .number(let value): JSONText.append(value, to: &output)
        case .string(let text): JSONText.quote(text, to: &output)
        case .raw(let text): output += text
        case .array(let elements):
            Self.write("[", "]", elements.count, to: &output, indent) { index, output, indent in
                elements[index].write(to: &output, indent: indent)
            }
        case .object(let members):
            Self.write("{", "}", members.count, to: &output, indent) { index, output, indent in
                JSONText.quote(members[index].0, to: &output)
                output += (indent == nil ? ":" : ": ").utf8
                members[index].1.write(to: &output, indent: indent)
            }
        }
    }

    private static func write(
        _ open: String, _ close: String, _ count: Int, to output: inout [UInt8], _ indent: Int?,
        _ element: (Int, inout [UInt8], Int?) -> Void
    ) {
        func newLine(_ depth: Int) { output += ("\n" + String(repeating: "  ", count: depth)).utf8 }
        output += open.utf8
        for index in 0..<count {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            if let indent { newLine(indent + 1) }
            element(index, &output, indent.map { $0 + 1 })
        }
        if let indent, count > 0 { newLine(indent) }
        output += close.utf8
    }
}
