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
        /// `*`, or `PARTITION:BROKER` separated by commas.
        case throttledReplicas
        /// `earliest`, `latest` or `by_duration:` and a duration.
        case shareOffsetReset
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
    /// There is no value as long as none is set, not even an empty one; `defaultValue` is empty.
    package var hasNoDefault = false
    /// Not told of where it is not set.
    package var isHidden = false

    /// A property of the server that topics do not have.
    static func ofServer(
        _ name: String, _ type: ValueType, _ defaultValue: String, _ rule: Rule, _ documentation: String
    ) -> Self {
        .init(
            name: name, type: type, defaultValue: defaultValue, rule: rule, serverName: nil,
            documentation: documentation)
    }

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
            if case .subset(let permitted) = rule, let item = Self.foreignItem(in: value, permitted) {
                return item.isEmpty
                    ? Self.emptyItem : "String must be one of: \(permitted.joined(separator: ", ")), not '\(item)'"
            }
            if case .throttledReplicas = rule, value != "*", !Self.items(of: value).allSatisfy(Self.isReplica) {
                return "\(name) must be the literal '*' or a list of replicas in the following format: "
                    + "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
            }
        case .string, .class, .password:
            if case .oneOf(let permitted) = rule, !permitted.contains(value) {
                return "String must be one of: \(permitted.joined(separator: ", "))"
            }
            if case .shareOffsetReset = rule, ShareOffsetReset(value) == nil {
                return "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
            }
        }
        return nil
    }

    private static let emptyItem = "values must not be empty."

    /// The first item of a list that is not permitted; nil when all are. One that occurs twice counts once (KIP-1161).
    private static func foreignItem(in value: String, _ permitted: [String]) -> String? {
        if value.isEmpty { return nil }
        return value.split(separator: ",", omittingEmptySubsequences: false).lazy.map { String($0).trimmingSpaces }
            .first { !permitted.contains($0) }
    }

    /// The sentence in which Kafka refuses `value`; nil when it is permitted.
    package func refusal(of value: String) -> String? {
        guard let problem = problem(with: value) else { return nil }
        if problem == Self.emptyItem { return "Configuration '\(name)' \(problem)" }
        switch rule {
        case .never(_, let reason) where reason == problem: return problem
        case .subset(let permitted):
            let item = Self.foreignItem(in: value.trimmingSpaces, permitted) ?? value
            return "Invalid value \(item) for configuration \(name): String must be one of: "
                + permitted.joined(separator: ", ")
        default: return "Invalid value \(value) for configuration \(name): \(problem)"
        }
    }

    /// Whether an item of `throttledReplicas` is one; empty ones are none and no harm.
    private static func isReplica(_ item: String) -> Bool {
        let numbers = item.split(separator: ":", omittingEmptySubsequences: false)
        return item.isEmpty
            || (numbers.count == 2
                && numbers.allSatisfy { number in
                    !number.isEmpty && number.utf8.allSatisfy { (0x30...0x39).contains($0) }
                })
    }

    /// The items of a list value, without the spaces around the commas.
    package static func items(of list: String) -> [String] {
        list.split(separator: ",").map { String($0).trimmingSpaces }
    }
}

extension String {
    /// Without spaces and control characters at both ends, as Java's `trim`.
    var trimmingSpaces: String {
        var rest = unicodeScalars[...]
        while let first = rest.first, first.value <= 0x20 { rest.removeFirst() }
        while let last = rest.last, last.value <= 0x20 { rest.removeLast() }
        return String(rest)
    }
}

/// A value that does not fit its key, or a key that does not exist.
package struct ConfigError: Error, CustomStringConvertible {
    package var message: String
    package var description: String { message }
    package init(_ message: String) { self.message = message }
}
