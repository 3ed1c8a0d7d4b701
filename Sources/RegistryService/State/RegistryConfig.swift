package import JSONFormat
package import SchemaRules

/// Whether a scope takes registrations, and of which kind.
package enum RegistryMode: String, Sendable, Hashable, CaseIterable {
    case readWrite = "READWRITE"
    case readOnly = "READONLY"
    /// As `readOnly`, and over whatever subjects say.
    case readOnlyOverride = "READONLY_OVERRIDE"
    /// Schemas come with their ids, and are not compared with others.
    case `import` = "IMPORT"
    case forward = "FORWARD"

    /// In any case of its letters.
    package init?(_ text: String) { self.init(rawValue: text.uppercased()) }

    package var isReadOnly: Bool { self == .readOnly || self == .readOnlyOverride }
    package var isImport: Bool { self == .import || self == .forward }
}

/// Settings of a subject, a context or all of them; what is nil is not set.
///
/// - SeeAlso: upstream entity `Config`.
package struct RegistryConfig: Sendable, Hashable {
    package var alias: String?
    /// The subject whose encryption keys are those of this one.
    package var aliasForDeks: String?
    package var normalize: Bool?
    package var validateFields: Bool?
    package var validateNames: Bool?
    package var validateRules: Bool?
    package var level: CompatibilityLevel?
    package var policy: CompatibilityPolicy?
    package var compatibilityGroup: String?
    package var defaultMetadata: SchemaMetadata?
    package var overrideMetadata: SchemaMetadata?
    package var defaultRuleSet: SchemaRuleSet?
    package var overrideRuleSet: SchemaRuleSet?

    package init(level: CompatibilityLevel? = nil) { self.level = level }

    /// What a request or a record says that is wrong.
    package enum Invalid: Error, Sendable {
        case level
        /// A policy that there is none of.
        case policy(String)
        /// A member of another type.
        case shape(String)

        package var message: String {
            switch self {
            case .level: "an unknown compatibility level"
            case .policy(let message), .shape(let message): message
            }
        }
    }

    /// As a record of the topic has it.
    package init(record json: JSONValue) throws(Invalid) {
        self.init()
        try update(json, levelNames: ["compatibilityLevel", "compatibility"])
    }

    /// Changes what `json` names; a member that is null is taken back, one that is missing stays as it is.
    package mutating func update(_ json: JSONValue, levelNames: [String]) throws(Invalid) {
        guard let members = json.members else { throw .shape("settings are an object") }
        for (name, value) in members {
            let isNull = value == .null
            func text() throws(Invalid) -> String? {
                if isNull { return nil }
                guard let text = value.scalarText else { throw .shape("'\(name)' is a string") }
                return text
            }
            func flag() throws(Invalid) -> Bool? {
                if isNull { return nil }
                if let flag = value.flag { return flag }
                switch value.text?.lowercased() {
                case "true": return true
                case "false": return false
                default: throw .shape("'\(name)' is true or false")
                }
            }
            func metadata() throws(Invalid) -> SchemaMetadata? {
                if isNull { return nil }
                do { return try SchemaMetadata(value) } catch { throw .shape("\(name): \(error.message)") }
            }
            func ruleSet() throws(Invalid) -> SchemaRuleSet? {
                if isNull { return nil }
                do { return try SchemaRuleSet(value) } catch { throw .shape(error.message) }
            }
            switch name {
            case _ where levelNames.contains(name):
                guard let text = try text() else {
                    level = nil
                    continue
                }
                guard let known = CompatibilityLevel(text) else { throw .level }
                level = known
            case "alias": alias = try text()
            case "aliasForDeks": aliasForDeks = try text()
            case "normalize": normalize = try flag()
            case "validateFields": validateFields = try flag()
            case "validateNames", "validateNewSchemas": validateNames = try flag()
            case "validateRules": validateRules = try flag()
            case "compatibilityGroup": compatibilityGroup = try text()
            case "compatibilityPolicy":
                guard let text = try text() else {
                    policy = nil
                    continue
                }
                guard let known = CompatibilityPolicy(rawValue: text.uppercased()) else {
                    throw .policy(
                        "Invalid compatibility policy. Valid values are "
                            + CompatibilityPolicy.allCases.map(\.rawValue).joined(separator: ", "))
                }
                policy = known
            case "defaultMetadata": defaultMetadata = try metadata()
            case "overrideMetadata": overrideMetadata = try metadata()
            case "defaultRuleSet": defaultRuleSet = try ruleSet()
            case "overrideRuleSet": overrideRuleSet = try ruleSet()
            default: continue  // what newer versions have besides
            }
        }
    }

    /// What is set, in the original's order. The level has one name in answers and records, another in requests.
    package func members(level levelName: String) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        func add(_ name: String, _ value: JSONValue?) {
            if let value { members.append((name, value)) }
        }
        func text(_ text: String?) -> JSONValue? { text.flatMap { $0.isEmpty ? nil : .string($0) } }
        add("alias", text(alias))
        add("aliasForDeks", text(aliasForDeks))
        add("normalize", normalize.map { .bool($0) })
        add("validateFields", validateFields.map { .bool($0) })
        add("validateNames", validateNames.map { .bool($0) })
        add("validateRules", validateRules.map { .bool($0) })
        add(levelName, text(level?.rawValue))
        add("compatibilityPolicy", text(policy?.rawValue))
        add("compatibilityGroup", text(compatibilityGroup))
        add("defaultMetadata", defaultMetadata?.json)
        add("overrideMetadata", overrideMetadata?.json)
        add("defaultRuleSet", defaultRuleSet?.json)
        add("overrideRuleSet", overrideRuleSet?.json)
        return members
    }

    /// Whether registrations are changed by it.
    package var hasDefaultsOrOverrides: Bool {
        defaultMetadata != nil || overrideMetadata != nil || defaultRuleSet != nil || overrideRuleSet != nil
    }
}
