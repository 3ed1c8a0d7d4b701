import SQLTypes

/// `HeaderToField` of the common transforms: headers as fields, each of a type that is named.
struct HeaderToField: Transformation {
    private struct Mapping: Sendable {
        var header: String
        var field: String
        var schema: ConnectSchema
    }

    private let part: RecordPart
    private let mappings: [Mapping]
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "header.mappings", .list, .required, .notEmptyList, .high,
            "What becomes what, as header:TYPE or header:TYPE:field. Types: STRING, BOOLEAN, INT8, INT16, INT32, INT64, "
                + "FLOAT32, FLOAT64, BYTES(Decimal[scale=2]), INT64(Timestamp), INT32(Date), INT32(Time).")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        var mappings: [Mapping] = []
        for text in values.list("header.mappings") {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard 2...3 ~= parts.count, let schema = Self.schema(parts[1].trimmed) else {
                throw .config("header.mappings", text, nil)
            }
            let header = parts[0].trimmed
            mappings.append(Mapping(header: header, field: parts.count > 2 ? parts[2] : header, schema: schema))
        }
        self.mappings = mappings
    }

    /// The type that a name stands for; nil for what is none, and for bytes, which no header becomes.
    private static func schema(_ text: String) -> ConnectSchema? {
        let text = text.lowercased()
        let plain: [ConnectSchema] = [
            .optionalString, .optionalBoolean, .optionalInt8, .optionalInt16, .optionalInt32, .optionalInt64,
            .optionalFloat32, .optionalFloat64,
        ]
        if let known = plain.first(where: { $0.kind.rawValue.lowercased() == text }) { return known }
        for type in [LogicalType.timestamp, .date, .time] {
            let full = type.rawValue.lowercased()
            let short = full.split(separator: ".").last.map(String.init) ?? full
            for name in [full, short] where text == "\(type.kind.rawValue.lowercased())(\(name))" {
                return .logical(type, isOptional: true)
            }
        }
        let full = LogicalType.decimal.rawValue.lowercased()
        for name in [full, "decimal"] {
            let head = "bytes(\(name)[scale="
            guard text.hasPrefix(head), text.hasSuffix("])"),
                let scale = Int(text.dropFirst(head.count).dropLast(2)), 0..<50 ~= scale
            else { continue }
            return .decimal(scale: scale, isOptional: true)
        }
        return nil
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let structure = try Requirements.structure(current.value, "inserting headers")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            try .structure(
                basics: schema, isOptional: schema.isOptional,
                fields: schema.fields + mappings.map { .init($0.field, $0.schema) })
        }
        var values = structure.values
        for mapping in mappings {
            let header = record.headers.last { $0.name == mapping.header }
            values.append(
                try header.map { header throws(ConnectError) in
                    try Self.converted(header, mapping.schema)
                } ?? .null)
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }

    /// As `Values.convertTo...` does.
    private static func converted(
        _ header: ConnectHeader, _ schema: ConnectSchema
    ) throws(ConnectError) -> ConnectValue {
        if header.value.isNull { return .null }
        var value = header.value
        if case .string(let text) = value, schema.kind != .string { value = ValueText.parse(text).value }
        switch schema.logicalType {
        case .decimal:
            // A text counts as it is: numbers that it looks like may be less exact.
            let number = SQLDecimal(utf8: Array(ValueText.text(header.value).utf8))
            if let fitting = try number?.rescaledExactly(to: schema.decimalScale()) { return .decimal(fitting) }
        case .date, .time, .timestamp:
            let millis: Int64? =
                if case .instant(let known) = value {
                    known
                } else {
                    value.integer.map { schema.logicalType == .date ? $0 &* JavaText.millisOfDay : $0 }
                }
            if let millis {
                let ofDay = Int64(floorMod(Int(millis), Int(JavaText.millisOfDay)))
                switch schema.logicalType {
                case .date: return .instant(millis &- ofDay)
                case .time: return .instant(ofDay)
                default: return .instant(millis)
                }
            }
        case nil:
            if schema.kind == .string { return .string(ValueText.text(value)) }
            return try Cast.cast(value, nil, to: schema.kind)
        }
        throw .data("Unable to convert \(ValueText.text(header.value)) (header '\(header.name)') to \(schema)")
    }
}

/// `ToJSON` of the common transforms: a struct as the text of its JSON.
struct ToJSON: Transformation {
    private let part: RecordPart
    private let isBytes: Bool
    private let converter: JSONConverter

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "output.schema.type", .string, .value(.string("STRING")), .oneOf(["STRING", "BYTES"]), .medium,
            "What the JSON is: STRING or BYTES.")
        definition.define(
            "schemas.enable", .boolean, .value(.boolean(false)), nil, .medium, "Whether the schema stands in it.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        isBytes = values.string("output.schema.type") == "BYTES"
        var options = JSONConverter.Options()
        options.hasSchemas = values.flag("schemas.enable")
        converter = JSONConverter(options)
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        _ = try Requirements.structure(current.value, "writing JSON")
        let bytes = try converter.bytes(current, topic: record.topic) ?? []
        return isBytes
            ? record.with(part, .optionalBytes, .bytes(bytes))
            : record.with(part, .optionalString, .string(String(decoding: bytes, as: UTF8.self)))
    }
}

/// `BytesToString` of the common transforms.
struct BytesToString: Transformation {
    private let part: RecordPart
    private let fields: Set<String>
    private let isLatin: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "charset", .string, .value(.string("UTF-8")),
            .oneOf(["UTF-8", "US-ASCII", "ISO-8859-1"], ignoresCase: true),
            .high, "The character set of the bytes: UTF-8, US-ASCII or ISO-8859-1.")
        definition.define(
            "fields", .list, .value(.list([])), nil, .high,
            "The fields of bytes that become texts, where the whole is a struct.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        fields = Set(values.list("fields"))
        isLatin = values.string("charset")?.uppercased() == "ISO-8859-1"
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        switch current.value {
        case .null: return record
        case .bytes(let bytes):
            return record.with(
                part, current.schema?.isOptional == true ? .optionalString : .string, .string(text(bytes)))
        default: break
        }
        let structure = try Requirements.structure(current.value, "converting bytes to texts")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            for field in schema.fields where fields.contains(field.name) && field.schema.kind != .bytes {
                throw .data("Field '\(field.name)' is not of type BYTES")
            }
            return .structure(
                schema.fields.map { field in
                    guard fields.contains(field.name) else { return field }
                    return .init(field.name, field.schema.isOptional ? .optionalString : .string)
                }, name: schema.name, isOptional: schema.isOptional)
        }
        var values: [ConnectValue] = []
        for (index, field) in structure.schema.fields.enumerated() {
            let value = structure[index]
            if fields.contains(field.name), case .bytes(let bytes) = value {
                values.append(.string(text(bytes)))
            } else {
                values.append(value)
            }
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }

    private func text(_ bytes: [UInt8]) -> String {
        guard isLatin else { return String(decoding: bytes, as: UTF8.self) }
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }
}

/// `ToLong` of the common transforms: numbers of all kinds as INT64.
struct ToLong: Transformation {
    private let part: RecordPart
    private let fields: Set<String>
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("fields", .list, .required, .notEmptyList, .high, "The fields of numbers.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        fields = Set(values.list("fields"))
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let structure = try Requirements.structure(current.value, "converting numbers")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in
            .structure(
                schema.fields.map { field in
                    guard fields.contains(field.name) else { return field }
                    return .init(field.name, field.schema.isOptional ? .optionalInt64 : .int64)
                }, name: schema.name, isOptional: schema.isOptional)
        }
        var values: [ConnectValue] = []
        for (index, field) in structure.schema.fields.enumerated() {
            var value = structure[index]
            if fields.contains(field.name), !value.isNull {
                switch value {
                case .int8, .int16, .int32, .int64, .float32, .float64, .decimal:
                    value = try Cast.cast(value, nil, to: .int64)
                default: throw .data("Field '\(field.name)' is not a number. \(value.javaClass)")
                }
            }
            values.append(value)
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }
}

/// `SetMaximumPrecision` and `AdjustPrecisionAndScale` of the common transforms: decimals as databases and Avro take them.
struct DecimalBounds: Transformation {
    private enum Mode: String, Sendable, CaseIterable { case none, undefined, max }
    private enum Negative: String, Sendable, CaseIterable { case none, zero, value }

    private static let precisionName = "connect.decimal.precision"

    private let part: RecordPart
    private let precision: Int
    /// nil: only schemas get their precision, `SetMaximumPrecision`.
    private let adjustment: Adjustment?
    private let schemas = UpdatedSchemas()

    private struct Adjustment: Sendable {
        var precisionMode: Mode
        var undefinedPrecision: Int
        var scale: Int
        var scaleMode: Mode
        var undefinedScale: Int
        var negative: Negative
    }

    static let maximumDefinition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "precision.max", .int, .required, .between(1, 64), .high,
            "The most digits that schemas of decimals allow. Values stay as they are.")
        return definition
    }()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        let modes = Mode.allCases.map(\.rawValue)
        definition.define("precision.value", .int, .value(.integer(38)), .between(1, 64), .high, "How many digits.")
        definition.define(
            "precision.mode", .string, .value(.string("none")), .oneOf(modes), .high,
            "Which values get it: none; undefined, those of precision.undefined.value digits; max, also those of more.")
        definition.define(
            "precision.undefined.value", .int, .value(.integer(132)), nil, .low,
            "How many digits a value has whose precision is undefined.")
        definition.define(
            "scale.value", .int, .value(.integer(127)), .between(0, 127), .high, "How many digits behind the point.")
        definition.define(
            "scale.mode", .string, .value(.string("none")), .oneOf(modes), .high,
            "Which values get it: none; undefined, those whose precision and scale are undefined; max, also those of more."
        )
        definition.define(
            "scale.negative.mode", .string, .value(.string("none")), .oneOf(Negative.allCases.map(\.rawValue)), .high,
            "What a negative scale becomes: none, as it is; zero or value: 0, as in the original.")
        definition.define(
            "scale.undefined.value", .int, .value(.integer(127)), nil, .low,
            "How many digits behind the point a value has whose scale is undefined.")
        return definition
    }()

    init(maximum part: RecordPart, _ values: ConfigValues) {
        self.part = part
        precision = Int(values.integer("precision.max") ?? 64)
        adjustment = nil
    }

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        func number(_ name: String) -> Int { Int(values.integer(name) ?? 0) }
        precision = number("precision.value")
        adjustment = Adjustment(
            precisionMode: Mode(rawValue: values.string("precision.mode") ?? "") ?? .none,
            undefinedPrecision: number("precision.undefined.value"), scale: number("scale.value"),
            scaleMode: Mode(rawValue: values.string("scale.mode") ?? "") ?? .none,
            undefinedScale: number("scale.undefined.value"),
            negative: Negative(rawValue: values.string("scale.negative.mode") ?? "") ?? .none)
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        let structure = try Requirements.structure(current.value, "decimals")
        guard let adjustment else {
            let updated = try schemas(structure.schema, bounded)
            return record.with(part, updated, .structure(ConnectStruct(updated, values: structure.values)))
        }
        var fields: [ConnectSchema.Field] = []
        var values: [ConnectValue] = []
        for (index, field) in structure.schema.fields.enumerated() {
            guard field.schema.logicalType == .decimal, case .decimal(let number) = structure[index] else {
                fields.append(field)
                values.append(structure[index])
                continue
            }
            let fitted = adjusted(number, adjustment)
            fields.append(
                .init(field.name, Self.schema(field.schema, precision: fitted.precision, fitted.number.scale)))
            values.append(.decimal(fitted.number))
        }
        let updated = try ConnectSchema.structure(basics: structure.schema, fields: fields)
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }

    private func adjusted(_ number: SQLDecimal, _ adjustment: Adjustment) -> (number: SQLDecimal, precision: Int) {
        let given = number.precision
        let isUndefined = given == adjustment.undefinedPrecision
        let hasNoScale = isUndefined && number.scale == adjustment.undefinedScale
        let setsPrecision =
            switch adjustment.precisionMode {
            case .none: false
            case .undefined: isUndefined
            case .max: isUndefined || given > precision
            }
        var scale = number.scale
        var setsScale = true
        switch adjustment.scaleMode {
        case .undefined where hasNoScale: scale = adjustment.scale
        case .max where hasNoScale || number.scale > adjustment.scale: scale = adjustment.scale
        default:
            if number.scale < 0, adjustment.negative != .none { scale = 0 } else { setsScale = false }
        }
        let digits = setsPrecision ? precision : given
        guard setsPrecision || setsScale else { return (number, digits) }
        return (number.rounded(toPrecision: digits, rounding: .halfUp).rescaled(to: scale, rounding: .down), digits)
    }

    private func bounded(_ schema: ConnectSchema) throws(ConnectError) -> ConnectSchema {
        let fields = schema.fields.map { field -> ConnectSchema.Field in
            guard field.schema.logicalType == .decimal,
                field.schema.parameter(Self.precisionName).flatMap({ Int($0) }) ?? 64 > precision
            else { return field }
            let scale = field.schema.parameter("scale").flatMap { Int($0) } ?? 0
            return .init(field.name, Self.schema(field.schema, precision: precision, scale))
        }
        if zip(fields, schema.fields).allSatisfy({ $0.schema == $1.schema }) { return schema }
        return try .structure(basics: schema, fields: fields)
    }

    private static func schema(_ schema: ConnectSchema, precision: Int, _ scale: Int) -> ConnectSchema {
        var parameters = schema.parameters.filter { $0.name != "scale" && $0.name != precisionName }
        parameters.insert(.init("scale", String(scale)), at: 0)
        parameters.append(.init(precisionName, String(precision)))
        return schema.with(defaultValue: .some(nil), parameters: parameters)
    }
}
