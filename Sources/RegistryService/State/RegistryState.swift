package import SchemaRules

/// One version of one subject by name.
package struct SubjectVersion: Hashable, Sendable, Comparable {
    /// With its context.
    package var subject: String
    package var version: Int32

    package init(_ subject: String, _ version: Int32) {
        self.subject = subject
        self.version = version
    }

    package static func < (a: Self, b: Self) -> Bool { (a.subject, a.version) < (b.subject, b.version) }
}

/// All that the registry knows: the sum of the records of the schemas topic, in their order.
///
/// Pure: `apply` is the only way to change it, and it never fails, whatever the topic holds. Schemas are kept as text and
/// shared; what they mean is for others to find out.
package struct RegistryState: Sendable {
    /// A version of a subject.
    package struct Version: Sendable {
        package var number: Int32
        package var id: Int32
        /// Soft deleted: readable by id and on request, but out of the way of new versions.
        package var isDeleted: Bool
        /// When its record was written, in milliseconds since 1970.
        package var timestamp: Int64
        package var schema: StoredSchema
    }

    package struct Subject: Sendable {
        /// By number, deleted ones among them.
        package var versions: [Version]
        /// Offset of the last record that changed it.
        package var revision: Int64

        package var live: [Version] { versions.filter { !$0.isDeleted } }
        package var latest: Version? { versions.last { !$0.isDeleted } }

        package func version(_ number: Int32) -> Version? {
            let index = place(of: number)
            return index < versions.count && versions[index].number == number ? versions[index] : nil
        }

        /// The index of the first version with this number or a larger one.
        func place(of number: Int32) -> Int {
            guard let last = versions.last, last.number >= number else { return versions.count }
            var low = 0
            var high = versions.count - 1
            while low < high {
                let middle = (low + high) / 2
                if versions[middle].number < number { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// Where a schema id is in use.
    package struct Identifier: Sendable {
        package var schema: StoredSchema
        /// One version per subject. Most ids have one use, some have thousands.
        private var first: SubjectVersion
        private var others: [String: Int32] = [:]

        init(_ schema: StoredSchema, _ use: SubjectVersion) {
            self.schema = schema
            first = use
        }

        /// By subject.
        package var uses: [SubjectVersion] {
            others.isEmpty ? [first] : ([first] + others.map { SubjectVersion($0.key, $0.value) }).sorted()
        }

        /// Any use.
        package var use: SubjectVersion { first }

        package func version(of subject: String) -> Int32? {
            first.subject == subject ? first.version : others[subject]
        }

        mutating func add(_ use: SubjectVersion) {
            if first.subject == use.subject { first = use } else { others[use.subject] = use.version }
        }

        /// - Returns: false when that was the last use.
        mutating func remove(_ subject: String) -> Bool {
            if first.subject == subject {
                guard let (subject, version) = others.first else { return false }
                first = SubjectVersion(subject, version)
                others[subject] = nil
            } else {
                others[subject] = nil
            }
            return true
        }
    }

    /// A schema as far as it decides about its id.
    package struct Content: Hashable, Sendable {
        package var type: SchemaType
        package var identity: SchemaIdentity

        package init(_ schema: StoredSchema) {
            type = schema.type
            identity = schema.identity
        }
    }

    /// Ids of one context; each counts for itself.
    private struct Context: Sendable {
        var identifiers: [Int32: Identifier] = [:]
        var ids: [Content: Int32] = [:]
        var idMax: Int32 = 0
    }

    /// A version that refers to another one.
    package struct Referrer: Hashable, Sendable {
        package var from: SubjectVersion
        package var id: Int32
    }

    /// By name with context.
    package private(set) var subjects: [String: Subject] = [:]
    private var contexts: [String: Context] = [:]
    /// Contexts that were announced, other than the default one.
    private var contextNames: Set<String> = []
    private var referrers: [SubjectVersion: Set<Referrer>] = [:]
    /// By name of a subject or bare context; those of the default context under "".
    private var configs: [String: RegistryConfig] = [:]
    private var modes: [String: RegistryMode] = [:]
    /// Offset of the last record that changed settings; -1 when there is none.
    package private(set) var settingsRevision: Int64 = -1
    /// How often a version was taken away for good: what was worked out from the state before may be wrong since.
    package private(set) var removalRevision: Int64 = 0
    /// Offset of the next record to apply.
    package var position: Int64 = 0
    package private(set) var versionCount = 0

    package init() {}

    /// The state of a topic that begins anew, in which nothing that was worked out from this one holds.
    package func cleared() -> RegistryState {
        var state = RegistryState()
        state.removalRevision = removalRevision + 1
        return state
    }

    // MARK: Applying

    /// What an applied record was, for the log.
    package enum Applied: Equatable, Sendable {
        case done
        /// Its id belongs to another schema, so it is passed over, as the original does.
        case idTaken(Int32)
    }

    /// Takes in the record at `offset`.
    ///
    /// - Parameter timestamp: of the record, in milliseconds since 1970.
    @discardableResult
    package mutating func apply(_ record: RegistryRecord, offset: Int64, timestamp: Int64) -> Applied {
        switch record {
        case .schema(let record): return set(record, offset, timestamp)
        case .tombstone(let subject, let version): remove(subject, version, offset)
        case .config(let subject, let config):
            configs[subject ?? ""] = config
            settingsRevision = offset
        case .mode(let subject, let mode):
            modes[subject ?? ""] = mode
            settingsRevision = offset
        case .deleteSubject(let subject, let version): softDelete(subject, upTo: version, offset)
        case .clearSubject(let subject): clear(subject, offset)
        case .context(let context, let exists):
            if !exists {
                contextNames.remove(context)
            } else if context != SubjectName.defaultContext {
                contextNames.insert(context)
            }
        case .noop: break
        }
        return .done
    }

    private mutating func set(_ record: SchemaRecord, _ offset: Int64, _ timestamp: Int64) -> Applied {
        let context = SubjectName(record.subject).context
        if let taken = contexts[context]?.identifiers[record.id], taken.schema.text != record.schema.text {
            return .idTaken(record.id)
        }
        let place = SubjectVersion(record.subject, record.version)
        if let old = subjects[record.subject]?.version(record.version) {
            if old.id != record.id {
                remove(record.subject, record.version, offset)  // imported anew with another id
            } else {
                setReferences(of: place, old.id, old.schema, exist: false)  // the new record has its own
            }
        }
        // The same schema under another subject is kept once.
        let known = contexts[context]?.identifiers[record.id]?.schema
        let schema = known.flatMap { $0 == record.schema ? $0 : nil } ?? record.schema
        let version = Version(
            number: record.version, id: record.id, isDeleted: record.isDeleted, timestamp: timestamp, schema: schema)
        var subject = subjects.removeValue(forKey: record.subject) ?? Subject(versions: [], revision: offset)
        let index = subject.place(of: record.version)
        if index < subject.versions.count, subject.versions[index].number == record.version {
            subject.versions[index] = version
        } else {
            subject.versions.insert(version, at: index)
            versionCount += 1
        }
        subject.revision = offset
        subjects[record.subject] = subject

        setUse(of: record.id, in: record.subject, schema)
        contexts[context, default: Context()].ids[Content(schema)] = record.id
        contexts[context, default: Context()].idMax = max(idMax(in: context), record.id)
        setReferences(of: place, record.id, schema, exist: !record.isDeleted)
        return .done
    }

    /// Notes which version of a subject stands for an id: the last one that has it, a live one if there is any.
    ///
    /// - Parameter schema: of the id, if it is new.
    private mutating func setUse(of id: Int32, in name: String, _ schema: StoredSchema) {
        let versions = subjects[name]?.versions ?? []
        let version = versions.last { $0.id == id && !$0.isDeleted } ?? versions.last { $0.id == id }
        let context = SubjectName(name).context
        var ids = contexts.removeValue(forKey: context) ?? Context()
        defer { contexts[context] = ids }
        if let version {
            let place = SubjectVersion(name, version.number)
            var identifier = ids.identifiers.removeValue(forKey: id) ?? Identifier(schema, place)
            identifier.schema = version.schema
            identifier.add(place)
            ids.identifiers[id] = identifier
        } else if var identifier = ids.identifiers.removeValue(forKey: id) {
            if identifier.remove(name) {
                ids.identifiers[id] = identifier
            } else if ids.ids[Content(schema)] == id {
                ids.ids[Content(schema)] = nil
            }
        }
    }

    private mutating func setReferences(of place: SubjectVersion, _ id: Int32, _ schema: StoredSchema, exist: Bool) {
        guard !schema.references.isEmpty else { return }
        let parent = SubjectName(place.subject)
        for reference in schema.references {
            let target = SubjectVersion(
                SubjectName.qualified(reference.subject, from: parent).description, reference.version)
            let referrer = Referrer(from: place, id: id)
            if exist {
                referrers[target, default: []].insert(referrer)
            } else {
                referrers[target]?.remove(referrer)
                if referrers[target]?.isEmpty == true { referrers[target] = nil }
            }
        }
    }

    private mutating func softDelete(_ name: String, upTo last: Int32, _ offset: Int64) {
        guard var subject = subjects.removeValue(forKey: name) else { return }
        for index in subject.versions.indices where subject.versions[index].number <= last {
            subject.versions[index].isDeleted = true
        }
        subject.revision = offset
        subjects[name] = subject
        for version in subject.versions where version.number <= last {
            setReferences(of: SubjectVersion(name, version.number), version.id, version.schema, exist: false)
            setUse(of: version.id, in: name, version.schema)
        }
    }

    private mutating func remove(_ name: String, _ number: Int32, _ offset: Int64) {
        guard var subject = subjects.removeValue(forKey: name) else { return }
        let index = subject.place(of: number)
        guard index < subject.versions.count, subject.versions[index].number == number else {
            subjects[name] = subject
            return
        }
        let version = subject.versions.remove(at: index)
        versionCount -= 1
        subject.revision = offset
        removalRevision += 1
        if !subject.versions.isEmpty { subjects[name] = subject }
        setReferences(of: SubjectVersion(name, number), version.id, version.schema, exist: false)
        setUse(of: version.id, in: name, version.schema)
    }

    private mutating func clear(_ scope: String?, _ offset: Int64) {
        for name in names(inScope: scope) {
            for version in subjects[name]?.versions ?? [] where version.isDeleted {
                remove(name, version.number, offset)
            }
        }
    }

    // MARK: Asking

    package func subject(_ name: String) -> Subject? { subjects[name] }

    package func version(_ name: String, _ number: Int32) -> Version? { subjects[name]?.version(number) }

    /// Whether there is a version, or with `deleted` one that may be deleted, in the subject, the bare context, or (nil)
    /// anywhere.
    package func hasVersions(_ scope: String?, deleted: Bool) -> Bool {
        names(inScope: scope).contains { name in
            subjects[name]?.versions.contains { deleted || !$0.isDeleted } == true
        }
    }

    /// The subject itself, or all subjects of a bare context; nil is all of all contexts.
    package func names(inScope scope: String?) -> [String] {
        guard let scope else { return subjects.keys.sorted() }
        let wanted = SubjectName(scope)
        if !wanted.name.isEmpty { return subjects[wanted.description] == nil ? [] : [wanted.description] }
        let isGlobal = wanted.context == SubjectName.globalContext
        return subjects.keys.filter { isGlobal || SubjectName($0).context == wanted.context }.sorted()
    }

    package func identifier(_ id: Int32, in context: String) -> Identifier? { contexts[context]?.identifiers[id] }

    /// The id that a schema has in a context.
    package func id(of content: Content, in context: String) -> Int32? { contexts[context]?.ids[content] }

    /// The largest id that any record of the context had.
    package func idMax(in context: String) -> Int32 { contexts[context]?.idMax ?? 0 }

    /// Versions that refer to another one and are not deleted.
    package func referrers(to place: SubjectVersion) -> Set<Referrer> { referrers[place] ?? [] }

    /// Deleted versions that refer to another one. Looks at all versions.
    package func deletedReferrers(to place: SubjectVersion) -> Set<Referrer> {
        var found: Set<Referrer> = []
        for (name, subject) in subjects {
            let parent = SubjectName(name)
            for version in subject.versions where version.isDeleted {
                let refers = version.schema.references.contains {
                    $0.version == place.version
                        && SubjectName.qualified($0.subject, from: parent).description == place.subject
                }
                if refers {
                    found.insert(Referrer(from: SubjectVersion(name, version.number), id: version.id))
                }
            }
        }
        return found
    }

    /// Where a schema id is a schema of this GUID: the default context first, then the others by name.
    package func identifiers(_ identity: SchemaIdentity) -> [(context: String, id: Int32)] {
        var found: [(String, Int32)] = []
        for context in contextList {
            guard let ids = contexts[context]?.ids else { continue }
            for type in SchemaType.allCases {
                if let id = ids[Content(type: type, identity: identity)] { found.append((context, id)) }
            }
        }
        return found
    }

    /// All contexts: the default one, then the others by name.
    package var contextList: [String] {
        let others = contextNames.union(contexts.filter { !$0.value.identifiers.isEmpty }.keys)
        return [SubjectName.defaultContext] + others.subtracting([SubjectName.defaultContext]).sorted()
    }

    package func isAnnounced(_ context: String) -> Bool {
        context == SubjectName.defaultContext || contextNames.contains(context)
    }

    package var subjectCount: Int { subjects.count }

    // MARK: Settings

    /// What is set for exactly this subject or bare context; nil is the default context.
    package func config(_ subject: String?) -> RegistryConfig? { configs[Self.settingsKey(subject)] }

    package func mode(_ subject: String?) -> RegistryMode? { modes[Self.settingsKey(subject)] }

    /// All aliases: the subjects whose settings have one, and what it stands for.
    package var aliases: [(subject: String, target: String)] {
        configs.compactMap { subject, config in
            guard let alias = config.alias, !alias.isEmpty else { return nil }
            return (subject, SubjectName.qualified(alias, from: SubjectName(subject)).description)
        }.sorted { $0.0 < $1.0 }
    }

    /// Subjects with a mode of their own in a scope.
    package func modeNames(inScope scope: String?) -> [String] {
        let wanted = SubjectName(scope ?? "")
        return modes.keys.filter { !$0.isEmpty && SubjectName($0).context == wanted.context && $0 != wanted.prefix }
            .sorted()
    }

    private static func settingsKey(_ subject: String?) -> String { subject.map { SubjectName($0).description } ?? "" }

    /// Where settings of a subject are looked for, in this order.
    private func scopes(_ subject: String?) -> [String] {
        let name = SubjectName(subject ?? "")
        return [name.description, name.prefix, ":\(SubjectName.globalContext):"]
    }

    /// The settings in force for a subject: those of the first scope that has any; a level that it lacks comes from the
    /// next one.
    package func configInForce(_ subject: String?, default level: CompatibilityLevel) -> RegistryConfig {
        let found = scopes(subject).compactMap { configs[$0] }
        var config = found.first ?? RegistryConfig()
        config.level = found.lazy.compactMap(\.level).first ?? level
        return config
    }

    /// The mode in force for a subject. One scope says what holds, but `READONLY_OVERRIDE` of all subjects holds whatever
    /// they say.
    package func modeInForce(_ subject: String?) -> RegistryMode {
        for scope in ["", ":\(SubjectName.globalContext):"] where modes[scope] == .readOnlyOverride {
            return .readOnlyOverride
        }
        return scopes(subject).lazy.compactMap { modes[$0] }.first ?? .readWrite
    }
}
extension RegistryState.Content {
    init(type: SchemaType, identity: SchemaIdentity) {
        self.type = type
        self.identity = identity
    }
}
