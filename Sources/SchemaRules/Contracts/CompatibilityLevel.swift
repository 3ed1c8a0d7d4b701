/// Which versions of a subject a new one must get along with, and in which direction.
package enum CompatibilityLevel: String, Sendable, Hashable, CaseIterable {
    case none = "NONE"
    case backward = "BACKWARD"
    case backwardTransitive = "BACKWARD_TRANSITIVE"
    case forward = "FORWARD"
    case forwardTransitive = "FORWARD_TRANSITIVE"
    case full = "FULL"
    case fullTransitive = "FULL_TRANSITIVE"

    /// In any case of its letters.
    package init?(_ text: String) { self.init(rawValue: text.uppercased()) }

    /// Whether all versions count, or only the latest.
    package var isTransitive: Bool {
        self == .backwardTransitive || self == .forwardTransitive || self == .fullTransitive
    }

    /// Whether the new schema must read what was written with the old one.
    package var isBackward: Bool {
        self == .backward || self == .backwardTransitive || self == .full || self == .fullTransitive
    }

    /// Whether the old schema must read what is written with the new one.
    package var isForward: Bool {
        self == .forward || self == .forwardTransitive || self == .full || self == .fullTransitive
    }
}

/// An older version that a schema is compared with.
package struct EarlierSchema: Sendable {
    package var version: Int32
    package var document: any SchemaDocument

    package init(version: Int32, document: any SchemaDocument) {
        self.version = version
        self.document = document
    }
}

extension CompatibilityLevel {
    /// The versions that a new one is compared with, out of all, oldest first.
    package func counting<Version>(_ versions: [Version]) -> [Version] {
        self == .none ? [] : isTransitive ? versions : versions.suffix(1)
    }

    /// Why `schema` may not follow `earlier`, as lines of a message; empty when it may.
    ///
    /// The first earlier version, from the latest on, with which there is a difference is told of, with its number and
    /// its text.
    ///
    /// - Parameters:
    ///   - types: of all earlier versions, whether they count or not.
    ///   - earlier: those that count, oldest first.
    /// - SeeAlso: upstream `CompatibilityChecker`.
    package func messages(
        _ schema: any SchemaDocument, types: some Sequence<SchemaType>, after earlier: [EarlierSchema],
        policy: CompatibilityPolicy
    ) -> [String] {
        guard self != .none else { return [] }
        if types.contains(where: { $0 != schema.type }) { return ["Incompatible because of different schema type"] }
        for old in earlier.reversed() {
            var found: [String] = []
            if isForward {
                found += old.document.incompatibilities(reading: schema, policy: policy).map {
                    $0.message(reversed: true)
                }
            }
            if isBackward {
                found += schema.incompatibilities(reading: old.document, policy: policy).map(\.message)
            }
            guard !found.isEmpty else { continue }
            return found + [
                "{oldSchemaVersion: \(old.version)}", "{oldSchema: '\(old.document.canonicalText)'}",
            ]
        }
        return []
    }
}
