import Bytes

/// The options that a connector, converter or transform takes: Kafka's `ConfigDef`. Reads a configuration strictly (`parse`)
/// or collects all that is wrong with it, as the REST call `validate` shows it.
package struct ConfigDef: Sendable {
    package enum Kind: String, Sendable, Hashable {
        case boolean = "BOOLEAN"
        case string = "STRING"
        case int = "INT"
        case short = "SHORT"
        case long = "LONG"
        case double = "DOUBLE"
        case list = "LIST"
        case className = "CLASS"
        case password = "PASSWORD"
    }

    package enum Importance: String, Sendable, Hashable { case high = "HIGH", medium = "MEDIUM", low = "LOW" }
    package enum Width: String, Sendable, Hashable {
        case none = "NONE", short = "SHORT", medium = "MEDIUM", long = "LONG"
    }

    /// What stands where a configuration does not have the option.
    package enum Default: Sendable, Hashable {
        /// The option has to be given.
        case required
        case null
        case value(ConfigItem)
    }

    /// Values to choose from and whether the option counts, given the others.
    package struct Recommender: Sendable {
        package var values: @Sendable (_ name: String, _ parsed: [String: ConfigItem]) -> [ConfigItem]
        package var isVisible: @Sendable (_ name: String, _ parsed: [String: ConfigItem]) -> Bool

        package init(
            values: @escaping @Sendable (String, [String: ConfigItem]) -> [ConfigItem] = { _, _ in [] },
            isVisible: @escaping @Sendable (String, [String: ConfigItem]) -> Bool = { _, _ in true }
        ) {
            self.values = values
            self.isVisible = isVisible
        }
    }

    package struct Option: Sendable {
        package var name: String
        package var kind: Kind
        package var defaultValue: Default
        package var validator: ConfigValidator?
        package var importance: Importance
        package var documentation: String
        package var group: String?
        /// -1 without a group.
        package var orderInGroup: Int
        package var width: Width
        package var displayName: String
        package var dependents: [String]
        package var recommender: Recommender?
        /// Taken from configurations, but shown neither by `validate` nor in lists: names of earlier versions.
        package var isInternal = false
    }

    package private(set) var options: [Option] = []
    private var places: [String: Int] = [:]

    package init() {}

    /// Adds an option behind the others, or in the place of one with its name.
    package mutating func define(
        _ name: String, _ kind: Kind, _ defaultValue: Default = .required, _ validator: ConfigValidator? = nil,
        _ importance: Importance = .medium, _ documentation: String = "", group: String? = nil, order: Int = -1,
        width: Width = .none, displayName: String? = nil, dependents: [String] = [], recommender: Recommender? = nil,
        isInternal: Bool = false
    ) {
        let option = Option(
            name: name, kind: kind, defaultValue: defaultValue, validator: validator, importance: importance,
            documentation: documentation, group: group, orderInGroup: order, width: width,
            displayName: displayName ?? name, dependents: dependents, recommender: recommender, isInternal: isInternal)
        if let place = places[name] {
            options[place] = option
        } else {
            places[name] = options.count
            options.append(option)
        }
    }

    /// Adds the options of another definition with a prefix on their names: those of a transform in a connector's.
    package mutating func embed(_ other: ConfigDef, prefix: String, group: String, firstOrder: Int = 0) {
        for (index, option) in other.options.enumerated() {
            var option = option
            option.name = prefix + option.name
            option.group = group
            option.orderInGroup = firstOrder + index
            option.dependents = option.dependents.map { prefix + $0 }
            // Validators know the option by its own name, and say so.
            if let validator = option.validator {
                option.validator = ConfigValidator { (name, value) throws(ConnectError) in
                    try validator.check(String(name.dropFirst(prefix.count)), value)
                }
            }
            if let place = places[option.name] {
                options[place] = option
            } else {
                places[option.name] = options.count
                options.append(option)
            }
        }
    }

    package subscript(name: String) -> Option? { places[name].map { options[$0] } }

    /// In the order in which they were defined.
    package var names: [String] { options.map(\.name) }

    /// - Throws: `.config` for the first option that is missing or wrong.
    package func parse(_ properties: [String: String]) throws(ConnectError) -> ConfigValues {
        var values: [String: ConfigItem] = [:]
        for option in options {
            let value: ConfigItem
            if let text = properties[option.name] {
                value = try ConfigItem.parse(text, option.kind, option.name)
            } else {
                switch option.defaultValue {
                case .required: throw .config(Self.missing(option.name))
                case .null: value = .null
                case .value(let item): value = item
                }
            }
            try option.validator?.check(option.name, value)
            values[option.name] = value
        }
        return ConfigValues(values: values, originals: properties)
    }

    private static func missing(_ name: String) -> String {
        "Missing required configuration \"\(name)\" which has no default value."
    }

    /// Every option with its value and everything that is wrong with it.
    package func validate(_ properties: [String: String]) -> [ConfigFinding] {
        var parsed: [String: ConfigItem] = [:]
        var findings: [ConfigFinding] = []
        for option in options where !option.isInternal {
            var finding = ConfigFinding(option: option)
            if let text = properties[option.name] {
                do throws(ConnectError) {
                    finding.value = try ConfigItem.parse(text, option.kind, option.name)
                } catch {
                    finding.errors.append(error.message)
                }
            } else {
                switch option.defaultValue {
                case .required: finding.errors.append(Self.missing(option.name))
                case .null: break
                case .value(let item): finding.value = item
                }
            }
            do throws(ConnectError) {
                try option.validator?.check(option.name, finding.value)
            } catch {
                finding.errors.append(error.message)
                // A class that is not there is no value, as the original has it.
                if option.kind == .className, error.message.hasSuffix("could not be found.") { finding.value = .null }
            }
            parsed[option.name] = finding.value
            findings.append(finding)
        }
        for index in findings.indices {
            guard let recommender = findings[index].option.recommender else { continue }
            let name = findings[index].option.name
            findings[index].recommended = recommender.values(name, parsed)
            findings[index].isVisible = recommender.isVisible(name, parsed)
        }
        return findings
    }

    /// Names in a configuration that no option has, each with the option's name that is nearest to it when one is near.
    ///
    /// - Parameter prefixes: beginnings of names that are somebody else's business (`transforms.`, `producer.override.`).
    package func unknown(
        in properties: some Collection<String>, ignoring prefixes: [String] = []
    ) -> [(name: String, nearest: String?)] {
        properties.filter { name in self[name] == nil && !prefixes.contains { name.hasPrefix($0) } }.sorted().map {
            name in
            (name, nearestName(to: name, among: names))
        }
    }
}

/// One option of a configuration as `validate` shows it.
package struct ConfigFinding: Sendable {
    package var option: ConfigDef.Option
    package var value: ConfigItem = .null
    package var recommended: [ConfigItem] = []
    package var errors: [String] = []
    package var isVisible = true

    package init(option: ConfigDef.Option) { self.option = option }
}

/// The value of an option.
package enum ConfigItem: Sendable, Hashable {
    case null
    case boolean(Bool)
    case string(String)
    case integer(Int64)
    case double(Double)
    case list([String])
    case password(String)

    /// Kafka's text of it; nil for null.
    package var text: String? {
        switch self {
        case .null: nil
        case .boolean(let flag): flag ? "true" : "false"
        case .string(let text): text
        case .integer(let number): String(number)
        case .double(let number): JavaText.text(number)
        case .list(let items): items.joined(separator: ",")
        case .password: "[hidden]"
        }
    }

    /// - Throws: `.config` in Kafka's words.
    static func parse(_ text: String, _ kind: ConfigDef.Kind, _ name: String) throws(ConnectError) -> ConfigItem {
        let trimmed = text.trimmed
        func number(_ range: ClosedRange<Int64>) throws(ConnectError) -> ConfigItem {
            guard let number = Int64(trimmed), range ~= number else {
                throw .config(name, text, "Not a number of type \(kind.rawValue)")
            }
            return .integer(number)
        }
        switch kind {
        case .boolean:
            switch trimmed.lowercased() {
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default: throw .config(name, text, "Expected value to be either true or false")
            }
        case .string, .className: return .string(trimmed)
        case .password: return .password(trimmed)
        case .int: return try number(Int64(Int32.min)...Int64(Int32.max))
        case .short: return try number(Int64(Int16.min)...Int64(Int16.max))
        case .long: return try number(.min ... .max)
        case .double:
            guard let number = Double(trimmed) else { throw .config(name, text, "Not a number of type DOUBLE") }
            return .double(number)
        case .list:
            if trimmed.isEmpty { return .list([]) }
            return .list(trimmed.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed))
        }
    }
}

/// A configuration that was read.
package struct ConfigValues: Sendable {
    private let values: [String: ConfigItem]
    /// All that was given, also what no option is for.
    package let originals: [String: String]

    init(values: [String: ConfigItem], originals: [String: String]) {
        self.values = values
        self.originals = originals
    }

    package subscript(name: String) -> ConfigItem { values[name] ?? .null }

    package func string(_ name: String) -> String? {
        switch self[name] {
        case .string(let text), .password(let text): text
        default: nil
        }
    }

    /// A text that is not empty.
    package func text(_ name: String) -> String? { string(name).flatMap { $0.isEmpty ? nil : $0 } }

    package func flag(_ name: String) -> Bool { self[name] == .boolean(true) }

    package func integer(_ name: String) -> Int64? { if case .integer(let number) = self[name] { number } else { nil } }

    package func list(_ name: String) -> [String] { if case .list(let items) = self[name] { items } else { [] } }
}

/// What a value has to be.
package struct ConfigValidator: Sendable {
    /// - Throws: `.config` in Kafka's words.
    package let check: @Sendable (_ name: String, _ value: ConfigItem) throws(ConnectError) -> Void

    package init(_ check: @escaping @Sendable (String, ConfigItem) throws(ConnectError) -> Void) { self.check = check }

    package static func atLeast(_ minimum: Int64) -> Self { between(minimum, nil) }

    package static func between(_ minimum: Int64, _ maximum: Int64?) -> Self {
        Self { (name, value) throws(ConnectError) in
            guard case .integer(let number) = value else {
                throw .config(name, value.text, "Value must be non-null")
            }
            if number < minimum { throw .config(name, value.text, "Value must be at least \(minimum)") }
            if let maximum, number > maximum {
                throw .config(name, value.text, "Value must be no more than \(maximum)")
            }
        }
    }

    package static func oneOf(_ names: [String], ignoresCase: Bool = false) -> Self {
        Self { (name, value) throws(ConnectError) in
            guard let text = value.text,
                names.contains(where: { ignoresCase ? $0.lowercased() == text.lowercased() : $0 == text })
            else {
                throw .config(
                    name, value.text,
                    "String must be one of\(ignoresCase ? " (case insensitive)" : ""): \(names.joined(separator: ", "))"
                )
            }
        }
    }

    package static let notEmpty = Self { (name, value) throws(ConnectError) in
        if case .string("") = value { throw .config(name, "", "String must be non-empty") }
    }

    package static let notEmptyList = Self { (name, value) throws(ConnectError) in
        guard case .list(let items) = value, !items.isEmpty else { throw .config(name, "[]", "Empty list") }
    }

    /// A list of at least one name; one that stands twice counts once.
    package static let someNames = Self { (name, value) throws(ConnectError) in
        guard case .list(let items) = value, !items.isEmpty else {
            throw .config("Configuration '\(name)' must not be empty. Valid values include: any non-empty value")
        }
    }

    /// A list without doubles and empty names.
    package static let distinctNames = Self { (name, value) throws(ConnectError) in
        guard case .list(let items) = value else { return }
        guard !items.contains("") else { throw .config("Configuration '\(name)' values must not be empty.") }
        guard Set(items).count == items.count else {
            throw .config("Configuration '\(name)' values must not be duplicated.")
        }
    }

    package static let notNull = Self { (name, value) throws(ConnectError) in
        if value == .null { throw .config(name, nil, "entry must be non null") }
    }

    /// A list without doubles.
    package static let uniqueNames = Self { (name, value) throws(ConnectError) in
        guard case .list(let items) = value else { return }
        if Set(items).count < items.count {
            throw .config(name, "[" + items.joined(separator: ", ") + "]", "Duplicate alias provided.")
        }
    }

    /// A text of at least one character, none of them a control character.
    package static let printable = Self { (name, value) throws(ConnectError) in
        guard let text = value.text else { return }
        if text.isEmpty { throw .config(name, text, "String may not be empty") }
        let controls = text.unicodeScalars.filter { $0.value < 0x20 || 0x7F...0x9F ~= $0.value }.map {
            String($0.value)
        }
        if !controls.isEmpty {
            throw .config(
                name, text,
                "String may not contain control sequences but had the following ASCII chars: "
                    + controls.joined(separator: ", "))
        }
    }
}
