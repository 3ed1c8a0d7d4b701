import Observability
import SchemaRules

extension SchemaRegistry {
    /// A version with the subject that has it.
    package struct Registered: Sendable {
        package var subject: String
        package var version: RegistryState.Version
    }

    /// A schema that was read and brought into the form that is stored.
    struct Candidate: Sendable {
        var document: any SchemaDocument
        var schema: StoredSchema
    }

    /// What the state said when a registration was worked out, and what came of it. It holds while the revisions do.
    private struct Prepared: Sendable {
        var schema: StoredSchema
        /// That the schema must get.
        var id: Int32?
        var version: Int32
        /// Deleted versions that the new one may take the place of, if it has their id.
        var deleted: [RegistryState.Version]
        var subjectRevision: Int64?
        var settingsRevision: Int64
        var isImport: Bool
        /// Whether it may refer to live versions only.
        var isNew: Bool
    }

    private enum Preparation: Sendable {
        case existing(RegistryState.Version)
        case new(Prepared)
    }

    private struct View {
        var subject: RegistryState.Subject?
        var config: RegistryConfig
        var mode: RegistryMode
        var settingsRevision: Int64
    }

    /// Registers a schema, or finds it registered. For the leader.
    ///
    /// - Parameter subject: with its context.
    package func register(
        _ subject: String, _ request: SchemaRequest, normalize: Bool
    ) async throws(RegistryError) -> Registered {
        let request = try tagged(request)
        // One subject's registrations come one after another, as each is compared with those before; those of different
        // subjects go together.
        return try await turns.pass(subject) { () async throws(RegistryError) -> Registered in
            try await self.registerInTurn(subject, request, normalize: normalize)
        }
    }

    /// The request with the tags that it asks for in its text.
    private func tagged(_ given: SchemaRequest) throws(RegistryError) -> SchemaRequest {
        guard !given.tagsToAdd.isEmpty || !given.tagsToRemove.isEmpty, let type = SchemaType(rawValue: given.typeName)
        else {
            return given
        }
        guard !given.isEmpty else { throw .emptySchema }
        var request = given
        do throws(SchemaFailure) {
            request.text = try SchemaTags.changing(given.text, type, add: given.tagsToAdd, remove: given.tagsToRemove)
        } catch {
            throw .invalidSchema(error.message)
        }
        // So that the version is noted in the metadata, as where tags of a version are changed.
        if request.version == 0 { request.version = StoredReference.latest }
        return request
    }

    private func registerInTurn(
        _ subject: String, _ request: SchemaRequest, normalize: Bool
    ) async throws(RegistryError) -> Registered {
        // What a registration rests on may still change before it is written: by deletions, settings, other nodes.
        for _ in 0..<20 {
            let preparation = try await work { () throws(RegistryError) in
                try self.prepare(subject, request, normalize: normalize)
            }
            switch preparation {
            case .existing(let version): return Registered(subject: subject, version: version)
            case .new(let prepared):
                guard let id = try await write(prepared, subject) else { continue }
                // By what the log says, as another node may have written in between.
                let version = holder.read { $0.version(subject, prepared.version) }
                guard let version, version.id == id, version.schema == prepared.schema else { continue }
                figures.registrations.add()
                return Registered(subject: subject, version: version)
            }
        }
        throw .store("Register schema operation failed: the subject kept being changed by others")
    }

    /// - Returns: the schema's id; nil when `prepared` does not hold any more.
    private func write(_ prepared: Prepared, _ subject: String) async throws(RegistryError) -> Int32? {
        let context = SubjectName(subject).context
        let parent = SubjectName(subject)
        return try await writer.write { state, batch throws(RegistryError) -> RegistryWriter.Plan<Int32?> in
            let places = prepared.schema.references.map {
                SubjectVersion(SubjectName.qualified($0.subject, from: parent).description, $0.version)
            }
            if batch.touches(subject) || places.contains(where: { batch.touches($0.subject) }) { return .wait }
            guard state.subject(subject)?.revision == prepared.subjectRevision,
                state.settingsRevision == prepared.settingsRevision
            else { return .answer(nil) }
            for place in places {
                guard let version = state.version(place.subject, place.version),
                    !(prepared.isNew && version.isDeleted)
                else { return .answer(nil) }
            }
            let content = RegistryState.Content(prepared.schema)
            let id: Int32
            if let wanted = prepared.id {
                if let taken = state.identifier(wanted, in: context), taken.schema != prepared.schema {
                    throw .notPermitted(
                        "Overwrite new schema with id \(wanted) in context \(parent.prefix) is not permitted.")
                }
                guard batch.claim(wanted, for: content, in: context, state) else { return .wait }
                id = wanted
            } else {
                guard let free = batch.id(of: content, in: context, state) else {
                    throw .store("no more schema ids in context \(context)")
                }
                id = free
            }
            if !state.isAnnounced(context) { batch.add(.context(context, exists: true)) }
            // One that others refer to stays, as it would if it were to be deleted.
            for old in prepared.deleted
            where old.id == id && old.number < prepared.version
                && state.referrers(to: SubjectVersion(subject, old.number)).isEmpty
            {
                batch.add(.tombstone(subject: subject, version: old.number))
            }
            batch.add(
                .schema(
                    SchemaRecord(
                        subject: subject, version: prepared.version, id: id, schema: prepared.schema, isDeleted: false))
            )
            return .answer(id)
        }
    }

    /// Works a registration out. Takes as long as the schemas are large.
    private func prepare(
        _ subject: String, _ given: SchemaRequest, normalize: Bool
    ) throws(RegistryError) -> Preparation {
        var request = given
        let view = holder.read {
            View(
                subject: $0.subject(subject), config: $0.configInForce(subject, default: settings.level),
                mode: $0.modeInForce(subject), settingsRevision: $0.settingsRevision)
        }
        if view.mode.isReadOnly { throw .wrongMode(subject, "in read-only mode") }
        if request.id != nil {
            guard view.mode.isImport else { throw .wrongMode(subject, "not in import mode") }
        } else if view.mode != .readWrite {
            throw .wrongMode(subject, "not in read-write mode")
        }
        let versions = view.subject?.versions ?? []
        let live = versions.filter { !$0.isDeleted }
        let (next, isFull) = (versions.last?.number ?? 0).addingReportingOverflow(1)
        if isFull { throw .invalidSchema("subject '\(subject)' has no more version numbers") }
        if !view.mode.isImport { complete(&request, after: live.last, view.config, next) }
        guard !request.isEmpty else { throw .emptySchema }

        let isNew = request.id == nil && view.config.validateNames != false
        let candidate: Candidate
        do throws(RegistryError) {
            candidate = try self.candidate(request, subject: subject, isNew: isNew, normalize: normalize)
        } catch {
            guard view.mode.isImport, let unchecked = uncheckedCandidate(request) else { throw error }
            candidate = unchecked
        }
        if view.config.validateFields == true, let document = candidate.document as? JSONDocument {
            do { try document.checkNames() } catch { throw .invalidSchema(type: .json, error) }
        }
        var id = request.id
        let known = holder.read { state -> (id: Int32, version: RegistryState.Version?)? in
            let context = SubjectName(subject).context
            guard let id = state.id(of: .init(candidate.schema), in: context),
                let identifier = state.identifier(id, in: context)
            else { return nil }
            return (id, identifier.version(of: subject).flatMap { state.version(subject, $0) })
        }
        if let known, id == nil || id == known.id {
            if request.version == 0, let version = known.version, !version.isDeleted { return .existing(version) }
            id = known.id
        }
        // What the client has not noted itself was noted for it above, and makes no new version.
        let noted = given.metadata?.version == nil ? nil : candidate.schema.metadata?.version
        if request.version == 0, let same = equivalent(candidate, noted: noted, in: live, subject),
            id == nil || id == same.id
        {
            return .existing(same)
        }
        if !view.mode.isImport {
            let messages = try incompatibilities(of: candidate, with: live, of: subject, view.config)
            guard messages.isEmpty else {
                figures.incompatible.add()
                throw .incompatible(subject, messages)
            }
        }
        var version = request.version
        if version <= 0 {
            version = next
        } else if version != next, !view.mode.isImport {
            throw .invalidSchema("Version is not one more than previous version")
        }
        return .new(
            Prepared(
                schema: candidate.schema, id: id, version: version, deleted: versions.filter(\.isDeleted),
                subjectRevision: view.subject?.revision, settingsRevision: view.settingsRevision,
                isImport: view.mode.isImport, isNew: isNew))
    }

    /// Puts into a request what it leaves to the version before and to the settings.
    func complete(
        _ request: inout SchemaRequest, after previous: RegistryState.Version?, _ config: RegistryConfig,
        _ next: Int32?
    ) {
        if request.isEmpty, let previous {
            request.text = previous.schema.string
            request.typeName = previous.schema.type.rawValue
            request.references = previous.schema.references
        } else if request.propagatesTags, let previous, let type = SchemaType(rawValue: request.typeName) {
            let tags = SchemaTags.found(in: previous.schema.string, previous.schema.type)
            request.text = SchemaTags.adding(tags, to: request.text, type)
        }
        var metadata = SchemaMetadata.merged(
            SchemaMetadata.merged(config.defaultMetadata, request.metadata ?? previous?.schema.metadata),
            config.overrideMetadata)
        let ruleSet = SchemaRuleSet.merged(
            SchemaRuleSet.merged(config.defaultRuleSet, request.ruleSet ?? previous?.schema.ruleSet),
            config.overrideRuleSet)
        if let next, request.version != 0 || metadata?.version != nil {
            metadata = (metadata ?? SchemaMetadata()).setting(version: next)
        }
        if metadata != nil || ruleSet != nil {
            request.metadata = metadata
            request.ruleSet = ruleSet
        }
    }

    /// Reads a request and brings it into the form that is stored and compared.
    func candidate(
        _ request: SchemaRequest, subject: String, isNew: Bool, normalize: Bool
    ) throws(RegistryError) -> Candidate {
        let read = try reader.read(request, subject: subject, isNew: isNew)
        var text = read.document.canonicalText
        var references = read.references
        if normalize {
            do throws(SchemaFailure) {
                text = try read.document.normalizedText()
            } catch {
                throw .invalidSchema(type: read.document.type, error)
            }
            var seen: Set<StoredReference> = []
            references = references.sorted { ($0.name, $0.subject, $0.version) < ($1.name, $1.subject, $1.version) }
                .filter { seen.insert($0).inserted }
        }
        return Candidate(
            document: read.document,
            schema: StoredSchema(
                type: read.document.type, text: Array(text.utf8), references: references, metadata: request.metadata,
                ruleSet: request.ruleSet))
    }

    /// Imports take JSON Schemas unread, as the original does: what they refer to may come later, or from elsewhere.
    private func uncheckedCandidate(_ request: SchemaRequest) -> Candidate? {
        // A version that is not noted yet is one that has to be looked up.
        guard SchemaType(rawValue: request.typeName) == .json, !request.references.contains(where: { $0.version < 1 }),
            let document = try? UncheckedDocument(request.text)
        else { return nil }
        return Candidate(
            document: document,
            schema: StoredSchema(
                type: .json, text: Array(document.canonicalText.utf8), references: request.references,
                metadata: request.metadata,
                ruleSet: request.ruleSet))
    }

    /// The newest of `versions` that is the same schema with the same contract, but for the version noted in the
    /// metadata, or but for its references, which the candidate has within its text, or but for aliases that earlier
    /// versions stored twice.
    ///
    /// - Parameter noted: the version that the client notes; one that notes none takes any. Where the stored schema
    ///   notes none, it is the number that has to be right.
    /// - SeeAlso: upstream `AbstractSchemaProvider.canLookupIgnoringVersion`.
    func equivalent(
        _ candidate: Candidate, noted: String?, in versions: [RegistryState.Version], _ subject: String
    ) -> RegistryState.Version? {
        let schema = candidate.schema
        func plain(_ metadata: SchemaMetadata?) -> SchemaMetadata? {
            metadata.map(\.withoutVersion).flatMap { $0.isEmpty ? nil : $0 }
        }
        func isNoted(_ version: RegistryState.Version) -> Bool {
            guard let noted else { return true }
            guard let stored = version.schema.metadata?.version else { return Int32(noted) == version.number }
            return noted == stored
        }
        return versions.last { version in
            let old = version.schema
            guard old.type == schema.type, old.ruleSet == schema.ruleSet, plain(old.metadata) == plain(schema.metadata),
                isNoted(version)
            else { return false }
            if old.text == schema.text, old.references == schema.references { return true }
            guard schema.type == .avro else { return false }
            let isOlder = old.references == schema.references && AvroDocument.repeatsAlias(old.string)
            guard isOlder || (schema.references.isEmpty && !old.references.isEmpty) else { return false }
            // What cannot be read or resolved is not what the client has.
            guard let document = try? reader.read(old, subject: subject) else { return false }
            if isOlder {
                return document.canonicalText == schema.string || (try? document.normalizedText()) == schema.string
            }
            guard let resolved = try? document.text(format: "resolved") else { return false }
            return resolved == candidate.document.canonicalText
        }
    }

    // MARK: Compatibility

    /// Why a candidate may not follow the versions of a subject, as lines of a message; empty when it may.
    ///
    /// - Parameter versions: oldest first, without deleted ones.
    func incompatibilities(
        of candidate: Candidate, with versions: [RegistryState.Version], of subject: String, _ config: RegistryConfig
    ) throws(RegistryError) -> [String] {
        let level = config.level ?? settings.level
        let validatesFields = config.validateFields ?? false
        var messages: [String] = []
        if validatesFields {
            messages += SchemaMetadata.reservedFieldConflicts(
                candidate.document, candidate.schema.metadata, after: versions.last?.schema.metadata)
        }
        var considered = versions
        if let group = config.compatibilityGroup, !group.isEmpty {
            let value = candidate.schema.metadata?.properties[group]
            considered = versions.filter { $0.schema.metadata?.properties[group] == value }
        }
        var earlier: [EarlierSchema] = []
        for version in level.counting(considered) where version.schema.type == candidate.schema.type {
            earlier.append(
                EarlierSchema(version: version.number, document: try reader.read(version.schema, subject: subject)))
        }
        messages += level.messages(
            candidate.document, types: considered.lazy.map(\.schema.type), after: earlier,
            policy: config.policy ?? .strict)
        guard !messages.isEmpty else { return [] }
        return messages + ["{validateFields: '\(validatesFields)', compatibility: '\(level.rawValue)'}"]
    }
}
