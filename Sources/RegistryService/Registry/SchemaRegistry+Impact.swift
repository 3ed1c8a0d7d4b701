import Cluster
package import SchemaRules

/// Something that a candidate schema would reach if it were registered.
package struct Impact: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case consumerGroup = "consumer-group"
        case connector, query, stream, table, schema
    }

    package var kind: Kind
    package var name: String
    /// A sentence for people: in which way, and what would have to be done.
    package var reason: String

    package init(_ kind: Kind, _ name: String, reason: String) {
        self.kind = kind
        self.name = name
        self.reason = reason
    }
}

/// A schema that is not registered yet, with the subject that it is to become a version of.
package struct ImpactCandidate: Sendable {
    /// With its context.
    package var subject: String
    /// The topic whose keys or values the subject is about, by the strategy that names subjects after topics; nil when the
    /// subject is not named so.
    package var topic: String?
    package var isKey: Bool
    package var document: any SchemaDocument
    /// The versions there are, oldest first, without deleted ones.
    package var versions: [EarlierSchema]

    package init(subject: String, document: any SchemaDocument, versions: [EarlierSchema]) {
        self.subject = subject
        self.document = document
        self.versions = versions
        let name = SubjectName(subject).name
        isKey = name.hasSuffix("-key")
        topic = isKey || name.hasSuffix("-value") ? String(name.dropLast(isKey ? 4 : 6)) : nil
    }

    /// Why a reader that has `version` cannot read what is written with the candidate; nil when it can.
    package func problem(forReaderOf version: EarlierSchema, policy: CompatibilityPolicy = .strict) -> String? {
        guard version.document.type == document.type else { return "the type of the schema is another one" }
        return version.document.incompatibilities(reading: document, policy: policy).first?.description
    }

    /// Why the candidate cannot read what was written with `version`; nil when it can.
    package func problem(readingFrom version: EarlierSchema, policy: CompatibilityPolicy = .strict) -> String? {
        guard version.document.type == document.type else { return "the type of the schema is another one" }
        return document.incompatibilities(reading: version.document, policy: policy).first?.description
    }
}

/// A part of the platform that uses schemas and can tell what a candidate would do to it: SQL for streams, tables and
/// queries, Connect for connectors.
package protocol ImpactSource: Sendable {
    /// What of this part the candidate would break or change. Asked from any task; an answer that takes long is the
    /// client's to wait for.
    func impact(of candidate: ImpactCandidate) async -> [Impact]
}

extension SchemaRegistry {
    /// Whether a candidate may follow the versions of a subject: one of them, or all that the level counts.
    ///
    /// - Parameter wanted: nil: as a registration would.
    /// - Returns: the reasons why not; empty when it may.
    /// - Throws: `.versionNotFound`, `.invalidSchema`.
    package func check(
        _ subject: String, _ wanted: WantedVersion?, _ request: SchemaRequest, normalize: Bool
    ) async throws(RegistryError) -> [String] {
        var versions = holder.read { $0.subject(subject)?.live ?? [] }
        switch wanted {
        case nil: break
        case .latest: versions = versions.suffix(1)
        case .number(let number):
            versions = versions.filter { $0.number == number }
            if versions.isEmpty { throw .versionNotFound(number) }
        }
        let chosen = versions
        return try await work { () throws(RegistryError) in
            guard !request.isEmpty else { throw .emptySchema }
            let config = self.holder.read { $0.configInForce(subject, default: self.settings.level) }
            let isNormalized = normalize || config.normalize ?? false
            let candidate = try self.candidate(request, subject: subject, isNew: true, normalize: isNormalized)
            return try self.incompatibilities(of: candidate, with: chosen, of: subject, config)
        }
    }

    /// What a candidate would reach: schemas that refer to the subject, groups that read the topic, and what the other
    /// parts of the platform answer. Sorted by kind and name.
    package func impact(_ subject: String, _ request: SchemaRequest) async throws(RegistryError) -> [Impact] {
        let candidate = try await work { () throws(RegistryError) in
            let read = try self.reader.read(request, subject: subject, isNew: true)
            var versions: [EarlierSchema] = []
            for version in self.holder.read({ $0.subject(subject)?.live ?? [] }) {
                versions.append(
                    EarlierSchema(
                        version: version.number, document: try self.reader.read(version.schema, subject: subject)))
            }
            return ImpactCandidate(subject: subject, document: read.document, versions: versions)
        }
        var found = referringSchemas(candidate)
        found += await readingGroups(candidate)
        for source in sources { found += await source.impact(of: candidate) }
        return found.sorted { ($0.kind.rawValue, $0.name, $0.reason) < ($1.kind.rawValue, $1.name, $1.reason) }
    }

    private func referringSchemas(_ candidate: ImpactCandidate) -> [Impact] {
        candidate.versions.flatMap { version in
            holder.read { $0.referrers(to: SubjectVersion(candidate.subject, version.version)) }.map { referrer in
                Impact(
                    .schema, referrer.from.subject,
                    reason: "version \(referrer.from.version) (id \(referrer.id)) refers to version "
                        + "\(version.version) of '\(candidate.subject)' and stays with it until it is registered anew")
            }
        }
    }

    /// Groups that have read the topic: those with committed offsets in it, or members that are reading it.
    private func readingGroups(_ candidate: ImpactCandidate) async -> [Impact] {
        guard let topic = candidate.topic else { return [] }
        // A cluster that does not tell its groups says nothing about them.
        guard let groups = try? await cluster.groups() else { return [] }
        let problems = candidate.versions.compactMap { version in
            candidate.problem(forReaderOf: version).map { "version \(version.version): \($0)" }
        }
        let versions = candidate.versions.map { String($0.version) }
        let next = (candidate.versions.last?.version ?? 0) + 1
        let part = candidate.isKey ? "keys" : "values"
        let reads =
            "reads \(part) of topic '\(topic)'; would have to read versions "
            + (versions + ["\(next) (this one)"]).joined(separator: ", ")
        let reason =
            problems.isEmpty
            ? reads : reads + "; who reads with one of these cannot read it: " + problems.joined(separator: "; ")
        var found: [Impact] = []
        for group in groups where ["consumer", ""].contains(group.protocolType) {
            let offsets = (try? await cluster.groupOffsets(group.id)) ?? [:]
            var isReader = offsets.keys.contains { $0.topic == topic }
            if !isReader, let description = try? await cluster.group(group.id) {
                isReader = description.members.contains { $0.assignment.contains { $0.topic == topic } }
            }
            if isReader { found.append(Impact(.consumerGroup, group.id, reason: reason)) }
        }
        return found
    }
}
