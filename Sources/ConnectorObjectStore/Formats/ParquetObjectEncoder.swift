import Compression
import ConnectCore
import Parquet
import SQLTypes

/// A Parquet file whose columns are the fields of the records' struct.
struct ParquetObjectEncoder: ObjectEncoder {
    private var writer: ParquetWriter

    init(_ schema: ConnectSchema?, _ codec: Codec) throws(ConnectError) {
        guard let schema, schema.kind == .structure else {
            throw .data(
                "Parquet files need records whose value is a struct with a schema, not \(schema.map { "\($0)" } ?? "data without a schema"): "
                    + "take a converter that has schemas, or JsonFormat as format.class")
        }
        do throws(ParquetError) {
            writer = try ParquetWriter(ParquetSchema(ParquetMapping.fields(schema)), codec: codec)
        } catch {
            throw .data(error.message)
        }
    }

    var byteCount: Int { writer.byteCount }

    mutating func append(_ value: SchemaAndValue, topic: String) throws(ConnectError) {
        do throws(ParquetError) { try writer.append(ParquetValue(value: value.value, schema: nil)) } catch {
            throw .data(error.message)
        }
    }

    mutating func take() -> [UInt8] { writer.take() }

    mutating func finish() throws(ConnectError) -> [UInt8] {
        do throws(ParquetError) { return try writer.finish() } catch { throw ConnectError(.connect, error.message) }
    }
}

/// Connect's schemas as Parquet's.
enum ParquetMapping {
    /// What every engine can read. More digits are possible where a schema asks for them, as Debezium's do.
    static let precisionDefault = 38
    static let precisionParameter = "connect.decimal.precision"
    /// Debezium's name of documents.
    static let jsonName = "io.debezium.data.Json"

    static func fields(_ schema: ConnectSchema) throws(ParquetError) -> [ParquetField] {
        do throws(ConnectError) { try schema.requireTree("Parquet") } catch {
            throw ParquetError(.schema, error.message)
        }
        var fields: [ParquetField] = []
        for field in schema.fields { fields.append(try self.field(field.name, field.schema, depth: 0)) }
        return fields
    }

    private static func field(_ name: String, _ schema: ConnectSchema, depth: Int) throws(ParquetError) -> ParquetField
    {
        guard depth < ParquetSchema.depthMax else {
            throw ParquetError(.schema, "fields are nested more than \(ParquetSchema.depthMax) levels deep")
        }
        return ParquetField(name, isOptional: schema.isOptional, try kind(schema, depth: depth))
    }

    private static func kind(_ schema: ConnectSchema, depth: Int) throws(ParquetError) -> ParquetField.Kind {
        switch schema.kind {
        case .int8: return .primitive(.int32, .integer(bits: 8))
        case .int16: return .primitive(.int32, .integer(bits: 16))
        case .int32:
            switch schema.logicalType {
            case .date: return .primitive(.int32, .date)
            case .time: return .primitive(.int32, .time(.millis))
            default: return .primitive(.int32, nil)
            }
        case .int64: return .primitive(.int64, schema.logicalType == .timestamp ? .timestamp(.millis) : nil)
        case .float32: return .primitive(.float, nil)
        case .float64: return .primitive(.double, nil)
        case .boolean: return .primitive(.boolean, nil)
        case .string: return .primitive(.bytes, schema.name == jsonName ? .json : .string)
        case .bytes:
            guard schema.logicalType == .decimal else { return .primitive(.bytes, nil) }
            let given: Int
            do throws(ConnectError) { given = try schema.decimalScale() } catch {
                throw ParquetError(.schema, error.message)
            }
            // Parquet has no negative scales: such values are written with their zeros.
            let scale = max(0, given)
            let wanted = schema.parameter(precisionParameter).flatMap { Int($0) }
            let precision = max(wanted.flatMap { 1...1000 ~= $0 ? $0 : nil } ?? precisionDefault, max(scale, 1))
            guard precision <= 1000 else { throw ParquetError(.schema, "a decimal of \(precision) digits is too long") }
            return .primitive(
                .fixed(byteCount: byteCount(precision)), .decimal(precision: precision, scale: scale))
        case .array:
            guard let element = schema.valueSchema else { throw ParquetError(.schema, "an array without a schema") }
            return .list(try field("element", element, depth: depth + 2))
        case .map:
            guard let key = schema.keySchema, let value = schema.valueSchema else {
                throw ParquetError(.schema, "a map without schemas")
            }
            return .map(
                key: try field("key", key, depth: depth + 2), value: try field("value", value, depth: depth + 2))
        case .structure:
            var fields: [ParquetField] = []
            for field in schema.fields { fields.append(try self.field(field.name, field.schema, depth: depth + 1)) }
            return .group(fields)
        }
    }

    /// Bytes in two's complement that hold every number of so many digits.
    static func byteCount(_ precision: Int) -> Int {
        // 10^precision - 1 and a sign; log2(10) is a bit less than 3.3219281.
        (Int((Double(precision) * 3.3219281).rounded(.up)) + 1 + 7) / 8
    }
}

/// A value on its way into columns, with its schema's default in the place of null.
struct ParquetValue: ParquetDatum {
    var value: ConnectValue
    var schema: ConnectSchema?

    init(value: ConnectValue, schema: ConnectSchema?) {
        self.value = value.isNull ? schema?.defaultValue ?? .null : value
        self.schema = schema
    }

    var isParquetNull: Bool { value.isNull }

    func parquetMember(_ index: Int) throws(ParquetError) -> ParquetValue {
        guard case .structure(let structure) = value, index < structure.values.count else { throw misfit("a struct") }
        return ParquetValue(value: structure[index], schema: structure.schema.fields[index].schema)
    }

    func parquetElements() throws(ParquetError) -> [ParquetValue] {
        guard case .array(let elements) = value else { throw misfit("an array") }
        return elements.map { ParquetValue(value: $0, schema: schema?.valueSchema) }
    }

    func parquetEntries() throws(ParquetError) -> [(key: ParquetValue, value: ParquetValue)] {
        guard case .map(let map) = value else { throw misfit("a map") }
        return map.entries.map {
            (
                ParquetValue(value: $0.key, schema: schema?.keySchema),
                ParquetValue(value: $0.value, schema: schema?.valueSchema)
            )
        }
    }

    func append(to column: inout ParquetColumn, repetition: UInt8) throws(ParquetError) {
        switch value {
        case .boolean(let flag): try column.append(flag, repetition: repetition)
        case .int8(let number): try column.append(Int32(number), repetition: repetition)
        case .int16(let number): try column.append(Int32(number), repetition: repetition)
        case .int32(let number): try column.append(number, repetition: repetition)
        case .int64(let number): try column.append(number, repetition: repetition)
        case .float32(let number): try column.append(number, repetition: repetition)
        case .float64(let number): try column.append(number, repetition: repetition)
        case .string(let text): try column.append(text.utf8, repetition: repetition)
        case .bytes(let bytes): try column.append(bytes, repetition: repetition)
        case .instant(let millis):
            switch column.leaf.logical {
            case .date: try column.append(Int32(clamping: floorDiv(Int(millis), 86_400_000)), repetition: repetition)
            case .time: try column.append(Int32(clamping: millis), repetition: repetition)
            default: try column.append(millis, repetition: repetition)
            }
        case .decimal(let decimal): try append(decimal, to: &column, repetition)
        case .null, .array, .map, .structure: throw misfit("a primitive")
        }
    }

    private func append(_ decimal: SQLDecimal, to column: inout ParquetColumn, _ repetition: UInt8) throws(ParquetError)
    {
        guard case .decimal(let precision, let scale) = column.leaf.logical,
            case .fixed(let count) = column.leaf.primitive
        else { throw misfit("a decimal") }
        let place = column.leaf.path.joined(separator: ".")
        guard let fitting = decimal.scale == scale ? decimal : decimal.rescaledExactly(to: scale) else {
            throw ParquetError(
                .value, "a decimal with \(decimal.scale) fraction digits does not fit \(place), which has \(scale)")
        }
        let bytes = fitting.bigEndian
        guard fitting.precision <= precision, bytes.count <= count else {
            throw ParquetError(
                .value,
                "a decimal of \(fitting.precision) digits does not fit \(place), which has \(precision): the parameter "
                    + "\(ParquetMapping.precisionParameter) of its schema gives it more")
        }
        let sign: UInt8 = bytes.first.map { $0 >= 0x80 ? 0xFF : 0 } ?? 0
        try column.append(Array(repeating: sign, count: count - bytes.count) + bytes, repetition: repetition)
    }

    private func misfit(_ wanted: String) -> ParquetError {
        ParquetError(.value, "\(value.javaClass) where the schema has \(wanted)")
    }
}
