package import JSONFormat
package import SchemaRules

/// A request to tag parts of a version and register what comes of it as the next one.
package struct TagRequest: Sendable {
    package var add: [SchemaTags] = []
    package var remove: [SchemaTags] = []
    package var newVersion: Int32?
    package var metadata: SchemaMetadata?
    package var ruleSet: SchemaRuleSet?
    package var rulesToMerge: SchemaRuleSet?
    package var rulesToRemove: [String]?

    /// As `{"newVersion":2,"tagsToAdd":[...],"tagsToRemove":[...],"metadata":{},"ruleSet":{},"rulesToMerge":{},
    /// "rulesToRemove":["r"]}`, each of which may be missing.
    package init(_ json: JSONValue) throws(RegistryError) {
        func present(_ name: String) -> JSONValue? { json[name].flatMap { $0 == .null ? nil : $0 } }
        do throws(SchemaFailure) {
            for element in present("tagsToAdd")?.elements ?? [] { add.append(try SchemaTags(element)) }
            for element in present("tagsToRemove")?.elements ?? [] { remove.append(try SchemaTags(element)) }
            if let value = present("metadata") { metadata = try SchemaMetadata(value) }
            if let value = present("ruleSet") { ruleSet = try SchemaRuleSet(value) }
            if let value = present("rulesToMerge") { rulesToMerge = try SchemaRuleSet(value) }
        } catch {
            throw .malformed(error.message)
        }
        do throws(SchemaFailure) {
            try ruleSet?.validate()
            try rulesToMerge?.validate()
        } catch {
            throw .invalidRuleSet(error.message)
        }
        rulesToRemove = present("rulesToRemove")?.elements?.compactMap(\.text)
        newVersion = present("newVersion")?.integer.flatMap(Int32.init(exactly:))
    }
}

extension SchemaRegistry {
    /// Registers a version of a subject anew with other tags, metadata or rules. For the leader.
    package func changeTags(
        _ subject: String, _ wanted: WantedVersion, _ change: TagRequest
    ) async throws(RegistryError) -> Registered {
        let (base, latest) = holder.read { state in
            let entry = state.subject(subject)
            let base =
                switch wanted {
                case .latest: entry?.latest
                case .number(let number): entry?.version(number).flatMap { $0.isDeleted ? nil : $0 }
                }
            return (base, entry?.latest)
        }
        guard let base else {
            guard holder.read({ $0.hasVersions(subject, deleted: false) }) else { throw .subjectNotFound(subject) }
            throw .versionNotFound(wanted.number)
        }
        let text: String
        do {
            text = try SchemaTags.changing(base.schema.string, base.schema.type, add: change.add, remove: change.remove)
        } catch {
            throw .invalidSchema(error.message)
        }
        var ruleSet = change.ruleSet?.withKeyDefaults
        if change.rulesToMerge != nil || change.rulesToRemove != nil {
            ruleSet = SchemaRuleSet.merged(latest?.schema.ruleSet, change.rulesToMerge)
            ruleSet = ruleSet?.removing(Set(change.rulesToRemove ?? []))
        }
        let metadata = change.metadata ?? base.schema.metadata ?? SchemaMetadata()
        let request = SchemaRequest(
            text: text, typeName: base.schema.type.rawValue, references: base.schema.references, metadata: metadata,
            ruleSet: ruleSet ?? base.schema.ruleSet, version: change.newVersion ?? StoredReference.latest)
        return try await register(subject, request, normalize: false)
    }
}
