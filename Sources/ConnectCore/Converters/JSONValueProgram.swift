import JSONFormat
import SQLTypes

/// How values of one schema become JSON: what `JSONConverter` makes of them, without its tree.
final class JSONValueProgram: ValueProgram {
    private let schema: ConnectSchema
    /// What stands for null: the default, or null itself; nil where there must be a value.
    private let null: [UInt8]?
    private let writesDecimalsAsNumbers: Bool
    private let isLogical: Bool
    let pieces: StructPieces?
    /// Of an array's elements or a map's values.
    private let elements: JSONValueProgram?

    private static let depthMax = 64

    /// - Returns: nil where something of the schema is beyond this.
    static func make(_ schema: ConnectSchema, _ options: JSONConverter.Options) -> JSONValueProgram? {
        options.isSchemaForm || !schema.isProgrammable ? nil : JSONValueProgram(schema, options, depth: 0)
    }

    private init?(_ schema: ConnectSchema, _ options: JSONConverter.Options, depth: Int) {
        guard depth < Self.depthMax else { return nil }
        self.schema = schema
        writesDecimalsAsNumbers = options.writesDecimalsAsNumbers && schema.logicalType == .decimal
        isLogical = schema.logicalType != nil
        if let value = schema.defaultValue, !value.isNull, options.replacesNull {
            var plain = options
            plain.hasSchemas = false
            guard let json = try? JSONConverter(plain).json(SchemaAndValue(schema, value)) else { return nil }
            null = json.bytes
        } else {
            null = schema.isOptional ? Array("null".utf8) : nil
        }
        var pieces: StructPieces?
        var elements: JSONValueProgram?
        switch schema.kind {
        case .structure:
            var fields: [StructPieces.Field] = []
            for (index, field) in schema.fields.enumerated() {
                guard let program = JSONValueProgram(field.schema, options, depth: depth + 1) else { return nil }
                var lead = [index == 0 ? UInt8(ascii: "{") : UInt8(ascii: ",")]
                JSONText.quote(field.name, to: &lead)
                lead.append(UInt8(ascii: ":"))
                fields.append(StructPieces.Field(lead: lead, program: program))
            }
            pieces = StructPieces(fields: fields, end: Array((fields.isEmpty ? "{}" : "}").utf8))
        case .array, .map:
            guard let inner = schema.valueSchema, let program = JSONValueProgram(inner, options, depth: depth + 1)
            else { return nil }
            // Maps with other keys are arrays of pairs.
            if schema.kind == .map, schema.keySchema?.kind != .string || schema.keySchema?.isOptional == true {
                return nil
            }
            elements = program
        default: break
        }
        self.pieces = pieces
        self.elements = elements
    }

    func write(_ given: ConnectValue, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        if given.isNull {
            guard let null else { return false }
            output += null
            return true
        }
        guard isLogical else { return try writePlain(given, to: &output) }
        if writesDecimalsAsNumbers, case .decimal(let decimal) = given {
            output += decimal.description.utf8
            return true
        }
        return try writePlain(LogicalValues.encoded(given, schema), to: &output)
    }

    func write(utf8 text: UnsafeRawBufferPointer, to output: inout [UInt8]) -> Bool {
        guard schema.kind == .string else { return false }
        JSONText.quote(text, to: &output)
        return true
    }

    private func writePlain(_ value: ConnectValue, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        switch (schema.kind, value) {
        case (.string, .string(let text)): JSONText.quote(text, to: &output)
        case (.int64, .int64(let number)): JSONText.append(number, to: &output)
        case (.int32, .int32(let number)): JSONText.append(Int64(number), to: &output)
        case (.int16, .int16(let number)): JSONText.append(Int64(number), to: &output)
        case (.int8, .int8(let number)): JSONText.append(Int64(number), to: &output)
        case (.structure, .structure(let structure)):
            guard let pieces, structure.schema === schema || structure.schema.isSameStruct(as: schema) else {
                return false
            }
            for (index, field) in pieces.fields.enumerated() {
                output += field.lead
                guard try field.program.write(structure.values[index], to: &output) else { return false }
            }
            output += pieces.end
        case (.float64, .float64(let number)):
            if number.isFinite {
                DoubleText.append(number, to: &output)
            } else {
                JSONText.quote(JavaText.text(number), to: &output)
            }
        case (.float32, .float32(let number)):
            if number.isFinite {
                output += JavaText.text(number).utf8
            } else {
                JSONText.quote(JavaText.text(number), to: &output)
            }
        case (.boolean, .boolean(let flag)): output += (flag ? "true" : "false").utf8
        case (.bytes, .bytes(let bytes)):
            output.append(UInt8(ascii: "\""))
            output += Base64.encode(bytes).utf8
            output.append(UInt8(ascii: "\""))
        case (.array, .array(let values)):
            guard let elements else { return false }
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                guard try elements.write(value, to: &output) else { return false }
            }
            output.append(UInt8(ascii: "]"))
        case (.map, .map(let map)):
            guard let elements else { return false }
            output.append(UInt8(ascii: "{"))
            for (index, entry) in map.entries.enumerated() {
                guard case .string(let key) = entry.key else { return false }
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(key, to: &output)
                output.append(UInt8(ascii: ":"))
                guard try elements.write(entry.value, to: &output) else { return false }
            }
            output.append(UInt8(ascii: "}"))
        default: return false
        }
        return true
    }
}
