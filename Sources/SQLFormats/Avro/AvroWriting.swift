import Avro
import SQLTypes

/// Writes rows as Avro records of one schema.
final class AvroRowEncoder: RowEncoder {
    private let schema: AvroSchema
    private let encoder: AvroEncoder
    private let columns: [SQLField]
    private let isUnwrapped: Bool
    private let frame: [UInt8]
    private let topic: String

    /// - Throws: `.serialization` when the schema has no place for a column.
    init(
        _ schema: AvroSchema, columns: [SQLField], isUnwrapped: Bool, frame: [UInt8], topic: String
    ) throws(FormatError) {
        self.schema = schema
        encoder = AvroEncoder(schema: schema)
        self.columns = columns
        self.isUnwrapped = isUnwrapped
        self.frame = frame
        self.topic = topic
        if !isUnwrapped, case .record(let record) = schema.types[AvroEntries.value(schema.root, schema)].kind {
            for column in columns where record.index(of: AvroDerivation.fieldName(column.name)) == nil {
                throw FormatError(
                    .serialization, "Schema from Schema Registry misses field with name: \(column.name)")
            }
        }
    }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        let value: AvroValue
        do throws(FormatError) {
            if isUnwrapped, let first = row.first {
                if first.isNull { return false }
                value = try avro(first, columns[0].type, schema.root, columns[0].name)
            } else {
                value = try avro(.structure(row), .structure(columns), schema.root, "")
            }
        } catch {
            throw FormatError(
                .serialization, "Error serializing message to topic: \(topic). \(error.message)",
                causes: [error.message])
        }
        output += frame
        do throws(AvroError) { try encoder.encode(value, to: &output) } catch {
            throw FormatError(
                .serialization, "Error serializing message to topic: \(topic). \(error.message)",
                causes: [error.message])
        }
        return true
    }

    private func avro(
        _ value: SQLValue, _ type: SQLType, _ id: AvroSchema.ID, _ name: String
    ) throws(FormatError) -> AvroValue {
        let written = schema.types[id]
        if case .union(let branches) = written.kind {
            if value.isNull {
                guard let null = branches.firstIndex(where: { AvroEntries.isNull($0, schema) }) else {
                    throw required(name, id)
                }
                return .union(branch: null, .null)
            }
            var problem: FormatError?
            for (index, branch) in branches.enumerated() where !AvroEntries.isNull(branch, schema) {
                do throws(FormatError) {
                    return .union(branch: index, try avro(value, type, branch, name))
                } catch { problem = error }
            }
            throw problem ?? misfit(value, type, name)
        }
        if value.isNull { throw required(name, id) }
        switch (written.kind, value) {
        case (.primitive(.boolean), .boolean(let flag)): return .boolean(flag)
        case (.primitive(.int), .int(let number)), (.primitive(.int), .date(let number)),
            (.primitive(.int), .time(let number)):
            return .int(number)
        case (.primitive(.long), .bigint(let number)), (.primitive(.long), .timestamp(let number)):
            return .long(number)
        case (.primitive(.long), .int(let number)): return .long(Int64(number))
        case (.primitive(.double), .double(let number)): return .double(number)
        case (.primitive(.float), .double(let number)): return .float(Float(number))
        case (.primitive(.string), .string(let text)): return .string(text)
        case (.enumeration, .string(let text)): return .enumeration(text)
        case (.primitive(.bytes), .bytes(let bytes)): return .bytes(bytes)
        case (.fixed, .bytes(let bytes)): return .fixed(bytes)
        case (.primitive(.bytes), .decimal(let decimal)), (.fixed, .decimal(let decimal)):
            guard case .decimal(_, let scale) = written.logicalType else { throw misfit(value, type, name) }
            guard let exact = decimal.rescaledExactly(to: scale) else {
                throw FormatError(.serialization, "Decimal value has mismatching scale for given Decimal schema")
            }
            var bytes = exact.bigEndian
            if case .fixed(let fixed) = written.kind {
                guard bytes.count <= fixed.size else { throw misfit(value, type, name) }
                let sign: UInt8 = exact.isNegative ? 0xFF : 0
                bytes = [UInt8](repeating: sign, count: fixed.size - bytes.count) + bytes
                return .fixed(bytes)
            }
            return .bytes(bytes)
        case (.array(let items), .array(let values)):
            guard case .array(let element) = type else { throw misfit(value, type, name) }
            var list: [AvroValue] = []
            list.reserveCapacity(values.count)
            for value in values { list.append(try avro(value, element, items, name)) }
            return .array(list)
        case (.array(let items), .map(let map)):
            guard case .map(let keyType, let valueType) = type,
                case .record(let record) = schema.types[items].kind, record.fields.count == 2,
                let keyPlace = record.index(of: "key"), let valuePlace = record.index(of: "value")
            else { throw misfit(value, type, name) }
            var list: [AvroValue] = []
            for entry in map.entries {
                var parts: [AvroValue] = [.null, .null]
                parts[keyPlace] = try avro(entry.0, keyType, record.fields[keyPlace].type, name)
                parts[valuePlace] = try avro(entry.1, valueType, record.fields[valuePlace].type, name)
                list.append(.record(parts))
            }
            return .array(list)
        case (.map(let values), .map(let map)):
            guard case .map(_, let valueType) = type else { throw misfit(value, type, name) }
            var entries: [AvroValue.Entry] = []
            for case (.string(let key), let value) in map.entries {
                entries.append(.init(key, try avro(value, valueType, values, name)))
            }
            return .map(entries)
        case (.record(let record), .structure(let values)):
            guard case .structure(let fields) = type else { throw misfit(value, type, name) }
            var parts: [AvroValue] = []
            parts.reserveCapacity(record.fields.count)
            for field in record.fields {
                if let index = fields.firstIndex(where: { AvroDerivation.fieldName($0.name).isSame(as: field.name) }),
                    index < values.count
                {
                    parts.append(try avro(values[index], fields[index].type, field.type, field.name))
                } else {
                    parts.append(try missing(field))
                }
            }
            return .record(parts)
        default: throw misfit(value, type, name)
        }
    }

    /// What a field of the schema holds that no column is for.
    private func missing(_ field: AvroField) throws(FormatError) -> AvroValue {
        if let json = field.defaultValue {
            do throws(AvroError) { return try schema[field.type].defaultValue(json) } catch {
                throw FormatError(.serialization, error.message)
            }
        }
        if case .union(let branches) = schema.types[field.type].kind,
            let null = branches.firstIndex(where: { AvroEntries.isNull($0, schema) })
        {
            return .union(branch: null, .null)
        }
        throw FormatError(
            .serialization,
            "Missing default value for required Avro field: [\(field.name)]. This field appears in Avro schema in"
                + " Schema Registry")
    }

    private func required(_ name: String, _ id: AvroSchema.ID) -> FormatError {
        let type = AvroReading(schema: schema).connectName(id).uppercased()
        return FormatError(
            .serialization, "Invalid value: null used for required field: \"\(name)\", schema type: \(type)")
    }

    private func misfit(_ value: SQLValue, _ type: SQLType, _ name: String) -> FormatError {
        FormatError(.serialization, "The schema has no place for field \"\(name)\" of type \(type)")
    }
}
