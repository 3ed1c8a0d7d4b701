package import JSONFormat

/// An Avro schema: a type, and all types that it reaches, which may reach back (a list node that holds a list node).
///
/// A cheap value to copy. Types are looked up by their ids in `types`; `self[id]` is the schema of that type alone.
///
/// - SeeAlso: Apache Avro 1.11 specification, "Schema Declaration".
package struct AvroSchema: Sendable {
    package typealias ID = Int

    package let types: [AvroType]
    package let root: ID
    /// Full names of types that the text refers to and does not define; they come from other schemas.
    let external: Set<String>

    /// The type at the top.
    package var type: AvroType { types[root] }

    /// The same types, seen from another one.
    package subscript(id: ID) -> AvroSchema { AvroSchema(types: types, root: id, external: external) }

    /// Full names of all named types, the schema's own first and then in the order of their definition; those that come
    /// from other schemas are left out.
    package var names: [String] {
        let own = type.name.map { [$0.full] } ?? []
        let all = types.compactMap(\.name?.full).filter { !external.contains($0) }
        return own + all.filter { !own.contains($0) }
    }
}

/// One type of a schema.
package struct AvroType: Sendable {
    package enum Kind: Sendable {
        case primitive(AvroPrimitive)
        case array(items: AvroSchema.ID)
        case map(values: AvroSchema.ID)
        case union([AvroSchema.ID])
        case record(AvroRecord)
        case enumeration(AvroEnumeration)
        case fixed(AvroFixed)
    }

    package var kind: Kind
    /// What the type means beyond its encoding; nil also where `logicalType` is unknown or does not fit, as the
    /// specification wants.
    package var logicalType: AvroLogicalType?
    /// Members that the specification does not know, `logicalType` and its parameters among them, in their order.
    package var properties: [(name: String, value: JSONValue)] = []

    /// The name of a named type.
    package var name: AvroName? {
        switch kind {
        case .record(let record): record.name
        case .enumeration(let enumeration): enumeration.name
        case .fixed(let fixed): fixed.name
        case .primitive, .array, .map, .union: nil
        }
    }

    /// The other names of a named type.
    package var aliases: [AvroName] {
        switch kind {
        case .record(let record): record.aliases
        case .enumeration(let enumeration): enumeration.aliases
        case .fixed(let fixed): fixed.aliases
        case .primitive, .array, .map, .union: []
        }
    }

    /// The word for the kind of type: "record", "int" ...
    package var word: String {
        switch kind {
        case .primitive(let primitive): primitive.rawValue
        case .array: "array"
        case .map: "map"
        case .union: "union"
        case .record: "record"
        case .enumeration: "enum"
        case .fixed: "fixed"
        }
    }

    /// What a branch of a union is called in Avro's JSON encoding: the full name, or the word.
    package var branchName: String { name?.full ?? word }
}

package struct AvroRecord: Sendable {
    package var name: AvroName
    package var aliases: [AvroName] = []
    package var doc: String?
    package var fields: [AvroField] = [] {
        didSet {
            positions = Dictionary(fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }
    private var positions: [String: Int] = [:]
    /// Declared with the type "error": a record in all but the word.
    package var isError = false

    /// The position of the field of that name.
    package func index(of field: String) -> Int? { positions[field] }

    init(name: AvroName, isError: Bool = false) {
        self.name = name
        self.isError = isError
    }
}

package struct AvroField: Sendable {
    package enum Order: String, Sendable { case ascending, descending, ignore }

    package var name: String
    package var type: AvroSchema.ID
    package var doc: String?
    package var aliases: [String] = []
    /// As it stands in the text; see `AvroSchema.defaultValue`.
    package var defaultValue: JSONValue?
    package var order = Order.ascending
    package var properties: [(name: String, value: JSONValue)] = []
}

package struct AvroEnumeration: Sendable {
    package var name: AvroName
    package var aliases: [AvroName] = []
    package var doc: String?
    package let symbols: [String]
    private let positions: [String: Int]
    /// What a reader takes a symbol for that it does not know.
    package var defaultSymbol: String?

    /// The number of a symbol.
    package func index(of symbol: String) -> Int? { positions[symbol] }

    init(name: AvroName, symbols: [String]) {
        self.name = name
        self.symbols = symbols
        positions = Dictionary(symbols.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }
}

package struct AvroFixed: Sendable {
    package var name: AvroName
    package var aliases: [AvroName] = []
    package var doc: String?
    /// Bytes, 0 or more.
    package var size: Int
}
