/// The .proto text of a struct's schema: Confluent's `ProtobufData`.
///
/// Fields have the numbers that schemas from Protobuf note (`ProtobufMapping.tag`), others are numbered in their order. Unions
/// and enums that came from Protobuf are such again. What Protobuf has no type for stands in `confluent.field_meta`.
struct ProtobufText: Sendable {
    let text: String
    /// The full name of the message.
    let messageName: String

    static let defaultName = "ConnectDefault1"

    init(_ schema: ConnectSchema, _ options: ProtobufOptions) throws(ConnectError) {
        guard schema.kind == .structure else { throw .data("ProtobufConverter needs a struct, found \(schema)") }
        let fullName = schema.name ?? Self.defaultName
        var parts: [String] = []
        for part in fullName.split(separator: ".") {
            parts.append(try options.identifier(String(part), in: parts.joined(separator: ".")))
        }
        let package = parts.dropLast().joined(separator: ".")
        let name = parts.last ?? Self.defaultName
        let fullMessageName = package.isEmpty ? name : package + "." + name
        var writer = Writer(options: options, declared: [(schema, "." + fullMessageName)])
        try writer.message(schema, name, at: "." + fullMessageName, depth: 0)
        var head = "syntax = \"proto3\";\n"
        if !package.isEmpty { head += "package \(package);\n" }
        head += "\n" + writer.imports.sorted().map { "import \"\($0)\";\n" }.joined()
        text = head + (writer.imports.isEmpty ? "" : "\n") + writer.lines.joined(separator: "\n") + "\n"
        messageName = fullMessageName
    }

    /// What is to be declared in the message whose fields use it.
    private struct Scope {
        /// Messages and enums, which share their names.
        private(set) var types: [(schema: ConnectSchema, name: String)] = []
        /// The full name of the message.
        let path: String
        var numbers: Numbers
        private var names: Set<String> = []
        /// Places of the types that may be the same.
        private var places: [Shape: [Int]] = [:]
        /// The number behind the last type of a name.
        private var counts: [String: Int] = [:]

        /// What types that are the same have in common.
        private struct Shape: Hashable {
            let wanted: String
            let name: String?
            let parts: [String]
            let isEnum: Bool

            init(_ schema: ConnectSchema, _ wanted: String) {
                self.wanted = wanted
                isEnum = schema.kind != .structure
                name = isEnum ? nil : schema.name
                parts = isEnum ? ProtobufMapping.symbols(schema).map(\.name) : schema.fields.map(\.name)
            }
        }

        init(path: String, numbers: Numbers) {
            self.path = path
            self.numbers = numbers
        }

        /// The name of a type: `wanted`, unless another one has that.
        mutating func declare(_ schema: ConnectSchema, _ wanted: String) -> (name: String, isNew: Bool) {
            let shape = Shape(schema, wanted)
            for place in places[shape] ?? [] where isSame(types[place].schema, schema) {
                return (types[place].name, false)
            }
            var count = counts[wanted] ?? 0
            var name: String
            repeat {
                count += 1
                name = count == 1 ? wanted : wanted + String(count)
            } while !names.insert(name).inserted
            counts[wanted] = count
            places[shape, default: []].append(types.count)
            types.append((schema, name))
            return (name, true)
        }

        private func isSame(_ a: ConnectSchema, _ b: ConnectSchema) -> Bool {
            a.kind == .structure ? a.isSameStruct(as: b) : ProtobufMapping.symbols(a) == ProtobufMapping.symbols(b)
        }
    }

    /// The numbers of a message's fields. Like the original, those that are given are left out where the others are counted.
    private struct Numbers {
        private var next = 1
        private var taken: Set<Int> = []

        init(_ schema: ConnectSchema) throws(ConnectError) {
            for field in schema.fields {
                for field in ProtobufMapping.isUnion(field.schema) ? field.schema.fields : [field] {
                    guard let number = try Self.given(field) else { continue }
                    guard taken.insert(number).inserted else {
                        throw ConnectError(
                            .illegalState,
                            "com.google.protobuf.Descriptors$DescriptorValidationException: Field number \(number) has "
                                + "already been used in \"\(schema.name ?? ProtobufText.defaultName)\".")
                    }
                }
            }
        }

        private static func given(_ field: ConnectSchema.Field) throws(ConnectError) -> Int? {
            guard let text = field.schema.parameter(ProtobufMapping.tag) else { return nil }
            guard let number = Int(text), 1...536_870_911 ~= number, !(19_000...19_999 ~= number) else {
                throw .data("\(ProtobufMapping.tag) of field \(field.name) is no number of a field: \(text)")
            }
            return number
        }

        mutating func number(_ field: ConnectSchema.Field) throws(ConnectError) -> Int {
            if let given = try Self.given(field) { return given }
            while taken.contains(next) || 19_000...19_999 ~= next { next += 1 }
            defer { next += 1 }
            return next
        }
    }

    private struct Writer {
        let options: ProtobufOptions
        var lines: [String] = []
        var imports: Set<String> = []
        /// The messages that contain themselves, by their full names, wherever they are: each is there once.
        var declared: [(schema: ConnectSchema, name: String)]

        mutating func message(
            _ schema: ConnectSchema, _ name: String, at path: String, depth: Int
        ) throws(ConnectError) {
            guard depth < 32 else { throw .data("Schema is nested too deep for Protobuf") }
            // Messages are declared in the message that uses them, each in all of those.
            guard lines.count + schema.fields.count < ConnectSchema.unfoldedCountMax else {
                throw .data("Schema has more than \(ConnectSchema.unfoldedCountMax) fields to declare for Protobuf")
            }
            let indent = String(repeating: "  ", count: depth)
            lines.append(indent + "message \(name) {")
            var scope = Scope(path: path, numbers: try Numbers(schema))
            for field in schema.fields {
                guard ProtobufMapping.isUnion(field.schema) else {
                    lines.append(indent + "  " + (try self.field(field, in: name, &scope, mayBeMarked: true)))
                    continue
                }
                let union = field.schema.name.map { $0.split(separator: ".").last.map(String.init) ?? $0 } ?? field.name
                lines.append(indent + "  oneof \(try options.identifier(union, in: name)) {")
                for member in field.schema.fields {
                    lines.append(indent + "    " + (try self.field(member, in: name, &scope, mayBeMarked: false)))
                }
                lines.append(indent + "  }")
            }
            for (inner, name) in scope.types where inner.kind != .structure {
                try enumeration(inner, name, indent + "  ")
            }
            for (inner, name) in scope.types where inner.kind == .structure {
                try message(inner, name, at: path + "." + name, depth: depth + 1)
            }
            lines.append(indent + "}")
        }

        private mutating func enumeration(
            _ schema: ConnectSchema, _ name: String, _ indent: String
        ) throws(ConnectError) {
            var constants: [(name: String, number: Int32)] = []
            for symbol in ProtobufMapping.symbols(schema) {
                guard let number = Int32(symbol.number) else {
                    throw .data("Constant \(symbol.name) of enum \(name) has no number: \(symbol.number)")
                }
                constants.append((try options.identifier(symbol.name, in: name), number))
            }
            // The first one stands for what is not set, and is 0 in Protobuf 3.
            if let zero = constants.firstIndex(where: { $0.number == 0 }) {
                constants.insert(constants.remove(at: zero), at: 0)
            }
            lines.append(indent + "enum \(name) {")
            if Set(constants.map(\.number)).count < constants.count {
                lines.append(indent + "  option allow_alias = true;")
            }
            for constant in constants { lines.append(indent + "  \(constant.name) = \(constant.number);") }
            lines.append(indent + "}")
        }

        private mutating func field(
            _ field: ConnectSchema.Field, in message: String, _ scope: inout Scope, mayBeMarked: Bool
        ) throws(ConnectError) -> String {
            let schema = field.schema
            let name = try options.identifier(field.name, in: message)
            var type = try type(schema, name, &scope, isInside: false)
            if schema.isOptional, let wrapper = wrapper(schema) {
                imports.insert(ProtobufOptions.wrappersFile)
                type = wrapper
            }
            if options.marksOptional, mayBeMarked, schema.isOptional, schema.kind != .array, schema.kind != .map {
                type = "optional " + type
            }
            var meta: [(String, String)] = []
            // Of a repeated field it is about the elements.
            let element = schema.kind == .array ? schema.valueSchema ?? schema : schema
            if element.kind == .int8 || element.kind == .int16 {
                meta.append(("connect.type", element.kind.rawValue.lowercased()))
            }
            if element.logicalType == .decimal {
                if let precision = element.parameter(AvroMapping.precision).flatMap({ Int64($0) }) {
                    meta.append(("precision", String(precision)))
                }
                meta.append(("scale", String(try element.decimalScale())))
            }
            var suffix = ""
            if !meta.isEmpty {
                imports.insert("confluent/meta.proto")
                let entries = meta.map { "{ key: \"\($0.0)\", value: \"\($0.1)\" }" }.joined(separator: ", ")
                suffix = " [(confluent.field_meta) = { params: [\(entries)] }]"
            }
            return "\(type) \(name) = \(try scope.numbers.number(field))\(suffix);"
        }

        /// `wrapper.for.nullables`; nil for what is written as it is.
        private func wrapper(_ schema: ConnectSchema) -> String? {
            guard options.wraps, schema.logicalType == nil, !ProtobufMapping.isEnumeration(schema) else { return nil }
            switch (schema.kind, schema.parameter(ProtobufMapping.integerType)) {
            case (.int64, "uint32"), (.int64, "fixed32"): return "google.protobuf.UInt32Value"
            case (.int64, "uint64"), (.int64, "fixed64"): return "google.protobuf.UInt64Value"
            default: return ProtobufOptions.wrapper(schema.kind)
            }
        }

        private mutating func type(
            _ schema: ConnectSchema, _ field: String, _ scope: inout Scope, isInside: Bool
        ) throws(ConnectError) -> String {
            switch schema.logicalType {
            case .decimal:
                imports.insert("confluent/type/decimal.proto")
                return "confluent.type.Decimal"
            case .date:
                imports.insert("google/type/date.proto")
                return "google.type.Date"
            case .time:
                imports.insert("google/type/timeofday.proto")
                return "google.type.TimeOfDay"
            case .timestamp:
                imports.insert("google/protobuf/timestamp.proto")
                return "google.protobuf.Timestamp"
            case nil: break
            }
            if ProtobufMapping.isEnumeration(schema), let name = schema.parameter(ProtobufMapping.enumeration) {
                return try declared(schema, name, field, &scope).name
            }
            // What an integer was that came from Protobuf.
            if let known = schema.parameter(ProtobufMapping.integerType) {
                switch (schema.kind, known) {
                case (.int32, "sint32"), (.int32, "sfixed32"), (.int64, "uint32"), (.int64, "fixed32"),
                    (.int64, "uint64"), (.int64, "fixed64"), (.int64, "sint64"), (.int64, "sfixed64"):
                    return known
                default: break
                }
            }
            switch schema.kind {
            case .int8, .int16, .int32: return "int32"
            case .int64: return "int64"
            case .float32: return "float"
            case .float64: return "double"
            case .boolean: return "bool"
            case .string: return "string"
            case .bytes: return "bytes"
            case .array:
                guard let element = schema.valueSchema, !isInside else {
                    throw .data("Protobuf has no arrays inside arrays or maps (field \(field))")
                }
                return "repeated " + (try type(element, field, &scope, isInside: true))
            case .map:
                guard let key = schema.keySchema, let value = schema.valueSchema, !isInside else {
                    throw .data("Protobuf has no maps inside arrays or maps (field \(field))")
                }
                let keyType: String
                switch key.kind {
                case .string: keyType = "string"
                case .int8, .int16, .int32: keyType = "int32"
                case .int64: keyType = "int64"
                case .boolean: keyType = "bool"
                default: throw .data("Protobuf has no maps with keys of type \(key.kind.rawValue) (field \(field))")
                }
                return "map<\(keyType), \(try type(value, field, &scope, isInside: true))>"
            case .structure:
                if schema.isRecursive, let known = declared.first(where: { $0.schema.isSameStruct(as: schema) }) {
                    return known.name
                }
                let (name, isNew) = try declared(
                    schema, schema.name?.split(separator: ".").last.map(String.init) ?? "ConnectDefault", field, &scope)
                if schema.isRecursive, isNew {
                    declared.append((schema, scope.path + "." + name))
                }
                return name
            }
        }

        /// The name that a type has in the message whose field uses it: its own, unless another one or the field has that.
        private func declared(
            _ schema: ConnectSchema, _ given: String, _ field: String, _ scope: inout Scope
        ) throws(ConnectError) -> (name: String, isNew: Bool) {
            var wanted = try options.identifier(given, in: field)
            if wanted == field { wanted += "Message" }
            return scope.declare(schema, wanted)
        }
    }
}

extension ProtobufMapping {
    /// Whether a struct stands for a union: one of its fields is set, and they are fields of the message around it.
    static func isUnion(_ schema: ConnectSchema) -> Bool {
        schema.kind == .structure && schema.name?.hasPrefix(union) == true
    }

    /// Whether a text or number is a constant of an enum.
    static func isEnumeration(_ schema: ConnectSchema) -> Bool {
        (schema.kind == .string || schema.kind == .int32) && schema.parameter(enumeration) != nil
    }

    struct Symbol: Equatable {
        var name: String
        var number: String
    }

    static func symbols(_ schema: ConnectSchema) -> [Symbol] {
        let prefix = enumeration + "."
        return schema.parameters.filter { $0.name.hasPrefix(prefix) }.map {
            Symbol(name: String($0.name.dropFirst(prefix.count)), number: $0.value)
        }
    }
}
