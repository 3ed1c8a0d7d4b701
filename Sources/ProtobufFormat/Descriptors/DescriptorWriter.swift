extension ProtobufSchema {
    /// The file as a `FileDescriptorProto`, in bytes (`format=serialized`, before base 64).
    ///
    /// Messages stand in the order of the text, those of maps' entries behind the others, so that message indexes of
    /// the text hold for the descriptor too. Options of extensions that nobody defines are left out.
    ///
    /// - Parameter name: the file's name, which a text does not know.
    package func fileDescriptor(name: String = "default") throws(ProtobufError) -> [UInt8] {
        let linked = try DescriptorMessages.schema(for: file, imports: imports)
        let writer = DescriptorWriter(schema: linked)
        return try linked.encode(try writer.file(file, name))
    }
}

/// Builds the messages of descriptor.proto from a file and what it was linked to.
private struct DescriptorWriter {
    let schema: ProtobufSchema

    func file(_ file: ProtoFile, _ name: String) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.FileDescriptorProto", schema)
        output["name"] = .string(name)
        output["package"] = file.package.map { .string($0) }
        let plain = file.imports.count
        let weak = file.weakImports.count
        for path in file.allImports { output.append("dependency", .string(path)) }
        for index in file.publicImports.indices {
            output.append("public_dependency", .int32(Int32(plain + weak + index)))
        }
        for index in file.weakImports.indices { output.append("weak_dependency", .int32(Int32(plain + index))) }
        let scope = file.package ?? ""
        let prefix = scope.isEmpty ? "" : scope + "."
        for type in file.types {
            switch type {
            case .message(let message):
                output.append("message_type", .message(try self.message(message, prefix + message.name)))
            case .enumeration(let enumeration):
                output.append("enum_type", .message(try self.enumeration(enumeration, scope)))
            }
        }
        for extend in file.extends {
            for group in extend.groups {
                output.append("message_type", .message(try message(group.body, prefix + group.body.name)))
            }
        }
        for field in try extensions(file.extends, scope) { output.append("extension", .message(field)) }
        for service in file.services { output.append("service", .message(try self.service(service, scope))) }
        output["options"] = try options(file.options, "FileOptions", scope)
        if file.isProto3 { output["syntax"] = .string("proto3") }
        return output.message
    }

    // MARK: Messages

    private func message(_ message: ProtoMessage, _ fullName: String) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.DescriptorProto", schema)
        guard let index = schema.messageIndex(named: fullName) else {
            throw ProtobufError(.unresolved, "could not resolve type: \(fullName)")
        }
        let descriptor = schema.messages[index]
        output["name"] = .string(message.name)
        for oneof in message.oneofs { output.append("oneof_decl", .message(try self.oneof(oneof, fullName))) }
        var oneofCount = message.oneofs.count
        var entries: [Int] = []
        for (declared, place) in Self.inOrder(message, descriptor) {
            let field = descriptor.fields[place]
            var output1 = try self.field(field, declared?.options ?? [], fullName, jsonName: declared?.jsonName)
            if let oneof = field.oneofIndex { output1["oneof_index"] = .int32(Int32(oneof)) }
            if field.isProto3Optional {
                // As protoc does it: a oneof of its own, which is no oneof of the text.
                var oneof = try NamedMessage("google.protobuf.OneofDescriptorProto", schema)
                oneof["name"] = .string(Self.syntheticName(field.name, message))
                output.append("oneof_decl", .message(oneof.message))
                output1["oneof_index"] = .int32(Int32(oneofCount))
                output1["proto3_optional"] = .bool(true)
                oneofCount += 1
            }
            output.append("field", .message(output1.message))
            if field.isMap, schema.messages[field.typeIndex].path == nil { entries.append(field.typeIndex) }
        }
        for type in message.types {
            switch type {
            case .message(let nested):
                output.append("nested_type", .message(try self.message(nested, fullName + "." + nested.name)))
            case .enumeration(let enumeration):
                output.append("enum_type", .message(try self.enumeration(enumeration, fullName)))
            }
        }
        let groups = message.groups + message.oneofs.flatMap(\.groups) + message.extends.flatMap(\.groups)
        for group in groups {
            output.append("nested_type", .message(try self.message(group.body, fullName + "." + group.body.name)))
        }
        for entry in entries { output.append("nested_type", .message(try mapEntry(schema.messages[entry]))) }
        for field in try extensions(message.extends, fullName) { output.append("extension", .message(field)) }
        try ranges(message, fullName, &output)
        output["options"] = try options(message.options, "MessageOptions", fullName)
        return output.message
    }

    /// The fields in the order of the text, with their declarations; groups have none.
    private static func inOrder(
        _ message: ProtoMessage, _ descriptor: MessageDescriptor
    ) -> [(declared: ProtoField?, place: Int)] {
        var output: [(ProtoField?, Int, TextPosition?)] = []
        for field in message.fields + message.oneofs.flatMap(\.fields) {
            if let place = descriptor.fieldIndex(name: field.name) { output.append((field, place, field.position)) }
        }
        for group in message.groups + message.oneofs.flatMap(\.groups) {
            if let place = descriptor.fieldIndex(number: group.number) {
                let declared = ProtoField(
                    label: group.label, type: .named(group.body.name), name: group.body.name.lowercased(),
                    number: group.number, options: group.options)
                output.append((declared, place, group.body.position))
            }
        }
        let isFromText = output.allSatisfy { $0.2 != nil }
        func order(_ place: TextPosition?) -> (Int32, Int32) { (place?.line ?? 0, place?.column ?? 0) }
        if isFromText { output.sort { order($0.2) < order($1.2) } }
        return output.map { ($0.0, $0.1) }
    }

    private static func syntheticName(_ field: String, _ message: ProtoMessage) -> String {
        var name = field.hasPrefix("_") ? field : "_" + field
        let taken = Set(
            message.fields.map(\.name) + message.oneofs.map(\.name) + message.oneofs.flatMap { $0.fields.map(\.name) })
        while taken.contains(name) { name = "X" + name }
        return name
    }

    private func oneof(_ oneof: ProtoOneof, _ scope: String) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.OneofDescriptorProto", schema)
        output["name"] = .string(oneof.name)
        output["options"] = try options(oneof.options, "OneofOptions", scope)
        return output.message
    }

    private func mapEntry(_ entry: MessageDescriptor) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.DescriptorProto", schema)
        output["name"] = .string(entry.name)
        for field in entry.fields {
            output.append("field", .message(try self.field(field, [], entry.fullName, jsonName: nil).message))
        }
        var options = try NamedMessage("google.protobuf.MessageOptions", schema)
        options["map_entry"] = .bool(true)
        output["options"] = .message(options.message)
        return output.message
    }

    private func field(
        _ field: FieldDescriptor, _ declared: [ProtoOption], _ scope: String, jsonName: String?
    ) throws(ProtobufError) -> NamedMessage {
        var output = try NamedMessage("google.protobuf.FieldDescriptorProto", schema)
        let name = field.isExtension ? field.name.split(separator: ".").last.map(String.init) ?? field.name : field.name
        output["name"] = .string(name)
        output["number"] = .int32(field.number)
        let label: Int32 =
            switch field.cardinality {
            case .optional: 1
            case .required: 2
            case .repeated, .map: 3
            }
        output["label"] = .enumeration(label)
        output["type"] = .enumeration(Int32(field.kind.rawValue))
        switch field.kind {
        case .message, .group: output["type_name"] = .string("." + schema.messages[field.typeIndex].fullName)
        case .enumeration: output["type_name"] = .string("." + schema.enums[field.typeIndex].fullName)
        default: break
        }
        if let value = field.defaultValue { output["default_value"] = .string(text(value, field)) }
        output["json_name"] = jsonName.map { .string($0) }
        output["options"] = try options(declared, "FieldOptions", scope)
        return output
    }

    /// A default as descriptors have it.
    private func text(_ value: ProtobufValue, _ field: FieldDescriptor) -> String {
        switch value {
        case .int32(let value): "\(value)"
        case .int64(let value): "\(value)"
        case .uint32(let value): "\(value)"
        case .uint64(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .float(let value): Self.text(Double(value), "\(value)")
        case .double(let value): Self.text(value, "\(value)")
        case .string(let value): value
        case .bytes(let value): ProtoPrinter.escaped(value)
        case .enumeration(let number): schema.enums[field.typeIndex].name(of: number) ?? "\(number)"
        case .message, .list, .map: ""
        }
    }

    private static func text(_ value: Double, _ digits: String) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        return digits.hasSuffix(".0") ? String(digits.dropLast(2)) : digits
    }

    private func extensions(_ extends: [ProtoExtend], _ scope: String) throws(ProtobufError) -> [ProtobufMessage] {
        var output: [ProtobufMessage] = []
        let prefix = scope.isEmpty ? "" : scope + "."
        for extend in extends {
            let names =
                extend.fields.map { ($0.name, $0.options, $0.jsonName) }
                + extend.groups.map { ($0.body.name.lowercased(), $0.options, nil) }
            for (name, declared, jsonName) in names {
                guard let (target, field) = find(extension: prefix + name) else { continue }
                var message = try self.field(field, declared, scope, jsonName: jsonName)
                message["extendee"] = .string("." + target.fullName)
                output.append(message.message)
            }
        }
        return output
    }

    private func find(extension fullName: String) -> (MessageDescriptor, FieldDescriptor)? {
        for message in schema.messages {
            if let index = message.fieldIndex(name: fullName), message.fields[index].isExtension {
                return (message, message.fields[index])
            }
        }
        return nil
    }

    private func ranges(
        _ message: ProtoMessage, _ scope: String, _ output: inout NamedMessage
    ) throws(ProtobufError) {
        for list in message.extensionRanges {
            for range in list.ranges {
                var part = try NamedMessage("google.protobuf.DescriptorProto.ExtensionRange", schema)
                part["start"] = .int32(range.start)
                part["end"] = .int32(range.end &+ 1)
                part["options"] = try options(list.options, "ExtensionRangeOptions", scope)
                output.append("extension_range", .message(part.message))
            }
        }
        for value in message.reserved.flatMap(\.values) {
            switch value {
            case .name(let name): output.append("reserved_name", .string(name))
            case .number(let number):
                output.append("reserved_range", try range(".DescriptorProto.ReservedRange", number, number &+ 1))
            case .range(let range):
                output.append(
                    "reserved_range", try self.range(".DescriptorProto.ReservedRange", range.start, range.end &+ 1))
            }
        }
    }

    private func range(_ type: String, _ start: Int32, _ end: Int32) throws(ProtobufError) -> ProtobufValue {
        var part = try NamedMessage("google.protobuf" + type, schema)
        part["start"] = .int32(start)
        part["end"] = .int32(end)
        return .message(part.message)
    }

    // MARK: Enums and services

    private func enumeration(_ enumeration: ProtoEnum, _ scope: String) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.EnumDescriptorProto", schema)
        output["name"] = .string(enumeration.name)
        for constant in enumeration.constants {
            var value = try NamedMessage("google.protobuf.EnumValueDescriptorProto", schema)
            value["name"] = .string(constant.name)
            value["number"] = .int32(constant.number)
            value["options"] = try options(constant.options, "EnumValueOptions", scope)
            output.append("value", .message(value.message))
        }
        for value in enumeration.reserved.flatMap(\.values) {
            switch value {
            case .name(let name): output.append("reserved_name", .string(name))
            case .number(let number):
                output.append("reserved_range", try range(".EnumDescriptorProto.EnumReservedRange", number, number))
            case .range(let range):
                output.append(
                    "reserved_range", try self.range(".EnumDescriptorProto.EnumReservedRange", range.start, range.end))
            }
        }
        output["options"] = try options(enumeration.options, "EnumOptions", scope)
        return output.message
    }

    private func service(_ service: ProtoService, _ scope: String) throws(ProtobufError) -> ProtobufMessage {
        var output = try NamedMessage("google.protobuf.ServiceDescriptorProto", schema)
        output["name"] = .string(service.name)
        for method in service.methods {
            var part = try NamedMessage("google.protobuf.MethodDescriptorProto", schema)
            part["name"] = .string(method.name)
            part["input_type"] = .string(try fullName(method.request, scope, method.position))
            part["output_type"] = .string(try fullName(method.response, scope, method.position))
            part["options"] = try options(method.options, "MethodOptions", scope)
            if method.isRequestStream { part["client_streaming"] = .bool(true) }
            if method.isResponseStream { part["server_streaming"] = .bool(true) }
            output.append("method", .message(part.message))
        }
        output["options"] = try options(service.options, "ServiceOptions", scope)
        return output.message
    }

    private func fullName(
        _ name: String, _ scope: String, _ position: TextPosition?
    ) throws(ProtobufError) -> String {
        guard let found = candidates(name, scope).first(where: { schema.messageIndex(named: $0) != nil }) else {
            throw ProtobufError(.unresolved, "could not resolve type: \(name)", at: position)
        }
        return "." + found
    }

    /// What a name may mean, the innermost scope first.
    private func candidates(_ name: String, _ scope: String) -> [String] {
        if name.hasPrefix(".") { return [String(name.dropFirst())] }
        var output: [String] = []
        var prefix = scope
        while !prefix.isEmpty {
            output.append(prefix + "." + name)
            prefix = prefix.lastIndex(of: ".").map { String(prefix[..<$0]) } ?? ""
        }
        return output + [name]
    }

    // MARK: Options

    private func options(
        _ options: [ProtoOption], _ type: String, _ scope: String
    ) throws(ProtobufError) -> ProtobufValue? {
        guard !options.isEmpty else { return nil }
        var output = try NamedMessage("google.protobuf." + type, schema).message
        for option in options { set(option.parts[...], option.value, scope, &output) }
        return output.values.contains { $0 != nil } ? .message(output) : nil
    }

    private func set(
        _ parts: ArraySlice<ProtoOption.Part>, _ value: ProtoOption.Value, _ scope: String,
        _ message: inout ProtobufMessage
    ) {
        guard let part = parts.first else { return }
        let descriptor = schema.messages[message.typeIndex]
        let names = part.isExtension ? candidates(part.name, scope) : [part.name]
        guard let index = names.lazy.compactMap({ descriptor.fieldIndex(name: $0) }).first else { return }
        let field = descriptor.fields[index]
        if parts.count == 1 { return set(value, field, index, scope, &message) }
        guard field.kind == .message || field.kind == .group, !field.isRepeated else { return }
        var inner: ProtobufMessage
        if case .message(let known)? = message.values[index] {
            inner = known
        } else {
            inner = schema.emptyMessage(field.typeIndex)
        }
        set(parts.dropFirst(), value, scope, &inner)
        message.values[index] = .message(inner)
    }

    private func set(
        _ value: ProtoOption.Value, _ field: FieldDescriptor, _ index: Int, _ scope: String,
        _ message: inout ProtobufMessage
    ) {
        if field.isRepeated {
            let values: [ProtoOption.Value] = if case .list(let values) = value { values } else { [value] }
            for value in values {
                guard let element = self.value(value, field, scope) else { continue }
                if field.isMap {
                    guard case .message(let entry) = element else { continue }
                    let type = schema.messages[field.typeIndex]
                    guard let key = type.fieldIndex(number: 1), let held = type.fieldIndex(number: 2) else { continue }
                    var entries: [ProtobufMapEntry] =
                        if case .map(let known)? = message.values[index] { known } else { [] }
                    entries.append(
                        ProtobufMapEntry(
                            entry.values[key] ?? schema.defaultValue(of: type.fields[key]),
                            entry.values[held] ?? schema.defaultValue(of: type.fields[held])))
                    message.values[index] = .map(entries)
                } else {
                    var list: [ProtobufValue] = if case .list(let known)? = message.values[index] { known } else { [] }
                    list.append(element)
                    message.values[index] = .list(list)
                }
            }
        } else if let single = self.value(value, field, scope) {
            if case .message(let new) = single, case .message(var known)? = message.values[index] {
                for (place, value) in new.values.enumerated() where value != nil { known.values[place] = value }
                message.values[index] = .message(known)
            } else {
                message.values[index] = single
            }
        }
    }

    private func value(_ value: ProtoOption.Value, _ field: FieldDescriptor, _ scope: String) -> ProtobufValue? {
        guard field.kind == .message || field.kind == .group else {
            return OptionValues.scalar(value, field, schema.enums)
        }
        guard case .aggregate(let members) = value else { return nil }
        var message = schema.emptyMessage(field.typeIndex)
        let descriptor = schema.messages[field.typeIndex]
        for member in members {
            var names = [member.name]
            if member.name.hasPrefix("["), member.name.hasSuffix("]") {
                names = candidates(String(member.name.dropFirst().dropLast()), scope)
            }
            guard let index = names.lazy.compactMap({ descriptor.fieldIndex(name: $0) }).first else { continue }
            set(member.value, descriptor.fields[index], index, scope, &message)
        }
        return .message(message)
    }
}
