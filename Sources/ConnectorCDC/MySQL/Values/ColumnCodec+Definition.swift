internal import ConnectCore
internal import SQLTypes

/// From a column's definition to its codec and schema.
extension ColumnCodec {
    static let point = ConnectSchema(
        .structure, name: "io.debezium.data.geometry.Point", version: 1, doc: "Geometry (POINT)",
        fields: [
            .init("x", .float64), .init("y", .float64), .init("wkb", .optionalBytes), .init("srid", .optionalInt32),
        ])
    static let geometry = ConnectSchema(
        .structure, name: "io.debezium.data.geometry.Geometry", version: 1, doc: "Geometry",
        fields: [.init("wkb", .bytes), .init("srid", .optionalInt32)])

    /// - Parameters:
    ///   - conversion: what `converters` makes of the column.
    ///   - parameters: what is added to the schema: the source's type.
    ///   - doc: the column's comment.
    convenience init(
        _ column: ColumnDefinition, _ modes: HandlingModes, as conversion: ColumnConverters.Conversion? = nil,
        parameters added: [ConnectSchema.Parameter] = [], doc: String? = nil
    ) {
        let own = Self.shape(column, modes)
        let (kind, plain) = conversion.flatMap { Self.converted(own, column, $0) } ?? own
        let bare = plain.with(
            isOptional: column.isOptional, doc: .some(doc ?? plain.doc), parameters: plain.parameters + added)
        let codec = ColumnCodec(
            kind: kind, schema: bare, isOptional: column.isOptional, times: modes.times, name: column.name)
        let schema = Self.defaultValue(column, codec).map { bare.with(defaultValue: .some($0)) } ?? bare
        self.init(kind: kind, schema: schema, isOptional: column.isOptional, times: modes.times, name: column.name)
    }

    private static func named(
        _ kind: ConnectSchema.Kind, _ name: String, _ parameters: [ConnectSchema.Parameter] = []
    ) -> ConnectSchema { ConnectSchema(kind, name: name, version: 1, parameters: parameters) }

    private static func shape(_ column: ColumnDefinition, _ modes: HandlingModes) -> (Kind, ConnectSchema) {
        let words = column.typeName.split(separator: " ").map(String.init)
        let isUnsigned = words.contains("UNSIGNED")
        let base = ColumnTypes.plain(column.typeName)
        switch base {
        case "BIT":
            let bits = column.length ?? 1
            if bits <= 1 { return (.boolean, .boolean) }
            return (
                .bits(byteCount: (bits + 7) / 8),
                named(.bytes, "io.debezium.data.Bits", [.init("length", String(bits))])
            )
        case "BOOL", "BOOLEAN": return (.boolean, .boolean)
        case "TINYINT", "INT1": return (.int16(bits: 8, isUnsigned: isUnsigned), .int16)
        case "SMALLINT", "INT2":
            return isUnsigned
                ? (.int32(bits: 16, isUnsigned: true), .int32) : (.int16(bits: 16, isUnsigned: false), .int16)
        case "MEDIUMINT", "INT3", "MIDDLEINT": return (.int32(bits: 24, isUnsigned: isUnsigned), .int32)
        case "INT", "INTEGER", "INT4":
            return isUnsigned
                ? (.int64(bits: 32, isUnsigned: true), .int64) : (.int32(bits: 32, isUnsigned: false), .int32)
        case "BIGINT", "INT8":
            if isUnsigned, modes.bigIntegers == .precise { return (.unsignedDecimal, decimal(20, 0)) }
            return (.int64(bits: 64, isUnsigned: false), .int64)
        // As the original has that name.
        case "FLOAT4": return (.float64(isSingle: true), .float64)
        case "FLOAT":
            return column.scale == nil && (column.length ?? 0) <= 24
                ? (.float32, .float32) : (.float64(isSingle: (column.length ?? 0) <= 24), .float64)
        case "REAL": return (.float32, .float32)
        case "DOUBLE", "DOUBLE PRECISION", "FLOAT8": return (.float64(isSingle: false), .float64)
        case "DECIMAL", "DEC", "FIXED", "NUMERIC", "NUMBER":
            let scale = column.scale ?? 0
            let schema: ConnectSchema =
                switch modes.decimals {
                case .precise: decimal(column.length ?? 10, scale)
                case .string: .string
                case .double: .float64
                }
            return (.decimal(modes.decimals, scale: scale), schema)
        case "BINARY": return binary(modes, column.length ?? 1)
        case "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "RAW": return binary(modes, 0)
        case "ENUM":
            let members = members(column)
            let escaped = members.map { $0.replacing(",", with: "\\,") }
            return (
                .enumeration(members, escaped: escaped),
                named(.string, "io.debezium.data.Enum", [.init("allowed", escaped.joined(separator: ","))])
            )
        case "SET":
            let members = members(column)
            return (
                .set(members),
                named(
                    .string, "io.debezium.data.EnumSet",
                    [.init("allowed", members.map { $0.replacing(",", with: "\\,") }.joined(separator: ","))])
            )
        case "JSON": return (.json, named(.string, "io.debezium.data.Json"))
        case "DATE":
            let schema: ConnectSchema =
                switch modes.times {
                case .connect: .date
                case .isostring: named(.string, "io.debezium.time.IsoDate")
                default: named(.int32, "io.debezium.time.Date")
                }
            return (.date, schema)
        case "TIME":
            let schema: ConnectSchema =
                switch modes.times {
                case .connect: .time
                case .isostring: named(.string, "io.debezium.time.IsoTime")
                case .nanoseconds: named(.int64, "io.debezium.time.NanoTime")
                default: named(.int64, "io.debezium.time.MicroTime")
                }
            return (.time, schema)
        case "DATETIME":
            let digits = column.length ?? 0
            let schema: ConnectSchema =
                switch modes.times {
                case .connect: .timestamp
                case .isostring: named(.string, "io.debezium.time.IsoTimestamp")
                case .microseconds: named(.int64, "io.debezium.time.MicroTimestamp")
                case .nanoseconds: named(.int64, "io.debezium.time.NanoTimestamp")
                case .adaptiveTimeMicroseconds:
                    named(.int64, digits <= 3 ? "io.debezium.time.Timestamp" : "io.debezium.time.MicroTimestamp")
                }
            return (.dateTime(fractionDigits: digits), schema)
        case "TIMESTAMP":
            return (
                .timestamp(fractionDigits: column.length ?? 0), named(.string, "io.debezium.time.ZonedTimestamp")
            )
        case "YEAR": return (.year, named(.int32, "io.debezium.time.Year"))
        case "POINT": return (.point(point), point)
        case "GEOMETRY", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON",
            "GEOMETRYCOLLECTION", "GEOMCOLLECTION":
            return (.geometry(geometry), geometry)
        case "VECTOR":
            return (
                .vector,
                ConnectSchema(.array, name: "io.debezium.data.FloatVector", version: 1, valueSchema: .float32)
            )
        case "UUID": return (.uuid, .string)
        case "INET4": return (.inet(byteCount: 4), .string)
        case "INET6": return (.inet(byteCount: 16), .string)
        default:
            if ColumnTypes.text.contains(base) { return (.text(Charset.decoder(column.charset)), .string) }
            return (.unknown, .string)
        }
    }

    /// nil: not for columns of this type.
    private static func converted(
        _ own: (kind: Kind, schema: ConnectSchema), _ column: ColumnDefinition,
        _ conversion: ColumnConverters.Conversion
    ) -> (Kind, ConnectSchema)? {
        switch (conversion, own.kind) {
        case (.boolean, .int16): return (.boolean, .boolean)
        case (.flag, .boolean), (.flag, .int16), (.flag, .int32), (.flag, .int64): return (.flag, .int16)
        case (.real(isSingle: true), .float32), (.real(isSingle: true), .float64): return (.float32, .float32)
        // What a column of single precision stores is read as such in snapshots, too.
        case (.real(isSingle: false), .float32):
            return (.float64(isSingle: column.typeName.hasPrefix("FLOAT")), .float64)
        case (.characterSet, .text):
            guard let charset = column.charset else { return nil }
            return (
                own.kind, own.schema.with(parameters: [.init("__debezium.source.column.character_set", charset)])
            )
        default: return nil
        }
    }

    private static func decimal(_ precision: Int, _ scale: Int) -> ConnectSchema {
        named(
            .bytes, LogicalType.decimal.rawValue,
            [.init("scale", String(scale)), .init("connect.decimal.precision", String(precision))])
    }

    private static func binary(_ modes: HandlingModes, _ length: Int) -> (Kind, ConnectSchema) {
        (.binary(modes.bytes, paddedTo: length), modes.bytes == .bytes ? .bytes : .string)
    }

    /// Members without their quotes.
    private static func members(_ column: ColumnDefinition) -> [String] {
        column.enumValues.map { quoted in
            guard quoted.count >= 2, quoted.hasPrefix("'"), quoted.hasSuffix("'") else { return quoted }
            return String(quoted.dropFirst().dropLast()).replacing("''", with: "'")
        }
    }

    // MARK: Defaults

    /// The default as a value of the schema; nil for NULL and for what only the server can work out.
    private static func defaultValue(_ column: ColumnDefinition, _ codec: ColumnCodec) -> ConnectValue? {
        guard column.hasDefault, let given = column.defaultExpression else { return nil }
        let isText =
            switch codec.kind {
            case .text, .binary, .enumeration, .set, .json: true
            default: false
            }
        let text = isText ? given : trimmed(given)
        let upper = text.uppercased()
        switch codec.kind {
        case .boolean: return .boolean(isTrue(upper))
        case .flag: return .int16(isTrue(upper) ? 1 : 0)
        case .bits(let byteCount):
            // As long as values of the column.
            return bits(text).map { .bytes($0 + Array(repeating: 0, count: max(0, byteCount - $0.count))) }
        case .int64 where UInt64(text).map { $0 > UInt64(Int64.max) } ?? false:
            // As Java narrows a number that is too large.
            return .int64(.max)
        case .int16, .int32, .int64, .unsignedDecimal:
            return integer(upper).flatMap { try? codec.value(.integer($0), isStreaming: true) }
        case .float32, .float64: return Double(text).flatMap { try? codec.value(.double($0), isStreaming: true) }
        case .decimal:
            let number = upper == "TRUE" ? "1" : (upper == "FALSE" ? "0" : text)
            return SQLDecimal(utf8: Array(number.utf8)).flatMap { try? codec.value(.decimal($0), isStreaming: true) }
        case .text, .enumeration, .set, .json, .uuid, .inet: return .string(text)
        case .binary(let mode, let length):
            return Array(text.utf8).withUnsafeBytes { binary($0, mode, length) }
        case .date: return withCell(text, column, codec)
        case .dateTime: return withCell(text, column, codec)
        case .timestamp:
            // The epoch stands for CURRENT_TIMESTAMP, which is no value where NULL would do.
            if text == "1970-01-01 00:00:00" { return column.isOptional ? nil : .string("1970-01-01T00:00:00Z") }
            return withCell(text, column, codec)
        case .time: return withCell(text, column, codec)
        case .year: return Int64(text).map { .int32(Int32(truncatingIfNeeded: year($0))) }
        case .point, .geometry, .vector, .postgres, .unknown: return nil
        }
    }

    private static func isTrue(_ text: String) -> Bool { text == "TRUE" || (Int64(text).map { $0 != 0 } ?? false) }

    /// Two digits are a year between 1970 and 2069.
    private static func year(_ number: Int64) -> Int64 {
        switch number {
        case 1...69: number + 2000
        case 70...99: number + 1900
        default: number
        }
    }

    /// A default that reads as nothing is the zero value where NULL cannot be.
    private static func withCell(_ text: String, _ column: ColumnDefinition, _ codec: ColumnCodec) -> ConnectValue? {
        let zero = text == "0"
        var bytes = Array(text.utf8)
        if case .date = codec.kind { bytes = Array(bytes.prefix(10)) }
        if case .time = codec.kind, let space = bytes.firstIndex(of: 0x20) { bytes = Array(bytes[(space + 1)...]) }
        let cell = bytes.withUnsafeBytes { zero ? nil : TextCell.temporal($0, codec.kind) }
        let value =
            cell.flatMap { try? codec.value($0, isStreaming: true) }
            ?? (column.isOptional ? nil : try? codec.value(TextCell.zero(codec.kind), isStreaming: true))
        guard let value, !value.isNull else { return nil }
        return value
    }

    private static func integer(_ text: String) -> Int64? {
        if text == "TRUE" { return 1 }
        if text == "FALSE" { return 0 }
        if let value = Int64(text) { return value }
        if let value = UInt64(text) { return Int64(bitPattern: value) }
        guard let value = Double(text), abs(value) < 9e18 else { return nil }
        return Int64((value + 0.5).rounded(.down))
    }

    /// Digits 0 and 1 as bytes, least significant first.
    private static func bits(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var digits = Array(text.utf8)[...]
        guard !digits.isEmpty, digits.allSatisfy({ $0 == 0x30 || $0 == 0x31 }) else { return nil }
        while !digits.isEmpty {
            bytes.append(digits.suffix(8).reduce(0) { $0 << 1 | ($1 - 0x30) })
            digits = digits.dropLast(8)
        }
        return bytes
    }

    private static func trimmed(_ text: String) -> String {
        var bytes = Array(text.utf8)[...]
        while bytes.first == 0x20 { bytes.removeFirst() }
        while bytes.last == 0x20 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
