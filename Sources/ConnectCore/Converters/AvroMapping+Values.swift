import Avro
import SQLTypes

/// Values of Connect as values of an Avro schema.
struct AvroValueWriter {
    let schema: AvroSchema
    let options: AvroMapping.Options

    /// - Throws: `.data` when the value has no place in the Avro schema.
    func value(
        _ value: ConnectValue, _ connect: ConnectSchema?, _ id: AvroSchema.ID, depth: Int = 0
    ) throws(ConnectError) -> AvroValue {
        guard depth < AvroMapping.depthMax else { throw .data("Value is nested too deep for Avro") }
        var given = value
        if value.isNull, !options.ignoresDefaults, let fallback = connect?.defaultValue { given = fallback }
        let type = schema.types[id]
        if case .union(let branches) = type.kind { return try union(given, connect, branches, depth) }
        if let connect { given = try LogicalValues.encoded(given, connect) }
        switch (type.kind, given) {
        case (.primitive(.null), .null): return .null
        case (.primitive(.boolean), .boolean(let flag)): return .boolean(flag)
        case (.primitive(.int), _):
            if let number = given.integer, let int = Int32(exactly: number) { return .int(int) }
        case (.primitive(.long), _):
            if let number = given.integer { return .long(number) }
        case (.primitive(.float), .float32(let number)): return .float(number)
        case (.primitive(.double), .float64(let number)): return .double(number)
        case (.primitive(.double), .float32(let number)): return .double(Double(number))
        case (.primitive(.string), .string(let text)): return .string(text)
        case (.primitive(.bytes), .bytes(let bytes)): return .bytes(bytes)
        case (.fixed(let fixed), .bytes(let bytes)):
            if fixed.size == bytes.count { return .fixed(bytes) }
        case (.enumeration(let enumeration), .string(let symbol)):
            if enumeration.index(of: symbol) != nil { return .enumeration(symbol) }
        case (.array(let items), .array(let elements)):
            var values: [AvroValue] = []
            for element in elements {
                values.append(try self.value(element, connect?.valueSchema, items, depth: depth + 1))
            }
            return .array(values)
        case (.array(let items), .map(let map)):
            guard case .record(let record) = schema.types[items].kind, record.fields.count == 2 else { break }
            var values: [AvroValue] = []
            for entry in map.entries {
                values.append(
                    .record([
                        try self.value(entry.key, connect?.keySchema, record.fields[0].type, depth: depth + 1),
                        try self.value(entry.value, connect?.valueSchema, record.fields[1].type, depth: depth + 1),
                    ]))
            }
            return .array(values)
        case (.map(let valueType), .map(let map)):
            var entries: [AvroValue.Entry] = []
            for entry in map.entries {
                guard case .string(let key) = entry.key else { throw .data("Keys of an Avro map have to be strings") }
                let value = try self.value(entry.value, connect?.valueSchema, valueType, depth: depth + 1)
                entries.append(AvroValue.Entry(key, value))
            }
            return .map(entries)
        case (.record(let record), .structure(let structure)):
            var values: [AvroValue] = []
            for field in record.fields {
                guard let index = options.place(of: field.name, in: structure.schema) else {
                    guard let json = field.defaultValue else {
                        throw .data("Field \(field.name) of \(record.name.full) has no value and no default")
                    }
                    values.append(try Self.avro { () throws(AvroError) in try schema[field.type].defaultValue(json) })
                    continue
                }
                let member = options.ignoresDefaults ? structure.values[index] : structure[index]
                values.append(
                    try self.value(member, structure.schema.fields[index].schema, field.type, depth: depth + 1))
            }
            return .record(values)
        default: break
        }
        throw .data("Invalid value of class \(value.javaClass) for the Avro type \(type.branchName)")
    }

    private func union(
        _ value: ConnectValue, _ connect: ConnectSchema?, _ branches: [AvroSchema.ID], _ depth: Int
    ) throws(ConnectError) -> AvroValue {
        if value.isNull {
            guard let branch = branches.firstIndex(where: isNull) else {
                throw .data("Invalid null value for required \(connect?.kind.rawValue ?? "") field")
            }
            return .union(branch: branch, .null)
        }
        if case .structure(let structure) = value, structure.schema.name == AvroMapping.union {
            for (index, field) in structure.schema.fields.enumerated() where !structure.values[index].isNull {
                for (branch, id) in branches.enumerated()
                where AvroMapping.branchName(schema.types[id].branchName, isEnhanced: false) == field.name
                    || schema.types[id].branchName == field.name
                {
                    return .union(
                        branch: branch,
                        try self.value(structure.values[index], field.schema, id, depth: depth + 1))
                }
            }
            throw .data("Struct of a union holds no value of one of its types")
        }
        // Of several types a record goes by its name first, then whatever takes the value.
        let wanted = connect?.name.map { options.typeName($0) }
        let order = branches.indices.sorted { a, b in
            let first = schema.types[branches[a]].branchName == wanted
            return first != (schema.types[branches[b]].branchName == wanted) ? first : a < b
        }
        for branch in order where !isNull(branches[branch]) {
            do throws(ConnectError) {
                return .union(branch: branch, try self.value(value, connect, branches[branch], depth: depth + 1))
            } catch {
                if branches.count == 2 { throw error }
                // Another branch may take it.
            }
        }
        throw .data("Value of class \(value.javaClass) has no place in the Avro union")
    }

    private func isNull(_ id: AvroSchema.ID) -> Bool {
        if case .primitive(.null) = schema.types[id].kind { true } else { false }
    }

    static func avro<Value>(_ body: () throws(AvroError) -> Value) throws(ConnectError) -> Value {
        do throws(AvroError) { return try body() } catch { throw .data(error.message) }
    }
}
