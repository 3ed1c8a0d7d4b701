import SQLTypes

/// The record that a sink gets from a topic now and the one that it would get, with made-up values: their schemas are what
/// counts.
package struct RecordChange: Sendable {
    package var before: ConnectRecord
    package var after: ConnectRecord

    package init(before: ConnectRecord, after: ConnectRecord) {
        self.before = before
        self.after = after
    }

    package struct Consequence: Sendable, Hashable {
        /// Whether data is lost or refused that was there before.
        package var breaks: Bool
        package var reason: String

        package init(breaks: Bool, _ reason: String) {
            self.breaks = breaks
            self.reason = reason
        }
    }

    /// A field at the top of the value that is another one afterwards.
    package struct FieldChange: Sendable {
        package var name: String
        /// nil: it is new.
        package var before: ConnectSchema?
        /// nil: it vanishes.
        package var after: ConnectSchema?
    }

    /// Of the value, in the order of their names.
    package var fields: [FieldChange] {
        let old = before.value.schema?.fields ?? []
        let new = after.value.schema?.fields ?? []
        var changes: [FieldChange] = []
        for name in Set(old.map(\.name)).union(new.map(\.name)).sorted() {
            let change = FieldChange(
                name: name, before: old.first { $0.name == name }?.schema,
                after: new.first { $0.name == name }?.schema)
            if let before = change.before, let after = change.after, before.isLike(after) { continue }
            changes.append(change)
        }
        return changes
    }

    /// What becomes of fields that something names.
    ///
    /// - Parameters:
    ///   - part: where they are looked for; nil: in the value, then in the key.
    ///   - owner: "transform 'id'", "option 'pk.fields'".
    package func named(_ names: [String], by owner: String, in part: RecordPart? = nil) -> [Consequence] {
        let parts = part.map { [$0] } ?? [.value, .key]
        var found: [Consequence] = []
        for name in names {
            guard let old = parts.lazy.compactMap({ before[$0].schema?.find(name) }).first else { continue }
            guard let new = parts.lazy.compactMap({ after[$0].schema?.find(name) }).first else {
                found.append(
                    Consequence(breaks: true, "\(owner) names field \(name) (\(old.shown)), which vanishes"))
                continue
            }
            guard !old.isLike(new) else { continue }
            found.append(
                Consequence(breaks: false, "\(owner) names field \(name): \(old.shown) becomes \(new.shown)"))
        }
        return found
    }

    /// What becomes of the fields that stand between `${` and `}` in options.
    package func templates(_ properties: [String: String]) -> [Consequence] {
        properties.sorted { $0.key < $1.key }.filter { !$0.key.hasPrefix("transforms.") }.flatMap { option, text in
            var names: [String] = []
            var rest = text[...]
            while let start = rest.firstRange(of: "${"), let end = rest[start.upperBound...].firstIndex(of: "}") {
                names.append(String(rest[start.upperBound..<end]))
                rest = rest[rest.index(after: end)...]
            }
            return named(names, by: "option '\(option)'", in: .value)
        }
    }

    /// What becomes of the fields that a transform names.
    func named(by stage: TransformChain.Stage) -> [Consequence] {
        func list(_ names: String...) -> [String] {
            names.flatMap { (stage.options[$0] ?? "").split(separator: ",").map(\.trimmed) }.filter { !$0.isEmpty }
        }
        /// What stands before the colon.
        func sides(_ name: String) -> [String] { list(name).map { String($0.prefix { $0 != ":" }) } }
        let name = stage.className.split(separator: ".").last ?? ""
        let parts = name.split(separator: "$")
        let owner = "transform '\(stage.name)' (\(name))"
        let part: RecordPart = parts.last == "Key" ? .key : .value
        switch parts.first {
        case "ExtractField", "TimestampConverter": return named(list("field"), by: owner, in: part)
        case "ReplaceField":
            return named(list("include", "whitelist") + sides("renames"), by: owner, in: part)
        case "ValueToKey": return named(list("fields"), by: owner, in: .value)
        case "MaskField", "HeaderFrom": return named(list("fields"), by: owner, in: part)
        case "Cast": return named(sides("spec"), by: owner, in: part)
        default: return []
        }
    }
}

extension RecordChange {
    /// Sends both records through the transforms of a connector: what changes on the way, and what comes out.
    ///
    /// A transform that fails with both is passed over, as the values are made up; one that fails with the new record only
    /// is where its way ends.
    ///
    /// - Returns: nil for the change when the new record does not arrive, or neither does.
    package func through(_ chain: TransformChain) -> (consequences: [Consequence], change: RecordChange?) {
        var consequences: [Consequence] = []
        var current = self
        for (index, stage) in chain.stages.enumerated() {
            consequences += current.named(by: stage)
            let old = Self.result(chain, index, current.before)
            let new = Self.result(chain, index, current.after)
            switch (old, new) {
            case (.success(let old?), .success(let new?)): current = RecordChange(before: old, after: new)
            case (.success(nil), .success(nil)): return (consequences, nil)
            case (.success(.some), .success(nil)):
                consequences.append(Consequence(breaks: true, "transform '\(stage.name)' drops the records"))
                return (consequences, nil)
            case (.success, .failure(let error)):
                consequences.append(
                    Consequence(breaks: true, "transform '\(stage.name)' fails: \(error.message)"))
                return (consequences, nil)
            case (.failure, _), (.success(nil), .success): continue
            }
        }
        return (consequences, current)
    }

    private static func result(
        _ chain: TransformChain, _ index: Int, _ record: ConnectRecord
    ) -> Result<ConnectRecord?, ConnectError> {
        do throws(ConnectError) { return .success(try chain.apply(stage: index, record)) } catch {
            return .failure(error)
        }
    }
}

extension ConnectSchema {
    /// A field by its name, or by a path with dots.
    func find(_ path: String) -> ConnectSchema? {
        if let field = field(path) { return field.schema }
        var current = self
        for step in path.split(separator: ".") {
            guard let field = current.field(String(step)) else { return nil }
            current = field.schema
        }
        return current
    }

    /// Whether values of both are of the same types, whatever else the schemas say.
    package func isLike(_ other: ConnectSchema) -> Bool {
        var compared = ComparedSchemas()
        return isLike(other, &compared)
    }

    private func isLike(_ other: ConnectSchema, _ compared: inout ComparedSchemas) -> Bool {
        if self === other { return true }
        guard kind == other.kind, logicalType == other.logicalType, fields.count == other.fields.count else {
            return false
        }
        if compared.isKnown(self, other) || compared.isOpen(self, other) { return true }
        func alike(_ a: ConnectSchema?, _ b: ConnectSchema?) -> Bool {
            guard let a, let b else { return a == nil && b == nil }
            return a.isLike(b, &compared)
        }
        guard alike(keySchema, other.keySchema), alike(valueSchema, other.valueSchema) else { return false }
        for (field, another) in zip(fields, other.fields) {
            guard field.name == another.name, field.schema.isLike(another.schema, &compared) else { return false }
        }
        return true
    }

    /// The type for people: INT32, Timestamp.
    package var shown: String {
        logicalType.flatMap { $0.rawValue.split(separator: ".").last.map(String.init) } ?? kind.rawValue
    }

    /// Whether a target that holds values of one can mostly hold those of the other: both numbers, both times.
    package func isRelated(to other: ConnectSchema) -> Bool { family == other.family }

    private var family: Int {
        switch (kind, logicalType) {
        case (_, .date?), (_, .time?), (_, .timestamp?): 1
        case (_, .decimal?), (.int8, _), (.int16, _), (.int32, _), (.int64, _), (.float32, _), (.float64, _): 2
        case (.boolean, _): 3
        case (.string, _): 4
        case (.bytes, _): 5
        case (.array, _): 6
        case (.map, _), (.structure, _): 7
        }
    }

    /// How many values a sample may have: types that use each other twice would double it at every level.
    private static let sampleCountMax = 10_000

    /// A value of the schema, with all that may be missing in it, but for structs inside themselves and what would make it
    /// too large.
    package var sample: ConnectValue { sample(countMax: Self.sampleCountMax) }

    private func sample(countMax: Int) -> ConnectValue {
        switch (kind, logicalType) {
        case (_, .decimal?): return .decimal(SQLDecimal(unscaled: 1, scale: (try? decimalScale()) ?? 0))
        case (_, .date?), (_, .time?), (_, .timestamp?): return .instant(0)
        case (.int8, _): return .int8(1)
        case (.int16, _): return .int16(1)
        case (.int32, _): return .int32(1)
        case (.int64, _): return .int64(1)
        case (.float32, _): return .float32(1)
        case (.float64, _): return .float64(1)
        case (.boolean, _): return .boolean(true)
        case (.string, _): return .string("1")
        case (.bytes, _): return .bytes([1])
        case (.array, _): return .array(valueSchema.map { [$0.sample(in: countMax - 1)] } ?? [])
        case (.map, _):
            var map = ConnectMap()
            if let keySchema, let valueSchema {
                map[keySchema.sample(in: countMax / 2)] = valueSchema.sample(in: countMax / 2)
            }
            return .map(map)
        case (.structure, _):
            let isEnvelope = name?.hasSuffix(".Envelope") ?? false
            let fields = fields
            // What is left is shared by the fields that have something beneath.
            let nested = fields.count { !$0.schema.kind.isPrimitive }
            let share = (countMax - fields.count) / max(nested, 1)
            return .structure(
                ConnectStruct(
                    self,
                    values: fields.map {
                        // What a change event is of, transforms go by.
                        if isEnvelope, $0.name == "op", $0.schema.kind == .string { return .string("c") }
                        return $0.schema.sample(in: share, isInReference: reference != nil)
                    }))
        }
    }

    /// A value inside of another one.
    ///
    /// - Parameter isInReference: whether it is in a struct that contains itself: a value that is there wherever one has to
    ///   be might have no end.
    private func sample(in countMax: Int, isInReference: Bool = false) -> ConnectValue {
        guard isInReference && isRecursive || countMax < 1 && !kind.isPrimitive else {
            return sample(countMax: countMax)
        }
        return switch kind {
        case .array: .array([])
        case .map: .map(ConnectMap())
        default: .null
        }
    }
}
