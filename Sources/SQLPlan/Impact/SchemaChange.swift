package import SQLFormats
import SQLTypes

/// A version that a subject of the schema registry is about to get.
package struct SchemaChange {
    /// Without a context.
    package var subject: String
    package var isKey: Bool
    /// By the strategy that names subjects after topics; nil when the subject is not named so.
    package var topic: String?
    /// The latest version; nil when there is none.
    package var before: RegistrySchema?
    package var after: RegistrySchema
    /// Of all versions.
    package var ids: Set<Int32>
    package var references: RegistrySchemas.References

    package init(
        subject: String, topic: String?, isKey: Bool, before: RegistrySchema?, after: RegistrySchema, ids: Set<Int32>,
        references: @escaping RegistrySchemas.References
    ) {
        self.subject = subject
        self.topic = topic
        self.isKey = isKey
        self.before = before
        self.after = after
        self.ids = ids
        self.references = references
    }

    /// Whether keys or values of a topic have schemas of the subject, by its name or by what the format says.
    func concerns(_ format: SerdeFormat, topic: String, isKey: Bool) -> Bool {
        guard format.info.format.usesRegistry else { return false }
        if isKey == self.isKey, topic == self.topic { return true }
        if let id = format.info.schemaID, ids.contains(id) { return true }
        return format.info.properties[FormatInfo.fullSchemaNameProperty] == subject
    }
}

/// What a change does to the columns of a stream or table, and why.
struct SourceDamage: Hashable {
    /// Why its records cannot be read any more.
    var unreadable: [String] = []
    /// Why some of its records cannot be read any more.
    var uncertain: [String] = []
    /// Why columns have other values or none, by their names.
    var columns: [String: String] = [:]
    /// Why it has other rows.
    var rows: [String] = []
    /// What is another way and no harm.
    var notes: [String] = []

    var breaks: Bool { !unreadable.isEmpty || !uncertain.isEmpty || !columns.isEmpty || !rows.isEmpty }
    var isNothing: Bool { !breaks && notes.isEmpty }

    /// All reasons, the worst first.
    var reasons: [String] {
        unreadable + uncertain + columns.sorted { $0.key < $1.key }.map(\.value) + rows + notes
    }
}

extension SchemaChange {
    /// What the change does to the reader of these columns.
    func damage(_ columns: [SQLColumn], _ format: SerdeFormat) -> SourceDamage {
        let fields = columns.map { SQLField($0.name, $0.type) }
        let after = SchemaFit(fields, in: after, references: references, format: format)
        let before = before.map { SchemaFit(fields, in: $0, references: references, format: format) }
        var damage = SourceDamage()
        if let problem = after.problem {
            if before?.problem == nil { damage.unreadable.append("no record with this schema can be read: \(problem)") }
            return damage
        }
        let known = Dictionary((before?.parts ?? []).map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
        for part in after.parts {
            let old = known[part.path]
            if let old, old.verdict == part.verdict, old.written == part.written { continue }
            note(part, old, columns[part.column].name, &damage)
        }
        return damage
    }

    private func note(
        _ part: SchemaFit.Part, _ old: SchemaFit.Part?, _ column: String, _ damage: inout SourceDamage
    ) {
        let written = part.written.map(\.description) ?? ""
        let was = (old?.written).map { ", which was \($0)" } ?? ""
        switch part.verdict {
        case .missing:
            // What was never there is not missed.
            guard before == nil || old?.verdict != .missing else { return }
            damage.columns[column] =
                before == nil
                ? "column \(part.path) (\(part.declared)) is not in the schema: it is null"
                : "column \(part.path) (\(part.declared)) vanishes: it is null from then on"
        case .fails where old?.verdict != .fails:
            damage.unreadable.append(
                "column \(part.path) is \(part.declared), and the schema has \(written)\(was): no record with it can "
                    + "be read")
        case .sometimes(let reason) where old?.verdict != part.verdict && old?.verdict != .fails:
            damage.uncertain.append(
                "column \(part.path) is \(part.declared), and the schema has \(written)\(was): \(reason)")
        case .reads where old?.written != nil && old?.verdict == .reads:
            damage.notes.append(
                "column \(part.path) stays \(part.declared), and the schema has \(written)\(was): it is read as before")
        case .fails, .sometimes, .reads: break
        }
    }
}
