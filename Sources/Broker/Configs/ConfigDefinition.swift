/// One configuration key that we know: its type, default, permitted values and what it does.
package struct ConfigDefinition: Sendable {
    /// The type byte of DescribeConfigs (KIP-569).
    package enum ValueType: Int8, Sendable {
        case boolean = 1, string = 2, int = 3, short = 4, long = 5, double = 6, list = 7, `class` = 8, password = 9
    }

    /// What a value must satisfy beyond its type.
    package enum Rule: Sendable {
        case anything
        case range(ClosedRange<Int64>)
        case fraction
        case oneOf([String])
        /// Comma-separated items, each one of these.
        case subset([String])
        /// A value, in small letters, that the key has elsewhere, and the sentence that says why not here.
        case never(_ value: String, because: String)
    }

    package var name: String
    package var type: ValueType
    package var defaultValue: String
    package var rule: Rule
    /// The server property whose value is the default of this topic config, if there is one.
    package var serverName: String?
    package var documentation: String

    /// The reason why `value` is not permitted, in the words of a sentence after "Invalid value ... for configuration
    /// NAME: "; nil when it is permitted.
    package func problem(with value: String) -> String? {
        // As Kafka's parser, which says nothing about spaces around numbers and flags.
        let value = type == .string ? value : value.trimmingSpaces
        if case .never(let refused, let reason) = rule, value.lowercased() == refused { return reason }
        switch type {
        case .boolean:
            if value.lowercased() != "true" && value.lowercased() != "false" {
                return "Expected value to be either true or false"
            }
        case .int, .short, .long:
            let limits: ClosedRange<Int64> =
                type == .int
                ? Int64(Int32.min)...Int64(Int32.max)
                : type == .short ? Int64(Int16.min)...Int64(Int16.max) : .min ... .max
            guard let number = Int64(value), limits.contains(number) else {
                return "Not a number of type \(type == .int ? "INT" : type == .short ? "SHORT" : "LONG")"
            }
            if case .range(let range) = rule, !range.contains(number) {
                return number < range.lowerBound
                    ? "Value must be at least \(range.lowerBound)" : "Value must be no more than \(range.upperBound)"
            }
        case .double:
            guard let number = Double(value), number.isFinite else { return "Not a number of type DOUBLE" }
            if case .fraction = rule, !(0...1).contains(number) {
                return number < 0 ? "Value must be at least 0" : "Value must be no more than 1"
            }
        case .list:
            if case .subset(let permitted) = rule {
                let items = Self.items(of: value)
                for item in items where !permitted.contains(item) {
                    return "String must be one of: \(permitted.joined(separator: ", ")), not '\(item)'"
                }
                if Set(items).count != items.count { return "an item occurs twice" }
            }
        case .string, .class, .password:
            if case .oneOf(let permitted) = rule, !permitted.contains(value) {
                return "String must be one of: \(permitted.joined(separator: ", "))"
            }
        }
        return nil
    }

    /// The items of a list value, without the spaces around the commas.
    package static func items(of list: String) -> [String] {
        list.split(separator: ",").map { String($0).trimmingSpaces }
    }
}

extension String {
    /// Without the spaces at both ends.
    var trimmingSpaces: String {
        var rest = self[...]
        while rest.first == " " { rest = rest.dropFirst() }
        while rest.last == " " { rest = rest.dropLast() }
        return String(rest)
    }
}

/// A value that does not fit its key, or a key that does not exist.
package struct ConfigError: Error, CustomStringConvertible {
    package var message: String
    package var description: String { message }
    package init(_ message: String) { self.message = message }
}
