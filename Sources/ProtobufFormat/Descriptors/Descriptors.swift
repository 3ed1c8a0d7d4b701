/// What a field holds, by the numbers that descriptors have for it (`FieldDescriptorProto.Type`).
package enum FieldKind: UInt8, Sendable, BitwiseCopyable {
    case double = 1, float, int64, uint64, int32, fixed64, fixed32, bool, string, group, message, bytes, uint32,
        enumeration, sfixed32, sfixed64, sint32, sint64

    init(_ type: ScalarType) {
        self =
            switch type {
            case .double: .double
            case .float: .float
            case .int64: .int64
            case .uint64: .uint64
            case .int32: .int32
            case .fixed64: .fixed64
            case .fixed32: .fixed32
            case .bool: .bool
            case .string: .string
            case .bytes: .bytes
            case .uint32: .uint32
            case .sfixed32: .sfixed32
            case .sfixed64: .sfixed64
            case .sint32: .sint32
            case .sint64: .sint64
            }
    }

    /// Whether repeated values can share one tag.
    package var isPackable: Bool {
        switch self {
        case .string, .group, .message, .bytes: false
        default: true
        }
    }

    /// How one value of this kind is marked on the wire.
    var wireType: WireType {
        switch self {
        case .double, .fixed64, .sfixed64: .fixed64
        case .float, .fixed32, .sfixed32: .fixed32
        case .string, .message, .bytes: .lengthDelimited
        case .group: .startGroup
        case .int64, .uint64, .int32, .bool, .uint32, .enumeration, .sint32, .sint64: .varint
        }
    }
}

/// A field of a message, or an extension of it.
package struct FieldDescriptor: Sendable {
    package enum Cardinality: Sendable {
        case optional
        case required
        case repeated
        case map
    }

    package var name: String
    package var jsonName: String
    package var number: Int32
    package var kind: FieldKind
    package var cardinality: Cardinality
    /// Whether values are written packed. Both ways are read.
    package var isPacked: Bool
    /// Whether "not set" differs from the default value.
    package var hasPresence: Bool
    /// Place in `ProtobufSchema.messages` or `.enums`, of what kind says; -1 for scalars. Of a map: its entry's
    /// message.
    package var typeIndex: Int
    /// Place in `MessageDescriptor.oneofs`; the one that proto3 makes for `optional` is none of them.
    package var oneofIndex: Int?
    /// nil: zero, empty, or the first constant.
    package var defaultValue: ProtobufValue?
    package var isExtension: Bool
    /// Declared `optional` in proto3.
    package var isProto3Optional: Bool

    package var isRepeated: Bool { cardinality == .repeated || cardinality == .map }
    package var isMap: Bool { cardinality == .map }
}

/// What the decoder needs of a field, without anything that is counted.
struct FieldPlan: BitwiseCopyable, Sendable {
    var kind: FieldKind
    var wireType: WireType
    var isRepeated: Bool
    var isMap: Bool
    /// Whether values can also come packed.
    var isPackable: Bool
    var number: Int32
    /// -1 outside of oneofs.
    var oneofIndex: Int32
    /// Of an enum, whether numbers without a constant are no values.
    var isClosedEnum = false
    var typeIndex: Int

    init(_ field: FieldDescriptor) {
        kind = field.kind
        wireType = field.kind.wireType
        isRepeated = field.isRepeated
        isMap = field.isMap
        isPackable = field.isRepeated && field.kind.isPackable
        number = field.number
        typeIndex = field.typeIndex
        oneofIndex = Int32(truncatingIfNeeded: field.oneofIndex ?? -1)
    }
}

/// What the decoder needs of a message.
final class MessagePlan: Sendable {
    let fields: [FieldPlan]
    /// Places by number for low numbers, -1 where there is none.
    let lowNumbers: [Int16]
    let highNumbers: [Int32: Int]
    let maps: [Int]
    let required: [Int]

    init(_ message: MessageDescriptor, _ enums: [EnumDescriptor]) {
        fields = message.fields.map { field in
            var plan = FieldPlan(field)
            plan.isClosedEnum = field.kind == .enumeration && enums[field.typeIndex].isClosed
            return plan
        }
        lowNumbers = message.lowNumbers
        highNumbers = message.highNumbers
        maps = message.fields.indices.filter { message.fields[$0].isMap }
        required = message.requiredFields
    }

    @inline(__always) func index(_ number: Int32) -> Int? {
        if number < lowNumbers.count {
            let index = lowNumbers[Int(number)]
            return index < 0 ? nil : Int(index)
        }
        return highNumbers[number]
    }
}

package struct MessageDescriptor: Sendable {
    package var fullName: String
    package var name: String
    /// The file that declares it, as it is imported; "" is the schema's own.
    package var file: String
    /// Where it stands in its file: place among the messages, then among those inside, and so on (what a message index
    /// in front of a record says). nil for the entries of a map that is written as `map<K, V>`.
    package var path: [Int32]?
    /// In the order of the text, members of oneofs where they are declared; extensions behind them.
    package var fields: [FieldDescriptor] = []
    package var oneofs: [String] = []
    package var isMapEntry: Bool
    package var isProto3: Bool
    /// Places in `fields` by number, as messages are written.
    package var fieldOrder: [Int] = []
    /// Places of the required ones.
    package var requiredFields: [Int] = []
    /// Which well-known message this is to JSON.
    var wellKnown: WellKnownMessage?
    /// Places by number for low numbers, -1 where there is none: the way of the decoder.
    var lowNumbers: [Int16] = []
    private(set) var highNumbers: [Int32: Int] = [:]
    private var byName: [String: Int] = [:]
    private var byJSONName: [String: Int] = [:]

    init(fullName: String, name: String, file: String, path: [Int32]?, isMapEntry: Bool, isProto3: Bool) {
        self.fullName = fullName
        self.name = name
        self.file = file
        self.path = path
        self.isMapEntry = isMapEntry
        self.isProto3 = isProto3
    }

    /// The place in `fields` of the field with this number.
    package func fieldIndex(number: Int32) -> Int? {
        if number > 0, number < lowNumbers.count {
            let index = lowNumbers[Int(number)]
            return index < 0 ? nil : Int(index)
        }
        return highNumbers[number]
    }

    /// The place of the field with this name, as the `.proto` text has it; an extension by its full name.
    package func fieldIndex(name: String) -> Int? { byName[name] }

    /// The place of the field with this name in JSON, either of the two that are allowed.
    package func fieldIndex(jsonName: String) -> Int? { byJSONName[jsonName] ?? byName[jsonName] }

    /// Called once all fields are there.
    mutating func index() {
        fieldOrder = fields.indices.sorted { fields[$0].number < fields[$1].number }
        requiredFields = fields.indices.filter { fields[$0].cardinality == .required }
        let low = fields.map(\.number).filter { $0 < 256 }.max() ?? 0
        lowNumbers = Array(repeating: -1, count: Int(low) + 1)
        for (place, field) in fields.enumerated() {
            if field.number > 0, field.number <= low, place <= Int16.max {
                lowNumbers[Int(field.number)] = Int16(place)
            } else {
                highNumbers[field.number] = place
            }
            byName[field.name] = place
            byJSONName[field.jsonName] = place
        }
        wellKnown = WellKnownMessage(rawValue: fullName)
    }
}

package struct EnumDescriptor: Sendable {
    package struct Constant: Sendable, Hashable {
        package var name: String
        package var number: Int32
    }

    package var fullName: String
    package var name: String
    package var file: String
    /// In the order of the text; the first is the default.
    package var constants: [Constant]
    /// Whether numbers that have no constant are no values of it (proto2).
    package var isClosed: Bool
    private var names: [Int32: String] = [:]
    private var numbers: [String: Int32] = [:]

    init(fullName: String, name: String, file: String, constants: [Constant], isClosed: Bool) {
        self.fullName = fullName
        self.name = name
        self.file = file
        self.constants = constants
        self.isClosed = isClosed
        for constant in constants {
            if names[constant.number] == nil { names[constant.number] = constant.name }
            numbers[constant.name] = constant.number
        }
    }

    /// The first constant with this number.
    package func name(of number: Int32) -> String? { names[number] }

    package func number(of name: String) -> Int32? { numbers[name] }

    package var defaultNumber: Int32 { constants.first?.number ?? 0 }
}

/// The messages whose JSON is not that of their fields.
enum WellKnownMessage: String, Sendable {
    case any = "google.protobuf.Any"
    case timestamp = "google.protobuf.Timestamp"
    case duration = "google.protobuf.Duration"
    case fieldMask = "google.protobuf.FieldMask"
    case structure = "google.protobuf.Struct"
    case value = "google.protobuf.Value"
    case list = "google.protobuf.ListValue"
    case doubleValue = "google.protobuf.DoubleValue"
    case floatValue = "google.protobuf.FloatValue"
    case int64Value = "google.protobuf.Int64Value"
    case uint64Value = "google.protobuf.UInt64Value"
    case int32Value = "google.protobuf.Int32Value"
    case uint32Value = "google.protobuf.UInt32Value"
    case boolValue = "google.protobuf.BoolValue"
    case stringValue = "google.protobuf.StringValue"
    case bytesValue = "google.protobuf.BytesValue"
}
