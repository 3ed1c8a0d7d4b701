package import JSONFormat
import SQLTypes

/// `org.apache.kafka.connect.json.JsonConverter`: JSON with an envelope of schema and payload, or plain.
package struct JSONConverter: Converter, HeaderConverter {
    package struct Options: Sendable, Hashable {
        /// `schemas.enable`.
        package var hasSchemas = true
        /// `decimal.format` NUMERIC instead of BASE64.
        package var writesDecimalsAsNumbers = false
        /// `replace.null.with.default`.
        package var replacesNull = true
        /// The form that goes with a JSON Schema: entries of maps are objects, a union is the value that is set.
        var isSchemaForm = false

        package init() {}
    }

    package let options: Options
    /// `schema.content`: the schema that payloads without an envelope have.
    private let fixedSchema: ConnectSchema?
    private let schemas = ConnectSchemaCache<JSONName>(countMax: 1000)
    private let forms = ConnectCache<SchemaObject, Form>(countMax: 1000)

    /// What goes with every value of a schema, and the quick way to write it; nil where only the tree does it.
    private struct Form: Sendable {
        var head: [UInt8]
        var program: JSONValueProgram?
        var end: [UInt8]
    }

    package init(_ options: Options = Options(), fixedSchema: ConnectSchema? = nil) {
        self.options = options
        self.fixedSchema = fixedSchema
    }

    package func bytes(_ value: SchemaAndValue, topic: String) throws(ConnectError) -> [UInt8]? {
        if value.schema == nil, value.value.isNull { return nil }
        guard let schema = value.schema else { return try json(value).bytes }
        let form = try form(of: schema)
        var bytes = form.head
        if let program = form.program {
            bytes.reserveCapacity(form.head.count + 512)
            if try program.write(value.value, to: &bytes) {
                bytes += form.end
                return bytes
            }
            bytes.removeSubrange(form.head.count...)
        }
        bytes += try payload(value.value, schema).bytes
        bytes += form.end
        return bytes
    }

    package func writing(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> PayloadWriting? {
        let form = try form(of: schema)
        return form.program.map { PayloadWriting(head: form.head, program: $0, end: form.end) }
    }

    /// The same schema goes with every record: its text is written once.
    private func form(of schema: ConnectSchema) throws(ConnectError) -> Form {
        let key = SchemaObject(schema: schema)
        if let known = forms[key] { return known }
        var form = Form(head: [], program: JSONValueProgram.make(schema, options), end: [])
        if options.hasSchemas {
            form.head = try Array("{\"schema\":".utf8) + JSONSchemaText.json(schema).bytes + Array(",\"payload\":".utf8)
            form.end = [UInt8(ascii: "}")]
        }
        forms[key] = form
        return form
    }

    /// The envelope, or the payload alone without schemas.
    package func json(_ value: SchemaAndValue) throws(ConnectError) -> JSONValue {
        let payload = try payload(value.value, value.schema)
        guard options.hasSchemas else { return payload }
        return .object([("schema", try JSONSchemaText.json(value.schema)), ("payload", payload)])
    }

    package func value(_ bytes: [UInt8]?, topic: String) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        // Nothing is no value: null without schemas, and no envelope with them.
        if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) {
            guard fixedSchema != nil || !options.hasSchemas else { throw Self.noEnvelope }
            return try value(JSONValue.null)
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue.readFirst(bytes)
        } catch {
            throw .data("Converting byte[] to Kafka Connect data failed due to serialization error: \(error)")
        }
        return try value(json)
    }

    /// Reads an envelope, or a payload alone without schemas.
    package func value(_ json: JSONValue) throws(ConnectError) -> SchemaAndValue {
        if let fixedSchema { return SchemaAndValue(fixedSchema, try connectValue(json, fixedSchema)) }
        guard options.hasSchemas else { return SchemaAndValue(nil, try connectValue(json, nil)) }
        if case .null = json { return .null }
        guard let members = json.members, members.count == 2, let schema = json["schema"], let payload = json["payload"]
        else {
            throw Self.noEnvelope
        }
        let connectSchema = try self.schema(schema)
        return SchemaAndValue(connectSchema, try connectValue(payload, connectSchema))
    }

    private static var noEnvelope: ConnectError {
        .data(
            "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional "
                + "fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter "
                + "configuration.")
    }

    package func bytes(_ header: ConnectHeader, topic: String) throws(ConnectError) -> [UInt8]? {
        try bytes(SchemaAndValue(header.schema, header.value), topic: topic)
    }

    package func header(_ name: String, _ bytes: [UInt8]?, topic: String) throws(ConnectError) -> ConnectHeader {
        let value = try value(bytes, topic: topic)
        return ConnectHeader(name, value.schema, value.value)
    }

    /// The same schema comes with every record: its text is read once.
    private func schema(_ json: JSONValue) throws(ConnectError) -> ConnectSchema? {
        if case .null = json { return nil }
        let key = JSONName(String(decoding: json.bytes, as: UTF8.self))
        if let known = schemas[key] { return known }
        let schema = try JSONSchemaText.schema(json)
        if let schema { schemas[key] = schema }
        return schema
    }

    // MARK: writing

    private func payload(_ value: ConnectValue, _ schema: ConnectSchema?, depth: Int = 0) throws(ConnectError)
        -> JSONValue
    {
        guard depth < ConnectSchema.depthMax else {
            throw .data("Value is nested more than \(ConnectSchema.depthMax) levels deep")
        }
        if value.isNull {
            guard let schema else { return .null }
            if let defaultValue = schema.defaultValue, !defaultValue.isNull, options.replacesNull {
                return try payload(defaultValue, schema, depth: depth + 1)
            }
            guard schema.isOptional else {
                throw .data("Conversion error: null value for field that is required and has no default value")
            }
            return .null
        }
        guard let schema else { return try schemaless(value, depth) }
        if case .decimal(let decimal) = value, schema.logicalType == .decimal, options.writesDecimalsAsNumbers {
            return .raw(Array(decimal.description.utf8))
        }
        let encoded = try LogicalValues.encoded(value, schema)
        switch (schema.kind, encoded) {
        case (.int8, .int8(let number)): return .number(Int64(number))
        case (.int16, .int16(let number)): return .number(Int64(number))
        case (.int32, .int32(let number)): return .number(Int64(number))
        case (.int64, .int64(let number)): return .number(number)
        case (.float32, .float32(let number)): return Self.number(number)
        case (.float64, .float64(let number)): return Self.number(number)
        case (.boolean, .boolean(let flag)): return .bool(flag)
        case (.string, .string(let text)): return .string(text)
        case (.bytes, .bytes(let bytes)): return .string(Base64.encode(bytes))
        case (.array, .array(let elements)):
            var values: [JSONValue] = []
            for element in elements { values.append(try payload(element, schema.valueSchema, depth: depth + 1)) }
            return .array(values)
        case (.map, .map(let map)): return try self.map(map, schema, depth)
        case (.structure, .structure(let structure)):
            guard structure.schema == schema || structure.schema.isSameStruct(as: schema) else {
                throw .data("Mismatching schema.")
            }
            if options.isSchemaForm, schema.name == JSONSchemaNames.oneOf {
                guard let index = structure.values.firstIndex(where: { !$0.isNull }) else { return .null }
                return try payload(structure.values[index], schema.fields[index].schema, depth: depth + 1)
            }
            var members: [(String, JSONValue)] = []
            members.reserveCapacity(schema.fields.count)
            for (index, field) in schema.fields.enumerated() {
                let value = options.replacesNull ? structure[index] : structure.values[index]
                // With a JSON Schema what is not set is left out: its properties need not be there.
                if options.isSchemaForm, value.isNull, !field.schema.isOptional { continue }
                members.append((field.name, try payload(value, field.schema, depth: depth + 1)))
            }
            return .object(members)
        default:
            throw .data("Invalid type for \(schema.kind.rawValue): class \(value.javaClass)")
        }
    }

    /// With keys that are texts an object, else an array of pairs.
    private func map(_ map: ConnectMap, _ schema: ConnectSchema?, _ depth: Int) throws(ConnectError) -> JSONValue {
        let isObject: Bool
        if let schema {
            // With a JSON Schema keys that may be null make pairs; without, all texts do for an object.
            let mayBeNull = options.isSchemaForm && schema.keySchema?.isOptional == true
            isObject = schema.keySchema?.kind == .string && !mayBeNull
        } else {
            isObject = map.entries.allSatisfy { $0.key.string != nil }
        }
        var members: [(String, JSONValue)] = []
        var pairs: [JSONValue] = []
        for entry in map.entries {
            let value = try payload(entry.value, schema?.valueSchema, depth: depth + 1)
            if isObject {
                // Java's `asText` of null is a text, too.
                members.append((entry.key.string ?? "null", value))
            } else {
                let key = try payload(entry.key, schema?.keySchema, depth: depth + 1)
                pairs.append(options.isSchemaForm ? .object([("key", key), ("value", value)]) : .array([key, value]))
            }
        }
        return isObject ? .object(members) : .array(pairs)
    }

    private func schemaless(_ value: ConnectValue, _ depth: Int) throws(ConnectError) -> JSONValue {
        switch value {
        case .null: return .null
        case .int8(let number): return .number(Int64(number))
        case .int16(let number): return .number(Int64(number))
        case .int32(let number): return .number(Int64(number))
        case .int64(let number): return .number(number)
        case .float32(let number): return Self.number(number)
        case .float64(let number): return Self.number(number)
        case .boolean(let flag): return .bool(flag)
        case .string(let text): return .string(text)
        case .bytes(let bytes): return .string(Base64.encode(bytes))
        case .array(let elements):
            var values: [JSONValue] = []
            for element in elements { values.append(try payload(element, nil, depth: depth + 1)) }
            return .array(values)
        case .map(let map): return try self.map(map, nil, depth)
        case .structure(let structure): return try payload(value, structure.schema, depth: depth + 1)
        case .decimal, .instant:
            throw .data("Java class class \(value.javaClass) does not have corresponding schema type.")
        }
    }

    private static func number(_ value: Float) -> JSONValue {
        value.isFinite ? .raw(Array(JavaText.text(value).utf8)) : .string(JavaText.text(value))
    }

    private static func number(_ value: Double) -> JSONValue {
        value.isFinite ? .raw(Array(JavaText.text(value).utf8)) : .string(JavaText.text(value))
    }

    // MARK: reading

    /// A payload as what its schema says; without a schema integers are Long, other numbers Double.
    package func connectValue(_ json: JSONValue, _ schema: ConnectSchema?) throws(ConnectError) -> ConnectValue {
        // JSON is not nested deeper than its reader allows, so neither is this.
        guard let schema else { return try schemaless(json) }
        if case .null = json {
            if let value = schema.defaultValue, options.replacesNull { return value }
            guard schema.isOptional else {
                throw .data("Invalid null value for required \(schema.kind.rawValue) field")
            }
            return .null
        }
        switch schema.kind {
        case .int8: return .int8(Int8(truncatingIfNeeded: Self.integer(json)))
        case .int16: return .int16(Int16(truncatingIfNeeded: Self.integer(json)))
        case .int32:
            return try LogicalValues.decoded(.int32(Int32(truncatingIfNeeded: Self.integer(json))), schema)
        case .int64: return try LogicalValues.decoded(.int64(Self.integer(json)), schema)
        case .float32: return .float32(Float(Self.double(json)))
        case .float64: return .float64(Self.double(json))
        case .boolean: return .boolean(json.flag ?? false)
        case .string: return json.text.map { .string($0) } ?? .null
        case .bytes:
            if schema.logicalType == .decimal, let decimal = try Self.decimal(json, schema) { return .decimal(decimal) }
            guard let text = json.text, let bytes = Base64.decode(text) else { throw .data("Invalid bytes field") }
            return try LogicalValues.decoded(.bytes(bytes), schema)
        case .array:
            guard let elements = json.elements else {
                throw .data("Arrays should be encoded as JSON arrays, but found \(Self.kind(json))")
            }
            var values: [ConnectValue] = []
            for element in elements { values.append(try connectValue(element, schema.valueSchema)) }
            return .array(values)
        case .map: return try map(json, schema)
        case .structure:
            guard let members = JSONMembers(json) else {
                throw .data("Structs should be encoded as JSON objects, but found \(Self.kind(json))")
            }
            var structure = ConnectStruct(schema)
            for (index, field) in schema.fields.enumerated() {
                try structure.put(index, connectValue(members[field.name] ?? .null, field.schema), of: field)
            }
            return .structure(structure)
        }
    }

    private func map(_ json: JSONValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectValue {
        var map = ConnectMap()
        if schema.keySchema?.kind == .string {
            guard let members = json.members else {
                throw .data(
                    "Maps with string fields should be encoded as JSON objects, but found \(Self.kind(json))")
            }
            for (name, value) in members { map[name] = try connectValue(value, schema.valueSchema) }
        } else {
            guard let elements = json.elements else {
                throw .data(
                    "Maps with non-string fields should be encoded as JSON arrays of tuples, but found \(Self.kind(json))"
                )
            }
            for element in elements {
                guard let pair = element.elements else {
                    throw .data("Found invalid map entry instead of array tuple: \(Self.kind(element))")
                }
                guard pair.count == 2 else {
                    throw .data("Found invalid map entry, expected length 2 but found :\(pair.count)")
                }
                map[try connectValue(pair[0], schema.keySchema)] = try connectValue(pair[1], schema.valueSchema)
            }
        }
        return .map(map.hashOrdered())
    }

    private func schemaless(_ json: JSONValue) throws(ConnectError) -> ConnectValue {
        switch json {
        case .null: return .null
        case .bool(let flag): return .boolean(flag)
        case .number(let number): return .int64(number)
        case .string(let text): return .string(text)
        case .raw:
            guard let number = json.decimal else { throw .data("Unexpected JSON") }
            return Self.isIntegral(json) ? .int64(Self.integer(json)) : .float64(number.double)
        case .array(let elements):
            var values: [ConnectValue] = []
            for element in elements { values.append(try schemaless(element)) }
            return .array(values)
        case .object(let members):
            var map = ConnectMap()
            for (name, value) in members { map[name] = try schemaless(value) }
            return .map(map.hashOrdered())
        }
    }

    private static func isIntegral(_ json: JSONValue) -> Bool {
        guard case .raw(let text) = json else { return json.integer != nil }
        return !text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
    }

    /// Jackson's `longValue`: 0 for what is no number, fractions cut, what does not fit wraps or saturates.
    private static func integer(_ json: JSONValue) -> Int64 {
        switch json {
        case .number(let number): return number
        case .raw(let text):
            if isIntegral(json) {
                // The lowest 64 bits, as BigInteger.longValue has them.
                var bits: UInt64 = 0
                for digit in text where 0x30...0x39 ~= digit { bits = bits &* 10 &+ UInt64(digit - 0x30) }
                return Int64(bitPattern: text.first == UInt8(ascii: "-") ? 0 &- bits : bits)
            }
            let number = json.decimal?.double ?? 0
            return number >= 0x1p63 ? .max : number < -0x1p63 ? .min : Int64(number)
        default: return 0
        }
    }

    private static func double(_ json: JSONValue) -> Double {
        switch json {
        case .number(let number): Double(number)
        case .raw: json.decimal?.double ?? 0
        // What the writer made of them.
        case .string("NaN"): .nan
        case .string("Infinity"): .infinity
        case .string("-Infinity"): -.infinity
        default: 0
        }
    }

    /// A number where a Decimal is read, whatever `decimal.format` says; nil for anything else.
    private static func decimal(_ json: JSONValue, _ schema: ConnectSchema) throws(ConnectError) -> SQLDecimal? {
        let text: [UInt8]
        switch json {
        case .number(let number): text = Array(String(number).utf8)
        case .raw(let number): text = number
        default: return nil
        }
        guard let decimal = SQLDecimal(utf8: text) else { return nil }
        let scale = try schema.decimalScale()
        return decimal.scale < scale && scale < 10_000 ? decimal.rescaledExactly(to: scale) ?? decimal : decimal
    }

    /// Jackson's `JsonNodeType`.
    static func kind(_ json: JSONValue) -> String {
        switch json {
        case .null: "NULL"
        case .bool: "BOOLEAN"
        case .number, .raw: "NUMBER"
        case .string: "STRING"
        case .array: "ARRAY"
        case .object: "OBJECT"
        }
    }
}

/// The members of an object by their names; of two with one name the last counts.
struct JSONMembers {
    private let json: JSONValue
    /// Nil for a few, which are found sooner one by one.
    private var places: [JSONName: JSONValue]?
    private static let countMax = 16

    /// - Returns: nil for what is no object.
    init?(_ json: JSONValue) {
        guard let members = json.members else { return nil }
        self.json = json
        guard members.count > Self.countMax else { return }
        places = Dictionary(members.map { (JSONName($0.0), $0.1) }, uniquingKeysWith: { _, last in last })
    }

    subscript(name: String) -> JSONValue? { places.map { $0[JSONName(name)] } ?? json[name] }
}
