import SQLFormats
import SQLPlan
package import SchemaRules

/// What a candidate schema would do to the streams, tables and queries of this service.
extension SQLEngine {
    /// - Throws: while the command topic is being read, and after the end.
    package func impact(of question: ImpactQuestion) async throws(KsqlFailure) -> ImpactAnswer {
        try checkReady()
        let catalog = current
        let schemas = schemas
        let groups = Set(catalog.queryIDs.map { "_confluent-ksql-\(settings.serviceID)query_\($0)" })
        // Of long catalogs it takes its time, and a schema that is named by its id is asked for.
        return try await work { () throws(KsqlFailure) in
            let impact = catalog.impact(of: Self.change(question))
            var answer = ImpactAnswer(
                impacts: impact.findings.map {
                    Impact(Self.kind($0.kind), $0.name, $0.breaks ? .breaks : .changes, reason: $0.reason)
                }, groups: groups)
            for writer in impact.writers {
                let kind = Self.kind(writer.kind)
                if let schema = writer.schema {
                    guard let type = SchemaType(rawValue: schema.type) else { continue }
                    answer.writers.append(
                        ImpactWriter(
                            kind, writer.name, writer.kind == .query ? .registers : .mayRegister,
                            schema: .init(type, schema.text)))
                } else if writer.kind == .query, let id = writer.schemaID {
                    // A schema that cannot be had now is the business of who writes with it.
                    guard let schema = try? schemas?.schema(id: id), let type = SchemaType(rawValue: schema.type),
                        schema.references.isEmpty
                    else { continue }
                    answer.writers.append(ImpactWriter(kind, writer.name, .fixed, schema: .init(type, schema.text)))
                }
            }
            return answer
        }
    }

    private static func change(_ question: ImpactQuestion) -> SchemaChange {
        let name = SubjectName(question.subject)
        // What a schema refers to comes along: by its place, it is looked for nowhere else.
        var referred: [RegistrySchema.Reference: RegistrySchema] = [:]
        func schema(_ schema: ImpactQuestion.Schema) -> RegistrySchema {
            var references: [RegistrySchema.Reference] = []
            for other in schema.references {
                let reference = RegistrySchema.Reference(
                    name: other.name, subject: other.subject, version: other.version)
                referred[reference] = RegistrySchema(type: schema.type.rawValue, text: other.text)
                references.append(reference)
            }
            return RegistrySchema(type: schema.type.rawValue, text: schema.text, references: references)
        }
        let before = question.versions.last.map { schema($0.schema) }
        let after = schema(question.candidate)
        return SchemaChange(
            // Topics have their schemas in the default context.
            subject: name.name, topic: name.context == SubjectName.defaultContext ? question.topic : nil,
            isKey: question.isKey,
            before: before, after: after, ids: Set(question.versions.map(\.id)),
            references: { [referred] (reference) in referred[reference] })
    }

    private static func kind(_ kind: CatalogImpact.Kind) -> Impact.Kind {
        switch kind {
        case .stream: .stream
        case .table: .table
        case .query: .query
        }
    }
}
