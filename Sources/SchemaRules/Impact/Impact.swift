package import JSONFormat

/// Something that a candidate schema would reach if it were registered.
package struct Impact: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        case consumerGroup = "consumer-group"
        case connector, query, stream, table, schema
    }

    package enum Severity: String, Sendable, CaseIterable {
        /// Data is lost, refused or null that was there before.
        case breaks
        /// It goes on, and something is another way than before.
        case changes
    }

    package var kind: Kind
    package var name: String
    package var severity: Severity
    /// A sentence for people: in which way, and what would have to be done.
    package var reason: String

    package init(_ kind: Kind, _ name: String, _ severity: Severity, reason: String) {
        self.kind = kind
        self.name = name
        self.severity = severity
        self.reason = reason
    }

    /// nil when `json` is none.
    package init?(_ json: JSONValue) {
        guard let kind = (json["kind"]?.text).flatMap(Kind.init(rawValue:)), let name = json["name"]?.text,
            let severity = (json["severity"]?.text).flatMap(Severity.init(rawValue:))
        else { return nil }
        self.init(kind, name, severity, reason: json["reason"]?.text ?? "")
    }

    package var json: JSONValue {
        .object([
            ("kind", .string(kind.rawValue)), ("name", .string(name)), ("severity", .string(severity.rawValue)),
            ("reason", .string(reason)),
        ])
    }
}

/// Somebody who writes records with a schema of the subject: the registry tells what becomes of that.
package struct ImpactWriter: Sendable, Hashable {
    /// Where the schema of its records comes from.
    package enum Mode: String, Sendable, CaseIterable {
        /// It registers its own, which it has registered before.
        case registers
        /// It would register its own with the first record, which may never come.
        case mayRegister = "may-register"
        /// It uses one that is registered, whatever else the subject gets.
        case fixed
        /// It uses the subject's latest version, whatever that is (`use.latest.version`).
        case latest
    }

    package var kind: Impact.Kind
    package var name: String
    package var mode: Mode
    /// nil: not known; taken for the subject's latest version.
    package var schema: ImpactQuestion.Schema?

    package init(_ kind: Impact.Kind, _ name: String, _ mode: Mode, schema: ImpactQuestion.Schema? = nil) {
        self.kind = kind
        self.name = name
        self.mode = mode
        self.schema = schema
    }

    init?(_ json: JSONValue) {
        guard let kind = (json["kind"]?.text).flatMap(Impact.Kind.init(rawValue:)), let name = json["name"]?.text,
            let mode = (json["mode"]?.text).flatMap(Mode.init(rawValue:))
        else { return nil }
        self.init(kind, name, mode, schema: json["schema"].flatMap { ImpactQuestion.Schema($0) })
    }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("kind", .string(kind.rawValue)), ("name", .string(name)), ("mode", .string(mode.rawValue)),
        ]
        if let schema { members.append(("schema", schema.json)) }
        return .object(members)
    }
}

/// What one part of the platform says about a candidate.
package struct ImpactAnswer: Sendable, Hashable {
    package var impacts: [Impact]
    package var writers: [ImpactWriter]
    /// Consumer groups of its own: what there is to say of them it says itself.
    package var groups: Set<String>

    package init(impacts: [Impact] = [], writers: [ImpactWriter] = [], groups: Set<String> = []) {
        self.impacts = impacts
        self.writers = writers
        self.groups = groups
    }

    /// nil when `json` is none.
    package init?(_ json: JSONValue) {
        guard let impacts = json["impact"]?.elements, let writers = json["writers"]?.elements else { return nil }
        self.init(
            impacts: impacts.compactMap { Impact($0) }, writers: writers.compactMap { ImpactWriter($0) },
            groups: Set((json["groups"]?.elements ?? []).compactMap(\.text)))
        guard self.impacts.count == impacts.count, self.writers.count == writers.count else { return nil }
    }

    package var json: JSONValue {
        .object([
            ("impact", .array(impacts.map(\.json))), ("writers", .array(writers.map(\.json))),
            ("groups", .array(groups.sorted().map { .string($0) })),
        ])
    }
}
