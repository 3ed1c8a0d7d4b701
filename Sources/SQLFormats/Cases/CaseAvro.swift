import Avro
import JSONFormat
import SQLTypes

/// Values of Avro schemas in test cases.
struct CaseAvro {
    let schema: AvroSchema

    /// The bytes of the value that a case's JSON stands for.
    func bytes(_ json: JSONValue) throws(FormatError) -> [UInt8] {
        let value = try avro(json, schema.root, "$")
        do throws(AvroError) { return try AvroEncoder(schema: schema).encode(value) } catch {
            throw FormatError(.serialization, error.message)
        }
    }

    func value(_ bytes: [UInt8]) throws(FormatError) -> CaseValue {
        do throws(AvroError) { return value(try AvroDecoder(writer: schema).decode(bytes), schema.root) } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    // MARK: JSON to Avro

    private func avro(_ json: JSONValue, _ id: AvroSchema.ID, _ path: String) throws(FormatError) -> AvroValue {
        let type = schema.types[id]
        func misfit() -> FormatError {
            FormatError(.serialization, "\(path): \(String(decoding: json.bytes, as: UTF8.self)) is no \(type.word)")
        }
        switch type.kind {
        case .union(let branches):
            if case .null = json, let null = branches.firstIndex(where: { AvroEntries.isNull($0, schema) }) {
                return .union(branch: null, .null)
            }
            let values = AvroEntries.values(branches, schema)
            if values.count > 1, let members = json.members {
                // A union of several types is a structure of them, of which one is there.
                let names = AvroEntries.branchNames(values, schema)
                for (name, member) in members {
                    if case .null = member { continue }
                    guard let index = names.firstIndex(where: { $0.uppercased() == name.uppercased() }),
                        let branch = branches.firstIndex(of: values[index])
                    else { continue }
                    return .union(branch: branch, try avro(member, values[index], path))
                }
            }
            for (index, branch) in branches.enumerated() where !AvroEntries.isNull(branch, schema) {
                do throws(FormatError) {
                    return .union(branch: index, try avro(json, branch, path))
                } catch {
                    if values.count == 1 { throw error }
                }
            }
            throw misfit()
        case .primitive(let primitive):
            switch primitive {
            case .null: return .null
            case .boolean: if let flag = json.flag { return .boolean(flag) }
            case .int: if let number = number(json) { return .int(Int32(truncatingIfNeeded: number.int64Truncating)) }
            case .long: if let number = number(json) { return .long(number.int64Truncating) }
            case .float: if let number = number(json) { return .float(Float(number.doubleValue)) }
            case .double: if let number = number(json) { return .double(number.doubleValue) }
            case .string:
                if case .null = json { throw misfit() }
                return .string(CaseCodec.plainText(json))
            case .bytes:
                if case .decimal(_, let scale) = type.logicalType {
                    if let number = number(json) {
                        return .bytes(number.rescaled(to: scale, rounding: .halfUp).bigEndian)
                    }
                } else if let bytes = json.text.flatMap({ Base64.decode($0) }) {
                    return .bytes(bytes)
                }
            }
            throw misfit()
        case .enumeration:
            guard let text = json.text else { throw misfit() }
            return .enumeration(text)
        case .fixed:
            guard let bytes = json.text.flatMap({ Base64.decode($0) }) else { throw misfit() }
            return .fixed(bytes)
        case .array(let items):
            if let members = json.members, case .record(let record) = schema.types[items].kind,
                record.fields.count == 2, let key = record.index(of: "key"), let value = record.index(of: "value")
            {
                var list: [AvroValue] = []
                for (name, member) in members {
                    var parts: [AvroValue] = [.null, .null]
                    parts[key] = try avro(.string(name), record.fields[key].type, path)
                    parts[value] = try avro(member, record.fields[value].type, "\(path).\(name)")
                    list.append(.record(parts))
                }
                return .array(list)
            }
            guard let elements = json.elements else { throw misfit() }
            var list: [AvroValue] = []
            for (index, element) in elements.enumerated() { list.append(try avro(element, items, "\(path)[\(index)]")) }
            return .array(list)
        case .map(let values):
            guard let members = json.members else { throw misfit() }
            var entries: [AvroValue.Entry] = []
            for (name, member) in members { entries.append(.init(name, try avro(member, values, "\(path).\(name)"))) }
            return .map(entries)
        case .record(let record):
            guard let members = json.members else { throw misfit() }
            var parts: [AvroValue] = []
            for field in record.fields {
                let member = Self.member(field.name, of: members)
                if member == nil, let json = field.defaultValue {
                    do throws(AvroError) { parts.append(try schema[field.type].defaultValue(json)) } catch {
                        throw FormatError(.serialization, error.message)
                    }
                    continue
                }
                parts.append(try avro(member ?? .null, field.type, "\(path).\(field.name)"))
            }
            return .record(parts)
        }
    }

    /// By the exact name, else in any case.
    static func member(_ name: String, of members: [(String, JSONValue)]) -> JSONValue? {
        if let exact = members.last(where: { $0.0.isSame(as: name) }) { return exact.1 }
        let upper = name.uppercased()
        return members.last { $0.0.uppercased().isSame(as: upper) }?.1
    }

    private func number(_ json: JSONValue) -> SQLDecimal? {
        switch json {
        case .number(let value): SQLDecimal(value)
        case .raw(let text): SQLDecimal(utf8: text)
        case .string(let text): SQLDecimal(utf8: Array(text.utf8))
        default: nil
        }
    }

    // MARK: Avro to what a case sees

    private func value(_ value: AvroValue, _ id: AvroSchema.ID) -> CaseValue {
        let type = schema.types[id]
        switch (type.kind, value) {
        case (.union(let branches), .union(let branch, let inner)):
            guard branches.indices.contains(branch) else { return .null }
            let read = self.value(inner, branches[branch])
            let values = AvroEntries.values(branches, schema)
            guard values.count > 1 else { return read }
            let names = AvroEntries.branchNames(values, schema)
            return .object(zip(names, values).map { ($0, $1 == branches[branch] ? read : .null) })
        case (_, .null): return .null
        case (_, .boolean(let flag)): return .boolean(flag)
        case (_, .int(let number)): return .integer(Int64(number))
        case (_, .long(let number)): return .integer(number)
        case (_, .float(let number)): return .double(Double(number))
        case (_, .double(let number)): return .double(number)
        case (_, .string(let text)), (_, .enumeration(let text)): return .text(text)
        case (_, .bytes(let bytes)), (_, .fixed(let bytes)):
            if case .decimal(_, let scale) = type.logicalType {
                return .decimal(SQLDecimal(bigEndian: bytes, scale: scale))
            }
            return .bytes(bytes)
        case (.array(let items), .array(let elements)):
            if let (keyType, valueType) = AvroEntries.fields(items, schema) {
                return .object(
                    elements.compactMap { element in
                        guard case .record(let parts) = element.unwrapped, parts.count == 2 else { return nil }
                        guard case .text(let key) = self.value(parts[0], keyType) else { return nil }
                        return (key, self.value(parts[1], valueType))
                    })
            }
            return .array(elements.map { self.value($0, items) })
        case (.map(let values), .map(let entries)):
            return .object(entries.map { ($0.key, self.value($0.value, values)) })
        case (.record(let record), .record(let parts)):
            return .object(zip(record.fields, parts).map { ($0.name, self.value($1, $0.type)) })
        default: return .null
        }
    }
}
