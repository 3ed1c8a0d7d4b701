import ProtobufFormat
import SQLTypes

/// The Connect schema of a message and messages as structs: Confluent's `ProtobufData`.
struct ProtobufMapping: Sendable {
    let schema: ProtobufSchema
    let index: Int
    let connect: ConnectSchema
    private let options: ProtobufOptions

    /// The parameter that keeps which of Protobuf's integers one was.
    static let integerType = "io.confluent.connect.protobuf.Type"
    static let enumeration = "io.confluent.connect.protobuf.Enum"
    static let tag = "io.confluent.connect.protobuf.Tag"
    static let union = "io.confluent.connect.protobuf.Union."

    /// - Parameter version: of the whole schema.
    /// - Throws: `.data` for what Connect has no type for.
    init(
        _ schema: ProtobufSchema, _ index: Int, _ options: ProtobufOptions = ProtobufOptions(), version: Int32? = nil
    ) throws(ConnectError) {
        self.schema = schema
        self.index = index
        self.options = options
        if options.unwraps, schema.messages.indices.contains(index),
            let plain = ProtobufOptions.wrapped(schema.messages[index].fullName)
        {
            connect = plain.with(version: .some(version))
            return
        }
        var building = Building()
        let made = try Self.message(schema, index, options, &building, depth: 0, version: version)
        connect = try building.structs.finish()(index, made)
        guard options.fillsUnset else { return }
        var counts: [Int: Int] = [:]
        guard Self.filledCount(schema, index, options, &counts, depth: 0) > Self.filledCountMax else { return }
        throw .data(
            "Message \(schema.messages[index].fullName) has more than \(Self.filledCountMax) fields when all that is not set is "
                + "filled in (generate.struct.for.nulls=true)")
    }

    /// A message of no bytes has so many fields with `generate.struct.for.nulls`.
    private static let filledCountMax = 10_000

    /// How many values a message of no bytes has when all messages in it are filled in: more than there may be for one that
    /// contains itself.
    ///
    /// - Parameter counts: of the messages that are known, those around this one included.
    private static func filledCount(
        _ schema: ProtobufSchema, _ index: Int, _ options: ProtobufOptions, _ counts: inout [Int: Int], depth: Int
    ) -> Int {
        let top = filledCountMax + 1
        if let known = counts[index] { return known }
        guard depth < ConnectSchema.depthMax else { return top }
        counts[index] = top
        var count = 1
        for field in schema.messages[index].fields {
            let isMessage = field.kind == .message || field.kind == .group
            let isUnion = field.oneofIndex != nil && !field.isProto3Optional
            guard isMessage, !isUnion, field.cardinality != .repeated, field.cardinality != .map,
                !isValue(schema.messages[field.typeIndex].fullName, options)
            else {
                count += 1
                continue
            }
            count = min(count + filledCount(schema, field.typeIndex, options, &counts, depth: depth + 1), top)
        }
        counts[index] = min(count, top)
        return min(count, top)
    }

    /// Whether messages of this name are values of a logical type, or of the type that they wrap.
    private static func isValue(_ name: String, _ options: ProtobufOptions) -> Bool {
        switch name {
        case "google.protobuf.Timestamp", "google.type.Date", "google.type.TimeOfDay", "confluent.type.Decimal": true
        default: (options.unwraps || options.wraps) && ProtobufOptions.wrapped(name) != nil
        }
    }

    private static func message(
        _ schema: ProtobufSchema, _ index: Int, _ options: ProtobufOptions,
        _ building: inout Building,
        depth: Int, version: Int32? = nil
    ) throws(ConnectError) -> ConnectSchema {
        guard schema.messages.indices.contains(index) else { throw .data("Protobuf message is not in its schema") }
        if let known = building.structs.begin(index) { return known }
        let descriptor = schema.messages[index]
        guard depth < 64 else { throw .data("Protobuf message \(descriptor.fullName) is nested too deep") }
        var fields: [ConnectSchema.Field] = []
        var unions: [Int: [ConnectSchema.Field]] = [:]
        for field in descriptor.fields {
            var made = try self.field(schema, field, descriptor, options, &building, depth: depth)
            made = made.with(parameters: made.parameters + [.init(tag, String(field.number))])
            if let oneof = field.oneofIndex, !field.isProto3Optional {
                unions[oneof, default: []].append(.init(field.name, made.with(isOptional: true)))
            } else {
                fields.append(.init(field.name, made))
            }
        }
        // Unions stand in front.
        var choices: [ConnectSchema.Field] = []
        for (oneof, members) in unions.sorted(by: { $0.key < $1.key }) where descriptor.oneofs.indices.contains(oneof) {
            guard !options.flattensUnions else {
                choices += members
                continue
            }
            let name = descriptor.oneofs[oneof]
            let owner = options.isEnhanced ? descriptor.fullName + "." : ""
            choices.append(
                .init(
                    options.unionField(name, oneof), .structure(members, name: union + owner + name, isOptional: true)))
        }
        fields = choices + fields
        try ConnectSchema.checkFields(fields)
        let last = descriptor.fullName.split(separator: ".").last.map(String.init)
        let name = options.isEnhanced ? descriptor.fullName : last ?? descriptor.fullName
        let made = ConnectSchema(.structure, name: name, version: version, fields: fields)
        building.structs.end(index, made)
        return made
    }

    private static func field(
        _ schema: ProtobufSchema, _ field: FieldDescriptor, _ owner: MessageDescriptor, _ options: ProtobufOptions,
        _ building: inout Building, depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let isOptional = field.cardinality != .required
        switch field.cardinality {
        case .map:
            let entry = schema.messages[field.typeIndex]
            guard let key = entry.fieldIndex(number: 1), let value = entry.fieldIndex(number: 2) else {
                throw .data("Protobuf map \(field.name) has no key and value")
            }
            // Keys and values are fields like others.
            func part(_ field: FieldDescriptor) throws(ConnectError) -> ConnectSchema {
                let made = try single(schema, field, entry, options, &building, depth: depth)
                return made.with(
                    isOptional: options.hasOptionalFields || isObject(field),
                    parameters: made.parameters + [.init(tag, String(field.number))])
            }
            return ConnectSchema(
                .map, isOptional: isOptional, name: mapName(entry.fullName, options),
                keySchema: try part(entry.fields[key]), valueSchema: try part(entry.fields[value]))
        case .repeated:
            let element = try single(schema, field, owner, options, &building, depth: depth)
            return .array(element.with(isOptional: true), isOptional: isOptional)
        default:
            // With options for what may be null, a plain number or text may not.
            let isMarked = field.isProto3Optional || field.hasPresence
            let mayBeNull =
                options.hasOptionalFields || isObject(field) || (options.marksOptional && isMarked)
            return try single(schema, field, owner, options, &building, depth: depth).with(
                isOptional: isOptional && mayBeNull)
        }
    }

    /// What Java has objects for, which may be null whatever the options say.
    private static func isObject(_ field: FieldDescriptor) -> Bool {
        field.kind == .message || field.kind == .group || field.kind == .enumeration
    }

    /// The name of a map: that of the message of its entries as the name of a field, `ScoresByDayEntry` as `scores_by_day`.
    private static func mapName(_ fullName: String, _ options: ProtobufOptions) -> String {
        var parts = fullName.split(separator: ".").map(String.init)
        var last = parts.popLast() ?? ""
        if last.hasSuffix("Entry") {
            last.removeLast("Entry".count)
            var name = ""
            for (place, character) in last.enumerated() {
                if place > 0, character.isASCII, character.isUppercase { name.append("_") }
                name += character.lowercased()
            }
            last = name
        }
        return options.isEnhanced ? (parts + [last]).joined(separator: ".") : last
    }

    private static func single(
        _ schema: ProtobufSchema, _ field: FieldDescriptor, _ owner: MessageDescriptor, _ options: ProtobufOptions,
        _ building: inout Building, depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        func integer(_ kind: ConnectSchema, _ name: String) -> ConnectSchema {
            kind.with(parameters: [.init(integerType, name)])
        }
        switch field.kind {
        case .double: return .float64
        case .float: return .float32
        case .sint32: return integer(.int32, "sint32")
        case .sfixed32: return integer(.int32, "sfixed32")
        case .int32:
            switch building.meta(schema, field, owner)["connect.type"] {
            case "int8": return .int8
            case "int16": return .int16
            default: return .int32
            }
        case .int64: return .int64
        case .sint64: return integer(.int64, "sint64")
        case .sfixed64: return integer(.int64, "sfixed64")
        case .uint64: return integer(.int64, "uint64")
        case .fixed64: return integer(.int64, "fixed64")
        case .uint32: return integer(.int64, "uint32")
        case .fixed32: return integer(.int64, "fixed32")
        case .bool: return .boolean
        case .string: return .string
        case .bytes: return .bytes
        case .enumeration:
            let descriptor = schema.enums[field.typeIndex]
            return ConnectSchema(
                options.usesNumbers ? .int32 : .string,
                name: options.isEnhanced ? descriptor.fullName : descriptor.name,
                parameters: [.init(enumeration, descriptor.name)]
                    + descriptor.constants.map { .init(enumeration + "." + $0.name, String($0.number)) })
        case .message, .group:
            switch schema.messages[field.typeIndex].fullName {
            case "google.protobuf.Timestamp": return .timestamp
            case "google.type.Date": return .date
            case "google.type.TimeOfDay": return .time
            case "confluent.type.Decimal":
                let told = building.meta(schema, field, owner)
                let decimal = ConnectSchema.decimal(scale: told["scale"].flatMap { Int($0) } ?? 0)
                guard let precision = told["precision"].flatMap({ Int($0) }) else { return decimal }
                return decimal.with(
                    parameters: decimal.parameters + [.init(AvroMapping.precision, String(precision))])
            case let name:
                if options.unwraps || options.wraps, let plain = ProtobufOptions.wrapped(name) { return plain }
                return try message(schema, field.typeIndex, options, &building, depth: depth + 1)
            }
        }
    }

    /// What is known while the schemas of messages are made.
    private struct Building {
        var structs = RecursiveStructBuilder<Int>()
        /// Of each file, by its name, the messages by their full names.
        private var declared: [String: [String: ProtoMessage]] = [:]

        /// The parameters of a field's `confluent.field_meta`.
        mutating func meta(
            _ schema: ProtobufSchema, _ field: FieldDescriptor, _ owner: MessageDescriptor
        ) -> [String: String] {
            if declared[owner.file] == nil {
                var messages: [String: ProtoMessage] = [:]
                if let file = owner.file.isEmpty ? schema.file : schema.imports[owner.file] {
                    Self.collect(file.types, file.package ?? "", &messages)
                }
                declared[owner.file] = messages
            }
            let message = declared[owner.file]?[owner.fullName]
            var found: [String: String] = [:]
            for option in message?.fields.first(where: { $0.number == field.number })?.options ?? []
            where option.plainName == "confluent.field_meta" || ProtobufMapping.isMeta(option) {
                ProtobufMapping.collect(option.value, &found)
            }
            return found
        }

        private static func collect(_ types: [ProtoType], _ outer: String, _ messages: inout [String: ProtoMessage]) {
            for case .message(let message) in types {
                let name = outer.isEmpty ? message.name : outer + "." + message.name
                messages[name] = message
                collect(message.types, name, &messages)
            }
        }
    }

    private static func isMeta(_ option: ProtoOption) -> Bool {
        option.parts.first.map { $0.isExtension && $0.name.hasSuffix("confluent.field_meta") } ?? false
    }

    private static func collect(_ value: ProtoOption.Value, _ found: inout [String: String]) {
        switch value {
        case .list(let values): for value in values { collect(value, &found) }
        case .aggregate(let members):
            func text(_ name: String) -> String? {
                guard case .string(let bytes)? = members.first(where: { $0.name == name })?.value else { return nil }
                return String(decoding: bytes, as: UTF8.self)
            }
            if let key = text("key"), let value = text("value") {
                found[key] = value
            } else {
                for member in members { collect(member.value, &found) }
            }
        default: break
        }
    }

    // MARK: values

    func value(
        _ message: ProtobufMessage, _ connect: ConnectSchema, depth: Int
    ) throws(ConnectError) -> ConnectStruct {
        guard depth < ConnectSchema.depthMax else { throw .data("Protobuf message is nested too deep") }
        let descriptor = schema.messages[message.typeIndex]
        let level = connect.level
        var structure = ConnectStruct(connect)
        var unions: [Int: ConnectStruct] = [:]
        for (place, field) in descriptor.fields.enumerated() {
            let given = message.values[place]
            if let oneof = field.oneofIndex, !field.isProto3Optional, !options.flattensUnions,
                descriptor.oneofs.indices.contains(oneof)
            {
                guard let given, let target = level.places[options.unionField(descriptor.oneofs[oneof], oneof)]
                else { continue }
                let union = level.fields[target].schema
                guard let member = union.index(of: field.name) else { continue }
                var inner = ConnectStruct(union)
                inner[member] = try value(given, union.fields[member].schema, field, depth)
                unions[target] = inner
                continue
            }
            guard let target = level.places[field.name] else { continue }
            // A field that knows whether it is set is null when it is not; others have their default.
            guard let given = given ?? (isNullUnset(field) ? nil : schema.defaultValue(of: field)) else { continue }
            structure[target] = try value(given, level.fields[target].schema, field, depth)
        }
        for (target, union) in unions { structure[target] = .structure(union) }
        return structure
    }

    private func isNullUnset(_ field: FieldDescriptor) -> Bool {
        guard field.hasPresence else { return false }
        let isUnion = field.oneofIndex != nil && !field.isProto3Optional
        if isUnion { return true }
        if options.fillsUnset { return false }
        let isMessage = field.kind == .message || field.kind == .group
        return isMessage || field.isProto3Optional || options.supportsProto2
    }

    /// A message as a struct, or as the value of a logical type or of a wrapper.
    func value(
        of message: ProtobufMessage, _ connect: ConnectSchema, depth: Int
    ) throws(ConnectError) -> ConnectValue {
        if let type = connect.logicalType { return try logical(message, type) }
        guard connect.kind != .structure else { return .structure(try value(message, connect, depth: depth)) }
        // A wrapper: its one field is the value.
        let descriptor = schema.messages[message.typeIndex]
        guard let place = descriptor.fieldIndex(number: 1) else { return .null }
        let inner = descriptor.fields[place]
        return try value(message.values[place] ?? schema.defaultValue(of: inner), connect, inner, depth)
    }

    private func value(
        _ value: ProtobufValue, _ connect: ConnectSchema, _ field: FieldDescriptor, _ depth: Int
    ) throws(ConnectError) -> ConnectValue {
        switch value {
        case .int32(let number):
            switch connect.kind {
            case .int8: return .int8(Int8(truncatingIfNeeded: number))
            case .int16: return .int16(Int16(truncatingIfNeeded: number))
            default: return .int32(number)
            }
        case .int64(let number): return .int64(number)
        case .uint32(let number): return .int64(Int64(number))
        case .uint64(let number): return .int64(Int64(bitPattern: number))
        case .bool(let flag): return .boolean(flag)
        case .float(let number): return .float32(number)
        case .double(let number): return .float64(number)
        case .string(let text): return .string(text)
        case .bytes(let bytes): return .bytes(bytes)
        case .enumeration(let number):
            if connect.kind == .int32 { return .int32(number) }
            // A constant that the schema does not know keeps its number.
            return .string(schema.enums[field.typeIndex].name(of: number) ?? String(number))
        case .list(let elements):
            var values: [ConnectValue] = []
            let element = connect.valueSchema ?? .optionalString
            for item in elements { values.append(try self.value(item, element, field, depth + 1)) }
            return .array(values)
        case .map(let entries):
            let entry = schema.messages[field.typeIndex]
            guard let key = entry.fieldIndex(number: 1), let value = entry.fieldIndex(number: 2) else { return .null }
            var map = ConnectMap()
            for pair in entries {
                map[try self.value(pair.key, connect.keySchema ?? .string, entry.fields[key], depth + 1)] =
                    try self.value(pair.value, connect.valueSchema ?? .optionalString, entry.fields[value], depth + 1)
            }
            return .map(map)
        case .message(let message): return try self.value(of: message, connect, depth: depth + 1)
        }
    }

    private func logical(_ message: ProtobufMessage, _ type: LogicalType) throws(ConnectError) -> ConnectValue {
        let descriptor = schema.messages[message.typeIndex]
        func number(_ tag: Int32) -> Int64 {
            guard let place = descriptor.fieldIndex(number: tag), let value = message.values[place] else { return 0 }
            switch value {
            case .int32(let number): return Int64(number)
            case .int64(let number): return number
            case .uint32(let number): return Int64(number)
            default: return 0
            }
        }
        switch type {
        case .timestamp:
            let (millis, overflow) = number(1).multipliedReportingOverflow(by: 1000)
            let (sum, tooLarge) = millis.addingReportingOverflow(number(2) / 1_000_000)
            guard !overflow, !tooLarge else { throw .data("Timestamp is out of range") }
            return .instant(sum)
        case .date:
            guard -9999...9999 ~= number(1), 1...12 ~= number(2), 1...31 ~= number(3) else {
                throw .data("Date \(number(1))-\(number(2))-\(number(3)) does not exist")
            }
            let date = CivilDate(year: Int(number(1)), month: Int(number(2)), day: Int(number(3)))
            return .instant(Int64(date.days) * JavaText.millisOfDay)
        case .time:
            guard 0...24 ~= number(1), 0...59 ~= number(2), 0...60 ~= number(3) else {
                throw .data("Time is out of range")
            }
            return .instant(number(1) * 3_600_000 + number(2) * 60_000 + number(3) * 1000 + number(4) / 1_000_000)
        case .decimal:
            guard let place = descriptor.fieldIndex(number: 1), case .bytes(let bytes)? = message.values[place],
                -10_000...10_000 ~= number(3)
            else { return .decimal(SQLDecimal(unscaled: 0, scale: 0)) }
            return .decimal(SQLDecimal(bigEndian: bytes, scale: Int(number(3))))
        }
    }
}
