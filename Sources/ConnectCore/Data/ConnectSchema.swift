/// What a value is: Connect's `Schema`. Immutable and shared; equal by content, with a look at the identity first.
///
/// Logical types are schemas with a name: Connect's own (`LogicalType`) have values of their own kind, Debezium's
/// (`io.debezium.time.MicroTimestamp` ...) keep the values of the type beneath.
package final class ConnectSchema: Sendable {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case int8 = "INT8"
        case int16 = "INT16"
        case int32 = "INT32"
        case int64 = "INT64"
        case float32 = "FLOAT32"
        case float64 = "FLOAT64"
        case boolean = "BOOLEAN"
        case string = "STRING"
        case bytes = "BYTES"
        case array = "ARRAY"
        case map = "MAP"
        case structure = "STRUCT"

        package var isPrimitive: Bool {
            switch self {
            case .array, .map, .structure: false
            default: true
            }
        }
    }

    package struct Field: Sendable, Hashable {
        package var name: String
        package var schema: ConnectSchema

        package init(_ name: String, _ schema: ConnectSchema) {
            self.name = name
            self.schema = schema
        }
    }

    /// A parameter; they keep the order they were given in.
    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package let kind: Kind
    package let isOptional: Bool
    /// nil when there is none.
    package let defaultValue: ConnectValue?
    package let name: String?
    package let version: Int32?
    package let doc: String?
    package let parameters: [Parameter]
    /// Of a struct; empty for everything else.
    package var fields: [Field] { reference?.level.fields ?? ownFields }
    /// Of a map.
    package let keySchema: ConnectSchema?
    /// Of a map's values or an array's elements.
    package let valueSchema: ConnectSchema?
    package let logicalType: LogicalType?
    /// Whether a struct that contains itself is here or beneath: whoever follows such a schema without values to lead
    /// the way comes to no end.
    package let isRecursive: Bool
    /// How many schemas there are here and beneath when one that stands in several places counts in each: what whoever
    /// follows every path comes across. Types that use each other twice double it at every level.
    package let unfoldedCount: Int
    /// Of a struct that contains itself: where its fields are.
    let reference: StructReference?
    /// What a struct that was unrolled tells from those that look like it: each look makes another one.
    private let origin: StructReference.Identity?
    private let ownFields: [Field]
    private let places: [String: Int]

    package convenience init(
        _ kind: Kind, isOptional: Bool = false, defaultValue: ConnectValue? = nil, name: String? = nil,
        version: Int32? = nil, doc: String? = nil, parameters: [Parameter] = [], fields: [Field] = [],
        keySchema: ConnectSchema? = nil, valueSchema: ConnectSchema? = nil
    ) {
        self.init(
            kind, isOptional: isOptional, defaultValue: defaultValue, name: name, version: version, doc: doc,
            parameters: parameters, fields: fields, keySchema: keySchema, valueSchema: valueSchema, reference: nil)
    }

    /// - Parameter reference: takes the place of the fields.
    init(
        _ kind: Kind, isOptional: Bool = false, defaultValue: ConnectValue? = nil, name: String? = nil,
        version: Int32? = nil, doc: String? = nil, parameters: [Parameter] = [], fields: [Field] = [],
        keySchema: ConnectSchema? = nil, valueSchema: ConnectSchema? = nil, reference: StructReference?,
        origin: StructReference.Identity? = nil
    ) {
        self.kind = kind
        self.isOptional = isOptional
        self.defaultValue = defaultValue
        self.name = name
        self.version = version
        self.doc = doc
        self.parameters = parameters
        ownFields = fields
        self.reference = reference
        self.origin = origin
        isRecursive =
            reference != nil || keySchema?.isRecursive == true || valueSchema?.isRecursive == true
            || fields.contains { $0.schema.isRecursive }
        var count = 1 + (keySchema?.unfoldedCount ?? 0) + (valueSchema?.unfoldedCount ?? 0)
        for field in fields { count = min(count + field.schema.unfoldedCount, 1 << 48) }
        unfoldedCount = min(count, 1 << 48)
        self.keySchema = keySchema
        self.valueSchema = valueSchema
        logicalType = name.flatMap { LogicalType(rawValue: $0) }.flatMap { $0.kind == kind ? $0 : nil }
        places = Self.places(fields)
    }

    static func places(_ fields: [Field]) -> [String: Int] {
        // Of two fields with one name the first counts; builders refuse the second.
        Dictionary(fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package func index(of field: String) -> Int? { (reference?.level.places ?? places)[field] }

    /// The fields and their places by name, for who asks for several of them: a struct that contains itself may be unrolled
    /// anew each time that it is asked.
    var level: StructReference.Level { reference?.level ?? .init(fields: ownFields, places: places) }

    package func field(_ name: String) -> Field? { index(of: name).map { fields[$0] } }

    package func parameter(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// - Throws: `.data` for anything but a struct, as Java's `fields()` does.
    package func structFields() throws(ConnectError) -> [Field] {
        guard kind == .structure else { throw .data("Cannot list fields on non-struct type") }
        return fields
    }

    /// The scale of a Decimal.
    package func decimalScale() throws(ConnectError) -> Int {
        guard let text = parameter("scale") else {
            throw .data("Invalid Decimal schema: scale parameter not found.")
        }
        guard let scale = Int32(text) else {
            throw .data("Invalid scale parameter found in Decimal schema: ")
        }
        return Int(scale)
    }
}

extension ConnectSchema: Hashable {
    package static func == (a: ConnectSchema, b: ConnectSchema) -> Bool {
        var compared = ComparedSchemas()
        return isSame(a, b, &compared)
    }

    /// Of two structs, whatever else the schemas say.
    static func hasSameFields(_ a: ConnectSchema, _ b: ConnectSchema) -> Bool {
        var compared = ComparedSchemas()
        return hasSameFields(a, b, &compared)
    }

    /// What tells the fields of a struct that contains itself; nil where they have an end.
    var identity: StructReference.Identity? { reference?.identity ?? origin }

    private static func isSame(_ a: ConnectSchema, _ b: ConnectSchema, _ compared: inout ComparedSchemas) -> Bool {
        if a === b { return true }
        if !a.isRecursive, a.unfoldedCount != b.unfoldedCount { return false }
        if compared.isKnown(a, b) { return true }
        return a.kind == b.kind && a.isRecursive == b.isRecursive && a.isOptional == b.isOptional && a.name == b.name
            && a.version == b.version && a.doc == b.doc && isSame(a.keySchema, b.keySchema, &compared)
            && isSame(a.valueSchema, b.valueSchema, &compared) && a.defaultValue == b.defaultValue
            && hasSameParameters(a, b) && hasSameFields(a, b, &compared)
    }

    private static func isSame(
        _ a: ConnectSchema?, _ b: ConnectSchema?, _ compared: inout ComparedSchemas
    ) -> Bool {
        guard let a, let b else { return a == nil && b == nil }
        return isSame(a, b, &compared)
    }

    private static func hasSameFields(
        _ a: ConnectSchema, _ b: ConnectSchema, _ compared: inout ComparedSchemas
    ) -> Bool {
        if let reference = a.reference, let other = b.reference {
            if reference === other { return true }
            // Of definitions that are still being made the numbers are all.
            guard reference.isBound, other.isBound else {
                return reference.isBound == other.isBound && reference.number == other.number
            }
        }
        if compared.isOpen(a, b) { return true }
        let (fields, others) = (a.fields, b.fields)
        guard fields.count == others.count else { return false }
        for (field, other) in zip(fields, others) {
            guard field.name == other.name, isSame(field.schema, other.schema, &compared) else { return false }
        }
        return true
    }

    private static func hasSameParameters(_ a: ConnectSchema, _ b: ConnectSchema) -> Bool {
        a.parameters.count == b.parameters.count
            && (a.parameters == b.parameters || Set(a.parameters) == Set(b.parameters))
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        hasher.combine(isOptional)
        hasher.combine(name)
        hasher.combine(version)
        hasher.combine(fields.count)
        for field in fields { hasher.combine(field.name) }
    }
}

/// The pairs of schemas that one comparison has come across. It ends with the first difference, so a pair that comes again
/// has none, or none that is not going to be found where it came first.
struct ComparedSchemas {
    private struct Pair: Hashable {
        var one: ObjectIdentifier
        var other: ObjectIdentifier
    }

    /// Of structs that contain themselves.
    private var structs: Set<[StructReference.Identity]> = []
    /// Of schemas with an end, which are there as long as what is compared.
    private var pairs: Set<Pair> = []
    /// What is smaller is compared sooner than looked up.
    private static let unfoldedCountMin = 16

    /// Whether the pair was met before. Types that use each other twice have 2^n paths through n of them.
    mutating func isKnown(_ a: ConnectSchema, _ b: ConnectSchema) -> Bool {
        guard !a.isRecursive, !b.isRecursive, a.unfoldedCount >= Self.unfoldedCountMin else { return false }
        return !pairs.insert(Pair(one: ObjectIdentifier(a), other: ObjectIdentifier(b))).inserted
    }

    /// Whether the fields of two structs that contain themselves are the same, or are being compared.
    mutating func isOpen(_ a: ConnectSchema, _ b: ConnectSchema) -> Bool {
        guard let one = a.identity, let other = b.identity else { return false }
        return one == other || !structs.insert([one, other]).inserted
    }
}

extension ConnectSchema: CustomStringConvertible {
    /// As Java prints a schema in messages.
    package var description: String { name.map { "Schema{\($0):\(kind.rawValue)}" } ?? "Schema{\(kind.rawValue)}" }
}

/// The logical types of Connect itself, by the names of their schemas.
package enum LogicalType: String, Sendable, Hashable {
    case decimal = "org.apache.kafka.connect.data.Decimal"
    /// Days since 1970.
    case date = "org.apache.kafka.connect.data.Date"
    /// Milliseconds of the day.
    case time = "org.apache.kafka.connect.data.Time"
    /// Milliseconds since 1970.
    case timestamp = "org.apache.kafka.connect.data.Timestamp"

    package var kind: ConnectSchema.Kind {
        switch self {
        case .decimal: .bytes
        case .date, .time: .int32
        case .timestamp: .int64
        }
    }
}

extension ConnectSchema {
    package static let int8 = ConnectSchema(.int8)
    package static let int16 = ConnectSchema(.int16)
    package static let int32 = ConnectSchema(.int32)
    package static let int64 = ConnectSchema(.int64)
    package static let float32 = ConnectSchema(.float32)
    package static let float64 = ConnectSchema(.float64)
    package static let boolean = ConnectSchema(.boolean)
    package static let string = ConnectSchema(.string)
    package static let bytes = ConnectSchema(.bytes)
    package static let optionalInt8 = ConnectSchema(.int8, isOptional: true)
    package static let optionalInt16 = ConnectSchema(.int16, isOptional: true)
    package static let optionalInt32 = ConnectSchema(.int32, isOptional: true)
    package static let optionalInt64 = ConnectSchema(.int64, isOptional: true)
    package static let optionalFloat32 = ConnectSchema(.float32, isOptional: true)
    package static let optionalFloat64 = ConnectSchema(.float64, isOptional: true)
    package static let optionalBoolean = ConnectSchema(.boolean, isOptional: true)
    package static let optionalString = ConnectSchema(.string, isOptional: true)
    package static let optionalBytes = ConnectSchema(.bytes, isOptional: true)

    package static let date = logical(.date)
    package static let time = logical(.time)
    package static let timestamp = logical(.timestamp)
    package static let optionalTimestamp = logical(.timestamp, isOptional: true)

    /// Date, Time or Timestamp.
    package static func logical(_ type: LogicalType, isOptional: Bool = false) -> ConnectSchema {
        ConnectSchema(type.kind, isOptional: isOptional, name: type.rawValue, version: 1)
    }

    package static func decimal(scale: Int, isOptional: Bool = false) -> ConnectSchema {
        ConnectSchema(
            .bytes, isOptional: isOptional, name: LogicalType.decimal.rawValue, version: 1,
            parameters: [Parameter("scale", String(scale))])
    }

    package static func array(_ element: ConnectSchema, isOptional: Bool = false) -> ConnectSchema {
        ConnectSchema(.array, isOptional: isOptional, valueSchema: element)
    }

    package static func map(_ key: ConnectSchema, _ value: ConnectSchema, isOptional: Bool = false) -> ConnectSchema {
        ConnectSchema(.map, isOptional: isOptional, keySchema: key, valueSchema: value)
    }

    package static func structure(
        _ fields: [Field], name: String? = nil, version: Int32? = nil, isOptional: Bool = false
    ) -> ConnectSchema {
        ConnectSchema(.structure, isOptional: isOptional, name: name, version: version, fields: fields)
    }

    /// A copy in which some of the parts are others. `nil` keeps a part; a part that is optional itself is taken away by
    /// `.some(nil)`.
    package func with(
        isOptional: Bool? = nil, defaultValue: ConnectValue?? = nil, name: String?? = nil, version: Int32?? = nil,
        doc: String?? = nil, parameters: [Parameter]? = nil, fields: [Field]? = nil
    ) -> ConnectSchema {
        ConnectSchema(
            kind, isOptional: isOptional ?? self.isOptional, defaultValue: defaultValue ?? self.defaultValue,
            name: name ?? self.name, version: version ?? self.version, doc: doc ?? self.doc,
            parameters: parameters ?? self.parameters, fields: fields ?? ownFields, keySchema: keySchema,
            valueSchema: valueSchema, reference: fields == nil ? reference : nil)
    }

    /// A struct with name, version, doc and parameters of `basics` and other fields, neither optional nor with a
    /// default: Java's `SchemaUtil.copySchemaBasics(schema, SchemaBuilder.struct())`.
    ///
    /// - Throws: `.schemaBuilder` for two fields with one name.
    package static func structure(
        basics: ConnectSchema, isOptional: Bool = false, defaultValue: ConnectValue? = nil, fields: [Field]
    ) throws(ConnectError) -> ConnectSchema {
        try checkFields(fields)
        return ConnectSchema(
            .structure, isOptional: isOptional, defaultValue: defaultValue, name: basics.name, version: basics.version,
            doc: basics.doc, parameters: basics.parameters, fields: fields)
    }

    /// - Throws: `.schemaBuilder` for two fields with one name, or one without.
    package static func checkFields(_ fields: [Field]) throws(ConnectError) {
        var known: Set<String> = []
        for field in fields {
            guard !field.name.isEmpty else { throw ConnectError(.schemaBuilder, "fieldName cannot be null.") }
            guard known.insert(field.name).inserted else {
                throw ConnectError(
                    .schemaBuilder, "Cannot create field because of field name duplication \(field.name)")
            }
        }
    }
}
