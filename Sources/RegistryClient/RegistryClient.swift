package import Bytes
package import JSONFormat
package import SchemaRules

/// A client of a schema registry, ours or another one, by Confluent's REST API.
///
/// What a schema id stands for never changes, so `SchemaCache` keeps it; everything else is asked each time.
package struct RegistryClient: Sendable {
    private let transport: RegistryTransport

    /// - Parameters:
    ///   - addresses: nodes of one registry; the next is asked when one cannot be reached.
    ///   - timeout: for one exchange.
    ///   - tokens: shown to addresses without a user; nil for none.
    package init(_ addresses: [HTTPAddress], timeout: Duration = .seconds(30), tokens: RegistryTokens? = nil) {
        transport = RegistryTransport(addresses: addresses, timeout: timeout, tokens: tokens)
    }

    // MARK: Subjects and versions

    /// - Parameter prefix: only subjects whose names begin so; nil: all of all contexts.
    package func subjects(
        prefix: String? = nil, includingDeleted: Bool = false
    ) async throws(RegistryFailure) -> [String] {
        var query = Self.flags(("deleted", includingDeleted))
        if let prefix { query.append(("subjectPrefix", prefix)) }
        return try Self.texts(await get(["subjects"], query))
    }

    /// The latest version of every subject.
    ///
    /// - Parameter prefix: only subjects whose names begin so; nil: all of all contexts.
    package func latestSchemas(
        prefix: String? = nil, includingDeleted: Bool = false
    ) async throws(RegistryFailure) -> [RegisteredSchema] {
        var query = Self.flags(("latestOnly", true), ("deleted", includingDeleted))
        if let prefix { query.append(("subjectPrefix", prefix)) }
        // What registries answer at most unless they are configured otherwise.
        let pageCount = 1000
        var found: [RegisteredSchema] = []
        var offset = 0
        while true {
            let page = [("offset", String(offset)), ("limit", String(pageCount))]
            guard let elements = try await get(["schemas"], query + page).elements else {
                throw Self.notUnderstood("a list")
            }
            found += elements.compactMap { RegisteredSchema($0) }
            guard elements.count == pageCount else { return found }
            offset += pageCount
        }
    }

    package func versions(
        of subject: String, includingDeleted: Bool = false
    ) async throws(RegistryFailure) -> [Int32] {
        try Self.numbers(await get(["subjects", subject, "versions"], Self.flags(("deleted", includingDeleted))))
    }

    package func schema(
        _ subject: String, _ version: SchemaVersion = .latest, includingDeleted: Bool = false
    ) async throws(RegistryFailure) -> RegisteredSchema {
        try Self.schema(
            await get(
                ["subjects", subject, "versions", version.description], Self.flags(("deleted", includingDeleted))))
    }

    /// - Parameter subject: one that has the schema, where ids are of a context; nil: the default context.
    package func schema(id: Int32, subject: String? = nil) async throws(RegistryFailure) -> RegisteredSchema {
        let query = subject.map { [("subject", $0)] } ?? []
        var schema = try Self.schema(await get(["schemas", "ids", String(id)], query))
        schema.id = id
        return schema
    }

    /// The subjects that have a schema now.
    package func subjects(id: Int32) async throws(RegistryFailure) -> [String] {
        try Self.texts(await get(["schemas", "ids", String(id), "subjects"]))
    }

    /// The subjects that have a schema, each with its version there, deleted ones among them.
    package func versions(id: Int32) async throws(RegistryFailure) -> [(subject: String, version: Int32)] {
        let value = try await get(["schemas", "ids", String(id), "versions"], Self.flags(("deleted", true)))
        guard let elements = value.elements else { throw Self.notUnderstood("a list") }
        return elements.compactMap { element in
            guard let subject = element["subject"]?.text,
                let version = element["version"]?.integer.flatMap({ Int32(exactly: $0) })
            else { return nil }
            return (subject, version)
        }
    }

    package func schema(guid: String) async throws(RegistryFailure) -> RegisteredSchema {
        var schema = try Self.schema(await get(["schemas", "guids", guid]))
        schema.guid = guid
        return schema
    }

    /// Ids of the schemas that refer to this one.
    package func referencing(_ subject: String, _ version: SchemaVersion) async throws(RegistryFailure) -> [Int32] {
        try Self.numbers(await get(["subjects", subject, "versions", version.description, "referencedby"]))
    }

    /// Every schema that this one refers to, directly or through others: what is referred to first, each once.
    package func references(
        of schema: RegisteredSchema
    ) async throws(RegistryFailure) -> [ReferencedSchema] {
        try await references(schema.references, from: SubjectName(schema.subject ?? ""))
    }

    /// The same for a schema that is not registered yet.
    ///
    /// - Parameter parent: the subject that refers: unqualified names are in its context.
    package func references(
        _ references: [SchemaReference], from parent: SubjectName = SubjectName("")
    ) async throws(RegistryFailure) -> [ReferencedSchema] {
        var found: [ReferencedSchema] = []
        var known: Set<SchemaReference> = []
        try await resolve(references, parent, &found, &known, depth: 0)
        return found
    }

    private func resolve(
        _ references: [SchemaReference], _ parent: SubjectName, _ found: inout [ReferencedSchema],
        _ known: inout Set<SchemaReference>,
        depth: Int
    ) async throws(RegistryFailure) {
        guard depth < 64 else {
            throw RegistryFailure(.notUnderstood, "the references of the schema are nested more than 64 deep")
        }
        for var reference in references {
            reference.subject = SubjectName.qualified(reference.subject, from: parent).description
            guard known.insert(reference).inserted else { continue }
            let version = reference.version == -1 ? SchemaVersion.latest : .number(reference.version)
            // A schema that is in use stays readable when its version is deleted softly.
            let schema = try await schema(reference.subject, version, includingDeleted: true)
            try await resolve(
                schema.references, SubjectName(reference.subject), &found, &known, depth: depth + 1)
            found.append(
                ReferencedSchema(
                    name: reference.name, subject: reference.subject, version: schema.version ?? reference.version,
                    text: schema.text))
        }
    }

    // MARK: Registering and checking

    /// - Returns: the id; the same one when the subject has the schema already.
    package func register(
        _ request: SchemaRequest, under subject: String, normalize: Bool = false
    ) async throws(RegistryFailure) -> Int32 {
        let answer = try await post(
            ["subjects", subject, "versions"], Self.flags(("normalize", normalize)), request.json)
        guard let id = answer["id"]?.integer.flatMap({ Int32(exactly: $0) }) else { throw Self.notUnderstood("an id") }
        return id
    }

    /// The version of the subject that has exactly this schema.
    ///
    /// - Throws: `RegistryFailure` 40401 without the subject, 40403 when it has no such version.
    package func lookUp(
        _ request: SchemaRequest, under subject: String, normalize: Bool = false, includingDeleted: Bool = false
    ) async throws(RegistryFailure) -> RegisteredSchema {
        try Self.schema(
            await post(
                ["subjects", subject], Self.flags(("normalize", normalize), ("deleted", includingDeleted)),
                request.json))
    }

    /// Whether the schema could be registered, by the subject's compatibility level.
    ///
    /// - Parameters:
    ///   - version: against this version only; nil: against all that the level looks at.
    ///   - findsImpact: also list what would break (our registry only; others leave the list empty).
    package func check(
        _ request: SchemaRequest, under subject: String, against version: SchemaVersion? = nil,
        normalize: Bool = false, findsImpact: Bool = false
    ) async throws(RegistryFailure) -> CompatibilityReport {
        let path = ["compatibility", "subjects", subject, "versions"] + (version.map { [$0.description] } ?? [])
        let answer = try await post(
            path, Self.flags(("verbose", true), ("normalize", normalize), ("impact", findsImpact)), request.json)
        guard let report = CompatibilityReport(answer) else { throw Self.notUnderstood("a compatibility") }
        return report
    }

    // MARK: Deleting

    /// - Returns: the versions that are deleted now.
    package func delete(_ subject: String, permanently: Bool = false) async throws(RegistryFailure) -> [Int32] {
        try Self.numbers(
            await transport.exchange("DELETE", ["subjects", subject], Self.flags(("permanent", permanently)), nil))
    }

    /// - Returns: the version that is deleted now.
    package func delete(
        _ subject: String, _ version: SchemaVersion, permanently: Bool = false
    ) async throws(RegistryFailure) -> Int32 {
        let answer = try await transport.exchange(
            "DELETE", ["subjects", subject, "versions", version.description], Self.flags(("permanent", permanently)),
            nil
        )
        guard let version = answer.integer.flatMap({ Int32(exactly: $0) }) else {
            throw Self.notUnderstood("a version")
        }
        return version
    }

    // MARK: Configuration and mode

    /// The configuration of a subject, or of all with nil: `compatibilityLevel` and what else is set.
    ///
    /// - Parameter inherits: answer what holds for a subject that has none of its own.
    package func configuration(
        of subject: String?, inherits: Bool = true
    ) async throws(RegistryFailure) -> JSONValue {
        try await get(["config"] + (subject.map { [$0] } ?? []), Self.flags(("defaultToGlobal", inherits)))
    }

    /// - Parameter members: the API's names, as in `[("compatibility", .string("FULL"))]`; what is left out stays.
    /// - Returns: what was set.
    @discardableResult
    package func setConfiguration(
        of subject: String?, _ members: [(String, JSONValue)]
    ) async throws(RegistryFailure) -> JSONValue {
        try await transport.exchange("PUT", ["config"] + (subject.map { [$0] } ?? []), [], .object(members))
    }

    /// - Returns: what was set before.
    @discardableResult
    package func deleteConfiguration(of subject: String?) async throws(RegistryFailure) -> JSONValue {
        try await transport.exchange("DELETE", ["config"] + (subject.map { [$0] } ?? []), [], nil)
    }

    /// `READWRITE`, `READONLY`, `IMPORT` ...
    package func mode(of subject: String?, inherits: Bool = true) async throws(RegistryFailure) -> String {
        let answer = try await get(["mode"] + (subject.map { [$0] } ?? []), Self.flags(("defaultToGlobal", inherits)))
        guard let mode = answer["mode"]?.text else { throw Self.notUnderstood("a mode") }
        return mode
    }

    package func setMode(
        of subject: String?, _ mode: String, force: Bool = false
    ) async throws(RegistryFailure) {
        _ = try await transport.exchange(
            "PUT", ["mode"] + (subject.map { [$0] } ?? []), Self.flags(("force", force)),
            .object([("mode", .string(mode))]))
    }

    /// Takes a subject's own mode back.
    package func deleteMode(of subject: String) async throws(RegistryFailure) {
        _ = try await transport.exchange("DELETE", ["mode", subject], [], nil)
    }

    // MARK: Exchanges

    private func get(_ path: [String], _ query: [(String, String)] = []) async throws(RegistryFailure) -> JSONValue {
        try await transport.exchange("GET", path, query, nil)
    }

    private func post(
        _ path: [String], _ query: [(String, String)], _ body: JSONValue
    ) async throws(RegistryFailure) -> JSONValue { try await transport.exchange("POST", path, query, body) }

    private static func flags(_ flags: (String, Bool)...) -> [(String, String)] {
        flags.filter(\.1).map { ($0.0, "true") }
    }

    private static func notUnderstood(_ what: String) -> RegistryFailure {
        RegistryFailure(.notUnderstood, "the schema registry's answer is not \(what)")
    }

    private static func schema(_ value: JSONValue) throws(RegistryFailure) -> RegisteredSchema {
        if let schema = RegisteredSchema(value) { return schema }
        guard value["schema"]?.text != nil, let type = value["schemaType"]?.text, SchemaType(rawValue: type) == nil
        else { throw notUnderstood("a schema") }
        throw RegistryFailure(.unknownType, "the schema is of type '\(type)', which is not supported")
    }

    private static func texts(_ value: JSONValue) throws(RegistryFailure) -> [String] {
        guard let elements = value.elements else { throw notUnderstood("a list") }
        return elements.compactMap(\.text)
    }

    private static func numbers(_ value: JSONValue) throws(RegistryFailure) -> [Int32] {
        guard let elements = value.elements else { throw notUnderstood("a list") }
        return elements.compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
    }
}
