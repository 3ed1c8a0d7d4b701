import ProtobufFormat
import TestKit

/// A schema with what reads and writes messages of its first type.
struct ProtobufSubject: Sendable {
    var text: String
    var schema: ProtobufSchema
    var type: Int
    /// nil for messages that have no columns.
    var columns: (program: ProtobufColumnProgram, encoder: ProtobufColumnEncoder)?

    init(_ text: String) throws {
        self.text = text
        schema = try ProtobufSchema(file: ProtoFile(parsing: text))
        guard let main = schema.mainMessageIndex else { throw FuzzFailure("no message in \(text)") }
        type = main
        guard !text.contains("Node") else { return }  // it contains itself
        let layout = try ProtobufColumnLayout(schema, typeIndex: type)
        columns = (ProtobufColumnProgram(layout), ProtobufColumnEncoder(layout))
    }

    static let all = Result<[ProtobufSubject], any Error> { try texts.map { try ProtobufSubject($0) } }

    static let texts = [
        """
        syntax = "proto3"; package a.b; import "google/protobuf/timestamp.proto"; import "confluent/meta.proto";
        option java_package = "x.y"; message M { int64 id = 1; sint32 z = 2; double d = 3; string s = 4; bytes raw = 5;
        repeated int32 packed = 6; repeated string names = 7; map<string, Inner> inner = 8; E e = 9; optional bool o = 10;
        oneof choice { string left = 11; Inner right = 12; fixed64 f = 13; } google.protobuf.Timestamp at = 14;
        repeated sfixed32 loose = 15 [packed = false]; map<int32, uint64> counts = 4000; float x = 17 [deprecated = true];
        message Inner { uint32 u = 1; repeated E list = 2; reserved 5 to 7, 9; reserved "old"; }
        enum E { option allow_alias = true; ZERO = 0; ONE = 1; UNO = 1; MINUS = -1; } }
        """,
        """
        syntax = "proto2"; message N { required int32 id = 1; optional string s = 2 [default = "d\\n\\x41"];
        optional E e = 3 [default = B]; repeated group G = 4 { optional int64 a = 1; repeated E b = 2 [packed = true]; }
        extensions 100 to max; optional float inf = 5 [default = inf]; enum E { A = 1; B = 2; } }
        extend N { optional string more = 100; } service S { rpc Get (N) returns (stream N) { option deprecated = true; } }
        """,
        """
        syntax = "proto3"; message Node { Node next = 1; repeated Node rest = 2; map<bool, Node> by = 3; string value = 4; }
        """,
        """
        syntax = "proto3"; import "google/protobuf/struct.proto"; import "google/protobuf/any.proto";
        import "google/protobuf/wrappers.proto"; import "google/protobuf/duration.proto";
        import "google/protobuf/field_mask.proto"; message NodeOfValues { google.protobuf.Struct s = 1;
        google.protobuf.Any any = 2; google.protobuf.StringValue text = 3; google.protobuf.Duration d = 4;
        google.protobuf.FieldMask mask = 5; google.protobuf.Value v = 6;
        google.protobuf.Int64Value wide = 8; repeated google.protobuf.Value all = 9; }
        """,
    ]

    static let words = [
        "message", "M", "N", "enum", "E", "oneof", "map<", "map<string, ", ">", "repeated", "optional", "required",
        "group",
        "extend", "extensions", "reserved", "option", "import", "public", "weak", "package", "syntax", "\"proto2\"",
        "\"proto3\"", "service", "rpc", "returns", "stream", "to", "max", "=", "{", "}", "[", "]", "(", ")", ";", ",",
        ".", "<",
        "-", "0", "1", "2147483647", "536870911", "536870912", "99999999999999999999", "1.5e400", "-inf", "nan", "0x7f",
        "017",
        "\"", "'", "\\", "//", "/*", "*/", "a.b.M", ".google.protobuf.Any", "int32", "string", "Inner", "default",
        "packed",
        "json_name", "message X {", "[(confluent.field_meta) = { tags: [\"PII\"] }]", "option (x).y.z = {a: {b: [",
        "\n", "é",
        "allow_alias", "map_entry", "deprecated", "true", "inner", "id", "G",
    ]

    /// A message of a type; fields are left out now and then.
    static func message(
        _ schema: ProtobufSchema, _ type: Int, _ random: inout SeededRandom, depth: Int = 0
    ) -> ProtobufMessage {
        var message = schema.emptyMessage(type)
        let descriptor = schema.messages[type]
        var oneofs: Set<Int> = []
        for (index, field) in descriptor.fields.enumerated() {
            let isMessage = field.kind == .message || field.kind == .group
            if field.cardinality != .required, random.roll(3) == 0 || isMessage && depth > 3 { continue }
            if let oneof = field.oneofIndex, !oneofs.insert(oneof).inserted { continue }
            switch field.cardinality {
            case .optional, .required: message.values[index] = value(schema, field, &random, depth)
            case .repeated:
                message.values[index] = .list(
                    (0...random.roll(depth > 1 ? 1 : 3)).map { _ in value(schema, field, &random, depth) })
            case .map:
                let entry = schema.messages[field.typeIndex]
                guard let key = entry.fieldIndex(number: 1), let kept = entry.fieldIndex(number: 2) else { continue }
                var entries: [ProtobufValue: ProtobufValue] = [:]
                for _ in 0...random.roll(depth > 1 ? 1 : 3) {
                    entries[value(schema, entry.fields[key], &random, depth)] = value(
                        schema, entry.fields[kept], &random, depth)
                }
                message.values[index] = .map(entries.map { ProtobufMapEntry($0.key, $0.value) })
            }
        }
        return message
    }

    private static func value(
        _ schema: ProtobufSchema, _ field: FieldDescriptor, _ random: inout SeededRandom, _ depth: Int
    ) -> ProtobufValue {
        switch field.kind {
        case .double: .double(random.fraction())
        case .float: .float(Float(random.fraction()))
        case .int64, .sint64, .sfixed64: .int64(random.number())
        case .uint64, .fixed64: .uint64(UInt64(bitPattern: random.number()))
        case .int32, .sint32, .sfixed32: .int32(Int32(truncatingIfNeeded: random.number()))
        case .uint32, .fixed32: .uint32(UInt32(truncatingIfNeeded: random.number()))
        case .bool: .bool(random.roll(2) == 0)
        case .string: .string(random.string())
        case .bytes: .bytes(random.noise(12))
        case .enumeration:
            .enumeration(
                schema.enums[field.typeIndex].constants.randomElement(using: &random)?.number ?? 0)
        case .message, .group: .message(message(schema, field.typeIndex, &random, depth: depth + 1))
        }
    }
}
