internal import ConnectCore
internal import SQLTypes

/// What a field of a record is to a database: Connect's types and logical types, and Debezium's types of times.
indirect enum ColumnKind: Hashable, Sendable {
    enum Unit: Int64, Hashable, Sendable { case millis = 1_000_000, micros = 1000, nanos = 1 }

    case int8, int16, int32, int64, float32, float64, boolean, string, bytes
    case decimal(scale: Int)
    /// A struct with a scale of its own in each value.
    case variableDecimal
    /// Connect's: values are moments.
    case date, time, timestamp
    /// Debezium's: values are numbers, which a column of numbers takes as they are.
    case days
    case timeOfDay(Unit)
    case epoch(Unit)
    /// Debezium's: values are ISO 8601 texts, which a column of texts takes as they are.
    case zonedTime, zonedTimestamp
    /// Of `timestamp.fields.list`: instants as numbers, or as the digits of such a number.
    case instant(Unit), instantText(Unit)
    case array(ColumnKind)
    /// No column can hold it.
    case unsupported(name: String?, ConnectSchema.Kind)

    init(_ schema: ConnectSchema) {
        switch schema.logicalType {
        case .decimal: self = .decimal(scale: (try? schema.decimalScale()) ?? 0)  // checked where values are read
        case .date: self = .date
        case .time: self = .time
        case .timestamp: self = .timestamp
        case nil: self = Self.debezium(schema) ?? Self.plain(schema)
        }
    }

    /// - Parameter unit: of a field whose numbers are instants; what is no number by its schema stays what it is.
    init(_ schema: ConnectSchema, instantsIn unit: Unit?) {
        self.init(schema)
        guard let unit else { return }
        if self == .int64 { self = .instant(unit) } else if self == .string { self = .instantText(unit) }
    }

    private static func plain(_ schema: ConnectSchema) -> ColumnKind {
        switch schema.kind {
        case .int8: .int8
        case .int16: .int16
        case .int32: .int32
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .boolean: .boolean
        case .string: .string
        case .bytes: .bytes
        case .array:
            schema.valueSchema.map { ColumnKind.array(ColumnKind($0)) }
                ?? ColumnKind.unsupported(name: schema.name, .array)
        case .map, .structure: .unsupported(name: schema.name, schema.kind)
        }
    }

    private static func debezium(_ schema: ConnectSchema) -> ColumnKind? {
        guard let name = schema.name, name.hasPrefix("io.debezium.") else { return nil }
        return switch (name, schema.kind) {
        case ("io.debezium.time.Date", .int32): .days
        case ("io.debezium.time.Time", .int32): .timeOfDay(.millis)
        case ("io.debezium.time.MicroTime", .int64): .timeOfDay(.micros)
        case ("io.debezium.time.NanoTime", .int64): .timeOfDay(.nanos)
        case ("io.debezium.time.Timestamp", .int64): .epoch(.millis)
        case ("io.debezium.time.MicroTimestamp", .int64): .epoch(.micros)
        case ("io.debezium.time.NanoTimestamp", .int64): .epoch(.nanos)
        case ("io.debezium.time.ZonedTime", .string): .zonedTime
        case ("io.debezium.time.ZonedTimestamp", .string): .zonedTimestamp
        case ("io.debezium.data.VariableScaleDecimal", .structure): .variableDecimal
        default: nil
        }
    }
}

/// How the values of one field become cells of one column.
struct CellEncoder: Sendable {
    let kind: ColumnKind
    let field: String
    /// Whether the column wants numbers and texts of times as they are.
    let isRaw: Bool
    let zones: CellZones

    /// - Throws: `.data` for a value that is not what its schema says, `.connect` for one that no column can hold.
    func cell(_ value: ConnectValue) throws(ConnectError) -> Cell { try cell(value, kind) }

    private func cell(_ value: ConnectValue, _ kind: ColumnKind) throws(ConnectError) -> Cell {
        switch (value, kind) {
        case (.null, _): return .null
        case (.int8(let value), .int8): return .integer(Int64(value))
        case (.int16(let value), .int16): return .integer(Int64(value))
        case (.int32(let value), .int32): return .integer(Int64(value))
        case (.int64(let value), .int64): return .integer(value)
        case (.float32(let value), .float32): return .float(value)
        case (.float64(let value), .float64): return .double(value)
        case (.boolean(let value), .boolean): return .flag(value)
        case (.string(let value), .string): return .text(value)
        case (.bytes(let value), .bytes): return .bytes(value)
        case (.decimal(let value), .decimal): return .decimal(value)
        case (.structure(let value), .variableDecimal):
            guard case .int32(let scale)? = value["scale"], case .bytes(let bytes)? = value["value"] else { break }
            guard bytes.count <= 8192, abs(Int(scale)) <= 16_384 else { break }
            return .decimal(SQLDecimal(bigEndian: bytes, scale: Int(scale)))
        case (.instant(let millis), .date): return zones.date(millis)
        case (.instant(let millis), .time): return zones.time(millis)
        case (.instant(let millis), .timestamp): return zones.moment(try micros(millis, .millis))
        case (.int32(let days), .days): return isRaw ? .integer(Int64(days)) : .date(Int64(days))
        case (.int32(let number), .timeOfDay(let unit)): return try time(Int64(number), unit)
        case (.int64(let number), .timeOfDay(let unit)): return try time(number, unit)
        case (.int64(let number), .epoch(let unit)):
            // Debezium's timestamps are those of a wall without a zone.
            return isRaw ? .integer(number) : .moment(local: try micros(number, unit), ahead: 0)
        case (.string(let text), .zonedTimestamp): return isRaw ? .text(text) : try zones.moment(text)
        case (.string(let text), .zonedTime): return .text(text)
        case (.int64(let number), .instant(let unit)):
            return isRaw ? .integer(number) : zones.moment(try micros(number, unit))
        case (.string(let text), .instantText(let unit)):
            if isRaw { return .text(text) }
            guard let number = Int64(text) else {
                throw .data("Field '\(field)' of timestamp.fields.list is no number: '\(text.prefix(40))'")
            }
            return zones.moment(try micros(number, unit))
        case (.array(let elements), .array(let element)):
            var cells: [Cell] = []
            cells.reserveCapacity(elements.count)
            for value in elements { cells.append(try cell(value, element)) }
            return .array(cells)
        case (_, .unsupported(_, let kind)):
            throw ConnectError(.connect, "Unsupported source data type: \(kind.rawValue)")
        default: break
        }
        throw .data("Field '\(field)' has a value of \(value.javaClass), which its schema does not allow")
    }

    private func time(_ number: Int64, _ unit: ColumnKind.Unit) throws(ConnectError) -> Cell {
        isRaw ? .integer(number) : .time(try micros(number, unit))
    }

    private func micros(_ number: Int64, _ unit: ColumnKind.Unit) throws(ConnectError) -> Int64 {
        switch unit {
        case .nanos: return Int64(floorDiv(Int(number), 1000))
        case .micros: return number
        case .millis:
            let (micros, isTooLarge) = number.multipliedReportingOverflow(by: 1000)
            guard !isTooLarge else { throw .data("Field '\(field)' has a time beyond all calendars") }
            return micros
        }
    }
}

/// The zones in which moments are written.
struct CellZones: Sendable {
    /// `db.timezone`
    var zone: TimeZoneID
    /// That of dates.
    var dateZone: TimeZoneID
    /// `date.calendar.system=LEGACY`
    var isLegacy = false

    static let utc = CellZones(zone: .utc, dateZone: .utc)

    func date(_ millis: Int64) -> Cell {
        let second = Int64(floorDiv(Int(millis), 1000))
        let days = Int64(floorDiv(Int(second) + dateZone.offset(at: second), 86_400))
        return .date(isLegacy ? LegacyCalendar.named(days) : days)
    }

    func time(_ millis: Int64) -> Cell {
        let second = Int64(floorDiv(Int(millis), 1000))
        let local = Int(second) + zone.offset(at: second)
        return .time(Int64(floorMod(local, 86_400)) * 1_000_000 + Int64(floorMod(Int(millis), 1000)) * 1000)
    }

    func moment(_ micros: Int64) -> Cell {
        let ahead = zone.offset(at: Int64(floorDiv(Int(micros), 1_000_000)))
        var local = micros &+ Int64(ahead) * 1_000_000
        if isLegacy {
            let days = Int64(floorDiv(Int(local), Int(CellText.microsOfDay)))
            local += (LegacyCalendar.named(days) - days) * CellText.microsOfDay
        }
        return .moment(local: local, ahead: Int32(clamping: ahead))
    }

    /// - Parameter text: `2024-02-29T12:34:56.123456+01:00`; ISO 8601 with an offset or `Z`.
    func moment(_ text: String) throws(ConnectError) -> Cell {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= bytes.count else { return nil }
            return bytes[range].reduce(0 as Int?) { sum, byte in
                sum.flatMap { 0x30...0x39 ~= byte ? $0 * 10 + Int(byte - 0x30) : nil }
            }
        }
        guard bytes.count >= 16, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == 0x54 || bytes[10] == 0x20,
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16),
            1...12 ~= month, 1...CivilDate.length(ofMonth: month, year: year) ~= day, hour < 24, minute < 60
        else { throw Self.unreadable(text) }
        var at = 16
        var micros: Int64 = 0
        var second = 0
        if at < bytes.count, bytes[at] == 0x3A {
            guard let value = number(17..<19), value < 60 else { throw Self.unreadable(text) }
            second = value
            at = 19
            if at < bytes.count, bytes[at] == 0x2E {
                at += 1
                var unit: Int64 = 100_000
                while at < bytes.count, 0x30...0x39 ~= bytes[at] {
                    micros += Int64(bytes[at] - 0x30) * unit
                    unit /= 10
                    at += 1
                }
            }
        }
        let rest = String(decoding: bytes[at...], as: UTF8.self)
        guard let ahead = rest == "Z" || rest.isEmpty ? 0 : ZoneOffset.seconds(rest) else {
            throw Self.unreadable(text)
        }
        let seconds = CivilDate(year: year, month: month, day: day).days * 86_400 + hour * 3600 + minute * 60 + second
        return moment(Int64(seconds - ahead) * 1_000_000 + micros)
    }

    private static func unreadable(_ text: String) -> ConnectError {
        .data("A value of io.debezium.time.ZonedTimestamp is no time: '\(text.prefix(40))'")
    }
}
