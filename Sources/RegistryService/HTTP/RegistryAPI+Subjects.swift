import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import SchemaRules

extension RegistryAPI {
    /// `/subjects`: the list, looking schemas up, deleting.
    mutating func addSubjects() {
        let registry = registry
        get("/subjects") { exchange throws(RegistryError) in
            let subjects = registry.subjects(
                prefix: exchange.subjectPrefix(default: ":*:"),
                .init(deleted: exchange.flag("deleted"), deletedOnly: exchange.flag("deletedOnly")))
            let page = try exchange.page(subjects, registry.settings.subjectLimit)
            return .json(.array(page.map { .string($0) }))
        }

        post("/subjects/{subject}") { exchange throws(RegistryError) in
            let request = try await registry.schemaRequest(exchange)
            let found = try await registry.lookup(
                exchange.subject, request, normalize: exchange.flag("normalize"), deleted: exchange.flag("deleted"))
            return .json(try await registry.entity(found, exchange))
        }

        get("/subjects/{subject}/metadata") { exchange throws(RegistryError) in
            // What is left over on one side is not looked at, as in the original.
            let keys = exchange.call.queries("key")
            let values = exchange.call.queries("value")
            let found = try registry.version(
                exchange.subject, withProperties: Dictionary(zip(keys, values)) { $1 },
                deleted: exchange.flag("deleted"))
            return .json(try await registry.entity(found, exchange))
        }

        change(.delete, "/subjects/{subject}") { exchange throws(RegistryError) in
            let versions = try await registry.deleteSubject(exchange.subject, permanent: exchange.flag("permanent"))
            return .json(.array(versions.map { .number(Int64($0)) }))
        }
    }

    /// `/subjects/{subject}/versions`.
    mutating func addVersions() {
        let registry = registry
        let api = self
        get("/subjects/{subject}/versions") { exchange throws(RegistryError) in
            let asNegative = exchange.flag("deletedAsNegative")
            let versions = try registry.versions(
                exchange.subject,
                .init(deleted: exchange.flag("deleted") || asNegative, deletedOnly: exchange.flag("deletedOnly")))
            let page = try exchange.page(versions, registry.settings.versionLimit)
            return .json(
                .array(page.map { .number(Int64($0.isDeleted && asNegative ? -$0.number : $0.number)) }))
        }

        get("/subjects/{subject}/versions/{version}") { exchange throws(RegistryError) in
            let found = try registry.version(
                exchange.subject, exchange.version(), deleted: exchange.flag("deleted"))
            return .json(try await registry.entity(found, exchange))
        }

        get("/subjects/{subject}/versions/{version}/schema") { exchange throws(RegistryError) in
            let found = try registry.version(
                exchange.subject, exchange.version(), deleted: exchange.flag("deleted"))
            return .text(
                try await registry.text(found.version.schema, subject: found.subject, format: exchange.format))
        }

        get("/subjects/{subject}/versions/{version}/referencedby") { exchange throws(RegistryError) in
            let found = try registry.version(exchange.subject, exchange.version(), deleted: true)
            let ids = registry.referrers(to: found, deleted: exchange.flag("deleted"))
            let page = try exchange.page(ids, registry.settings.schemaLimit)
            return .json(.array(page.map { .number(Int64($0)) }))
        }

        post("/subjects/{subject}/versions") { exchange throws(RegistryError) in
            let request = try await registry.schemaRequest(exchange).withKeyDefaults
            try exchange.checkSubject()
            let subject = exchange.subject
            let normalize = exchange.flag("normalize") || registry.normalizes(subject)
            // What is there already, every node knows.
            if let found = try await registry.existing(subject, request, normalize: normalize) {
                return .json(try await registry.answer(found, exchange, to: request))
            }
            return try await api.lead(exchange) { exchange throws(RegistryError) in
                let registered = try await registry.register(subject, request, normalize: normalize)
                return .json(try await registry.answer(registered, exchange, to: request))
            }
        }

        change(.delete, "/subjects/{subject}/versions/{version}") { exchange throws(RegistryError) in
            let version = try await registry.deleteVersion(
                exchange.subject, exchange.version(), text: exchange.versionText,
                permanent: exchange.flag("permanent"))
            return .json(.number(Int64(version)))
        }

        change(.post, "/subjects/{subject}/versions/{version}/tags") { exchange throws(RegistryError) in
            try exchange.checkSubject()
            let request = try TagRequest(exchange.object())
            let registered = try await registry.changeTags(exchange.subject, exchange.version(), request)
            return .json(try await registry.answer(registered, exchange))
        }
    }
}

extension SchemaRegistry {
    /// The body of a request about a schema; a long one is read where it holds nobody up.
    func schemaRequest(_ exchange: Exchange) async throws(RegistryError) -> SchemaRequest {
        guard exchange.body.readableBytes > 32 << 10 else { return try exchange.schemaRequest() }
        return try await work { () throws(RegistryError) in try exchange.schemaRequest() }
    }

    /// A version as the query parameters want it.
    func entity(_ found: Registered, _ exchange: Exchange) async throws(RegistryError) -> JSONValue {
        let schema = found.version.schema
        let format = exchange.format
        let text = format.isEmpty ? nil : try await text(schema, subject: found.subject, format: format)
        return Entity.version(
            found, text: text, referenceFormat: exchange.call.query("referenceFormat") ?? "",
            tags: try await tags(schema, exchange))
    }

    /// The answer to a registration: the id, and what releases since 8.0 add to it for clients that say that they can
    /// read it, as those of before fail on what they do not know. A client that sends a Protobuf descriptor gets one
    /// back: Python's keeps the answer for what it has sent.
    func answer(
        _ registered: Registered, _ exchange: Exchange, to request: SchemaRequest? = nil
    ) async throws(RegistryError) -> JSONValue {
        guard exchange.acceptsUnknownProperties else {
            return .object([("id", .number(Int64(registered.version.id)))])
        }
        let isDescriptor = request.map { $0.typeName == SchemaType.protobuf.rawValue && $0.isBase64 } ?? false
        let format = exchange.format.isEmpty && isDescriptor ? "serialized" : exchange.format
        let schema = registered.version.schema
        let text = format.isEmpty ? nil : try await text(schema, subject: registered.subject, format: format)
        return Entity.registered(registered, text: text)
    }
}
