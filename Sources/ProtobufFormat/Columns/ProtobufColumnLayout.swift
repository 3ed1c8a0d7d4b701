package import Columns

/// Which columns the fields of a message become.
///
/// | field | column |
/// |---|---|
/// | bool, float, double, string, bytes | of that type |
/// | int32, sint32, sfixed32 | int32 |
/// | int64, sint64, sfixed64, uint32, fixed32 | int64 |
/// | uint64, fixed64 | int64 with the same bits |
/// | enum | string, the constant's name; a number without a name as its digits |
/// | message, group | structure |
/// | repeated | list |
/// | map | map |
///
/// A field that can tell that it is not set has no value then; one that cannot has its default, zero or empty. Strings
/// that are not UTF-8 are repaired. Well-known messages are the structures of their fields.
package struct ProtobufColumnLayout: Sendable {
    package let schema: ProtobufSchema
    /// Place of the message in `schema.messages`.
    package let typeIndex: Int
    package let fields: [ColumnField]
    /// Places of `fields` among the message's fields.
    let places: [Int]

    /// - Parameter names: the wanted fields, as the `.proto` text names them, in the order in which they should be
    ///   columns; nil for all, in the order of the text, without extensions.
    /// - Throws: `.unresolved` for a field that the message does not have, `.invalid` for messages that contain
    ///   themselves, of which no column can be made.
    package init(_ schema: ProtobufSchema, typeIndex: Int, columns names: [String]? = nil) throws(ProtobufError) {
        self.schema = schema
        self.typeIndex = typeIndex
        let message = schema.messages[typeIndex]
        var places: [Int] = []
        if let names {
            for name in names {
                guard let place = message.fieldIndex(name: name) else {
                    throw ProtobufError(.unresolved, "message \"\(message.fullName)\" has no field \"\(name)\"")
                }
                places.append(place)
            }
            guard Set(places).count == places.count else {
                throw ProtobufError(.invalid, "a field of \"\(message.fullName)\" is wanted twice")
            }
        } else {
            places = message.fields.indices.filter { !message.fields[$0].isExtension }
        }
        var fields: [ColumnField] = []
        var left = Self.columnsMax
        for place in places {
            let field = message.fields[place]
            fields.append(ColumnField(field.name, try Self.column(field, schema, inside: [typeIndex], &left)))
        }
        self.places = places
        self.fields = fields
    }

    /// The fields of a message that has a column inside of others.
    static func innerPlaces(_ message: MessageDescriptor) -> [Int] {
        message.fields.indices.filter { !message.fields[$0].isExtension }
    }

    /// Messages that hold messages twice, and so on, double their columns at every level.
    private static let columnsMax = 100_000

    private static func column(
        _ field: FieldDescriptor, _ schema: ProtobufSchema, inside: Set<Int>, _ left: inout Int
    ) throws(ProtobufError) -> ColumnType {
        switch field.cardinality {
        case .optional, .required: return try single(field, schema, inside: inside, &left)
        case .repeated: return .list(try single(field, schema, inside: inside, &left))
        case .map:
            let entry = schema.messages[field.typeIndex]
            guard let key = entry.fieldIndex(number: 1), let value = entry.fieldIndex(number: 2) else {
                throw ProtobufError(.invalid, "the entries of \"\(field.name)\" have no key and value")
            }
            return .map(
                key: try single(entry.fields[key], schema, inside: inside, &left),
                value: try single(entry.fields[value], schema, inside: inside, &left))
        }
    }

    private static func single(
        _ field: FieldDescriptor, _ schema: ProtobufSchema, inside: Set<Int>, _ left: inout Int
    ) throws(ProtobufError) -> ColumnType {
        left -= 1
        guard left >= 0 else {
            throw ProtobufError(.invalid, "the message has more than \(columnsMax) columns: want fewer of its fields")
        }
        switch field.kind {
        case .bool: return .boolean
        case .float: return .float
        case .double: return .double
        case .string, .enumeration: return .string
        case .bytes: return .bytes
        case .int32, .sint32, .sfixed32: return .int32
        case .int64, .sint64, .sfixed64, .uint32, .fixed32, .uint64, .fixed64: return .int64
        case .message, .group:
            let message = schema.messages[field.typeIndex]
            guard !inside.contains(field.typeIndex) else {
                throw ProtobufError(.invalid, "\"\(message.fullName)\" contains itself, so it has no columns")
            }
            guard inside.count < Wire.depthMax else { throw ProtobufError(.invalid, "messages are nested too deep") }
            let within = inside.union([field.typeIndex])
            var fields: [ColumnField] = []
            for place in innerPlaces(message) {
                fields.append(
                    ColumnField(
                        message.fields[place].name, try column(message.fields[place], schema, inside: within, &left)))
            }
            return .structure(fields)
        }
    }
}

/// The columns that programs of one layout fill. A sink has one user at a time.
package final class ProtobufColumnSink {
    package let layout: ProtobufColumnLayout
    let builders: [ColumnBuilder]
    /// All columns, each before those below it.
    let flat: [ColumnBuilder]
    /// The memory of `flat`, which owns it.
    let cells: UnsafeMutablePointer<UnsafeMutablePointer<ColumnCells>>
    /// Rows so far.
    package internal(set) var count = 0

    package init(_ layout: ProtobufColumnLayout) {
        self.layout = layout
        builders = layout.fields.map { ColumnBuilder($0.type) }
        var flat: [ColumnBuilder] = []
        func add(_ builder: ColumnBuilder) {
            flat.append(builder)
            builder.children.forEach(add)
        }
        builders.forEach(add)
        self.flat = flat
        cells = .allocate(capacity: max(1, flat.count))
        for (index, builder) in flat.enumerated() { (cells + index).initialize(to: builder.cells) }
    }

    deinit { cells.deallocate() }

    /// Makes room for `rows` rows in all.
    package func reserve(rows: Int) {
        for builder in builders { builder.reserve(rows: rows, bytesPerRow: 16) }
    }

    /// Appends a row without any value: a tombstone, or a record that could not be read.
    package func appendNull() {
        for builder in builders { builder.appendNull() }
        count += 1
    }

    /// Takes back what a record left behind that broke off in the middle.
    func truncate() {
        for builder in builders { builder.truncate(to: count) }
    }

    /// The rows so far as columns; the sink is empty again.
    package func finish() -> ColumnBatch {
        let batch = ColumnBatch(
            names: layout.fields.map(\.name), columns: builders.map { $0.finish() }, count: count)
        count = 0
        return batch
    }
}
