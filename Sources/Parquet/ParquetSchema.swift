/// A column or a group of columns of a Parquet file.
package struct ParquetField: Sendable, Hashable {
    package indirect enum Kind: Sendable, Hashable {
        case primitive(ParquetPrimitive, ParquetLogicalType?)
        /// At least one member; names differ.
        case group([ParquetField])
        case list(ParquetField)
        /// Keys are never null.
        case map(key: ParquetField, value: ParquetField)
    }

    package var name: String
    package var isOptional: Bool
    package var kind: Kind

    package init(_ name: String, isOptional: Bool = false, _ kind: Kind) {
        self.name = name
        self.isOptional = isOptional
        self.kind = kind
    }
}

/// How values are stored. The numbers are those of Parquet's `Type`.
package enum ParquetPrimitive: Sendable, Hashable {
    case boolean, int32, int64, float, double, bytes
    case fixed(byteCount: Int)

    var number: Int32 {
        switch self {
        case .boolean: 0
        case .int32: 1
        case .int64: 2
        case .float: 4
        case .double: 5
        case .bytes: 6
        case .fixed: 7
        }
    }

    /// Bytes of a value in PLAIN encoding; nil where they differ or where values are bits.
    var width: Int? {
        switch self {
        case .boolean, .bytes: nil
        case .int32, .float: 4
        case .int64, .double: 8
        case .fixed(let byteCount): byteCount
        }
    }
}

/// What values mean.
package enum ParquetLogicalType: Sendable, Hashable {
    package enum Unit: Int, Sendable, Hashable { case millis = 1, micros, nanos }

    case string, json, enumeration
    /// Big-endian two's complement in bytes or fixed bytes.
    case decimal(precision: Int, scale: Int)
    /// Days since 1970.
    case date
    case time(Unit)
    /// Since 1970 UTC.
    case timestamp(Unit)
    case integer(bits: Int)
}

package struct ParquetError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// A schema that Parquet does not have.
        case schema
        /// A value that does not fit its column.
        case value
        /// A compression library failed.
        case compression
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// A schema with its levels and columns worked out (Dremel's).
///
/// A definition level counts the optional and repeated fields on the way to a value that are there; a repetition level says
/// at which repeated field of the way a value goes on instead of beginning anew.
package struct ParquetSchema: Sendable {
    final class Node: Sendable {
        let field: ParquetField
        /// With this field's own optionality counted in.
        let definition: UInt8
        /// Of a list or map: the level of its further elements. Else that of what is around.
        let repetition: UInt8
        let children: [Node]
        /// Its columns.
        let leaves: Range<Int>

        init(_ field: ParquetField, _ definition: UInt8, _ repetition: UInt8, _ children: [Node], _ leaves: Range<Int>)
        {
            self.field = field
            self.definition = definition
            self.repetition = repetition
            self.children = children
            self.leaves = leaves
        }
    }

    /// One column with where it stands.
    package struct Leaf: Sendable {
        package var path: [String]
        package var primitive: ParquetPrimitive
        package var logical: ParquetLogicalType?
        package var definitionMax: UInt8
        package var repetitionMax: UInt8
    }

    package let fields: [ParquetField]
    package let leaves: [Leaf]
    let nodes: [Node]

    /// How deep fields may be nested: levels are bytes here.
    package static let depthMax = 64
    package static let columnCountMax = 20_000

    /// - Throws: `.schema` for groups without members, two members with one name, or too much of them.
    package init(_ fields: [ParquetField]) throws(ParquetError) {
        var leaves: [Leaf] = []
        self.fields = fields
        nodes = try Self.members(fields, [], 0, 0, &leaves, "the record")
        self.leaves = leaves
    }

    private static func members(
        _ fields: [ParquetField], _ path: [String], _ definition: UInt8, _ repetition: UInt8, _ leaves: inout [Leaf],
        _ place: String
    ) throws(ParquetError) -> [Node] {
        guard !fields.isEmpty else {
            throw ParquetError(.schema, "\(place) has no fields, and Parquet has no groups without members")
        }
        var known: Set<String> = []
        var nodes: [Node] = []
        for field in fields {
            guard known.insert(field.name).inserted else {
                throw ParquetError(.schema, "\(place) has two fields with the name \"\(field.name)\"")
            }
            nodes.append(try node(field, path + [field.name], definition, repetition, &leaves))
        }
        return nodes
    }

    private static func node(
        _ field: ParquetField, _ path: [String], _ outer: UInt8, _ repetition: UInt8, _ leaves: inout [Leaf]
    ) throws(ParquetError) -> Node {
        guard path.count <= depthMax else {
            throw ParquetError(.schema, "fields are nested more than \(depthMax) levels deep")
        }
        let definition = outer + (field.isOptional ? 1 : 0)
        let first = leaves.count
        var children: [Node] = []
        var own = repetition
        switch field.kind {
        case .primitive(let primitive, let logical):
            guard leaves.count < columnCountMax else {
                throw ParquetError(.schema, "the schema has more than \(columnCountMax) columns")
            }
            leaves.append(
                Leaf(
                    path: path, primitive: primitive, logical: logical, definitionMax: definition,
                    repetitionMax: repetition))
        case .group(let fields):
            children = try members(
                fields, path, definition, repetition, &leaves, "field \"\(path.joined(separator: "."))\"")
        case .list(var element):
            element.name = "element"
            own += 1
            children = [try node(element, path + ["list", "element"], definition + 1, own, &leaves)]
        case .map(var key, var value):
            key.name = "key"
            key.isOptional = false
            value.name = "value"
            own += 1
            children = [
                try node(key, path + ["key_value", "key"], definition + 1, own, &leaves),
                try node(value, path + ["key_value", "value"], definition + 1, own, &leaves),
            ]
        }
        return Node(field, definition, own, children, first..<leaves.count)
    }
}
