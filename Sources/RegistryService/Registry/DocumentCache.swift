import SchemaRules
import Synchronization

/// Parsed schemas by what they were parsed from, the most recently used ones, up to a number of them and of bytes.
final class DocumentCache: Sendable {
    struct Key: Hashable, Sendable {
        var type: SchemaType
        var text: String
        /// With versions that are resolved, so that the same key always means the same schema.
        var references: [SubjectReference]
        var isNew: Bool
    }

    /// A reference with the full name of its subject.
    struct SubjectReference: Hashable, Sendable {
        var name: String
        var place: SubjectVersion
    }

    private struct Entry {
        var document: any SchemaDocument
        var byteCount: Int
        var used: UInt64
    }

    private struct Inside {
        var entries: [Key: Entry] = [:]
        var byteCount = 0
        var clock: UInt64 = 0
        /// The removals up to which the entries hold.
        var revision: Int64 = -1
    }

    private let countMax: Int
    private let byteCountMax: Int
    private let inside = Mutex(Inside())

    init(countMax: Int, byteCountMax: Int) {
        self.countMax = max(1, countMax)
        self.byteCountMax = byteCountMax
    }

    var count: Int { inside.withLock { $0.entries.count } }

    /// - Parameter revision: of the last removal that the state knows of; what was parsed before is forgotten, as a version
    ///   that is gone may come back with another text.
    func document(_ key: Key, revision: Int64) -> (any SchemaDocument)? {
        inside.withLock { inside in
            if revision > inside.revision {
                inside = Inside(clock: inside.clock, revision: revision)
                return nil
            }
            inside.clock += 1
            inside.entries[key]?.used = inside.clock
            return inside.entries[key]?.document
        }
    }

    func keep(_ document: any SchemaDocument, as key: Key, revision: Int64) {
        // A parsed schema takes several times its text.
        let byteCount = key.text.utf8.count * 8 + 512
        guard byteCount <= byteCountMax / 4 else { return }
        inside.withLock { inside in
            guard revision == inside.revision else { return }
            inside.clock += 1
            let entry = Entry(document: document, byteCount: byteCount, used: inside.clock)
            if let old = inside.entries.updateValue(entry, forKey: key) { inside.byteCount -= old.byteCount }
            inside.byteCount += byteCount
            guard inside.entries.count > countMax || inside.byteCount > byteCountMax else { return }
            // A quarter goes at a time, the longest unused ones, so that a full cache does not sort at every turn.
            let old = inside.entries.sorted { $0.value.used < $1.value.used }.prefix(max(1, inside.entries.count / 4))
            for (key, entry) in old {
                inside.entries[key] = nil
                inside.byteCount -= entry.byteCount
            }
        }
    }
}
