internal import Bytes
internal import ConnectCore
internal import JSONFormat
internal import SQLTypes

/// Makes Connect values of one PostgreSQL type's texts: decided once per table, applied to every row.
final class PostgresValue: Sendable {
    enum Kind: Sendable {
        case boolean, bits, int16, int32, int64, float32, float64
        case numeric
        /// numeric without a scale: every value brings its own.
        case variableNumeric(ConnectSchema)
        case money
        case text
        /// Type `name`, which the original does not read from the log.
        case name
        case uuid
        case bytea
        case date
        case time(fractionDigits: Int)
        case zonedTime
        case timestamp(fractionDigits: Int)
        case zonedTimestamp(fractionDigits: Int)
        case interval
        case hstore
        case point(ConnectSchema)
        /// PostGIS' geometry and geography.
        case geometry(ConnectSchema)
        case vector(isSingle: Bool)
        /// With numbers of the places that are not 0.
        case sparseVector(ConnectSchema)
        case array(PostgresValue)
        /// With their numbers as Java's.
        case geometric
        case unknown
    }

    let kind: Kind
    /// Of a field that is not optional, without default.
    let schema: ConnectSchema
    private let modes: PostgresModes
    private let name: String
    private let scale: Int
    /// Hears of values that the schema cannot hold.
    private let warning: PostgresWarning?

    init(
        _ kind: Kind, _ schema: ConnectSchema, _ modes: PostgresModes, name: String, scale: Int = 0,
        warning: PostgresWarning? = nil
    ) {
        self.kind = kind
        self.schema = schema
        self.modes = modes
        self.name = name
        self.scale = scale
        self.warning = warning
    }

    /// - Parameters:
    ///   - fallback: what stands for NULL; nil: the type's zero.
    ///   - isStreaming: rows of the log.
    /// - Throws: `.data` for a text that the type cannot have, and for what the handling modes cannot express.
    func value(
        _ cell: Cell, isOptional: Bool, fallback: ConnectValue?, isStreaming: Bool
    ) throws(ConnectError) -> ConnectValue {
        func missing() -> ConnectValue { isOptional ? .null : fallback ?? zero }
        switch cell {
        case .null: return missing()
        case .unchanged: return placeholder ?? missing()
        case .bytes(let bytes):
            if case .name = kind, isStreaming {
                return modes.includesUnknown ? .string(Self.text(bytes)) : missing()
            }
            if case .array(let element) = kind {
                // Arrays inside have no schema: as with the original they are NULL.
                if let count = PostgresText.nestedCount(bytes) {
                    return .array([ConnectValue](repeating: .null, count: count))
                }
                guard let elements = PostgresText.array(bytes) else { return missing() }
                return try array(elements, element, isStreaming) ?? missing()
            }
            // Places are of 16 bits in the original's schema; pgvector has vectors with a thousand million of them.
            if case .sparseVector = kind, let count = Self.dimensionCount(bytes), count > Int(Int16.max) {
                warning?.tell(
                    "Column '\(name)' has sparse vectors of more than \(Int16.max) dimensions, which "
                        + "io.debezium.data.SparseVector cannot hold: they are NULL, or empty where NULL cannot be")
                return missing()
            }
            if let value = try read(bytes, isStreaming, isOptional: isOptional) {
                if value.isNull, !isOptional { break }
                return value
            }
        default: break
        }
        throw .data(
            "The value of column '\(name)' does not fit its type"
                + (Self.shown(cell).map { ": '\($0)'" } ?? ""))
    }

    private static func shown(_ cell: Cell) -> String? {
        if case .bytes(let bytes) = cell { String(decoding: bytes.prefix(100), as: UTF8.self) } else { nil }
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    /// nil where an element cannot be expressed.
    private func array(
        _ elements: [[UInt8]?], _ element: PostgresValue, _ isStreaming: Bool
    ) throws(ConnectError) -> ConnectValue? {
        var values: [ConnectValue] = []
        values.reserveCapacity(elements.count)
        for bytes in elements {
            guard let bytes else {
                values.append(.null)
                continue
            }
            do {
                values.append(
                    try bytes.withUnsafeBytes {
                        try element.value(.bytes($0), isOptional: true, fallback: nil, isStreaming: isStreaming)
                    })
            } catch { throw error as? ConnectError ?? .data("\(error)") }
            switch element.kind {
            case .numeric, .variableNumeric: if values.last?.isNull ?? false { return nil }
            default: break
            }
        }
        return .array(values)
    }

    /// nil: does not fit.
    private func read(
        _ bytes: UnsafeRawBufferPointer, _ isStreaming: Bool, isOptional: Bool
    ) throws(ConnectError) -> ConnectValue? {
        switch kind {
        case .text, .uuid, .name: return .string(Self.text(bytes))
        case .boolean: return .boolean(bytes.first == UInt8(ascii: "t") || bytes.first == UInt8(ascii: "1"))
        case .bits: return bits(bytes)
        case .int16: return TextCell.integer(bytes).flatMap { Int16(exactly: $0) }.map { .int16($0) }
        case .int32: return TextCell.integer(bytes).flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .int64: return TextCell.integer(bytes).map { .int64($0) }
        case .float32: return Float(Self.text(bytes)).map { .float32($0) }
        case .float64: return Double(Self.text(bytes)).map { .float64($0) }
        case .numeric, .variableNumeric: return try numeric(bytes, isOptional: isOptional)
        case .money: return money(bytes)
        case .bytea: return bytea(bytes).map { written(Array($0)) }
        case .date: return PostgresText.date(bytes).map { date($0, isStreaming) }
        case .time(let digits): return PostgresText.time(bytes).map { time($0, digits) }
        case .zonedTime:
            return PostgresText.zonedTime(bytes).map { microseconds in
                var text: [UInt8] = []
                TemporalText.appendTime(microseconds, width: nil, to: &text)
                text.append(UInt8(ascii: "Z"))
                return .string(String(decoding: text, as: UTF8.self))
            }
        case .timestamp(let digits): return PostgresText.timestamp(bytes).map { timestamp($0, digits) }
        case .zonedTimestamp(let digits):
            return PostgresText.timestamp(bytes).map { moment in
                switch moment {
                case .finite(let microseconds): .string(TemporalText.instant(microseconds, width: digits))
                case .infinity: .string("infinity")
                case .negativeInfinity: .string("-infinity")
                }
            }
        case .interval: return PostgresText.interval(Self.text(bytes)).map { interval($0) }
        case .hstore: return PostgresText.hstore(bytes).map { hstore($0) }
        case .point(let schema):
            let numbers = PostgresText.numbers(bytes)
            return numbers.count == 2 ? Self.point(numbers[0], numbers[1], schema) : nil
        case .geometry(let schema): return geometry(bytes, schema)
        case .vector(let isSingle):
            return .array(
                PostgresText.numbers(bytes).map { isSingle ? .float32(Float($0)) : .float64($0) })
        case .sparseVector(let schema): return Self.sparseVector(bytes, schema)
        case .geometric: return written(PostgresText.javaGeometry(bytes))
        case .unknown: return written(Array(bytes))
        case .array: return nil
        }
    }

    // MARK: Numbers and bytes

    /// `binary.handling.mode`
    private func written(_ bytes: [UInt8]) -> ConnectValue {
        bytes.withUnsafeBytes { ColumnCodec.binary($0, modes.bytes, 0) }
    }

    /// `\x00ff`
    private func bytea(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard bytes.count >= 2, bytes[0] == UInt8(ascii: "\\"), bytes[1] == UInt8(ascii: "x") else { return nil }
        return Self.hexadecimal(UnsafeRawBufferPointer(rebasing: bytes[2...]))
    }

    private static func hexadecimal(_ digits: UnsafeRawBufferPointer) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for at in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Hexadecimal.value(digits[at]), let low = Hexadecimal.value(digits[at + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// Least significant byte first, without the zeros behind.
    private func bits(_ bytes: UnsafeRawBufferPointer) -> ConnectValue? {
        var value: [UInt8] = []
        for (place, digit) in bytes.reversed().enumerated() {
            guard digit == UInt8(ascii: "0") || digit == UInt8(ascii: "1") else { return nil }
            if place % 8 == 0 { value.append(0) }
            if digit == UInt8(ascii: "1") { value[place / 8] |= 1 << UInt8(place % 8) }
        }
        while value.last == 0 { value.removeLast() }
        return .bytes(value)
    }

    private func numeric(_ bytes: UnsafeRawBufferPointer, isOptional: Bool) throws(ConnectError) -> ConnectValue? {
        let text = Self.text(bytes)
        if let special = [
            "NaN": ("NAN", Double.nan), "Infinity": ("POSITIVE_INFINITY", .infinity),
            "-Infinity": ("NEGATIVE_INFINITY", -.infinity),
        ][text] {
            switch modes.decimals {
            case .string: return .string(special.0)
            case .double: return .float64(special.1)
            case .precise:
                let message =
                    "Column '\(name)' has the value \(text), which decimal.handling.mode=precise cannot express. Set "
                    + "decimal.handling.mode to string or double"
                guard !modes.failsOnConversion else { throw .data(message) }
                guard isOptional else { throw .data(message + ". The column cannot be NULL instead") }
                warning?.tell(message + ". It is NULL")
                return .null
            }
        }
        return SQLDecimal(utf8: Array(bytes)).map { decimal($0) }
    }

    private func decimal(_ value: SQLDecimal) -> ConnectValue {
        switch (modes.decimals, kind) {
        case (.double, _): return .float64(value.doubleValue)
        case (.string, .variableNumeric): return .string(value.plainText)
        case (.string, _): return .string(value.rescaled(to: scale, rounding: .halfUp).plainText)
        case (.precise, .variableNumeric(let schema)):
            var short = value.strippingTrailingZeros
            if short.scale < 0 { short = short.rescaled(to: 0, rounding: .halfUp) }
            return .structure(
                ConnectStruct(
                    schema, values: [.int32(Int32(truncatingIfNeeded: short.scale)), .bytes(short.bigEndian)]))
        case (.precise, _): return .decimal(value.rescaled(to: scale, rounding: .halfUp))
        }
    }

    /// `-$1,234.56`, `$0.50-`, `-12.345,67 €`: what stands where is the server's `lc_monetary`. The number has
    /// `money.fraction.digits` digits behind the point, however many the server writes.
    private func money(_ bytes: UnsafeRawBufferPointer) -> ConnectValue? {
        let digits = bytes.filter { 0x30...0x39 ~= $0 }
        guard !digits.isEmpty, digits.count <= 19,
            let number = Int64((bytes.contains(UInt8(ascii: "-")) ? "-" : "") + String(decoding: digits, as: UTF8.self))
        else { return nil }
        return decimal(SQLDecimal(unscaled: number, scale: fractionDigits(ofMoney: bytes)))
    }

    /// How many digits of an amount stand behind its point.
    private func fractionDigits(ofMoney bytes: UnsafeRawBufferPointer) -> Int {
        // A currency's sign may have points, too: only those between digits count.
        func isDigit(_ place: Int) -> Bool { bytes.indices.contains(place) && 0x30...0x39 ~= bytes[place] }
        let marks = bytes.indices.filter { isDigit($0 - 1) && isDigit($0 + 1) && !isDigit($0) }
        guard let last = marks.last else { return 0 }
        let count = bytes[(last + 1)...].prefix { 0x30...0x39 ~= $0 }.count
        let point = UInt8(ascii: ".")
        // Groups are of three digits, and so are fractions of some currencies: as upstream, a lone point is no group's.
        if count == 3 {
            let isAmbiguous = marks.allSatisfy { bytes[$0] == bytes[last] }
            if isAmbiguous, marks.count > 1 || bytes[last] != point || scale == 0 { return 0 }
        }
        return count
    }

    // MARK: Dates and times

    private func date(_ moment: PostgresText.Moment, _ isStreaming: Bool) -> ConnectValue {
        let days: Int64 =
            switch moment {
            case .finite(let days): days
            // Java's ends of time, which the original has in two ways.
            case .infinity: isStreaming ? -2_147_472_692 : 106_751_991_166
            case .negativeInfinity: isStreaming ? -2_147_472_691 : -106_751_991_168
            }
        switch modes.times {
        case .connect: return .instant(Int64(Int32(truncatingIfNeeded: days)) * 86_400_000)
        case .isostring:
            var text: [UInt8] = []
            TemporalText.appendDate(Int(days), to: &text)
            text.append(UInt8(ascii: "Z"))
            return .string(String(decoding: text, as: UTF8.self))
        default: return .int32(Int32(truncatingIfNeeded: days))
        }
    }

    private func time(_ microseconds: Int64, _ digits: Int) -> ConnectValue {
        switch modes.times {
        case .connect: return .instant(microseconds / 1000)
        case .isostring:
            var text: [UInt8] = []
            TemporalText.appendTime(microseconds % 86_400_000_000, width: nil, to: &text)
            text.append(UInt8(ascii: "Z"))
            return .string(String(decoding: text, as: UTF8.self))
        case .nanoseconds: return .int64(microseconds * 1000)
        case .adaptive where digits <= 3: return .int32(Int32(truncatingIfNeeded: microseconds / 1000))
        default: return .int64(microseconds)
        }
    }

    private func timestamp(_ moment: PostgresText.Moment, _ digits: Int) -> ConnectValue {
        let microseconds: Int64 =
            switch moment {
            case .finite(let microseconds): microseconds
            case .infinity: 9_223_372_036_825_200_000
            case .negativeInfinity: -9_223_372_036_832_400_000
            }
        let milliseconds = Int64(floorDiv(Int(microseconds), 1000))
        switch modes.times {
        case .connect: return .instant(milliseconds)
        case .isostring: return .string(TemporalText.instant(microseconds, width: nil))
        case .microseconds: return .int64(microseconds)
        case .nanoseconds:
            let (value, isOver) = microseconds.multipliedReportingOverflow(by: 1000)
            guard isOver, case .finite = moment else {
                return .int64(isOver ? (microseconds < 0 ? .min : .max) : value)
            }
            warning?.tell(
                "Column '\(name)' has times before 1677 or after 2262, which io.debezium.time.NanoTimestamp cannot hold: "
                    + "they are NULL")
            return .null
        case .adaptive, .adaptiveTimeMicroseconds: return .int64(digits <= 3 ? milliseconds : microseconds)
        }
    }

    private func interval(_ interval: PostgresText.Interval) -> ConnectValue {
        modes.intervals == .string ? .string(interval.text) : .int64(interval.averageMicroseconds)
    }

    // MARK: Compound values

    private func hstore(_ entries: [(key: String, value: String?)]) -> ConnectValue {
        let ordered = javaOrdered(entries)
        switch modes.hstores {
        case .map:
            return .map(
                ConnectMap(ordered.map { (ConnectValue.string($0.key), $0.value.map { .string($0) } ?? .null) }))
        case .json:
            let json = JSONValue.object(ordered.map { ($0.key, $0.value.map { .string($0) } ?? .null) })
            return .string(String(decoding: json.bytes, as: UTF8.self))
        }
    }

    /// With its well-known binary, least significant byte first.
    private static func point(_ x: Double, _ y: Double, _ schema: ConnectSchema) -> ConnectValue {
        var shape: [UInt8] = [1, 1, 0, 0, 0]
        for number in [x, y] {
            for index in 0..<8 { shape.append(UInt8(truncatingIfNeeded: number.bitPattern >> UInt64(8 * index))) }
        }
        return .structure(ConnectStruct(schema, values: [.float64(x), .float64(y), .bytes(shape), .null]))
    }

    /// Extended well-known binary in hexadecimal digits: the reference system stands behind the type where a bit says so.
    private func geometry(_ bytes: UnsafeRawBufferPointer, _ schema: ConnectSchema) -> ConnectValue? {
        guard let shape = Self.hexadecimal(bytes) else { return nil }
        return shape.withUnsafeBytes { raw in
            var cursor = ByteCursor(raw)
            guard let order = try? cursor.byte() else { return nil }
            func word() -> UInt64? { order == 0 ? try? cursor.bigEndian(4) : try? cursor.integer(4) }
            guard let type = word() else { return nil }
            let system: ConnectValue =
                type & 0x2000_0000 == 0 ? .null : word().map { .int32(Int32(truncatingIfNeeded: $0)) } ?? .null
            return .structure(ConnectStruct(schema, values: [.bytes(shape), system]))
        }
    }

    /// Of a sparse vector; nil for what is none.
    private static func dimensionCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), bytes.first == UInt8(ascii: "{"),
            slash > 0, bytes[slash - 1] == UInt8(ascii: "}")
        else { return nil }
        return Int(String(decoding: bytes[(slash + 1)...], as: UTF8.self))
    }

    /// `{1:1.5,3:2}/5`: places from 1 on, and how many there are.
    private static func sparseVector(_ bytes: UnsafeRawBufferPointer, _ schema: ConnectSchema) -> ConnectValue? {
        let text = Self.text(bytes)
        guard text.hasPrefix("{"), let end = text.lastIndex(of: "}"), text[end...].hasPrefix("}/"),
            let count = Int16(text[text.index(end, offsetBy: 2)...])
        else { return nil }
        var entries: [(ConnectValue, ConnectValue)] = []
        for entry in text[..<end].dropFirst().split(separator: ",") {
            let parts = entry.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let place = Int16(parts[0]), let number = Double(parts[1]) else { return nil }
            entries.append((.int16(place), .float64(number)))
        }
        return .structure(ConnectStruct(schema, values: [.int16(count), .map(ConnectMap(entries))]))
    }

    // MARK: What is not there

    /// Stands for NULL where NULL cannot be.
    private var zero: ConnectValue {
        switch kind {
        case .boolean: .boolean(false)
        case .bits: .bytes([])
        case .int16: .int16(0)
        case .int32: .int32(0)
        case .int64: .int64(0)
        case .float32: .float32(0)
        case .float64: .float64(0)
        case .numeric, .variableNumeric, .money: decimal(SQLDecimal(unscaled: 0, scale: scale))
        case .text, .uuid, .name: .string("")
        case .bytea, .geometric, .unknown: written([])
        case .date: date(.finite(0), false)
        case .time(let digits): time(0, digits)
        case .zonedTime: .string("00:00:00Z")
        case .timestamp(let digits): timestamp(.finite(0), digits)
        case .zonedTimestamp(let digits): .string(TemporalText.instant(0, width: digits))
        case .interval: interval(PostgresText.Interval())
        case .hstore: hstore([])
        case .point(let schema): Self.point(0, 0, schema)
        case .geometry(let schema): .structure(ConnectStruct(schema, values: [.bytes([]), .null]))
        case .vector, .array: .array([])
        case .sparseVector(let schema): .structure(ConnectStruct(schema, values: [.int16(0), .map(ConnectMap())]))
        }
    }

    /// Stands for a value that an update left as it was; nil where the type has no room for it.
    private var placeholder: ConnectValue? {
        let text = modes.placeholder
        switch kind {
        case .text, .uuid, .name: return .string(text)
        case .bytea, .geometric, .unknown:
            return switch modes.bytes {
            case .bytes: .bytes(Array(text.utf8))
            case .hex: .string(text)
            // As with the original, for which the placeholder is no Base64.
            case .base64, .base64URL: nil
            }
        case .hstore: return hstore([(text, text)])
        case .array(let element):
            switch element.kind {
            case .text, .uuid, .name, .bytea, .hstore: return element.placeholder.map { .array([$0]) }
            case .int16: return .array(text.utf8.map { .int16(Int16($0)) })
            case .int32: return .array(text.utf8.map { .int32(Int32($0)) })
            case .int64: return .array(text.utf8.map { .int64(Int64($0)) })
            default: return nil
            }
        default: return nil
        }
    }
}
