import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import SchemaRules

/// What a handler answers with.
enum Reply: Sendable {
    case json(JSONValue)
    /// The bare text of a schema.
    case text(String)
    case nothing
    /// The leader's answer, passed on.
    case forwarded(HTTPAnswer)
}

/// One request to the registry, taken apart as its API understands it.
struct Exchange: Sendable {
    let call: HTTPCall
    let registry: SchemaRegistry
    /// Read before the handler runs; empty for requests without one.
    let body: ByteBuffer

    /// The context of the path, with its dot, that subjects without a context of their own are in.
    private let context: String

    /// - Throws: 400 when the path has a context that is none.
    init(_ call: HTTPCall, _ registry: SchemaRegistry, body: ByteBuffer) throws(RegistryError) {
        self.call = call
        self.registry = registry
        self.body = body
        if let text = call.parameters["context"] {
            guard let context = SubjectName.context(text) else {
                throw RegistryError(400, "Context name cannot contain a colon")
            }
            self.context = context
        } else {
            context = SubjectName.defaultContext
        }
    }

    // MARK: Subjects

    private func qualified(_ text: String) -> SubjectName {
        if text.hasPrefix(":.") || text.hasPrefix(":*:") { return SubjectName(text) }
        return SubjectName(context: context, name: text)
    }

    /// The subject of the path, with its context; if it is an alias, the one that it stands for.
    var subject: String { resolve(qualified(call.parameters["subject"] ?? "")) }

    private func resolve(_ subject: SubjectName, _ alias: KeyPath<RegistryConfig, String?> = \.alias) -> String {
        guard !subject.name.isEmpty else { return subject.description }
        let alias = registry.holder.read { $0.config(subject.description) }?[keyPath: alias]
        guard let alias, !alias.isEmpty else { return subject.description }
        return SubjectName.qualified(alias, from: subject).description
    }

    /// A subject of data encryption keys, with its context; if it is an alias for these, the one that it stands for.
    func dekSubject(_ text: String) -> String { resolve(qualified(text), \.aliasForDeks) }

    /// The subject or bare context of the path, whose own settings are meant; nil is the default context.
    var scope: String? {
        let subject = qualified(call.parameters["subject"] ?? "")
        return subject.isDefaultContext ? nil : subject.description
    }

    /// The subject as it was written, if schemas or settings may be kept under it.
    ///
    /// - Throws: `.invalidSubject`.
    func checkSubject(forSettings: Bool = false) throws(RegistryError) {
        guard let text = call.parameters["subject"] else { return }
        guard qualified(text).isValid(forSettings: forSettings) else { throw .invalidSubject(text) }
    }

    /// The query parameter `subject`, or the context of the path; nil when there is neither.
    var askedSubject: String? {
        let text = call.query("subject") ?? ""
        if text.isEmpty, context == SubjectName.defaultContext { return call.query("subject") }
        return resolve(qualified(text))
    }

    /// The query parameter `subjectPrefix`: within the context of the path.
    ///
    /// - Parameter missing: what it is when it is not there and the path names no context. `:*:` is all contexts, an
    ///   empty text the default one.
    func subjectPrefix(default missing: String) -> String {
        let text = call.query("subjectPrefix")
        if call.parameters["context"] == nil { return text ?? missing }
        return qualified(text ?? "").description
    }

    /// The context of the path.
    var namedContext: String { context }

    // MARK: Other parameters

    /// True only for "true", as the original reads it.
    func flag(_ name: String) -> Bool { call.query(name)?.lowercased() == "true" }

    /// Whether answers may have members that releases before 8.0 did not have.
    var acceptsUnknownProperties: Bool { call.headers[.acceptUnknownProperties]?.lowercased() == "true" }

    /// - Throws: 404 when it is no number, as the original answers.
    func number(_ name: String, default defaultValue: Int) throws(RegistryError) -> Int {
        guard let text = call.query(name), !text.isEmpty else { return defaultValue }
        guard let number = Int32(text) else { throw .noSuchPath }
        return Int(number)
    }

    /// The id of the path.
    func id() throws(RegistryError) -> Int32 {
        guard let id = Int32(call.parameters["id"] ?? "") else { throw .noSuchPath }
        return id
    }

    var versionText: String { call.parameters["version"] ?? "" }

    func version() throws(RegistryError) -> SchemaRegistry.WantedVersion { try .init(versionText) }

    var format: String { (call.query("format") ?? "").filter { $0 != " " } }

    /// The part of a list that `offset` and `limit` ask for.
    func page<Element>(_ list: [Element], _ limit: ListLimit) throws(RegistryError) -> ArraySlice<Element> {
        let offset = try number("offset", default: 0)
        let asked = try number("limit", default: -1)
        return list.dropFirst(max(0, offset)).prefix(limit.inForce(asked))
    }

    // MARK: Bodies

    /// The body as a JSON object.
    ///
    /// - Throws: 422 when there is none, 400 when it is no JSON or something else.
    func object() throws(RegistryError) -> JSONValue {
        guard body.readableBytes > 0 else { throw .unprocessable("the body must not be null") }
        guard let json = JSONValue.parse(Array(body.readableBytesView)) else {
            throw .malformed("the body is not JSON, or nested too deeply")
        }
        if json == .null { throw .unprocessable("the body must not be null") }
        guard json.members != nil else { throw .malformed("the body must be an object") }
        return json
    }

    /// The body as a request about a schema.
    func schemaRequest() throws(RegistryError) -> SchemaRequest { try SchemaRequest(object()) }
}

extension RegistryError {
    static let noSuchPath = RegistryError(404, "HTTP 404 Not Found")
}

extension SchemaRequest {
    /// As `{"schema":"...","schemaType":"AVRO","references":[...],"metadata":{},"ruleSet":{},"id":1,"version":1}`.
    /// Members that are unknown are left out.
    init(_ json: JSONValue) throws(RegistryError) {
        func present(_ name: String) -> JSONValue? { json[name].flatMap { $0 == .null ? nil : $0 } }
        self.init(text: "")
        var places: [StoredReference.Parts] = []
        do throws(SchemaFailure) {
            text = try json["schema"]?.lenientText("schema") ?? ""
            typeName = try json["schemaType"]?.lenientText("schemaType") ?? SchemaType.avro.rawValue
            for element in try json["references"]?.lenientElements("references") ?? [] {
                places.append(try StoredReference.Parts(element))
            }
            metadata = try present("metadata").map { value throws(SchemaFailure) in try SchemaMetadata(value) }
            ruleSet = try present("ruleSet").map { value throws(SchemaFailure) in try SchemaRuleSet(value) }
            tagsToAdd = try SchemaTags.list(json["schemaTagsToAdd"], "schemaTagsToAdd")
            tagsToRemove = try SchemaTags.list(json["schemaTagsToRemove"], "schemaTagsToRemove")
            propagatesTags = try json["propagateSchemaTags"]?.lenientFlag("propagateSchemaTags") ?? false
            if let id = try json["id"]?.lenientInteger("id"), id >= 0 { self.id = id }
            version = try json["version"]?.lenientInteger("version") ?? 0
        } catch {
            throw .malformed(error.message)
        }
        for place in places {
            do { references.append(try StoredReference(place)) } catch { throw .invalidSchema(error.message) }
        }
        do { try ruleSet?.validate() } catch { throw .invalidRuleSet(error.message) }
    }
}
