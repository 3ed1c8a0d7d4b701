package import SchemaRules

extension SchemaRegistry {
    /// The version of a subject that a schema is registered as, if nothing about the registration depends on the leader:
    /// so that clients which register what is there need not go there.
    ///
    /// - Parameter subject: with its context.
    package func existing(
        _ subject: String, _ request: SchemaRequest, normalize: Bool
    ) async throws(RegistryError) -> Registered? {
        guard !request.isEmpty, !request.changesTags else { return nil }
        return try await work { () throws(RegistryError) in
            let (config, mode) = self.holder.read {
                ($0.configInForce(subject, default: self.settings.level), $0.modeInForce(subject))
            }
            // An import may not be readable.
            guard !config.hasDefaultsOrOverrides, !mode.isImport else { return nil }
            let latestOnly = request.version == StoredReference.latest
            guard
                let found = try self.find(
                    request, noted: request.metadata?.version, subject, normalize: normalize, deleted: false,
                    latestOnly: latestOnly)
            else { return nil }
            if request.version > 0 {
                guard found.id == request.id, found.number == request.version else { return nil }
            } else if let id = request.id, id != found.id {
                return nil
            }
            return Registered(subject: subject, version: found)
        }
    }

    /// The version of a subject that is this schema.
    ///
    /// - Parameter subject: with its context; a subject of the default context is looked for in the others too.
    /// - Throws: `.subjectNotFound`, `.schemaNotFound`, `.invalidSchema`.
    package func lookup(
        _ subject: String, _ request: SchemaRequest, normalize: Bool, deleted: Bool
    ) async throws(RegistryError) -> Registered {
        try await work { () throws(RegistryError) in
            let isNormalized = normalize || self.normalizes(subject)
            for normalize in isNormalized ? [true] : [false, true] {
                if let found = try self.lookupInContexts(subject, request, normalize: normalize, deleted: deleted) {
                    return found
                }
            }
            guard self.holder.read({ $0.hasVersions(subject, deleted: deleted) }) else {
                throw .subjectNotFound(subject)
            }
            throw .schemaNotFound
        }
    }

    /// Whether the settings in force for a subject ask for normalised texts.
    package func normalizes(_ subject: String) -> Bool {
        holder.read { $0.configInForce(subject, default: settings.level) }.normalize ?? false
    }

    private func lookupInContexts(
        _ subject: String, _ request: SchemaRequest, normalize: Bool, deleted: Bool
    ) throws(RegistryError) -> Registered? {
        if let version = try lookup(subject, request, normalize, deleted) {
            return Registered(subject: subject, version: version)
        }
        for name in elsewhere(subject) {
            // A schema whose references are not in that context is not there.
            guard let version = try? lookup(name, request, normalize, deleted) else { continue }
            return Registered(subject: name, version: version)
        }
        return nil
    }

    /// The same subject in all other contexts where it exists, if its own is the default one.
    func elsewhere(_ subject: String) -> [String] {
        let name = SubjectName(subject)
        guard name.context == SubjectName.defaultContext, !name.name.isEmpty else { return [] }
        return holder.read { state in
            state.contextList.dropFirst().map { SubjectName(context: $0, name: name.name).description }
                .filter { state.subject($0) != nil }
        }
    }

    private func lookup(
        _ subject: String, _ request: SchemaRequest, _ normalize: Bool, _ deleted: Bool
    ) throws(RegistryError) -> RegistryState.Version? {
        guard !request.isEmpty else { return nil }
        let found = try find(
            request, noted: request.metadata?.version, subject, normalize: normalize, deleted: deleted,
            latestOnly: false)
        if let found { return found }
        // With what a registration would take over from the version before.
        let (latest, config) = holder.read {
            ($0.subject(subject)?.latest, $0.configInForce(subject, default: settings.level))
        }
        guard let latest else { return nil }
        var completed = request
        complete(&completed, after: latest, config, nil)
        guard completed != request else { return nil }
        return try find(
            completed, noted: request.metadata?.version, subject, normalize: normalize, deleted: deleted,
            latestOnly: false)
    }

    /// - Parameter noted: the version that the client notes in the metadata.
    private func find(
        _ request: SchemaRequest, noted: String?, _ subject: String, normalize: Bool, deleted: Bool, latestOnly: Bool
    ) throws(RegistryError) -> RegistryState.Version? {
        let candidate = try candidate(request, subject: subject, isNew: false, normalize: normalize)
        let (exact, versions) = holder.read { state -> (RegistryState.Version?, [RegistryState.Version]) in
            guard let entry = state.subject(subject) else { return (nil, []) }
            if latestOnly { return (nil, entry.latest.map { [$0] } ?? []) }
            let context = SubjectName(subject).context
            let id = state.id(of: .init(candidate.schema), in: context)
            let number = id.flatMap { state.identifier($0, in: context)?.version(of: subject) }
            let exact = number.flatMap { entry.version($0) }
            return (exact.flatMap { deleted || !$0.isDeleted ? $0 : nil }, deleted ? entry.versions : entry.live)
        }
        return exact ?? equivalent(candidate, noted: noted, in: versions, subject)
    }

    // MARK: Versions and ids

    /// A version that a client names: a number or `latest`.
    package enum WantedVersion: Equatable, Sendable {
        case latest
        case number(Int32)

        /// - Throws: `.invalidVersion`.
        package init(_ text: String) throws(RegistryError) {
            let trimmed = String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            if trimmed.lowercased() == "latest" || trimmed == "-1" {
                self = .latest
            } else if let number = Int32(trimmed), number >= 1 {
                self = .number(number)
            } else {
                throw .invalidVersion(text)
            }
        }

        var number: Int32 { if case .number(let number) = self { number } else { StoredReference.latest } }
    }

    /// A version of a subject; a subject of the default context is looked for in the others too.
    ///
    /// - Throws: `.subjectNotFound`, `.versionNotFound`.
    package func version(
        _ subject: String, _ wanted: WantedVersion, deleted: Bool
    ) throws(RegistryError) -> Registered {
        for name in [subject] + (holder.read { $0.subject(subject) } == nil ? elsewhere(subject) : []) {
            let found = holder.read { state -> RegistryState.Version? in
                switch wanted {
                case .latest: return state.subject(name)?.latest
                case .number(let number):
                    let version = state.version(name, number)
                    return version.flatMap { deleted || !$0.isDeleted ? $0 : nil }
                }
            }
            if let found { return Registered(subject: name, version: found) }
        }
        guard holder.read({ $0.hasVersions(subject, deleted: deleted) }) else { throw .subjectNotFound(subject) }
        throw .versionNotFound(wanted.number)
    }

    /// A schema by its id, for the other parts of this process.
    ///
    /// - Parameter subject: one that has it, or a bare context; nil: the default context.
    package func schema(_ id: Int32, subject: String? = nil) -> (schema: StoredSchema, subject: String)? {
        identifier(id, subject: subject).map { ($0.identifier.schema, $0.use.subject) }
    }

    /// What a stored schema means, with all that it refers to.
    ///
    /// - Parameter subject: one that has it: its references are in that subject's context.
    package func document(
        _ schema: StoredSchema, subject: String
    ) async throws(RegistryError) -> any SchemaDocument {
        try await work { () throws(RegistryError) in try self.reader.read(schema, subject: subject) }
    }

    /// Where a schema id is in use.
    struct FoundID: Sendable {
        var context: String
        var identifier: RegistryState.Identifier
        var use: SubjectVersion
    }

    /// A schema by its id.
    ///
    /// - Parameter subject: one that has it, or a bare context; nil: the default context. A subject of the default context
    ///   is looked for in the others too.
    func identifier(_ id: Int32, subject: String?) -> FoundID? {
        let name = SubjectName(subject ?? "")
        return holder.read { state -> FoundID? in
            func use(_ context: String) -> FoundID? {
                guard let identifier = state.identifier(id, in: context) else { return nil }
                guard !name.name.isEmpty else {
                    return FoundID(context: context, identifier: identifier, use: identifier.use)
                }
                let subject = SubjectName(context: context, name: name.name).description
                guard let version = identifier.version(of: subject) else { return nil }
                return FoundID(context: context, identifier: identifier, use: SubjectVersion(subject, version))
            }
            if let found = use(name.context) { return found }
            guard name.context == SubjectName.defaultContext, !name.name.isEmpty else { return nil }
            for context in state.contextList.dropFirst() { if let found = use(context) { return found } }
            // The id counts more than who is said to have it.
            guard let identifier = state.identifier(id, in: name.context) else { return nil }
            return FoundID(context: name.context, identifier: identifier, use: identifier.use)
        }
    }

    /// The latest version whose metadata have all these properties.
    ///
    /// - Throws: `.subjectNotFound`, `.schemaNotFound`.
    package func version(
        _ subject: String, withProperties wanted: [String: String], deleted: Bool
    ) throws(RegistryError) -> Registered {
        let found = holder.read { state in
            state.subject(subject)?.versions.last { version in
                guard deleted || !version.isDeleted, let metadata = version.schema.metadata else { return false }
                return wanted.allSatisfy { metadata.properties[$0.key] == $0.value }
            }
        }
        if let found { return Registered(subject: subject, version: found) }
        guard holder.read({ $0.hasVersions(subject, deleted: deleted) }) else { throw .subjectNotFound(subject) }
        throw .schemaNotFound
    }

    /// The text of a schema in one of its formats.
    ///
    /// - Throws: `.unprocessable` for a format that there is none of.
    package func text(_ schema: StoredSchema, subject: String, format: String) async throws(RegistryError) -> String {
        guard !format.isEmpty else { return schema.string }
        return try await work { () throws(RegistryError) in
            let document = try self.reader.read(schema, subject: subject)
            do throws(SchemaFailure) {
                return try document.text(format: format)
            } catch {
                throw .unprocessable(error.message)
            }
        }
    }

    // MARK: Lists

    /// Which subjects or schemas a list has.
    package enum Filter: Sendable {
        case live, all, deleted

        package init(deleted: Bool, deletedOnly: Bool) { self = deletedOnly ? .deleted : deleted ? .all : .live }

        func takes(isDeleted: Bool) -> Bool {
            switch self {
            case .live: !isDeleted
            case .all: true
            case .deleted: isDeleted
            }
        }
    }

    /// Subjects whose names begin like this, sorted. `:*:` stands for all contexts, a prefix without a context for the
    /// default one.
    package func subjects(prefix: String, _ filter: Filter) -> [String] {
        let matches = Self.matcher(prefix)
        return holder.read { state in
            state.subjects.filter { name, subject in
                matches(name) && filter.takes(isDeleted: subject.versions.allSatisfy(\.isDeleted))
            }.map(\.key)
        }.sorted()
    }

    /// Versions of subjects whose names begin like this, sorted.
    package func schemas(
        prefix: String, _ filter: Filter, latestOnly: Bool, ruleTypes: [String], withAliases: Bool
    ) -> [(Registered, aliases: [String])] {
        let aliases = withAliases ? Dictionary(grouping: holder.read { $0.aliases }, by: \.target) : [:]
        let matches = Self.matcher(prefix)
        // A subject that an alias which matches stands for is in the list as well.
        let targets = Set(aliases.filter { $0.value.contains { matches($0.subject) } }.keys)
        let found = holder.read { state in
            state.subjects.filter { matches($0.key) || targets.contains($0.key) }
        }
        var list: [(Registered, aliases: [String])] = []
        for (name, subject) in found.sorted(by: { $0.key < $1.key }) {
            var versions = subject.versions.filter { filter.takes(isDeleted: $0.isDeleted) }
            if latestOnly { versions = versions.suffix(1) }
            for version in versions {
                if !ruleTypes.isEmpty {
                    let types = Set((version.schema.ruleSet?.all ?? []).compactMap(\.type))
                    guard ruleTypes.contains(where: types.contains) else { continue }
                }
                list.append((Registered(subject: name, version: version), (aliases[name] ?? []).map(\.subject)))
            }
        }
        return list
    }

    private static func matcher(_ prefix: String) -> (String) -> Bool {
        let wanted = SubjectName(prefix)
        if wanted.context == SubjectName.anyContext { return { SubjectName($0).name.hasPrefix(wanted.name) } }
        // The beginning of a context's name stands for all contexts that begin so.
        if prefix.hasPrefix(":."), !prefix.dropFirst().contains(":") { return { $0.hasPrefix(prefix) } }
        return { name in
            let name = SubjectName(name)
            return name.context == wanted.context && name.name.hasPrefix(wanted.name)
        }
    }

    /// Versions of a subject.
    ///
    /// - Throws: `.subjectNotFound`.
    package func versions(
        _ subject: String, _ filter: Filter
    ) throws(RegistryError) -> [RegistryState.Version] {
        let entry = holder.read { $0.subject(subject) }
        let versions = (entry?.versions ?? []).filter { filter.takes(isDeleted: $0.isDeleted) }
        if case .live = filter, versions.isEmpty { throw .subjectNotFound(subject) }
        if entry == nil { throw .subjectNotFound(subject) }
        return versions
    }

    /// Ids of the schemas that refer to a version, sorted.
    ///
    /// - Parameter deleted: whether those that are deleted count too.
    package func referrers(to registered: Registered, deleted: Bool = false) -> [Int32] {
        let place = SubjectVersion(registered.subject, registered.version.number)
        let found = holder.read { state in
            deleted
                ? state.referrers(to: place).union(state.deletedReferrers(to: place)) : state.referrers(to: place)
        }
        return Set(found.map(\.id)).sorted()
    }
}
