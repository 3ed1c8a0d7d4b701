package import JSONFormat
import SQLTypes

/// Why a file is no file of cases.
package struct CaseFileError: Error, Equatable, CustomStringConvertible {
    package var message: String
    package init(_ message: String) { self.message = message }
    package var description: String { message }
}

extension TestCase {
    /// The cases of a file: an object with `tests`.
    package static func cases(inFile text: String) throws(CaseFileError) -> [TestCase] {
        guard let tests = try json(text)["tests"]?.elements else {
            throw CaseFileError("No 'tests' field in the file.")
        }
        var cases: [TestCase] = []
        for test in tests { cases.append(try TestCase(test)) }
        return cases
    }

    static func json(_ text: String) throws(CaseFileError) -> JSONValue {
        do throws(JSONError) { return try JSONValue.read(text) } catch {
            throw CaseFileError("Message: Unexpected character or end of text: \(error)")
        }
    }

    package init(_ json: JSONValue) throws(CaseFileError) {
        guard let name = json["name"]?.text else { throw CaseFileError("A case without 'name'.") }
        guard let statements = json["statements"]?.elements?.compactMap(\.text) else {
            throw CaseFileError("\(name): no 'statements'.")
        }
        self.init(name: name, statements: statements)
        for (property, value) in json["properties"]?.members ?? [] {
            properties[property] = value.text ?? String(decoding: value.bytes, as: UTF8.self)
        }
        for topic in json["topics"]?.elements ?? [] {
            guard let topic = TestTopic(topic) else { throw CaseFileError("\(name): a topic without name.") }
            topics.append(topic)
        }
        for record in json["inputs"]?.elements ?? [] { inputs.append(try TestRecord(record)) }
        for record in json["outputs"]?.elements ?? [] { outputs.append(try TestRecord(record)) }
        if let failure = json["expectedException"] {
            guard let stage = failure["stage"]?.text.flatMap(ExpectedFailure.Stage.init(rawValue:)) else {
                throw CaseFileError("\(name): 'expectedException' without a known stage.")
            }
            expectedFailure = ExpectedFailure(
                stage: stage, message: failure["message"]?.text,
                isMessageForeign: failure["messageIsJavaSpecific"]?.flag ?? false)
        }
        post.sources = json["post"]?["sources"]?.elements ?? []
        post.topics = json["post"]?["topics"]?["topics"]?.elements ?? []
        post.forbiddenTopics = json["post"]?["topics"]?["blacklist"]?.text
        comparesNumbersExactly = json["compare"]?["exactNumbers"]?.flag ?? true
        requirements = json["requires"]?.elements?.compactMap(\.text) ?? []
        observed = json["observed"]
    }
}

extension TestTopic {
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.text else { return nil }
        self.init(name: name)
        partitionCount = json["partitions"]?.integer.flatMap { Int(exactly: $0) }
        replicaCount = json["replicas"]?.integer.flatMap { Int(exactly: $0) }
        key = Schema(json, side: "key")
        value = Schema(json, side: "value")
    }
}

extension TestTopic.Schema {
    fileprivate init?(_ json: JSONValue, side: String) {
        guard let schema = json[side + "Schema"] else { return nil }
        self.init(
            type: Self.type(json[side + "Format"]?.text),
            text: Self.text(schema, Self.type(json[side + "Format"]?.text)),
            id: json[side + "SchemaId"]?.integer.flatMap { Int32(exactly: $0) })
        for reference in json[side + "SchemaReferences"]?.elements ?? [] {
            guard let name = reference["name"]?.text, let schema = reference["schema"] else { continue }
            let type = Self.type(reference["format"]?.text ?? type)
            references.append((name, type, Self.text(schema, type)))
        }
    }

    /// Texts of Protobuf are strings. Schemas that are JSON themselves stand as they are, so that a string is one such as
    /// Avro's "int", unless it is the text of a schema.
    private static func text(_ schema: JSONValue, _ type: String) -> String {
        if case .string(let text) = schema {
            if type == "PROTOBUF" || JSONValue.parse(Array(text.utf8)) != nil { return text }
        }
        return String(decoding: schema.bytes, as: UTF8.self)
    }

    private static func type(_ format: String?) -> String {
        switch format?.uppercased() {
        case "JSON_SR", "JSON": "JSON"
        case "PROTOBUF", "PROTOBUF_NOSR": "PROTOBUF"
        default: "AVRO"
        }
    }
}

extension TestRecord {
    package init(_ json: JSONValue) throws(CaseFileError) {
        guard let topic = json["topic"]?.text else { throw CaseFileError("A record without 'topic'.") }
        self.init(topic: topic, key: json["key"] ?? .null, value: json["value"] ?? .null)
        timestamp = json["timestamp"]?.integer
        if let window = json["window"], window.members != nil {
            guard let start = window["start"]?.integer, let end = window["end"]?.integer else {
                throw CaseFileError("A record's window without 'start' and 'end'.")
            }
            self.window = Window(start: start, end: end, isSession: window["type"]?.text?.uppercased() == "SESSION")
        }
        guard let headers = json["headers"]?.elements else { return }
        var list: [RecordHeader] = []
        for header in headers {
            guard let key = header["KEY"]?.text else { throw CaseFileError("A header without 'KEY'.") }
            var value: [UInt8]?
            if let text = header["VALUE"]?.text {
                guard let bytes = Base64.decode(text) else {
                    throw CaseFileError("The header '\(key)' is not base64.")
                }
                value = bytes
            }
            list.append(RecordHeader(key: key, value: value))
        }
        self.headers = list
    }
}
