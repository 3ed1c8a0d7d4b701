import Bytes
import ConnectCore
import JSONFormat
import SQLTypes

/// What one record does to an index.
struct DocumentAction: Sendable {
    enum Kind: Sendable {
        case index, create, update, delete
        var word: String {
            switch self {
            case .index: "index"
            case .create: "create"
            case .update: "update"
            case .delete: "delete"
            }
        }
    }

    var kind: Kind
    var index: String
    /// nil leaves it to the server.
    var id: String?
    /// External version: an older one never replaces a newer one.
    var version: Int64?
    /// JSON; nil for a deletion.
    var body: [UInt8]?
    var record: ConnectRecord

    /// The action's two lines of a bulk request.
    func append(to output: inout [UInt8], typeName: String?) {
        var members: [(String, JSONValue)] = [("_index", .string(index))]
        if let typeName { members.append(("_type", .string(typeName))) }
        if let id { members.append(("_id", .string(id))) }
        if let version { members += [("version", .number(version)), ("version_type", .string("external"))] }
        if kind == .update { members.append(("retry_on_conflict", .number(5))) }
        output += JSONValue.object([(kind.word, .object(members))]).bytes
        output.append(UInt8(ascii: "\n"))
        guard let body else { return }
        if kind == .update {
            output += "{\"doc\":".utf8
            output += body
            output += ",\"doc_as_upsert\":true}".utf8
        } else {
            output += body
        }
        output.append(UInt8(ascii: "\n"))
    }

    var byteCount: Int { (body?.count ?? 0) + index.utf8.count + (id?.utf8.count ?? 0) + 96 }
}

/// Makes documents of records.
struct DocumentMaker: Sendable {
    let settings: SearchSettings
    private let json: JSONConverter

    init(_ settings: SearchSettings) {
        self.settings = settings
        var options = JSONConverter.Options()
        options.hasSchemas = false
        json = JSONConverter(options)
    }

    /// - Returns: nil for a record that is passed over.
    /// - Throws: `.data` for a record that makes no document, in the original's words.
    func action(_ record: ConnectRecord, index: String) throws(ConnectError) -> DocumentAction? {
        let isDeletion = record.value.value.isNull
        if isDeletion {
            switch settings.onNull {
            case .ignore: return nil
            // Without a key there is no id, and so nothing to delete.
            case .delete: if record.key.value.isNull { return nil }
            case .fail:
                throw .data(
                    "\(Self.place(record)) has a null value (to ignore future records like this change the configuration "
                        + "property 'behavior.on.null.values' from 'fail' to 'ignore')")
            }
        }
        let ignoresKey = settings.ignoresKey(record.topic)
        var id: String?
        if ignoresKey {
            // The topic is the record's, which transforms may have changed; the place is where it was read.
            if case .sink(_, let partition, let offset, _) = record.origin {
                id = "\(record.topic)+\(partition)+\(offset)"
            }
        } else {
            id = try documentID(record)
        }
        let version = settings.dataStream == nil && !ignoresKey ? try self.version(record) : nil
        if isDeletion {
            return DocumentAction(kind: .delete, index: index, id: id, version: version, body: nil, record: record)
        }
        let body = try self.body(record)
        if settings.isUpsert {
            return DocumentAction(kind: .update, index: index, id: id, version: nil, body: body, record: record)
        }
        if settings.hasGeneratedIDs {
            return DocumentAction(
                kind: settings.dataStream == nil ? .index : .create, index: index, id: nil, version: nil, body: body,
                record: record)
        }
        return DocumentAction(
            kind: settings.dataStream == nil ? .index : .create, index: index, id: id, version: version, body: body,
            record: record)
    }

    static func place(_ record: ConnectRecord) -> String {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return record.topic }
        return "record from topic=\(topic) partition=\(partition) offset=\(offset)"
    }

    private func documentID(_ record: ConnectRecord) throws(ConnectError) -> String {
        let key = record.key
        if key.value.isNull { throw .data("Key is used as document id and can not be null.") }
        switch key.value {
        case .string(let text):
            if text.isEmpty { throw .data("Key is used as document id and can not be empty.") }
            guard text.utf8.count <= 512 else {
                throw .data("Key is used as document id and can not be longer than 512 bytes.")
            }
            return text
        case .int8, .int16, .int32, .int64: return String(key.value.integer ?? 0)
        default:
            let kind = key.schema?.kind ?? key.value.inferredKind
            throw .data("\(kind?.rawValue ?? key.value.javaClass) is not supported as the document id.")
        }
    }

    private func version(_ record: ConnectRecord) throws(ConnectError) -> Int64? {
        guard let name = settings.versionHeader else { return record.kafkaOffset }
        guard let header = record.headers.last(where: { $0.name == name }) else {
            throw .data("\(Self.place(record)) has no header '\(name)' with the document's version")
        }
        let text = ValueText.text(header.value)
        guard let version = Int64(text), version >= 0 else {
            throw ConnectError(.connect, "Error converting to long: \(text)")
        }
        return version
    }

    // MARK: bodies

    private func body(_ record: ConnectRecord) throws(ConnectError) -> [UInt8] {
        let payload =
            settings.ignoresSchema(record.topic) || record.value.schema == nil
            ? try json.json(record.value)
            : try document(record.value.value, record.value.schema, 0)
        guard let stream = settings.dataStream else { return payload.bytes }
        guard var members = payload.members else {
            throw .data("Top level payload is no JSON object, which a data stream needs.")
        }
        var time: JSONValue? = stream.timestampFields.isEmpty ? record.timestamp.map { .number($0) } : nil
        for field in stream.timestampFields {
            if let value = payload[field] {
                // As a text, also where the field is a number: so does the original.
                time = .string(Self.plainText(value))
                break
            }
        }
        if let time {
            members.removeAll { $0.0 == "@timestamp" }
            members.append(("@timestamp", time))
        }
        return JSONValue.object(members).bytes
    }

    /// As JSON with what the server cannot know: decimals are numbers, maps what `compact.map.entries` says.
    private func document(
        _ value: ConnectValue, _ schema: ConnectSchema?, _ depth: Int
    ) throws(ConnectError) -> JSONValue {
        guard depth < ConnectSchema.depthMax else { throw .data("Value is nested too deep") }
        guard let schema else { return try json.json(SchemaAndValue(nil, value)) }
        if value.isNull {
            if let defaultValue = schema.defaultValue, !defaultValue.isNull {
                return try document(defaultValue, schema, depth + 1)
            }
            guard schema.isOptional else {
                throw .data("null value for field that is required and has no default value")
            }
            return .null
        }
        switch value {
        case .decimal(let number): return Self.number(number.doubleValue)
        case .array(let elements):
            var output: [JSONValue] = []
            output.reserveCapacity(elements.count)
            for element in elements { output.append(try document(element, schema.valueSchema, depth + 1)) }
            return .array(output)
        case .map(let map): return try self.map(map, schema, depth)
        case .structure(let structure):
            var members: [(String, JSONValue)] = []
            members.reserveCapacity(structure.values.count)
            for (index, field) in structure.schema.fields.enumerated() {
                members.append((field.name, try document(structure.values[index], field.schema, depth + 1)))
            }
            return .object(members)
        default: return try json.json(SchemaAndValue(schema, value))
        }
    }

    private func map(_ map: ConnectMap, _ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> JSONValue {
        if settings.hasCompactMaps, schema.keySchema?.kind == .string {
            var members: [(String, JSONValue)] = []
            for entry in map.entries {
                members.append((entry.key.string ?? "", try document(entry.value, schema.valueSchema, depth + 1)))
            }
            return .object(members)
        }
        var elements: [JSONValue] = []
        for entry in map.entries {
            elements.append(
                .object([
                    ("key", try document(entry.key, schema.keySchema, depth + 1)),
                    ("value", try document(entry.value, schema.valueSchema, depth + 1)),
                ]))
        }
        return .array(elements)
    }

    /// What Jackson's `asText` gives: nothing for objects and arrays.
    private static func plainText(_ value: JSONValue) -> String {
        if let text = value.text { return text }
        return value.members != nil || value.elements != nil ? "" : String(decoding: value.bytes, as: UTF8.self)
    }

    private static func number(_ value: Double) -> JSONValue {
        var writer = JSONWriter()
        writer.double(value)
        return .raw(writer.bytes)
    }
}
