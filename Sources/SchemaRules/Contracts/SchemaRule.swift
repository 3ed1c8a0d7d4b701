package import JSONFormat

/// One rule of a data contract. The registry keeps rules and checks their shape; clients carry them out.
///
/// - SeeAlso: upstream entity `Rule`.
package struct SchemaRule: Hashable, Sendable {
    package enum Kind: String, Sendable { case transform = "TRANSFORM", condition = "CONDITION" }
    package enum Mode: String, Sendable {
        case upgrade = "UPGRADE", downgrade = "DOWNGRADE", updown = "UPDOWN"
        case write = "WRITE", read = "READ", writeread = "WRITEREAD"

        var isMigration: Bool { self == .upgrade || self == .downgrade || self == .updown }
    }

    package var name: String?
    package var doc: String?
    package var kind: Kind
    package var mode: Mode
    package var type: String?
    /// Sorted, each once.
    package var tags: [String]
    package var params: [String: String]
    package var expr: String?
    package var onSuccess: String?
    package var onFailure: String?
    package var isDisabled: Bool

    /// - Throws: `SchemaFailure` when `json` has another shape.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard json.members != nil else { throw SchemaFailure("a rule is an object") }
        func text(_ member: String) throws(SchemaFailure) -> String? {
            try json[member]?.lenientText(member)
        }
        name = try text("name")
        doc = try text("doc")
        type = try text("type")
        expr = try text("expr")
        onSuccess = try text("onSuccess")
        onFailure = try text("onFailure")
        kind = .transform
        if let text = try text("kind") {
            guard let known = Kind(rawValue: text.uppercased()) else {
                throw SchemaFailure("unknown rule kind '\(text)': rules are TRANSFORM or CONDITION")
            }
            kind = known
        }
        mode = .writeread
        if let text = try text("mode") {
            guard let known = Mode(rawValue: text.uppercased()) else {
                throw SchemaFailure(
                    "unknown rule mode '\(text)': modes are UPGRADE, DOWNGRADE, UPDOWN, WRITE, READ, WRITEREAD")
            }
            mode = known
        }
        tags = Set(try json["tags"]?.lenientTexts("tags") ?? []).sorted()
        params = [:]
        if let list = json["params"], list != .null {
            guard let members = list.members else { throw SchemaFailure("'params' of a rule is an object") }
            for (key, value) in members where value != .null {
                params[key] = try value.lenientText("params.\(key)")
            }
        }
        isDisabled = try json["disabled"]?.lenientFlag("disabled") ?? false
    }

    /// Without what is empty.
    package var json: JSONValue {
        var members: [(String, JSONValue)] = []
        func add(_ name: String, _ text: String?) {
            if let text, !text.isEmpty { members.append((name, .string(text))) }
        }
        add("name", name)
        add("doc", doc)
        add("kind", kind.rawValue)
        add("mode", mode.rawValue)
        add("type", type)
        if !tags.isEmpty { members.append(("tags", .array(tags.map { .string($0) }))) }
        if !params.isEmpty {
            members.append(("params", .object(params.sorted { $0.key < $1.key }.map { ($0, .string($1)) })))
        }
        add("expr", expr)
        add("onSuccess", onSuccess)
        add("onFailure", onFailure)
        members.append(("disabled", .bool(isDisabled)))
        return .object(members)
    }

    /// See `SchemaRuleSet.withKeyDefaults`.
    fileprivate var withKeyDefaults: SchemaRule {
        guard let id = params["encrypt.kms.key.id"] else { return self }
        var copy = self
        let isAmazon = id.hasPrefix("arn:")
        if copy.params["encrypt.kek.name"] == nil {
            let name = (isAmazon ? id.dropFirst(4) : id[...]).map { character -> Character in
                character.isLetter || character.isNumber || "_-".contains(character) ? character : "-"
            }
            copy.params["encrypt.kek.name"] = String(name)
        }
        if copy.params["encrypt.kms.type"] == nil, isAmazon { copy.params["encrypt.kms.type"] = "aws-kms" }
        return copy
    }

    /// What the registry asks of a rule.
    ///
    /// - Throws: `SchemaFailure` in the original's words.
    func validate() throws(SchemaFailure) {
        guard let name else { throw SchemaFailure("Missing rule name") }
        guard let first = name.unicodeScalars.first else { throw SchemaFailure("Empty rule name") }
        guard name.utf16.count <= Self.nameLengthMax else { throw SchemaFailure("Rule name too long") }
        guard first.isLetter || first == "_" else {
            throw SchemaFailure("Illegal initial character in rule name: \(name)")
        }
        guard name.unicodeScalars.allSatisfy({ $0.isLetter || $0.isDigit || $0 == "_" || $0 == "-" }) else {
            throw SchemaFailure("Illegal character in rule name: \(name)")
        }
        guard type != nil else { throw SchemaFailure("Missing rule type") }
        // One action for each way, which only these have two of.
        guard mode != .writeread, mode != .updown else { return }
        for action in [onSuccess, onFailure] where action?.contains(",") == true {
            throw SchemaFailure("Multiple actions only valid with WRITEREAD and UPDOWN")
        }
    }

    /// In UTF-16 units, as Java counts.
    private static let nameLengthMax = 64
}

extension Unicode.Scalar {
    /// Java's `Character.isLetter`.
    fileprivate var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    fileprivate var isDigit: Bool { properties.generalCategory == .decimalNumber }
}

/// The rules of a schema.
///
/// - SeeAlso: upstream entity `RuleSet`.
package struct SchemaRuleSet: Hashable, Sendable {
    package var migrationRules: [SchemaRule]
    package var domainRules: [SchemaRule]
    package var encodingRules: [SchemaRule]
    /// Where the rules are carried out, such as `CLIENT` or `GATEWAY`; nil where nothing is said.
    package var enableAt: String?

    package init(
        migrationRules: [SchemaRule] = [], domainRules: [SchemaRule] = [], encodingRules: [SchemaRule] = [],
        enableAt: String? = nil
    ) {
        self.migrationRules = migrationRules
        self.domainRules = domainRules
        self.encodingRules = encodingRules
        self.enableAt = enableAt
    }

    /// - Throws: `SchemaFailure` when `json` has another shape; see also `validate`.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard json.members != nil else { throw SchemaFailure("a rule set is an object") }
        func rules(_ member: String) throws(SchemaFailure) -> [SchemaRule] {
            var rules: [SchemaRule] = []
            for element in try json[member]?.lenientElements(member) ?? [] { rules.append(try SchemaRule(element)) }
            return rules
        }
        migrationRules = try rules("migrationRules")
        domainRules = try rules("domainRules")
        encodingRules = try rules("encodingRules")
        enableAt = try json["enableAt"]?.lenientText("enableAt")
    }

    /// Without what is empty.
    package var json: JSONValue {
        let lists = [
            ("migrationRules", migrationRules), ("domainRules", domainRules), ("encodingRules", encodingRules),
        ]
        var members = lists.filter { !$0.1.isEmpty }.map { ($0.0, JSONValue.array($0.1.map(\.json))) }
        if let enableAt, !enableAt.isEmpty { members.append(("enableAt", .string(enableAt))) }
        return .object(members)
    }

    /// All rules.
    package var all: [SchemaRule] { migrationRules + domainRules + encodingRules }

    /// What the registry asks of a rule set: names that are names and occur once, types, and modes that fit.
    ///
    /// - Throws: `SchemaFailure` in the original's words.
    package func validate() throws(SchemaFailure) {
        let lists = [
            (migrationRules, "Migration", "UPGRADE, DOWNGRADE, UPDOWN"),
            (domainRules, "Domain", "WRITE, READ, WRITEREAD"),
            (encodingRules, "Encoding", "WRITE, READ, WRITEREAD"),
        ]
        var names: Set<String> = []
        for (index, (rules, kind, modes)) in lists.enumerated() {
            for rule in rules {
                if let name = rule.name, !names.insert(name).inserted {
                    throw SchemaFailure("Found rule with duplicate name '\(name)'")
                }
                try rule.validate()
                guard rule.mode.isMigration == (index == 0) else {
                    throw SchemaFailure("\(kind) rules can only be \(modes)")
                }
            }
        }
    }

    /// Both together; rules of `upper` take the place of those of `lower` that have their names.
    package static func merged(_ lower: SchemaRuleSet?, _ upper: SchemaRuleSet?) -> SchemaRuleSet? {
        guard let lower, let upper else { return upper ?? lower }
        func merge(_ lower: [SchemaRule], _ upper: [SchemaRule]) -> [SchemaRule] {
            let names = Set(upper.map(\.name))
            return lower.filter { !names.contains($0.name) } + upper
        }
        return SchemaRuleSet(
            migrationRules: merge(lower.migrationRules, upper.migrationRules),
            domainRules: merge(lower.domainRules, upper.domainRules),
            encodingRules: merge(lower.encodingRules, upper.encodingRules), enableAt: upper.enableAt ?? lower.enableAt)
    }

    /// The same with what rules that encrypt leave to the registry: the name of the key encryption key, made of the
    /// key's id, and its service where the id tells it.
    ///
    /// - SeeAlso: upstream `EncryptionUpdateRequestHandler`.
    package var withKeyDefaults: SchemaRuleSet {
        var copy = self
        copy.domainRules = domainRules.map(\.withKeyDefaults)
        copy.encodingRules = encodingRules.map(\.withKeyDefaults)
        return copy
    }

    /// The same without the rules of these names.
    package func removing(_ names: Set<String>) -> SchemaRuleSet {
        func keep(_ rules: [SchemaRule]) -> [SchemaRule] { rules.filter { !names.contains($0.name ?? "") } }
        return SchemaRuleSet(
            migrationRules: keep(migrationRules), domainRules: keep(domainRules), encodingRules: keep(encodingRules),
            enableAt: enableAt)
    }
}
