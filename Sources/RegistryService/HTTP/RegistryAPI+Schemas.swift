import HTTPKit
import JSONFormat
import SchemaRules

extension RegistryAPI {
    /// `/schemas`: schemas by id, by GUID, and all of them.
    mutating func addSchemas() {
        let registry = registry
        get("/schemas/types") { _ in .json(.array(["JSON", "PROTOBUF", "AVRO"].map { .string($0) })) }

        get("/schemas") { exchange throws(RegistryError) in
            let found = registry.schemas(
                prefix: exchange.subjectPrefix(default: ""),
                .init(deleted: exchange.flag("deleted"), deletedOnly: exchange.flag("deletedOnly")),
                latestOnly: exchange.flag("latestOnly"), ruleTypes: exchange.call.queries("ruleType"),
                withAliases: exchange.flag("aliases"))
            let page = try exchange.page(found, registry.settings.schemaLimit)
            return .json(.array(page.map { Entity.version($0.0, aliases: $0.aliases) }))
        }

        get("/schemas/ids/{id}") { exchange throws(RegistryError) in
            let id = try exchange.id()
            let found = try registry.found(id, exchange)
            return .json(
                try await registry.entity(
                    found, exchange, use: exchange.askedSubject == nil ? nil : found.use, withTimes: true))
        }

        get("/schemas/ids/{id}/schema") { exchange throws(RegistryError) in
            let found = try registry.found(exchange.id(), exchange)
            return .text(
                try await registry.text(
                    found.identifier.schema, subject: found.use.subject, format: exchange.format))
        }

        get("/schemas/ids/{id}/subjects") { exchange throws(RegistryError) in
            var seen: Set<String> = []
            let subjects = try registry.uses(exchange).map(\.subject).filter { seen.insert($0).inserted }
            let page = try exchange.page(subjects, registry.settings.subjectLimit)
            return .json(.array(page.map { .string($0) }))
        }

        get("/schemas/ids/{id}/versions") { exchange throws(RegistryError) in
            let page = try exchange.page(try registry.uses(exchange), registry.settings.versionLimit)
            return .json(
                .array(
                    page.map {
                        .object([("subject", .string($0.subject)), ("version", .number(Int64($0.version)))])
                    }))
        }

        get("/schemas/guids/{guid}") { exchange throws(RegistryError) in
            let text = exchange.call.parameter("guid")
            guard let identity = SchemaIdentity(text),
                let (context, id) = registry.holder.read({ $0.identifiers(identity).first }),
                let found = registry.identifier(
                    id, subject: SubjectName(context: context, name: "").description)
            else { throw .schemaNotFound(text) }
            return .json(try await registry.entity(found, exchange, use: nil, withTimes: true))
        }

        get("/schemas/guids/{guid}/ids") { exchange throws(RegistryError) in
            let text = exchange.call.parameter("guid")
            let ids = SchemaIdentity(text).map { identity in registry.holder.read { $0.identifiers(identity) } } ?? []
            guard !ids.isEmpty else { throw .schemaNotFound(text) }
            return .json(
                .array(ids.map { .object([("context", .string($0.context)), ("id", .number(Int64($0.id)))]) }))
        }
    }
}

extension SchemaRegistry {
    func found(_ id: Int32, _ exchange: Exchange) throws(RegistryError) -> FoundID {
        guard let found = identifier(id, subject: exchange.askedSubject) else { throw .schemaNotFound(String(id)) }
        return found
    }

    func entity(
        _ found: FoundID, _ exchange: Exchange, use: SubjectVersion?, withTimes: Bool
    ) async throws(RegistryError) -> JSONValue {
        let schema = found.identifier.schema
        let format = exchange.format
        let text = format.isEmpty ? nil : try await text(schema, subject: found.use.subject, format: format)
        let (version, idMax) = holder.read {
            ($0.version(found.use.subject, found.use.version), $0.idMax(in: found.context))
        }
        return Entity.schema(
            schema, use: use, version: withTimes ? version : nil, subject: found.use.subject, text: text,
            referenceFormat: exchange.call.query("referenceFormat") ?? "",
            idMax: exchange.flag("fetchMaxId") ? idMax : nil, tags: try await tags(schema, exchange))
    }

    /// Tags within a schema that the query parameter `findTags` asks for; nil when it does not.
    func tags(_ schema: StoredSchema, _ exchange: Exchange) async throws(RegistryError) -> JSONValue? {
        let wanted = exchange.call.queries("findTags").filter { !$0.isEmpty }
        guard !wanted.isEmpty else { return nil }
        return try await work { () throws(RegistryError) in
            let found = SchemaTags.found(in: schema.string, schema.type)
                .filter { tag in wanted.contains("*") || tag.tags.contains(where: wanted.contains) }
            return .array(found.map(\.json))
        }
    }

    /// Versions that have an id, by subject.
    func uses(_ exchange: Exchange) throws(RegistryError) -> [SubjectVersion] {
        let found = try found(exchange.id(), exchange)
        let deleted = exchange.flag("deleted")
        return holder.read { state in
            found.identifier.uses.filter { use in
                state.version(use.subject, use.version).map { deleted || !$0.isDeleted } ?? false
            }
        }
    }
}
