package import Columns

/// Which columns the values of a schema become.
///
/// | type | column |
/// |---|---|
/// | boolean, int, long, float, double, string, bytes | of that type |
/// | enum | string, the symbol |
/// | fixed | bytes |
/// | array, map | list, map with string keys |
/// | record | structure |
/// | null | boolean, never with a value |
/// | union of null and one type | that type's column |
/// | other unions | structure with a field per branch other than null, of which one has a value |
///
/// The fields of the top record are the columns of the batch; any other type at the top is one column. Logical types are
/// their numbers and bytes; the schema says what they mean.
package struct AvroColumnLayout: Sendable {
    package let schema: AvroSchema
    package let fields: [ColumnField]
    /// Positions of `fields` in the record at the top; nil when the top is no record.
    let positions: [Int]?

    /// A type that is used in many places is columns in each of them, which doubles with every level of a schema made
    /// for that.
    private static let columnsMax = 100_000

    /// - Parameter names: the wanted fields of the top record, in the order in which they should be columns; nil for all.
    /// - Throws: `.unresolvable` for a field that the schema does not have, and for types that contain themselves, of which
    ///   no column can be made.
    package init(_ schema: AvroSchema, columns names: [String]? = nil) throws(AvroError) {
        self.schema = schema
        var left = Self.columnsMax
        guard case .record(let record) = schema.type.kind else {
            positions = nil
            fields = [ColumnField("", try Self.column(schema.root, schema, inside: [], &left))]
            return
        }
        var positions: [Int] = []
        if let names {
            for name in names {
                guard let position = record.index(of: name) else {
                    throw AvroError(.unresolvable, "record \(record.name.full) has no field \"\(name)\"")
                }
                positions.append(position)
            }
        } else {
            positions = Array(record.fields.indices)
        }
        var fields: [ColumnField] = []
        for position in positions {
            let field = record.fields[position]
            fields.append(ColumnField(field.name, try Self.column(field.type, schema, inside: [schema.root], &left)))
        }
        self.positions = positions
        self.fields = fields
    }

    private static func column(
        _ id: AvroSchema.ID, _ schema: AvroSchema, inside: Set<AvroSchema.ID>, _ left: inout Int
    ) throws(AvroError) -> ColumnType {
        left -= 1
        guard left >= 0 else { throw AvroError(.tooLarge, "the schema has more than \(columnsMax) columns") }
        guard inside.count < AvroError.depthMax else { throw .tooDeep("the schema") }
        guard !inside.contains(id) else {
            throw AvroError(.unresolvable, "\(schema.types[id].branchName) contains itself, so it has no columns")
        }
        let inside = inside.union([id])
        switch schema.types[id].kind {
        case .primitive(let primitive):
            return switch primitive {
            case .null, .boolean: .boolean
            case .int: .int32
            case .long: .int64
            case .float: .float
            case .double: .double
            case .bytes: .bytes
            case .string: .string
            }
        case .enumeration: return .string
        case .fixed: return .bytes
        case .array(let items): return .list(try column(items, schema, inside: inside, &left))
        case .map(let values): return .map(key: .string, value: try column(values, schema, inside: inside, &left))
        case .record(let record):
            var fields: [ColumnField] = []
            for field in record.fields {
                fields.append(ColumnField(field.name, try column(field.type, schema, inside: inside, &left)))
            }
            return .structure(fields)
        case .union(let branches):
            let values = schema.valueBranches(branches)
            guard let first = values.first else { return .boolean }
            if values.count == 1 { return try column(first, schema, inside: inside, &left) }
            var fields: [ColumnField] = []
            for (name, id) in zip(schema.branchNames(values), values) {
                fields.append(ColumnField(name, try column(id, schema, inside: inside, &left)))
            }
            return .structure(fields)
        }
    }
}

extension AvroSchema {
    func isNull(_ id: ID) -> Bool {
        if case .primitive(.null) = types[id].kind { true } else { false }
    }

    /// Branches other than null.
    func valueBranches(_ branches: [ID]) -> [ID] { branches.filter { !isNull($0) } }

    /// Names for branches as fields: without namespace where that tells them apart, as Connect has them.
    fileprivate func branchNames(_ branches: [ID]) -> [String] {
        let short = branches.map { types[$0].name?.name ?? types[$0].word }
        return Set(short).count == short.count ? short : branches.map { types[$0].branchName }
    }
}
