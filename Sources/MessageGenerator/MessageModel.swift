/// A definition prepared for printing: its structs flat beside each other, each with the versions it is used in.
struct MessageModel {
    var definition: Definition
    var root: StructModel
    var nested: [StructModel]

    /// Whether declarations name `ByteBuffer`.
    var needsByteBuffer: Bool {
        ([root] + nested).contains { $0.fields.contains { $0.swiftType.contains("ByteBuffer") } }
    }

    init(_ definition: Definition) throws {
        self.definition = definition
        let valid = definition.validVersions
        var nested: [StructModel] = []

        func collect(_ fields: [Definition.Field], in context: VersionRange) throws {
            for field in fields {
                guard let name = field.type.structureName, !field.fields.isEmpty else { continue }
                let versions = field.versions.intersection(context)
                guard !nested.contains(where: { $0.name == name }) else {
                    throw GeneratorError("\(definition.name): two structs named \(name)")
                }
                nested.append(StructModel(name: name, versions: versions, fields: field.fields))
                try collect(field.fields, in: versions)
            }
        }
        for common in definition.commonStructs {
            let versions = common.versions.intersection(valid)
            nested.append(StructModel(name: common.name, versions: versions, fields: common.fields))
            try collect(common.fields, in: versions)
        }
        try collect(definition.fields, in: valid)
        root = StructModel(name: definition.name, versions: valid, fields: definition.fields)
        self.nested = nested.filter { !$0.versions.isEmpty }
        for model in [root] + self.nested {
            for field in model.fields {
                guard let name = field.type.structureName else { continue }
                guard self.nested.contains(where: { $0.name == name }) else {
                    throw GeneratorError("\(definition.name): no struct named \(name)")
                }
            }
        }
    }

    func isFlexible(_ version: Int) -> Bool { definition.flexibleVersions.contains(version) }

    /// The fewest bytes that a value of `type` takes in any of `versions`; at least 1.
    func byteCountMin(_ type: FieldType, in versions: VersionRange) -> Int {
        guard !versions.isEmpty else { return 1 }
        return max(1, (versions.low...versions.high).map { byteCountMin(type, version: $0) }.min() ?? 1)
    }

    private func byteCountMin(_ type: FieldType, version: Int) -> Int {
        switch type {
        case .bool, .int8: 1
        case .int16, .uint16: 2
        case .int32, .uint32: 4
        case .int64, .float64: 8
        case .uuid: 16
        case .string: isFlexible(version) ? 1 : 2
        case .bytes, .records, .array: isFlexible(version) ? 1 : 4
        case .structure(let name):
            (nested.first { $0.name == name }?.fields ?? []).reduce(isFlexible(version) ? 1 : 0) { sum, field in
                guard field.versions.contains(version), field.tag == nil else { return sum }
                if case .structure = field.type, field.nullableVersions.contains(version) { return sum + 1 }
                return sum + byteCountMin(field.type, version: version)
            }
        }
    }
}

struct StructModel {
    var name: String
    var versions: VersionRange
    var fields: [FieldModel]

    init(name: String, versions: VersionRange, fields: [Definition.Field]) {
        self.name = name
        self.versions = versions
        self.fields = fields.filter { !$0.versions.intersection(versions).isEmpty }.map {
            FieldModel($0, in: versions)
        }
    }

    /// Fields in the body of a struct, in wire order.
    var untagged: [FieldModel] { fields.filter { $0.tag == nil } }
    /// Fields in its tag section, by tag.
    var tagged: [FieldModel] { fields.filter { $0.tag != nil }.sorted { ($0.tag ?? 0) < ($1.tag ?? 0) } }
}

struct FieldModel {
    /// Kafka's name with a small first letter.
    var name: String
    var type: FieldType
    /// Within the versions of the struct.
    var versions: VersionRange
    var nullableVersions: VersionRange
    var tag: Int?
    var followsFlexibility: Bool
    var ignorable: Bool
    var defaultLiteral: String

    private static let keywords: Set<String> = [
        "as", "break", "case", "catch", "class", "continue", "default", "defer", "do", "else", "enum", "extension",
        "fallthrough", "false", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is", "let",
        "nil", "operator", "private", "protocol", "public", "repeat", "return", "self", "static", "struct", "subscript",
        "super", "switch", "throw", "true", "try", "typealias", "var", "where", "while",
    ]

    init(_ field: Definition.Field, in context: VersionRange) {
        name = field.name.prefix(1).lowercased() + field.name.dropFirst()
        type = field.type
        versions = field.versions.intersection(context)
        nullableVersions = field.nullableVersions.intersection(versions)
        tag = field.tag
        followsFlexibility = field.followsFlexibility
        ignorable = field.ignorable
        defaultLiteral = ""
        defaultLiteral = literal(field.defaultText)
    }

    /// The name where Swift would take it for a keyword: in declarations and labels.
    var declaredName: String { Self.keywords.contains(name) ? "`\(name)`" : name }

    var isOptional: Bool { !nullableVersions.isEmpty }

    var swiftType: String { type.swift + (isOptional ? "?" : "") }

    private func literal(_ text: String?) -> String {
        // Kafka's records have no default of their own: null, where they can be null.
        if text == "null" || (type == .records && isOptional) { return "nil" }
        switch type {
        case .bool: return text ?? "false"
        case .string: return "\"\(text ?? "")\""
        case .bytes: return "ByteBuffer()"
        case .records: return ".empty"
        case .uuid: return ".zero"
        case .structure(let name): return "\(name)()"
        case .array: return "[]"
        default:
            guard let text, !text.isEmpty else { return "0" }
            if text.hasPrefix("0x"), let value = Int64(text.dropFirst(2), radix: 16) { return "\(value)" }
            return text
        }
    }

    /// Swift that is true when the field does not have its default. `isEmpty` where it means the same: it compiles faster.
    var differsFromDefault: String {
        switch (type, isOptional, defaultLiteral) {
        case (.array, false, _), (.string, false, "\"\""): "!self.\(name).isEmpty"
        case (.bytes, false, _): "self.\(name).readableBytes != 0"
        case (.uuid, false, _): "!self.\(name).isZero"
        case (.bool, false, "false"): "self.\(name)"
        case (.bool, false, "true"): "!self.\(name)"
        default: "self.\(name) != \(defaultLiteral)"
        }
    }
}

extension FieldType {
    var swift: String {
        switch self {
        case .bool: "Bool"
        case .int8: "Int8"
        case .int16: "Int16"
        case .int32: "Int32"
        case .int64: "Int64"
        case .uint16: "UInt16"
        case .uint32: "UInt32"
        case .float64: "Double"
        case .uuid: "KafkaUUID"
        case .string: "String"
        case .bytes: "ByteBuffer"
        case .records: "Records"
        case .structure(let name): name
        case .array(let element): "[\(element.swift)]"
        }
    }

    /// The part of a reader's or writer's method name: `readInt32`.
    var method: String {
        switch self {
        case .float64: "Float64"
        case .uuid: "UUID"
        case .bytes: "Bytes"
        default: swift
        }
    }

    /// Whether the wire form has a length that depends on compactness.
    var hasLength: Bool {
        switch self {
        case .string, .bytes, .records, .array: true
        default: false
        }
    }

    /// The struct that this type is or holds.
    var structureName: String? {
        switch self {
        case .structure(let name): name
        case .array(let element): element.structureName
        default: nil
        }
    }
}
