import SchemaRules

/// A schema that is not registered yet, next to the versions of the subject that it is to become one of.
struct ImpactCandidate: Sendable {
    var question: ImpactQuestion
    var candidate: SchemaRegistry.Candidate
    /// The versions there are, oldest first, without deleted ones, and as they were read.
    var versions: [RegistryState.Version]
    var documents: [EarlierSchema]

    var document: any SchemaDocument { candidate.document }

    /// The number that it would get, as far as it can be told.
    var number: Int32 { (versions.last?.number ?? 0) + 1 }

    /// Why a reader that has `version` cannot read what is written with the candidate; nil when it can.
    func problem(forReaderOf version: EarlierSchema) -> String? {
        guard version.document.type == document.type else { return "the type of the schema is another one" }
        return version.document.incompatibilities(reading: document, policy: .strict).first?.description
    }

    /// Why the candidate cannot read what was written with another schema; nil when it can.
    func problem(readingFrom writer: any SchemaDocument) -> String? {
        guard writer.type == document.type else { return "the type of the schema is another one" }
        return document.incompatibilities(reading: writer, policy: .strict).first?.description
    }
}

/// What becomes of those who write.
extension SchemaRegistry {
    /// What a writer would meet if the candidate were registered: a refusal of its schema, or readers of the candidate that
    /// cannot read its records. Nothing when it goes on as before.
    ///
    /// - Throws: `.invalidSchema` when the writer's schema is none.
    func judge(_ writer: ImpactWriter, _ candidate: ImpactCandidate) throws(RegistryError) -> [Impact] {
        let subject = candidate.question.subject
        let own: Candidate
        var version: RegistryState.Version?
        if let schema = writer.schema {
            own = try self.candidate(
                SchemaRequest(text: schema.text, typeName: schema.type.rawValue), subject: subject, isNew: false,
                normalize: false)
            version = equivalent(own, noted: nil, in: candidate.versions, subject)
        } else {
            // Its records have had the latest version, as far as the registry knows.
            guard let latest = candidate.versions.last, let document = candidate.documents.last?.document else {
                return []
            }
            own = Candidate(document: document, schema: latest.schema)
            version = latest
        }
        let next = Self.next(candidate)
        let config = holder.read { $0.configInForce(subject, default: self.settings.level) }
        let known = version.map { "version \($0.number)" } ?? "its own schema"
        if writer.mode == .latest {
            guard let problem = candidate.problem(readingFrom: own.document) else { return [] }
            return [
                Impact(
                    writer.kind, writer.name, .breaks,
                    reason: "writes with the latest version, which this one would be, and its records, of \(known) "
                        + "until now, do not fit: \(problem)")
            ]
        }
        var refusal: [String] = []
        if writer.mode != .fixed, equivalent(own, noted: nil, in: [next], subject) == nil {
            refusal = try incompatibilities(of: own, with: candidate.versions + [next], of: subject, config)
        }
        if version == nil, writer.mode != .fixed {
            let isAccepted = try incompatibilities(of: own, with: candidate.versions, of: subject, config).isEmpty
            // What would be refused today is not broken by the candidate.
            guard isAccepted, let reason = refusal.first else { return [] }
            return [
                Impact(
                    writer.kind, writer.name, .breaks,
                    reason: writer.mode == .mayRegister
                        ? "INSERT INTO \(writer.name) would be refused, as the schema of its columns could not be "
                            + "registered after this one: \(reason)"
                        : "writes with a schema that is not registered, and could not be after this one: \(reason)")
            ]
        }
        if writer.mode == .mayRegister { return [] }
        if let problem = candidate.problem(readingFrom: own.document) {
            return [
                Impact(
                    writer.kind, writer.name, .breaks,
                    reason: "goes on writing with \(known), which readers with this schema cannot read: \(problem)")
            ]
        }
        guard writer.mode == .registers, let reason = refusal.first else { return [] }
        return [
            Impact(
                writer.kind, writer.name, .changes,
                reason: "goes on writing with \(known); its next schema, if that is like the one it has, would be "
                    + "refused after this one: \(reason)")
        ]
    }

    /// The candidate as the version that it would be.
    private static func next(_ candidate: ImpactCandidate) -> RegistryState.Version {
        RegistryState.Version(
            number: candidate.number, id: 0, isDeleted: false, timestamp: 0, schema: candidate.candidate.schema)
    }
}
