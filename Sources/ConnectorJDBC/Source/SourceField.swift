internal import Bytes
internal import ConnectCore
internal import SQLTypes

/// `numeric.mapping`
enum NumericMapping: String, Sendable, CaseIterable {
    case none
    case precisionOnly = "precision_only"
    case bestFit = "best_fit"
    case bestFitEagerDouble = "best_fit_eager_double"
}

/// `timestamp.granularity`
enum TimestampGranularity: String, Sendable, CaseIterable {
    case connect = "connect_logical"
    case microsNumber = "micros_long"
    case microsString = "micros_string"
    case microsText = "micros_iso_datetime_string"
    case nanosNumber = "nanos_long"
    case nanosString = "nanos_string"
    case nanosText = "nanos_iso_datetime_string"
}

/// How values of a result's columns become Connect's.
struct SourceMapping: Sendable {
    var numeric: NumericMapping
    var granularity: TimestampGranularity
    var zone: TimeZoneID
    /// Whether MySQL's zero dates become null.
    var zeroDatesAreNull = false
    /// `date.calendar.system=LEGACY`
    var isLegacy = false
    /// Whether fractions of seconds end at milliseconds, as SQLite's functions see them.
    var roundsToMillis = false

    /// The scale of decimals whose column has none: what every database takes.
    static let scaleOfFreeDecimals = 30

    /// What the column is in a record; nil for what is left out.
    func field(_ column: ResultColumn) -> SourceField? {
        let kind: SourceField.Kind
        switch column.type {
        case .boolean: kind = .boolean
        case .int8: kind = .int8
        case .int16: kind = .int16
        case .int32: kind = .int32
        case .int64: kind = .int64
        case .float32: kind = .float32
        case .float64: kind = .float64
        case .string: kind = .string
        case .bytes: kind = .bytes
        case .decimal(let precision, let scale, let follows):
            kind = decimal(precision, scale, follows ? numeric : .none)
        case .date, .year: kind = .date
        case .time: kind = .time
        case .timestamp: kind = .timestamp
        case .bits(1...8): kind = .int8
        case .bits: kind = .bytes
        case .unsupported: return nil
        }
        return SourceField(column: column, kind: kind, mapping: self)
    }

    private static func integer(_ precision: Int) -> SourceField.Kind {
        switch precision {
        case 10...: .int64
        case 5...: .int32
        case 3...: .int16
        default: .int8
        }
    }

    private static let integerPrecisionMax = 18

    private func decimal(_ precision: Int, _ scale: Int?, _ mapping: NumericMapping) -> SourceField.Kind {
        guard let scale else {
            return mapping == .bestFitEagerDouble ? .float64 : .decimal(Self.scaleOfFreeDecimals)
        }
        let isShort = precision <= Self.integerPrecisionMax
        switch mapping {
        case .none: break
        case .precisionOnly: if scale == 0, isShort { return Self.integer(precision) }
        case .bestFit: if isShort { return scale > 0 ? .float64 : Self.integer(precision - scale) }
        case .bestFitEagerDouble:
            if scale > 0 { return .float64 }
            if isShort { return Self.integer(precision - scale) }
        }
        return .decimal(scale)
    }
}

/// A column of a result as a field of a record.
struct SourceField: Sendable {
    enum Kind: Hashable, Sendable {
        case boolean, int8, int16, int32, int64, float32, float64, string, bytes, date, time, timestamp
        case decimal(Int)
    }

    let column: ResultColumn
    let kind: Kind
    let mapping: SourceMapping

    var schema: ConnectSchema {
        let isOptional = column.isOptional
        return switch kind {
        case .boolean: ConnectSchema(.boolean, isOptional: isOptional)
        case .int8: ConnectSchema(.int8, isOptional: isOptional)
        case .int16: ConnectSchema(.int16, isOptional: isOptional)
        case .int32: ConnectSchema(.int32, isOptional: isOptional)
        case .int64: ConnectSchema(.int64, isOptional: isOptional)
        case .float32: ConnectSchema(.float32, isOptional: isOptional)
        case .float64: ConnectSchema(.float64, isOptional: isOptional)
        case .string: ConnectSchema(.string, isOptional: isOptional)
        case .bytes: ConnectSchema(.bytes, isOptional: isOptional)
        case .date: .logical(.date, isOptional: isOptional)
        case .time: .logical(.time, isOptional: isOptional)
        case .decimal(let scale): .decimal(scale: scale, isOptional: isOptional)
        case .timestamp:
            switch mapping.granularity {
            case .connect: .logical(.timestamp, isOptional: isOptional)
            case .microsNumber, .nanosNumber: ConnectSchema(.int64, isOptional: isOptional)
            default: ConnectSchema(.string, isOptional: isOptional)
            }
        }
    }

    /// - Throws: `.data` for a value that the field's type does not hold.
    func value(_ raw: RawValue) throws(ConnectError) -> ConnectValue {
        if raw.isNull {
            guard column.isOptional else { throw failure("a null", "its column is NOT NULL") }
            return .null
        }
        switch kind {
        case .boolean:
            switch raw {
            case .text("t"), .text("true"), .text("1"): return .boolean(true)
            case .text("f"), .text("false"), .text("0"): return .boolean(false)
            default: return .boolean(try integer(raw) != 0)
            }
        case .int8: return .int8(try narrow(raw))
        case .int16: return .int16(try narrow(raw))
        case .int32: return .int32(try narrow(raw))
        case .int64: return .int64(try integer(raw))
        case .float32: return .float32(Float(try double(raw)))
        case .float64: return .float64(try double(raw))
        case .string: return .string(text(raw))
        case .bytes: return .bytes(try bytes(raw))
        case .decimal(let scale): return .decimal(try decimal(raw, scale))
        case .date: return try date(raw)
        case .time:
            guard let micros = try clock(raw) else { return .null }
            return .instant(Int64(floorDiv(Int(micros), 1000)))
        case .timestamp: return try timestamp(raw).map(shown) ?? .null
        }
    }

    private func failure(_ what: String, _ hint: String) -> ConnectError {
        .data("Column '\(column.name)' (\(column.typeName)) has \(what): \(hint)")
    }

    // MARK: Numbers

    private func integer(_ raw: RawValue) throws(ConnectError) -> Int64 {
        switch raw {
        case .integer(let value): return value
        case .real(let value):
            if let exact = Int64(exactly: value) { return exact }
        case .text(let text):
            if case .bits = column.type, let bits = Int64(text, radix: 2) { return bits }
            if let value = Int64(text) { return value }
            // Numbers of NUMERIC columns come with a point and zeros.
            if let number = try? SQLDecimal(text), let whole = number.rescaledExactly(to: 0),  // told of below
                let value = Int64(whole.description)
            {
                return value
            }
        case .bytes(let bytes) where bytes.count <= 8:
            if case .bits = column.type { return bytes.reduce(0) { $0 << 8 | Int64($1) } }
        case .bytes, .null: break
        }
        throw failure(
            "a value that is no integer of 64 bits",
            "select it by a 'query' that casts it, for instance to a decimal or a text")
    }

    private func narrow<Number: FixedWidthInteger>(_ raw: RawValue) throws(ConnectError) -> Number {
        let value = try integer(raw)
        // Bits are taken as they are: eight of them are a negative number.
        if case .bits = column.type { return Number(truncatingIfNeeded: value) }
        guard let number = Number(exactly: value) else {
            throw failure(
                "the value \(value), which does not fit into an integer of \(Number.bitWidth) bits",
                "declare the column wider or select it by a 'query' that casts it")
        }
        return number
    }

    private func double(_ raw: RawValue) throws(ConnectError) -> Double {
        switch raw {
        case .integer(let value): return Double(value)
        case .real(let value): return value
        case .text(let text):
            switch text {
            case "NaN": return .nan
            case "Infinity": return .infinity
            case "-Infinity": return -.infinity
            default: break
            }
            if let value = Double(text) { return value }
            if column.typeName == "money", let value = Self.money(text) { return value }
        case .bytes, .null: break
        }
        throw failure("a value that is no number", "select it by a 'query' that casts it")
    }

    /// `-$1,234.50` and `($1,234.50)`.
    private static func money(_ text: String) -> Double? {
        let digits = text.filter { $0.isASCII && $0.isNumber || $0 == "." }
        let isNegative = text.contains("-") || text.hasPrefix("(")
        return Double(digits).map { isNegative ? -$0 : $0 }
    }

    private func decimal(_ raw: RawValue, _ scale: Int) throws(ConnectError) -> SQLDecimal {
        let number: SQLDecimal?
        switch raw {
        case .integer(let value): number = SQLDecimal(value)
        case .real(let value): number = try? SQLDecimal("\(value)")  // told of below
        case .text(let text): number = try? SQLDecimal(text)  // told of below
        case .bytes, .null: number = nil
        }
        guard let number else {
            throw failure("a value that is no decimal", "select it by a 'query' that leaves it out or casts it")
        }
        guard let scaled = number.rescaledExactly(to: scale) else {
            throw failure(
                "a value with more than \(scale) digits behind the point",
                "give the column a scale, or select it by a 'query' that casts it")
        }
        return scaled
    }

    // MARK: Texts and bytes

    private func text(_ raw: RawValue) -> String {
        switch raw {
        case .text(let text): text
        case .integer(let value): String(value)
        case .real(let value): "\(value)"
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        case .null: ""
        }
    }

    private func bytes(_ raw: RawValue) throws(ConnectError) -> [UInt8] {
        switch raw {
        case .bytes(let bytes): return bytes
        case .text(let text):
            if case .bits = column.type { return Self.packed(text) }
            if column.typeName == "bytea" {
                guard text.hasPrefix("\\x"), let bytes = Self.hexadecimal(text.utf8.dropFirst(2)) else {
                    throw failure("bytes in another form than hexadecimal", "set bytea_output to hex on the server")
                }
                return bytes
            }
            return Array(text.utf8)
        case .integer, .real: return Array(self.text(raw).utf8)
        case .null: return []
        }
    }

    private static func hexadecimal(_ digits: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x57
            case 0x41...0x46: value = digit - 0x37
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }

    /// Ones and zeros, the last at the end of the last byte.
    private static func packed(_ bits: String) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (bits.utf8.count + 7) / 8)
        for (index, bit) in bits.utf8.reversed().enumerated() where bit == 0x31 {
            bytes[bytes.count - 1 - index / 8] |= 1 << UInt8(index % 8)
        }
        return bytes
    }

    // MARK: Times

    /// - Parameter isLegacy: whether the days are to be counted by Java's calendar.
    private func parsed(_ raw: RawValue, isLegacy: Bool) throws(ConnectError) -> MomentText? {
        guard case .text(let text) = raw, var moment = MomentText(text, roundsToMillis: mapping.roundsToMillis) else {
            throw failure(
                "the value '\(text(raw).prefix(40))', which is no time",
                "select it by a 'query' that leaves it out or casts it to a text")
        }
        guard moment.isZeroDate else {
            if isLegacy { moment.days = LegacyCalendar.days(named: moment.days) }
            return moment
        }
        guard mapping.zeroDatesAreNull, column.isOptional else {
            throw failure(
                "a zero date",
                "add zeroDateTimeBehavior=convertToNull to connection.url, which makes it null, or "
                    + "select it by a 'query' that leaves it out")
        }
        return nil
    }

    private func date(_ raw: RawValue) throws(ConnectError) -> ConnectValue {
        if column.type == .year {
            let year = min(max(try integer(raw), 0), 9999)
            return .instant(Int64(CivilDate(year: Int(year), month: 1, day: 1).days) * 86_400_000)
        }
        // SQLite's drivers store milliseconds.
        if case .integer(let millis) = raw { return .instant(Self.midnight(Int64(floorDiv(Int(millis), 86_400_000)))) }
        return try parsed(raw, isLegacy: mapping.isLegacy).map { .instant(Self.midnight($0.days)) } ?? .null
    }

    private func clock(_ raw: RawValue) throws(ConnectError) -> Int64? {
        if case .integer(let millis) = raw { return Int64(floorMod(Int(millis), 86_400_000)) * 1000 }
        guard let moment = try parsed(raw, isLegacy: false) else { return nil }
        guard 0...CellText.microsOfDay ~= moment.timeMicros else {
            throw failure("a time outside of a day", "select it by a 'query' that casts it to a text")
        }
        // As the original's driver has it: the time of a wall in the zone, on January 1st, 1970. What would be the day before
        // or after fails there; here it is the time of that day.
        let second = moment.timeMicros / 1_000_000
        let ahead = moment.ahead.map { Int64($0) } ?? second - mapping.zone.epochSecond(local: second)
        if ahead == 0 { return moment.timeMicros }
        return Int64(floorMod(Int(moment.timeMicros - ahead * 1_000_000), Int(CellText.microsOfDay)))
    }

    /// Microseconds since 1970.
    ///
    /// - Parameter isOffset: whether the database will be asked for what is later: it counts as ISO 8601 does, whatever
    ///   records do.
    func timestamp(_ raw: RawValue, isOffset: Bool = false) throws(ConnectError) -> Int64? {
        switch raw {
        case .null: return nil
        case .integer(let millis): return Self.thousandfold(millis)
        case .real(let millis) where abs(millis) < 1e15:
            // Like the expression that asks for rows by their times.
            return Int64(millis.rounded()) * 1000
        // PostgreSQL's: as far away as there are microseconds.
        case .text("infinity"): return MomentText.microsMax
        case .text("-infinity"): return -MomentText.microsMax
        default: return try parsed(raw, isLegacy: mapping.isLegacy && !isOffset)?.micros(mapping.zone)
        }
    }

    private static func thousandfold(_ value: Int64) -> Int64 { product(value, 1000) }

    /// The milliseconds of a day's begin.
    private static func midnight(_ days: Int64) -> Int64 { product(days, 86_400_000) }

    /// Times that do not fit end where the numbers do.
    private static func product(_ value: Int64, _ factor: Int64) -> Int64 {
        let (product, isTooLarge) = value.multipliedReportingOverflow(by: factor)
        return isTooLarge ? (value < 0 ? .min : .max) : product
    }

    private func shown(_ micros: Int64) -> ConnectValue {
        switch mapping.granularity {
        case .connect: return .instant(Int64(floorDiv(Int(micros), 1000)))
        case .microsNumber: return .int64(micros)
        case .microsString: return .string(String(micros))
        case .nanosNumber: return .int64(Self.thousandfold(micros))
        case .nanosString: return .string(micros == 0 ? "0" : "\(micros)000")
        case .microsText, .nanosText:
            let ahead = Int64(mapping.zone.offset(at: Int64(floorDiv(Int(micros), 1_000_000)))) * 1_000_000
            // An infinite time stays where it is.
            let (moved, isTooFar) = micros.addingReportingOverflow(ahead)
            let local = isTooFar ? micros : moved
            let days = Int64(floorDiv(Int(local), Int(CellText.microsOfDay)))
            let time = Int64(floorMod(Int(local), Int(CellText.microsOfDay)))
            let digits = String(1_000_000 + time % 1_000_000).dropFirst()
            let text = CellText.string { output in
                CellText.append(days: days, &output)
                output.append(UInt8(ascii: "T"))
                CellText.append(timeMicros: time / 1_000_000 * 1_000_000, &output)
            }
            return .string(text + "." + digits + (mapping.granularity == .nanosText ? "000" : ""))
        }
    }
}
