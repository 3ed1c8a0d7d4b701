import Cluster
package import SchemaRules

/// A part of the platform that uses schemas and can tell what a candidate would do to it: SQL for streams, tables and
/// queries, Connect for connectors.
package protocol ImpactSource: Sendable {
    /// What the part is called where it cannot be asked: "sql", "connect".
    var part: String { get }

    /// What of this part the candidate would break or change, and who of it writes records of the subject. Asked from any
    /// task; an answer that takes long is the client's to wait for.
    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer
}

/// Why a part of the platform was not asked, or did not answer.
package struct ImpactUnanswered: Error, Sendable, Hashable {
    /// A sentence for people, with what to do about it.
    package var reason: String

    package init(_ reason: String) { self.reason = reason }
}

/// What a candidate would reach, and what could not be found out.
package struct ImpactReport: Sendable, Hashable {
    /// Sorted by kind and name.
    package var impacts: [Impact] = []
    /// Sorted by part.
    package var unanswered: [Unanswered] = []

    /// A part that was not asked or did not answer.
    package struct Unanswered: Sendable, Hashable {
        package var part: String
        package var reason: String
    }
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
    /// parts of the platform answer.
    package func impact(_ subject: String, _ request: SchemaRequest) async throws(RegistryError) -> ImpactReport {
        let candidate = try await work { () throws(RegistryError) in
            let versions = self.holder.read { $0.subject(subject)?.live ?? [] }
            var documents: [EarlierSchema] = []
            var numbered: [ImpactQuestion.Version] = []
            for version in versions {
                documents.append(
                    EarlierSchema(
                        version: version.number, document: try self.reader.read(version.schema, subject: subject)))
                numbered.append(
                    .init(
                        version.number, id: version.id, try self.reader.described(version.schema, subject: subject)))
            }
            let read = try self.candidate(request, subject: subject, isNew: true, normalize: false)
            return ImpactCandidate(
                question: ImpactQuestion(
                    subject: subject, candidate: try self.reader.described(read.schema, subject: subject),
                    versions: numbered),
                candidate: read, versions: versions, documents: documents)
        }
        var report = ImpactReport()
        report.impacts = referringSchemas(candidate)
        var owned: Set<String> = []
        for source in sources {
            do throws(ImpactUnanswered) {
                let answer = try await source.answer(candidate.question)
                report.impacts += answer.impacts
                owned.formUnion(answer.groups)
                for writer in answer.writers {
                    let judged = try? await work { () throws(RegistryError) in try self.judge(writer, candidate) }
                    // A writer whose schema is none says so itself.
                    report.impacts += judged ?? []
                }
            } catch {
                report.unanswered.append(.init(part: source.part, reason: error.reason))
            }
        }
        report.impacts += await readingGroups(candidate, without: owned)
        report.impacts.sort { ($0.kind.rawValue, $0.name, $0.reason) < ($1.kind.rawValue, $1.name, $1.reason) }
        report.unanswered.sort { $0.part < $1.part }
        return report
    }

    private func referringSchemas(_ candidate: ImpactCandidate) -> [Impact] {
        let subject = candidate.question.subject
        return candidate.versions.flatMap { version in
            holder.read { $0.referrers(to: SubjectVersion(subject, version.number)) }.map { referrer in
                Impact(
                    .schema, referrer.from.subject, .changes,
                    reason: "version \(referrer.from.version) (id \(referrer.id)) refers to version "
                        + "\(version.number) of '\(subject)' and stays with it until it is registered anew")
            }
        }
    }

    /// Groups that have read the topic: those with committed offsets in it, or members that are reading it.
    ///
    /// - Parameter owned: those of queries and connectors, of which their own parts have told.
    private func readingGroups(_ candidate: ImpactCandidate, without owned: Set<String>) async -> [Impact] {
        guard let topic = candidate.question.topic else { return [] }
        // A cluster that does not tell its groups says nothing about them.
        guard let groups = try? await cluster.groups() else { return [] }
        let problems = candidate.documents.compactMap { version in
            candidate.problem(forReaderOf: version).map { "version \(version.version): \($0)" }
        }
        let versions = candidate.documents.map { String($0.version) }
        let part = candidate.question.isKey ? "keys" : "values"
        let reads =
            "reads \(part) of topic '\(topic)'; would have to read versions "
            + (versions + ["\(candidate.number) (this one)"]).joined(separator: ", ")
        let reason =
            problems.isEmpty
            ? reads : reads + "; who reads with one of these cannot read it: " + problems.joined(separator: "; ")
        // Those who have kept up read with the latest version.
        let breaks = candidate.documents.last.map { candidate.problem(forReaderOf: $0) != nil } ?? false
        var found: [Impact] = []
        for group in groups where ["consumer", ""].contains(group.protocolType) && !owned.contains(group.id) {
            let offsets = (try? await cluster.groupOffsets(group.id)) ?? [:]
            var isReader = offsets.keys.contains { $0.topic == topic }
            if !isReader, let description = try? await cluster.group(group.id) {
                isReader = description.members.contains { $0.assignment.contains { $0.topic == topic } }
            }
            if isReader {
                found.append(
                    Impact(.consumerGroup, group.id, breaks ? .breaks : .changes, reason: reason))
            }
        }
        return found
    }
}
