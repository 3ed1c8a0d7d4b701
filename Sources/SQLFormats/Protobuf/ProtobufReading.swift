import Bytes
import Columns
import ProtobufFormat
import SQLTypes

/// Messages of one writer's schema as SQL columns.
final class ProtobufPayloadReader: PayloadReader {
    let fields: [FieldReader]
    let root: ValueReader? = nil
    let rootIsRecord = true
    private let program: ProtobufColumnProgram
    private let sink: ProtobufColumnSink

    /// - Throws: `.deserialization` for messages that have no columns, as those that contain themselves.
    init(_ schema: ProtobufSchema, message: Int, columns: [SQLField]) throws(FormatError) {
        let reading = ProtobufReading(schema: schema)
        let descriptor = schema.messages[message]
        var names: [String] = []
        var sources: [Int: Int] = [:]
        func source(_ place: Int) -> Int {
            if let known = sources[place] { return known }
            sources[place] = names.count
            names.append(descriptor.fields[place].name)
            return names.count - 1
        }
        var fields = columns.map { FieldReader.missing($0.type) }
        for (place, field) in descriptor.fields.enumerated() where field.oneofIndex == nil && !field.isExtension {
            guard let index = ConnectTypes.index(of: field.name, in: columns) else { continue }
            let column = columns[index]
            fields[index] = .single(
                source(place), column.type, isDirect: reading.isDirect(field, column.type),
                reading.reader(field, column.type, "->" + column.name))
        }
        for (number, oneof) in descriptor.oneofs.enumerated() {
            guard let index = ConnectTypes.index(of: "\(oneof)_\(number)", in: columns) else { continue }
            let column = columns[index]
            let places = descriptor.fields.indices.filter {
                descriptor.fields[$0].oneofIndex == number && !descriptor.fields[$0].isExtension
            }
            let read = reading.oneof(places.map { descriptor.fields[$0] }, column.type, "->" + column.name)
            fields[index] = FieldReader(sources: places.map(source), type: column.type, read: read)
        }
        self.fields = fields
        do throws(ProtobufError) {
            let layout = try ProtobufColumnLayout(schema, typeIndex: message, columns: names)
            program = ProtobufColumnProgram(layout)
            sink = ProtobufColumnSink(layout)
        } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    func append(_ payload: UnsafeRawBufferPointer) throws(FormatError) {
        do throws(WireError) { try program.append(payload, to: sink) } catch {
            throw FormatError(.deserialization, error.description)
        }
    }

    func appendNull() { sink.appendNull() }

    func finish() -> [Column] { sink.finish().columns }
}

/// Compiles readers of values of messages.
struct ProtobufReading {
    let schema: ProtobufSchema

    func isDirect(_ field: FieldDescriptor, _ type: SQLType) -> Bool {
        guard !field.isRepeated else { return false }
        switch (field.kind, type) {
        case (.bool, .boolean), (.double, .double), (.string, .string), (.enumeration, .string), (.bytes, .bytes),
            (.int32, .int), (.sint32, .int), (.sfixed32, .int), (.int64, .bigint), (.sint64, .bigint),
            (.sfixed64, .bigint), (.uint64, .bigint), (.fixed64, .bigint), (.uint32, .bigint), (.fixed32, .bigint):
            return true
        default: return false
        }
    }

    /// - Parameter path: for messages.
    func reader(_ field: FieldDescriptor, _ type: SQLType, _ path: String) -> ValueReader {
        if let (key, value) = ProtobufEntries.fields(field, schema) {
            guard case .map(let keyType, let valueType) = type else { return ConnectTypes.mismatch("map", type, path) }
            let keyReader = reader(key, keyType, path + "->MAP_KEY")
            let valueReader = reader(value, valueType, path + "->MAP_VAL")
            let entry = schema.messages[field.typeIndex].fields.filter { !$0.isExtension }
            let keyPlace = entry.firstIndex { $0.number == key.number } ?? 0
            let valuePlace = entry.firstIndex { $0.number == value.number } ?? 1
            return { (value) throws(FormatError) in
                var entries: [(key: SQLValue, value: SQLValue)] = []
                switch value {
                case .map(let pairs):
                    for pair in pairs { entries.append((try keyReader(pair.key), try valueReader(pair.value))) }
                case .list(let messages):
                    for case .structure(let parts) in messages {
                        entries.append((try keyReader(parts[keyPlace]), try valueReader(parts[valuePlace])))
                    }
                default: return .null
                }
                return .map(SQLMap(entries))
            }
        }
        guard field.isRepeated else { return single(field, type, path) }
        guard case .array(let element) = type else { return ConnectTypes.mismatch("array", type, path) }
        let inner = single(field, element, path + "->ARRAY")
        return { (value) throws(FormatError) in
            guard case .list(let elements) = value else { return .null }
            var values: [SQLValue] = []
            values.reserveCapacity(elements.count)
            for element in elements { values.append(try inner(element)) }
            return .array(values)
        }
    }

    private func single(_ field: FieldDescriptor, _ type: SQLType, _ path: String) -> ValueReader {
        switch field.kind {
        case .bool: return ConnectTypes.scalar("boolean", type, path)
        case .int32, .sint32, .sfixed32: return ConnectTypes.scalar("int32", type, path)
        case .int64, .sint64, .sfixed64, .uint64, .fixed64, .uint32, .fixed32:
            return ConnectTypes.scalar("int64", type, path)
        case .float: return ConnectTypes.scalar("float32", type, path)
        case .double: return ConnectTypes.scalar("float64", type, path)
        case .string, .enumeration: return ConnectTypes.scalar("string", type, path)
        case .bytes:
            if case .decimal = type { return ConnectTypes.mismatch("bytes", type, path) }
            return ConnectTypes.scalar("bytes", type, path)
        case .message, .group: return message(field, type, path)
        }
    }

    private func message(_ field: FieldDescriptor, _ type: SQLType, _ path: String) -> ValueReader {
        let descriptor = schema.messages[field.typeIndex]
        let inner = descriptor.fields.filter { !$0.isExtension }
        func place(_ name: String) -> Int? { inner.firstIndex { $0.name == name } }
        func number(_ parts: [ColumnValue], _ place: Int?) -> Int64 {
            place.flatMap { ConnectTypes.integer(parts[$0]) } ?? 0
        }
        switch (descriptor.fullName, type) {
        case ("confluent.type.Decimal", .decimal(let precision, let scale)):
            let value = place("value")
            let written = place("scale")
            return { (column) throws(FormatError) in
                guard case .structure(let parts) = column else { return .null }
                var bytes: [UInt8] = []
                if let value, case .bytes(let some) = parts[value] { bytes = some }
                let digits = number(parts, written)
                guard 0...Int64(SQLDecimal.digitsMax) ~= digits else {
                    throw FormatError(.deserialization, "a decimal of scale \(digits)")
                }
                return try ConnectTypes.fitted(SQLDecimal(bigEndian: bytes, scale: Int(digits)), precision, scale)
            }
        case ("google.type.Date", .date), ("google.type.Date", .int), ("google.type.Date", .bigint):
            let (year, month, day) = (place("year"), place("month"), place("day"))
            return { (column) throws(FormatError) in
                guard case .structure(let parts) = column else { return .null }
                let (y, m, d) = (number(parts, year), number(parts, month), number(parts, day))
                guard -9999...9999 ~= y, 1...12 ~= m,
                    1...Int64(CivilDate.length(ofMonth: Int(m), year: Int(y))) ~= d
                else { throw FormatError(.deserialization, "no such date: \(y)-\(m)-\(d)") }
                let days = CivilDate(year: Int(y), month: Int(m), day: Int(d)).days
                return Self.integer(Int64(days), type)
            }
        case ("google.type.TimeOfDay", .time), ("google.type.TimeOfDay", .int), ("google.type.TimeOfDay", .bigint):
            let (hours, minutes) = (place("hours"), place("minutes"))
            let (seconds, nanos) = (place("seconds"), place("nanos"))
            return { (column) throws(FormatError) in
                guard case .structure(let parts) = column else { return .null }
                let (h, m, s) = (number(parts, hours), number(parts, minutes), number(parts, seconds))
                let n = number(parts, nanos)
                guard 0...23 ~= h, 0...59 ~= m, 0...59 ~= s, 0...999_999_999 ~= n else {
                    throw FormatError(.deserialization, "no such time: \(h):\(m):\(s)")
                }
                return Self.integer(((h * 60 + m) * 60 + s) * 1000 + n / 1_000_000, type)
            }
        case ("google.protobuf.Timestamp", .timestamp), ("google.protobuf.Timestamp", .bigint):
            let (seconds, nanos) = (place("seconds"), place("nanos"))
            return { (column) throws(FormatError) in
                guard case .structure(let parts) = column else { return .null }
                let s = number(parts, seconds)
                let n = number(parts, nanos)
                guard -62_135_596_800...253_402_300_799 ~= s, 0...999_999_999 ~= n else {
                    throw FormatError(.deserialization, "Timestamp is not valid: \(s) seconds, \(n) nanos")
                }
                return Self.integer(s * 1000 + n / 1_000_000, type)
            }
        case (let name, let type) where ProtobufEntries.wrapped(name) != nil && type.fields == nil:
            guard let value = inner.first else { return ConnectTypes.mismatch("struct", type, path) }
            let reader = single(value, type, path)
            return { (column) throws(FormatError) in
                guard case .structure(let parts) = column, let first = parts.first else { return .null }
                return try reader(first)
            }
        default: return structure(descriptor, type, path)
        }
    }

    private static func integer(_ value: Int64, _ type: SQLType) -> SQLValue {
        switch type {
        case .date: .date(Int32(truncatingIfNeeded: value))
        case .time: .time(Int32(truncatingIfNeeded: value))
        case .int: .int(Int32(truncatingIfNeeded: value))
        case .timestamp: .timestamp(value)
        default: .bigint(value)
        }
    }

    private func structure(_ descriptor: MessageDescriptor, _ type: SQLType, _ path: String) -> ValueReader {
        guard case .structure(let fields) = type else { return ConnectTypes.mismatch("struct", type, path) }
        let inner = descriptor.fields.filter { !$0.isExtension }
        var parts: [(source: Int, index: Int, read: ValueReader)] = []
        var unions: [(sources: [Int], index: Int, read: ([ColumnValue]) throws(FormatError) -> SQLValue)] = []
        for (source, field) in inner.enumerated() where field.oneofIndex == nil {
            guard let index = ConnectTypes.index(of: field.name, in: fields) else { continue }
            parts.append((source, index, reader(field, fields[index].type, path + "->" + fields[index].name)))
        }
        for (number, oneof) in descriptor.oneofs.enumerated() {
            guard let index = ConnectTypes.index(of: "\(oneof)_\(number)", in: fields) else { continue }
            let sources = inner.indices.filter { inner[$0].oneofIndex == number }
            unions.append(
                (
                    sources, index,
                    self.oneof(sources.map { inner[$0] }, fields[index].type, path + "->" + fields[index].name)
                ))
        }
        let count = fields.count
        return { [parts, unions] (value) throws(FormatError) in
            guard case .structure(let written) = value else { return .null }
            var values = [SQLValue](repeating: .null, count: count)
            for part in parts { values[part.index] = try part.read(written[part.source]) }
            for union in unions { values[union.index] = try union.read(union.sources.map { written[$0] }) }
            return .structure(values)
        }
    }

    /// A oneof is a structure with a field per member, of which one has a value; null when none has.
    func oneof(
        _ members: [FieldDescriptor], _ type: SQLType, _ path: String
    ) -> ([ColumnValue]) throws(FormatError) -> SQLValue {
        guard case .structure(let fields) = type else {
            let mismatch = ConnectTypes.mismatch("struct", type, path)
            return { (_) throws(FormatError) in try mismatch(.null) }
        }
        var parts: [(source: Int, index: Int, read: ValueReader)] = []
        for (source, member) in members.enumerated() {
            guard let index = ConnectTypes.index(of: member.name, in: fields) else { continue }
            parts.append((source, index, reader(member, fields[index].type, path + "->" + fields[index].name)))
        }
        let count = fields.count
        return { [parts] (written) throws(FormatError) in
            guard written.contains(where: { $0 != .null }) else { return .null }
            var values = [SQLValue](repeating: .null, count: count)
            for part in parts { values[part.index] = try part.read(written[part.source]) }
            return .structure(values)
        }
    }
}
