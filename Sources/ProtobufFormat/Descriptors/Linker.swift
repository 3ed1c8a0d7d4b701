/// Turns files into descriptors: declares all types first, then resolves the fields.
struct Linker {
    private let file: ProtoFile
    private let closure: ImportClosure
    private(set) var messages: [MessageDescriptor] = []
    private(set) var enums: [EnumDescriptor] = []
    private(set) var messageIndexes: [String: Int] = [:]
    private(set) var enumIndexes: [String: Int] = [:]
    /// What each message was declared as, by its place.
    private var declarations: [ProtoMessage] = []
    private var extends: [(extend: ProtoExtend, scope: String, isProto3: Bool)] = []
    private var defaults: [(message: Int, field: Int, value: ProtoOption.Value, position: TextPosition?)] = []

    init(file: ProtoFile, closure: ImportClosure) {
        self.file = file
        self.closure = closure
    }

    mutating func link() throws(ProtobufError) {
        for path in closure.order {
            if let imported = closure.files[path] { try declare(imported, path) }
        }
        try declare(file, "")
        for index in declarations.indices { try linkFields(index) }
        for (extend, scope, isProto3) in extends { try link(extend, scope, isProto3) }
        for (message, field, value, position) in defaults {
            messages[message].fields[field].defaultValue =
                try defaultValue(value, messages[message].fields[field], position)
        }
        for index in messages.indices {
            try checkNumbers(index)
            messages[index].index()
        }
    }

    // MARK: Declaring

    private mutating func declare(_ file: ProtoFile, _ path: String) throws(ProtobufError) {
        let prefix = file.package.map { $0 + "." } ?? ""
        var index: Int32 = 0
        for type in file.types {
            switch type {
            case .message(let message):
                try declare(message, prefix, path, [index], file.isProto3)
                index += 1
            case .enumeration(let enumeration): try declare(enumeration, prefix, path, file.isProto3)
            }
        }
        for extend in file.extends {
            extends.append((extend, file.package ?? "", file.isProto3))
            for group in extend.groups { try declare(group.body, prefix, path, nil, file.isProto3) }
        }
    }

    private mutating func declare(
        _ message: ProtoMessage, _ prefix: String, _ file: String, _ path: [Int32]?, _ isProto3: Bool
    ) throws(ProtobufError) {
        let fullName = prefix + message.name
        try claim(fullName, message.position)
        messageIndexes[fullName] = messages.count
        messages.append(
            MessageDescriptor(
                fullName: fullName, name: message.name, file: file, path: path, isMapEntry: message.isMapEntry,
                isProto3: isProto3))
        declarations.append(message)
        let inner = fullName + "."
        var index: Int32 = 0
        for type in message.types {
            switch type {
            case .message(let nested):
                try declare(nested, inner, file, path.map { $0 + [index] }, isProto3)
                index += 1
            case .enumeration(let enumeration): try declare(enumeration, inner, file, isProto3)
            }
        }
        for group in message.groups + message.oneofs.flatMap(\.groups) + message.extends.flatMap(\.groups) {
            try declare(group.body, inner, file, nil, isProto3)
        }
        for extend in message.extends { extends.append((extend, fullName, isProto3)) }
    }

    private mutating func declare(
        _ enumeration: ProtoEnum, _ prefix: String, _ file: String, _ isProto3: Bool
    ) throws(ProtobufError) {
        let fullName = prefix + enumeration.name
        try claim(fullName, enumeration.position)
        var names: Set<String> = []
        for constant in enumeration.constants where !names.insert(constant.name).inserted {
            throw ProtobufError(
                .invalid, "\"\(constant.name)\" is already defined in \"\(fullName)\"", at: constant.position)
        }
        enumIndexes[fullName] = enums.count
        enums.append(
            EnumDescriptor(
                fullName: fullName, name: enumeration.name, file: file,
                constants: enumeration.constants.map { .init(name: $0.name, number: $0.number) }, isClosed: !isProto3))
    }

    private func claim(_ fullName: String, _ position: TextPosition?) throws(ProtobufError) {
        guard messageIndexes[fullName] == nil, enumIndexes[fullName] == nil else {
            throw ProtobufError(.invalid, "\"\(fullName)\" is already defined", at: position)
        }
    }

    // MARK: Resolving

    private enum Resolved {
        case message(Int)
        case enumeration(Int)
    }

    private func resolve(
        _ name: String, in scope: String, _ position: TextPosition?
    ) throws(ProtobufError) -> Resolved {
        func find(_ full: String) -> Resolved? {
            if let index = messageIndexes[full] { return .message(index) }
            return enumIndexes[full].map { .enumeration($0) }
        }
        if name.hasPrefix(".") {
            if let found = find(String(name.dropFirst())) { return found }
        } else {
            var prefix = scope
            while !prefix.isEmpty {
                if let found = find(prefix + "." + name) { return found }
                prefix = prefix.lastIndex(of: ".").map { String(prefix[..<$0]) } ?? ""
            }
            if let found = find(name) { return found }
        }
        throw ProtobufError(.unresolved, "could not resolve type: \(name)", at: position)
    }

    private mutating func linkFields(_ index: Int) throws(ProtobufError) {
        let declaration = declarations[index]
        let scope = messages[index].fullName
        var fields: [FieldDescriptor] = []
        var pending: [(Int, ProtoField)] = []
        // The order of the text, as far as it is kept: fields, then each oneof.
        for field in declaration.fields {
            pending.append((fields.count, field))
            fields.append(try link(field, scope, oneof: nil, isProto3: messages[index].isProto3))
        }
        for (place, oneof) in declaration.oneofs.enumerated() {
            messages[index].oneofs.append(oneof.name)
            for field in oneof.fields {
                pending.append((fields.count, field))
                fields.append(try link(field, scope, oneof: place, isProto3: messages[index].isProto3))
            }
            for group in oneof.groups { fields.append(try link(group, scope, oneof: place)) }
        }
        for group in declaration.groups { fields.append(try link(group, scope, oneof: nil)) }
        for (place, field) in pending {
            if let value = field.defaultValue { defaults.append((index, place, value, field.position)) }
        }
        var names: Set<String> = []
        for (field, name) in fields.map({ ($0, $0.name) }) where !names.insert(name).inserted {
            throw ProtobufError(
                .invalid, "field \(field.number) of \"\(scope)\": \"\(name)\" is already defined",
                at: declaration.position)
        }
        for oneof in declaration.oneofs where !names.insert(oneof.name).inserted {
            throw ProtobufError(.invalid, "\"\(oneof.name)\" is already defined in \"\(scope)\"", at: oneof.position)
        }
        messages[index].fields = fields
    }

    private mutating func link(
        _ field: ProtoField, _ scope: String, oneof: Int?, isProto3: Bool, extensionName: String? = nil
    ) throws(ProtobufError) -> FieldDescriptor {
        var kind: FieldKind
        var typeIndex = -1
        var cardinality: FieldDescriptor.Cardinality =
            switch field.label {
            case .required: .required
            case .repeated: .repeated
            case .optional, nil: .optional
            }
        switch field.type {
        case .scalar(let type): kind = FieldKind(type)
        case .named(let name):
            switch try resolve(name, in: scope, field.position) {
            case .enumeration(let index):
                kind = .enumeration
                typeIndex = index
            case .message(let index):
                kind = .message
                typeIndex = index
                if messages[index].isMapEntry, cardinality == .repeated { cardinality = .map }
            }
        case .map(let key, let value):
            kind = .message
            cardinality = .map
            typeIndex = try declareEntry(field, key, value, scope, isProto3)
        }
        let packed = field.options.last { $0.plainName == "packed" }?.value
        let isPacked =
            cardinality == .repeated && kind.isPackable
            && (isProto3 ? packed != .word("false") : packed == .word("true"))
        let isOptionalProto3 = isProto3 && field.label == .optional && extensionName == nil
        return FieldDescriptor(
            name: extensionName ?? field.name,
            jsonName: extensionName.map { "[\($0)]" } ?? field.jsonName ?? Self.jsonName(field.name),
            number: field.number, kind: kind, cardinality: cardinality, isPacked: isPacked,
            hasPresence: cardinality != .repeated && cardinality != .map
                && (!isProto3 || kind == .message || oneof != nil || isOptionalProto3 || extensionName != nil),
            typeIndex: typeIndex, oneofIndex: oneof, defaultValue: nil, isExtension: extensionName != nil,
            isProto3Optional: isOptionalProto3)
    }

    private func link(
        _ group: ProtoGroup, _ scope: String, oneof: Int?, extensionName: String? = nil
    ) throws(ProtobufError) -> FieldDescriptor {
        guard let index = messageIndexes[scope.isEmpty ? group.body.name : scope + "." + group.body.name] else {
            throw ProtobufError(.unresolved, "could not resolve group \(group.body.name)", at: group.body.position)
        }
        let name = group.body.name.lowercased()
        return FieldDescriptor(
            name: extensionName ?? name, jsonName: extensionName.map { "[\($0)]" } ?? Self.jsonName(name),
            number: group.number, kind: .group,
            cardinality: group.label == .repeated ? .repeated : group.label == .required ? .required : .optional,
            isPacked: false, hasPresence: group.label != .repeated, typeIndex: index, oneofIndex: oneof,
            defaultValue: nil, isExtension: extensionName != nil, isProto3Optional: false)
    }

    /// The message that the entries of `map<K, V>` are on the wire.
    private mutating func declareEntry(
        _ field: ProtoField, _ key: ScalarType, _ value: ProtoMapValue, _ scope: String, _ isProto3: Bool
    ) throws(ProtobufError) -> Int {
        let name = Self.entryName(field.name)
        let index = messages.count
        var entry = MessageDescriptor(
            fullName: scope + "." + name, name: name, file: messages[messageIndexes[scope] ?? 0].file, path: nil,
            isMapEntry: true, isProto3: isProto3)
        let valueField = ProtoField(
            label: .optional, type: Self.fieldType(value), name: "value", number: 2, position: field.position)
        var linkedValue = try link(valueField, scope, oneof: nil, isProto3: false)
        linkedValue.hasPresence = true
        entry.fields = [
            FieldDescriptor(
                name: "key", jsonName: "key", number: 1, kind: FieldKind(key), cardinality: .optional, isPacked: false,
                hasPresence: true, typeIndex: -1, oneofIndex: nil, defaultValue: nil, isExtension: false,
                isProto3Optional: false),
            linkedValue,
        ]
        // A message of that name may be there; the entry is reached by its place only.
        if messageIndexes[entry.fullName] == nil, enumIndexes[entry.fullName] == nil {
            messageIndexes[entry.fullName] = index
        }
        messages.append(entry)
        return index
    }

    private static func fieldType(_ value: ProtoMapValue) -> ProtoFieldType {
        switch value {
        case .scalar(let type): .scalar(type)
        case .named(let name): .named(name)
        }
    }

    private mutating func link(_ extend: ProtoExtend, _ scope: String, _ isProto3: Bool) throws(ProtobufError) {
        guard case .message(let target) = try resolve(extend.name, in: scope, extend.position) else {
            throw ProtobufError(.unresolved, "\"\(extend.name)\" is no message", at: extend.position)
        }
        let prefix = scope.isEmpty ? "" : scope + "."
        for field in extend.fields {
            let linked = try link(field, scope, oneof: nil, isProto3: isProto3, extensionName: prefix + field.name)
            if let value = field.defaultValue {
                defaults.append((target, messages[target].fields.count, value, field.position))
            }
            messages[target].fields.append(linked)
        }
        for group in extend.groups {
            let name = prefix + group.body.name.lowercased()
            messages[target].fields.append(try link(group, scope, oneof: nil, extensionName: name))
        }
    }

    private func checkNumbers(_ index: Int) throws(ProtobufError) {
        let message = messages[index]
        var names: [Int32: String] = [:]
        for field in message.fields {
            let position = index < declarations.count ? declarations[index].position : nil
            guard 1...ProtoFile.fieldNumberMax ~= field.number else {
                throw ProtobufError(
                    .invalid, "\"\(message.fullName).\(field.name)\": field numbers are 1 to 536870911", at: position)
            }
            if let other = names.updateValue(field.name, forKey: field.number) {
                throw ProtobufError(
                    .invalid,
                    "\"\(message.fullName).\(field.name)\": number \(field.number) is already used by \"\(other)\"",
                    at: position)
            }
        }
        guard message.isMapEntry else { return }
        // Everything that reads maps relies on it.
        let own = message.fields.filter { !$0.isExtension }
        guard own.map(\.number) == [1, 2], own[0].typeIndex < 0, own[1].kind != .group,
            own.allSatisfy({ $0.cardinality == .optional && $0.oneofIndex == nil })
        else {
            throw ProtobufError(
                .invalid,
                "\"\(message.fullName)\" has the option map_entry, but not the two fields key = 1, a scalar, and value = 2, "
                    + "in this order; declare a map<K, V> instead",
                at: index < declarations.count ? declarations[index].position : nil)
        }
    }

    // MARK: Names and defaults

    /// `foo_bar` in JSON: `fooBar`.
    static func jsonName(_ name: String) -> String {
        var output: [UInt8] = []
        var isAfterUnderscore = false
        for byte in name.utf8 {
            if byte == UInt8(ascii: "_") {
                isAfterUnderscore = true
            } else {
                output.append(isAfterUnderscore && 0x61...0x7A ~= byte ? byte - 0x20 : byte)
                isAfterUnderscore = false
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// `foo_bar` as the message of a map's entries: `FooBarEntry`.
    static func entryName(_ name: String) -> String {
        var output: [UInt8] = []
        var isStart = true
        for byte in name.utf8 {
            if byte == UInt8(ascii: "_") {
                isStart = true
            } else {
                output.append(isStart && 0x61...0x7A ~= byte ? byte - 0x20 : byte)
                isStart = false
            }
        }
        return String(decoding: output, as: UTF8.self) + "Entry"
    }

    private func defaultValue(
        _ value: ProtoOption.Value, _ field: FieldDescriptor, _ position: TextPosition?
    ) throws(ProtobufError) -> ProtobufValue {
        if let value = OptionValues.scalar(value, field, enums) {
            // A number without a constant could not be said in a descriptor.
            guard case .enumeration(let number) = value, enums[field.typeIndex].name(of: number) == nil else {
                return value
            }
        }
        throw ProtobufError(.invalid, "the default of \"\(field.name)\" does not fit its type", at: position)
    }
}
