package import JSONFormat
import SchemaRules

/// Everything that changes the registry besides registrations. For the leader; each is decided when its turn comes, and
/// goes alone, as whatever follows it must see it.
extension SchemaRegistry {
    private func change<Answer: Sendable>(
        _ plan: @escaping @Sendable (RegistryState, inout WriteBatch) throws(RegistryError) -> Answer
    ) async throws(RegistryError) -> Answer {
        try await writer.write { state, batch throws(RegistryError) -> RegistryWriter.Plan<Answer> in
            guard batch.isEmpty else { return .wait }
            let answer = try plan(state, &batch)
            batch.isClosed = true
            return .answer(answer)
        }
    }

    private static func checkWritable(_ state: RegistryState, _ subject: String?) throws(RegistryError) {
        if state.modeInForce(subject).isReadOnly { throw .wrongMode(subject ?? "null", "in read-only mode") }
    }

    // MARK: Deleting

    /// Deletes all versions of a subject: softly, or for good those that are deleted softly.
    ///
    /// - Returns: their numbers.
    package func deleteSubject(_ subject: String, permanent: Bool) async throws(RegistryError) -> [Int32] {
        try await change { state, batch throws(RegistryError) in
            guard let entry = state.subject(subject) else { throw .subjectNotFound(subject) }
            let live = entry.live
            if !permanent, live.isEmpty { throw .subjectSoftDeleted(subject) }
            try Self.checkWritable(state, subject)
            let versions = permanent ? entry.versions : live
            for version in versions {
                let place = SubjectVersion(subject, version.number)
                guard state.referrers(to: place).isEmpty else { throw .referenceExists(place) }
                if permanent, !version.isDeleted { throw .subjectNotSoftDeleted(subject) }
            }
            if permanent {
                for version in versions { batch.add(.tombstone(subject: subject, version: version.number)) }
                Self.removeSettings(of: subject, state, &batch)
            } else if let last = versions.last {
                batch.add(.deleteSubject(subject, version: last.number))
            }
            return versions.map(\.number)
        }
    }

    /// Deletes one version: softly, or for good if it is deleted softly.
    ///
    /// - Parameter text: as the client wrote the version, for messages.
    package func deleteVersion(
        _ subject: String, _ wanted: WantedVersion, text: String, permanent: Bool
    ) async throws(RegistryError) -> Int32 {
        try await change { state, batch throws(RegistryError) in
            let entry = state.subject(subject)
            let found =
                switch wanted {
                case .latest: entry?.latest
                case .number(let number): entry?.version(number)
                }
            guard let version = found else {
                if entry == nil { throw .subjectNotFound(subject) }
                throw .versionNotFound(wanted.number)
            }
            if version.isDeleted, !permanent { throw .versionSoftDeleted(subject, text) }
            try Self.checkWritable(state, subject)
            let place = SubjectVersion(subject, version.number)
            guard state.referrers(to: place).isEmpty else { throw .referenceExists(place) }
            if permanent {
                guard version.isDeleted else { throw .versionNotSoftDeleted(subject, version.number) }
                batch.add(.tombstone(subject: subject, version: version.number))
                if entry?.versions.count == 1 { Self.removeSettings(of: subject, state, &batch) }
            } else {
                batch.add(
                    .schema(
                        SchemaRecord(
                            subject: subject, version: version.number, id: version.id, schema: version.schema,
                            isDeleted: true)))
            }
            return version.number
        }
    }

    private static func removeSettings(
        of subject: String, _ state: RegistryState, _ batch: inout WriteBatch
    ) {
        if state.mode(subject) != nil { batch.add(.mode(subject: subject, nil)) }
        if state.config(subject) != nil { batch.add(.config(subject: subject, nil)) }
    }

    /// Forgets a context that has no subjects.
    package func deleteContext(_ context: String) async throws(RegistryError) {
        try await change { state, batch throws(RegistryError) in
            let scope = SubjectName(context: context, name: "").description
            guard context != SubjectName.defaultContext, !state.hasVersions(scope, deleted: true) else {
                throw .contextNotEmpty(context)
            }
            if state.isAnnounced(context) { batch.add(.context(context, exists: false)) }
        }
    }

    // MARK: Settings

    /// Changes settings of a subject, a bare context, or (nil) the default context.
    ///
    /// - Returns: all that is set there now.
    package func updateConfig(_ subject: String?, _ change: JSONValue) async throws(RegistryError) -> RegistryConfig {
        try await self.change { state, batch throws(RegistryError) in
            try Self.checkWritable(state, subject)
            var config = state.config(subject) ?? RegistryConfig()
            try Self.update(&config, change)
            batch.add(.config(subject: subject, config))
            return config
        }
    }

    /// Applies a request to settings.
    package static func update(_ config: inout RegistryConfig, _ change: JSONValue) throws(RegistryError) {
        do throws(RegistryConfig.Invalid) {
            try config.update(change, levelNames: ["compatibility", "compatibilityLevel"])
        } catch {
            switch error {
            case .level: throw .invalidLevel
            case .policy(let message): throw .unprocessable(message)
            case .shape(let message): throw .malformed(message)
            }
        }
        for ruleSet in [config.defaultRuleSet, config.overrideRuleSet] {
            do { try ruleSet?.validate() } catch { throw .invalidRuleSet(error.message) }
        }
    }

    /// - Returns: what was set.
    package func deleteConfig(_ subject: String?) async throws(RegistryError) -> RegistryConfig {
        let level = settings.level
        return try await change { state, batch throws(RegistryError) in
            let old = state.config(subject)
            if let subject, old == nil { throw .subjectNotFound(subject) }
            try Self.checkWritable(state, subject)
            if old != nil { batch.add(.config(subject: subject, nil)) }
            return old ?? RegistryConfig(level: level)
        }
    }

    /// Sets the mode of a subject, a bare context, or (nil) the default context.
    ///
    /// - Parameters:
    ///   - mode: nil takes back what is set there, if anything is.
    ///   - force: lets schemas be imported where there are some.
    package func setMode(_ subject: String?, _ mode: RegistryMode?, force: Bool) async throws(RegistryError) {
        guard settings.allowsModeChanges else { throw .notPermitted("Mode changes are not allowed") }
        if mode == .forward, let subject, SubjectName(subject).context != SubjectName.globalContext {
            throw .notPermitted("Forward mode only supported on global level")
        }
        try await change { state, batch throws(RegistryError) in
            if mode?.isImport == true, !state.modeInForce(subject).isImport, !force {
                if state.hasVersions(subject, deleted: false) {
                    throw .notPermitted("Cannot import since found existing subjects")
                }
                for name in state.names(inScope: subject) {
                    for version in state.subject(name)?.versions ?? [] {
                        let place = SubjectVersion(name, version.number)
                        guard state.referrers(to: place).isEmpty else { throw .referenceExists(place) }
                        batch.add(.tombstone(subject: name, version: version.number))
                    }
                }
                batch.add(.clearSubject(subject))
            }
            batch.add(.mode(subject: subject, mode))
        }
    }

    /// - Parameter recursive: with the modes of all subjects in the scope.
    /// - Returns: the mode that was set.
    package func deleteMode(_ subject: String?, recursive: Bool) async throws(RegistryError) -> RegistryMode {
        guard settings.allowsModeChanges else { throw .notPermitted("Mode changes are not allowed") }
        return try await change { state, batch throws(RegistryError) in
            let old = state.mode(subject)
            if let subject, old == nil { throw .subjectNotFound(subject) }
            if old != nil { batch.add(.mode(subject: subject, nil)) }
            let isScope = subject.map { SubjectName($0).name.isEmpty } ?? true
            if recursive, isScope {
                for name in state.modeNames(inScope: subject) { batch.add(.mode(subject: name, nil)) }
            }
            return old ?? .readWrite
        }
    }
}
