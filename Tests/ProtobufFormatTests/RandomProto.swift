import ProtobufFormat
import TestKit

/// Random files, and random messages of them.
struct RandomProto {
    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    // MARK: Files

    private var typeNames: [String] = []
    private var isProto3 = true

    /// A text with messages inside of messages, enums, maps, oneofs, and what else its syntax has.
    mutating func file() -> String {
        isProto3 = chance(60)
        var text = "syntax = \"\(isProto3 ? "proto3" : "proto2")\";\n"
        if chance(80) { text += "package \(chance(50) ? "p" : "org.example_1");\n" }
        text += "import \"google/protobuf/timestamp.proto\";\n"
        let count = 1 + below(4)
        typeNames = (0..<count).map { "M\($0)" } + ["E0", "M0.N", "M0.F"]
        for index in 0..<count { text += message("M\(index)", depth: 0, hasInner: index == 0) }
        text += enumeration("E0", prefix: "E0_")
        return text
    }

    private mutating func message(_ name: String, depth: Int, hasInner: Bool) -> String {
        var text = "message \(name) {\n"
        if hasInner {
            text += message("N", depth: depth + 1, hasInner: false)
            text += enumeration("F", prefix: "F_")
        }
        var number = 1
        for index in 0..<below(9) {
            number += chance(80) ? 1 : below(3000)
            text += field("f_\(index)", number)
        }
        if chance(50) {
            text += "oneof choice {\n"
            for index in 0...below(3) {
                number += 1
                text += "\(type(repeatable: false)) c\(index)Of = \(number);\n"
            }
            text += "}\n"
        }
        if !isProto3, chance(30) {
            text += "optional group Grp\(depth) = \(number + 1) { optional int32 a = 1; repeated string b = 2; }\n"
        }
        if chance(20) { text += "reserved \(number + 10), \(number + 20) to \(number + 30); reserved \"gone\";\n" }
        return text + "}\n"
    }

    private mutating func enumeration(_ name: String, prefix: String) -> String {
        var text = "enum \(name) {\n\(prefix)ZERO = 0;\n"
        for index in 1...(1 + below(4)) { text += "\(prefix)C\(index) = \(chance(80) ? index : -index * 1000);\n" }
        return text + "}\n"
    }

    private mutating func type(repeatable: Bool) -> String {
        if chance(30), let name = typeNames.randomElement(using: &random) { return name }
        if chance(5) { return "google.protobuf.Timestamp" }
        return ScalarType.allCases.randomElement(using: &random)?.rawValue ?? "int32"
    }

    private mutating func field(_ name: String, _ number: Int) -> String {
        if chance(15) {
            let keys = ScalarType.allCases.filter(\.isMapKey)
            return
                "map<\(keys.randomElement(using: &random)?.rawValue ?? "string"), \(type(repeatable: false))> \(name) = \(number);\n"
        }
        let type = type(repeatable: true)
        if chance(30) {
            let isPackable = ScalarType(rawValue: type).map { $0 != .string && $0 != .bytes } ?? false
            let packed = isPackable && chance(40) ? " [packed = \(chance(50))]" : ""
            return "repeated \(type) \(name) = \(number)\(packed);\n"
        }
        if isProto3 { return "\(chance(25) ? "optional " : "")\(type) \(name) = \(number);\n" }
        let isScalar = ScalarType(rawValue: type) != nil
        return "\(isScalar && chance(10) ? "required" : "optional") \(type) \(name) = \(number);\n"
    }

    // MARK: Messages

    /// A message in which nothing is set that would read back as not set.
    mutating func message(_ schema: ProtobufSchema, _ typeIndex: Int, depth: Int = 0) -> ProtobufMessage {
        var message = schema.emptyMessage(typeIndex)
        let descriptor = schema.messages[typeIndex]
        var oneofs: Set<Int> = []
        for index in descriptor.fields.indices.shuffled(using: &random) {
            let field = descriptor.fields[index]
            guard field.cardinality == .required || chance(depth > 3 ? 10 : 60) else { continue }
            if let oneof = field.oneofIndex, !oneofs.insert(oneof).inserted { continue }
            let isDeep = depth > 5 && (field.kind == .message || field.kind == .group)
            if isDeep { continue }
            switch field.cardinality {
            case .repeated:
                message.values[index] = .list((0...below(4)).map { _ in value(schema, field, depth) })
            case .map:
                let entry = schema.messages[field.typeIndex]
                var entries: [ProtobufValue: ProtobufValue] = [:]
                for _ in 0...below(3) {
                    entries[value(schema, entry.fields[0], depth)] = value(schema, entry.fields[1], depth)
                }
                message.values[index] = .map(
                    entries.map { ProtobufMapEntry($0.key, $0.value) }.sorted { "\($0.key)" < "\($1.key)" })
            case .optional, .required:
                let value = value(schema, field, depth)
                if !field.hasPresence, value == schema.defaultValue(of: field) { continue }
                message.values[index] = value
            }
        }
        return message
    }

    private mutating func number() -> UInt64 {
        switch below(4) {
        case 0: UInt64(below(3))
        case 1: random.next() >> UInt64(below(64))
        case 2: ~(random.next() >> UInt64(below(64)))
        default: UInt64(1) << UInt64(below(64))
        }
    }

    private mutating func value(_ schema: ProtobufSchema, _ field: FieldDescriptor, _ depth: Int) -> ProtobufValue {
        let bits = number()
        switch field.kind {
        case .int32, .sint32, .sfixed32: return .int32(Int32(truncatingIfNeeded: bits))
        case .int64, .sint64, .sfixed64: return .int64(Int64(bitPattern: bits))
        case .uint32, .fixed32: return .uint32(UInt32(truncatingIfNeeded: bits))
        case .uint64, .fixed64: return .uint64(bits)
        case .bool: return .bool(bits & 1 == 1)
        case .float: return .float(chance(5) ? .infinity : Float(Int64(bitPattern: bits)) / 8)
        case .double: return .double(chance(5) ? -.infinity : Double(Int64(bitPattern: bits)) / 1024)
        case .string: return .string(String(String.UnicodeScalarView((0..<below(9)).map { _ in scalar() })))
        case .bytes: return .bytes((0..<below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .enumeration:
            let descriptor = schema.enums[field.typeIndex]
            if !descriptor.isClosed, chance(10) { return .enumeration(Int32(truncatingIfNeeded: bits)) }
            return .enumeration(descriptor.constants.randomElement(using: &random)?.number ?? 0)
        case .message, .group:
            if schema.messages[field.typeIndex].fullName == "google.protobuf.Timestamp" {
                var time = schema.emptyMessage(field.typeIndex)
                time.values = [.int64(1 + Int64(bits >> 34)), .int32(1 + Int32(bits & 0xFFFF))]
                return .message(time)
            }
            return .message(message(schema, field.typeIndex, depth: depth + 1))
        }
    }

    private mutating func scalar() -> Unicode.Scalar {
        let ranges: [ClosedRange<UInt32>] = [
            0x20...0x7E, 0x00...0x1F, 0xA0...0x2FF, 0x4E00...0x4FFF, 0x1F600...0x1F64F,
        ]
        return Unicode.Scalar(UInt32.random(in: ranges[below(ranges.count)], using: &random)) ?? "?"
    }
}
