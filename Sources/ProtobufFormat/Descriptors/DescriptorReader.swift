import Bytes

extension ProtoFile {
    /// Reads a `FileDescriptorProto`: what clients send in base 64 instead of a text.
    ///
    /// The result has what the text of it would have; types are named by their full names, maps are written out as the
    /// messages of their entries, as the original does it.
    ///
    /// - Parameter imports: as for `ProtobufSchema`; options of extensions that they or the file itself declare are
    ///   read.
    /// - Throws: `.syntax` when the bytes are no descriptor, `.invalid` when no text could say what it says.
    package init(fileDescriptor bytes: [UInt8], imports: [String: ProtoFile] = [:]) throws(ProtobufError) {
        let known = try DescriptorMessages.builtIn.get()
        self = try Self.read(bytes, known)
        // Once more with the extensions that the file itself and its imports declare, if it can be linked.
        guard let linked = try? DescriptorMessages.schema(for: self, imports: imports),
            linked.messages.contains(where: { message in
                message.fullName.hasPrefix("google.protobuf.")
                    && message.fields.contains { $0.isExtension && !$0.name.hasPrefix("confluent.") }
            })
        else { return }
        self = try Self.read(bytes, linked)
    }

    /// Reads a `.proto` text, or a `FileDescriptorProto` in base 64.
    ///
    /// - Throws: what is wrong with the text, when it is neither.
    package init(parsingTextOrDescriptor text: String, imports: [String: ProtoFile] = [:]) throws(ProtobufError) {
        let failure: ProtobufError
        do {
            try self.init(parsing: text)
            return
        } catch { failure = error }
        guard let bytes = Base64.decode(String(decoding: text.utf8.filter { $0 > 0x20 }, as: UTF8.self)),
            !bytes.isEmpty
        else { throw failure }
        do { try self.init(fileDescriptor: bytes, imports: imports) } catch {
            // A word of letters can be base 64 too; what it is as a text is the better complaint then.
            throw error.code == .syntax ? failure : error
        }
    }

    private static func read(_ bytes: [UInt8], _ schema: ProtobufSchema) throws(ProtobufError) -> ProtoFile {
        guard let type = schema.messageIndex(named: "google.protobuf.FileDescriptorProto") else {
            throw ProtobufError(.unresolved, "could not resolve type: google.protobuf.FileDescriptorProto")
        }
        let message: ProtobufMessage
        do { message = try schema.decode(bytes, as: type) } catch {
            throw ProtobufError(.syntax, "not a file descriptor: \(error)")
        }
        return try DescriptorReader(schema: schema).file(NamedMessage(message, schema))
    }
}

/// Makes a file of the messages of descriptor.proto.
private struct DescriptorReader {
    let schema: ProtobufSchema

    func file(_ input: NamedMessage) throws(ProtobufError) -> ProtoFile {
        var file = ProtoFile()
        switch input.text("syntax") {
        case nil, "": break  // proto2, which descriptors do not say
        case "proto2"?: file.syntax = .proto2
        case "proto3"?: file.syntax = .proto3
        case let other?: throw ProtobufError(.invalid, "unknown syntax \"\(other)\", known are proto2 and proto3")
        }
        if let package = input.text("package"), !package.isEmpty { file.package = try name(package, isPath: true) }
        let publicOnes = Set(input.list("public_dependency"))
        let weakOnes = Set(input.list("weak_dependency"))
        for (index, value) in input.list("dependency").enumerated() {
            guard case .string(let path) = value else { continue }
            let place = ProtobufValue.int32(Int32(clamping: index))
            if publicOnes.contains(place) {
                file.publicImports.append(path)
            } else if weakOnes.contains(place) {
                file.weakImports.append(path)
            } else {
                file.imports.append(path)
            }
        }
        let prefix = file.package.map { ".\($0)." } ?? "."
        let extensions = input.messages("extension")
        let groups = try Self.groupTypes(extensions)
        for message in input.messages("message_type") where !groups.contains(prefix + (message.text("name") ?? "")) {
            file.types.append(.message(try self.message(message, prefix, file.isProto3, depth: 1)))
        }
        for enumeration in input.messages("enum_type") {
            file.types.append(.enumeration(try self.enumeration(enumeration)))
        }
        file.extends = try extends(extensions, bodies: input.messages("message_type"), prefix, file.isProto3, depth: 1)
        for service in input.messages("service") { file.services.append(try self.service(service)) }
        file.options = options(input.inner("options"), order: Self.fileOptionOrder)
        var names: Set<String> = []
        for name in file.types.map(\.name) + file.services.map(\.name) where !names.insert(name).inserted {
            throw ProtobufError(.invalid, "\"\(name)\" is already defined")  // as of a text
        }
        return file
    }

    /// Names are printed as they are, so they have to be names.
    private func name(_ text: String, isPath: Bool = false) throws(ProtobufError) -> String {
        let parts = isPath ? text.split(separator: ".", omittingEmptySubsequences: false) : [text[...]]
        let isName = parts.allSatisfy { part in
            guard let first = part.utf8.first else { return false }
            return ProtoLexer.isLetter(first)
                && part.utf8.allSatisfy { ProtoLexer.isLetter($0) || ProtoLexer.isDigit($0) }
        }
        guard isName else { throw ProtobufError(.invalid, "a descriptor with the name \"\(text)\"") }
        return text
    }

    private func typeName(_ text: String) throws(ProtobufError) -> String {
        text.hasPrefix(".") ? "." + (try name(String(text.dropFirst()), isPath: true)) : try name(text, isPath: true)
    }

    /// Each group has a message of its own: bodies that are shared would double at every level.
    private static func groupTypes(_ fields: [NamedMessage]) throws(ProtobufError) -> Set<String> {
        var types: Set<String> = []
        for field in fields where field.int32("type") == Int32(FieldKind.group.rawValue) {
            guard let type = field.text("type_name") else { continue }
            guard types.insert(type).inserted else {
                throw ProtobufError(
                    .invalid, "the group \"\(type)\" is declared by two fields; each needs a message of its own")
            }
        }
        return types
    }

    // MARK: Messages

    private func message(
        _ input: NamedMessage, _ prefix: String, _ isProto3: Bool, depth: Int
    ) throws(ProtobufError) -> ProtoMessage {
        guard depth <= ProtoFile.depthMax else { throw ProtobufError(.invalid, "messages are nested too deep") }
        var output = ProtoMessage(name: try name(input.text("name") ?? ""))
        let inner = prefix + output.name + "."
        let fields = input.messages("field")
        let extensions = input.messages("extension")
        let groups = try Self.groupTypes(fields + extensions)
        let nested = input.messages("nested_type")
        for oneof in input.messages("oneof_decl") {
            output.oneofs.append(
                ProtoOneof(name: try name(oneof.text("name") ?? ""), options: options(oneof.inner("options"))))
        }
        for field in fields {
            let oneof = field.int32("oneof_index").flatMap { field.flag("proto3_optional") ? nil : Int($0) }
            if let oneof, !output.oneofs.indices.contains(oneof) {
                throw ProtobufError(.invalid, "\(inner)\(field.text("name") ?? "") is in a oneof that is not there")
            }
            if field.int32("type") == Int32(FieldKind.group.rawValue) {
                let group = try self.group(field, nested, inner, isProto3, hasLabel: oneof == nil, depth)
                if let oneof { output.oneofs[oneof].groups.append(group) } else { output.groups.append(group) }
            } else {
                let read = try self.field(field, isProto3, hasLabel: oneof == nil)
                if let oneof { output.oneofs[oneof].fields.append(read) } else { output.fields.append(read) }
            }
        }
        // What is left empty are those that proto3 makes for optional fields.
        output.oneofs.removeAll { $0.fields.isEmpty && $0.groups.isEmpty }
        for type in nested where !groups.contains(inner + (type.text("name") ?? "")) {
            output.types.append(.message(try message(type, inner, isProto3, depth: depth + 1)))
        }
        for type in input.messages("enum_type") { output.types.append(.enumeration(try enumeration(type))) }
        output.extends = try extends(extensions, bodies: nested, inner, isProto3, depth: depth)
        for range in input.messages("extension_range") {
            output.extensionRanges.append(
                ProtoExtensionRanges(
                    ranges: [try self.range(range, isEndExclusive: true)], options: options(range.inner("options"))))
        }
        output.reserved = try reserved(input, isEndExclusive: true)
        output.options = options(
            input.inner("options"), order: ["no_standard_descriptor_accessor", "deprecated", "map_entry"])
        return output
    }

    private func range(_ input: NamedMessage, isEndExclusive: Bool) throws(ProtobufError) -> ProtoRange {
        let start = input.int32("start") ?? 0
        let end = Int64(input.int32("end") ?? 0) - (isEndExclusive ? 1 : 0)
        guard let end = Int32(exactly: end), end >= start else {
            throw ProtobufError(.invalid, "a range of numbers that ends before it starts")
        }
        return ProtoRange(start: start, end: end)
    }

    private func reserved(_ input: NamedMessage, isEndExclusive: Bool) throws(ProtobufError) -> [ProtoReserved] {
        var output: [ProtoReserved] = []
        for part in input.messages("reserved_range") {
            let range = try self.range(part, isEndExclusive: isEndExclusive)
            output.append(ProtoReserved(values: [range.start == range.end ? .number(range.start) : .range(range)]))
        }
        for case .string(let name) in input.list("reserved_name") {
            output.append(ProtoReserved(values: [.name(name)]))
        }
        return output
    }

    private func label(_ input: NamedMessage, _ isProto3: Bool) -> ProtoField.Label? {
        if input.flag("proto3_optional") { return .optional }
        switch input.int32("label") {
        case 3?: return .repeated
        case 2?: return isProto3 ? nil : .required
        default: return isProto3 ? nil : .optional
        }
    }

    private func field(_ input: NamedMessage, _ isProto3: Bool, hasLabel: Bool) throws(ProtobufError) -> ProtoField {
        let name = try name(input.text("name") ?? "")
        let type: ProtoFieldType
        if let named = input.text("type_name"), !named.isEmpty {
            type = .named(try typeName(named))
        } else {
            let number = input.int32("type") ?? 0
            guard let scalar = ScalarType.allCases.first(where: { Int32(FieldKind($0).rawValue) == number }) else {
                throw ProtobufError(.invalid, "field \"\(name)\" has the unknown type \(number)")
            }
            type = .scalar(scalar)
        }
        var output = ProtoField(
            label: hasLabel ? label(input, isProto3) : nil, type: type, name: name, number: input.int32("number") ?? 0)
        output.options = options(input.inner("options"), order: ["ctype", "packed", "jstype", "deprecated"])
        output.jsonName = input.text("json_name")
        if let text = input.text("default_value"), !isProto3 { output.defaultValue = try defaultValue(text, type) }
        return output
    }

    private func defaultValue(_ text: String, _ type: ProtoFieldType) throws(ProtobufError) -> ProtoOption.Value {
        switch type {
        case .scalar(.string): return .string(Array(text.utf8))
        case .scalar(.bytes):
            // The escapes of a literal, without its quotes.
            var parser = try ProtoParser("\"\(text)\"")
            return .string(try parser.string("a default"))
        case .scalar(.bool), .named, .map: return .word(try name(text))
        case .scalar:
            guard ProtoNumber.double(text) != nil else {
                throw ProtobufError(.invalid, "the default \"\(text)\" is no number")
            }
            return text.last?.isLetter == true ? .word(text) : .number(text)
        }
    }

    private func group(
        _ field: NamedMessage, _ bodies: [NamedMessage], _ prefix: String, _ isProto3: Bool, hasLabel: Bool,
        _ depth: Int
    ) throws(ProtobufError) -> ProtoGroup {
        let type = field.text("type_name") ?? ""
        guard let body = bodies.first(where: { prefix + ($0.text("name") ?? "") == type }) else {
            throw ProtobufError(.invalid, "the message of the group \"\(type)\" is not beside it")
        }
        return ProtoGroup(
            label: hasLabel ? label(field, isProto3) : nil, number: field.int32("number") ?? 0,
            options: options(field.inner("options")), body: try message(body, prefix, isProto3, depth: depth + 1))
    }

    private func extends(
        _ fields: [NamedMessage], bodies: [NamedMessage], _ prefix: String, _ isProto3: Bool, depth: Int
    ) throws(ProtobufError) -> [ProtoExtend] {
        var output: [ProtoExtend] = []
        for field in fields {
            let extendee = try typeName(field.text("extendee") ?? "")
            let place = output.firstIndex { $0.name == extendee } ?? output.count
            if place == output.count { output.append(ProtoExtend(name: extendee)) }
            if field.int32("type") == Int32(FieldKind.group.rawValue) {
                output[place].groups.append(try group(field, bodies, prefix, isProto3, hasLabel: true, depth))
            } else {
                output[place].fields.append(try self.field(field, isProto3, hasLabel: true))
            }
        }
        return output
    }

    // MARK: Enums and services

    private func enumeration(_ input: NamedMessage) throws(ProtobufError) -> ProtoEnum {
        var output = ProtoEnum(name: try name(input.text("name") ?? ""))
        for value in input.messages("value") {
            output.constants.append(
                .init(
                    name: try name(value.text("name") ?? ""), number: value.int32("number") ?? 0,
                    options: options(value.inner("options"), order: ["deprecated"])))
        }
        output.reserved = try reserved(input, isEndExclusive: false)
        output.options = options(input.inner("options"), order: ["allow_alias", "deprecated"])
        return output
    }

    private func service(_ input: NamedMessage) throws(ProtobufError) -> ProtoService {
        var output = ProtoService(name: try name(input.text("name") ?? ""))
        for method in input.messages("method") {
            output.methods.append(
                .init(
                    name: try name(method.text("name") ?? ""), request: try typeName(method.text("input_type") ?? ""),
                    response: try typeName(method.text("output_type") ?? ""),
                    isRequestStream: method.flag("client_streaming"), isResponseStream: method.flag("server_streaming"),
                    options: options(method.inner("options"), order: ["deprecated", "idempotency_level"])))
        }
        output.options = options(input.inner("options"))
        return output
    }

    // MARK: Options

    /// The original's order, which is not that of the numbers.
    private static let fileOptionOrder = [
        "java_package", "java_outer_classname", "java_multiple_files", "java_generate_equals_and_hash",
        "java_string_check_utf8", "optimize_for", "go_package", "cc_generic_services", "java_generic_services",
        "py_generic_services", "php_generic_services", "deprecated", "cc_enable_arenas", "objc_class_prefix",
        "csharp_namespace", "swift_prefix", "php_class_prefix", "php_namespace", "php_metadata_namespace",
        "ruby_package",
    ]

    /// Those named in `order` first; then the others by number, extensions last, one option per value.
    private func options(_ input: NamedMessage?, order: [String] = []) -> [ProtoOption] {
        guard let input else { return [] }
        let descriptor = schema.messages[input.message.typeIndex]
        var named: [(Int, ProtoOption)] = []
        for index in descriptor.fieldOrder {
            let field = descriptor.fields[index]
            guard let value = input.message.values[index], field.name != "uninterpreted_option" else { continue }
            let rank = field.isExtension ? Int.max : order.firstIndex(of: field.name) ?? order.count
            let part = ProtoOption.Part(name: field.name, isExtension: field.isExtension)
            let values: [ProtobufValue] = if case .list(let list) = value { list } else { [value] }
            for value in values {
                named.append((rank, ProtoOption(parts: [part], value: optionValue(value, field))))
            }
        }
        return named.enumerated().sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }.map(\.element.1)
    }

    private func optionValue(_ value: ProtobufValue, _ field: FieldDescriptor) -> ProtoOption.Value {
        switch value {
        case .int32(let value): return .number("\(value)")
        case .int64(let value): return .number("\(value)")
        case .uint32(let value): return .number("\(value)")
        case .uint64(let value): return .number("\(value)")
        case .bool(let value): return .word("\(value)")
        case .float(let value): return value.isFinite ? .number("\(value)") : .word(value.isNaN ? "nan" : "\(value)")
        case .double(let value): return value.isFinite ? .number("\(value)") : .word(value.isNaN ? "nan" : "\(value)")
        case .string(let value): return .string(Array(value.utf8))
        case .bytes(let value): return .string(value)
        case .enumeration(let number):
            return schema.enums[field.typeIndex].name(of: number).map { .word($0) } ?? .number("\(number)")
        case .message(let message): return .aggregate(members(message))
        case .list(let list): return .list(list.map { optionValue($0, field) })
        case .map(let entries):
            let entry = schema.messages[field.typeIndex]
            guard let keyIndex = entry.fieldIndex(number: 1), let valueIndex = entry.fieldIndex(number: 2) else {
                return .list([])
            }
            return .list(
                entries.map { pair in
                    let key = ProtoOption.Member(name: "key", value: optionValue(pair.key, entry.fields[keyIndex]))
                    let value = ProtoOption.Member(
                        name: "value", value: optionValue(pair.value, entry.fields[valueIndex]))
                    // The original writes these two the other way round, so texts of decimals compare equal.
                    let isSwapped = pair.key == .string("precision") || pair.key == .string("scale")
                    return .aggregate(isSwapped ? [value, key] : [key, value])
                })
        }
    }

    private func members(_ message: ProtobufMessage) -> [ProtoOption.Member] {
        let descriptor = schema.messages[message.typeIndex]
        return descriptor.fieldOrder.compactMap { index in
            guard let value = message.values[index] else { return nil }
            let field = descriptor.fields[index]
            return ProtoOption.Member(
                name: field.isExtension ? "[\(field.name)]" : field.name, value: optionValue(value, field))
        }
    }
}
