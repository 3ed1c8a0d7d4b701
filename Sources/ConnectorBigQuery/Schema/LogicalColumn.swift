import Bytes
import ConnectCore
import JSONFormat
import SQLTypes

/// Types with a name that have columns of their own: Connect's and Debezium's.
///
/// - SeeAlso: the original's `KafkaLogicalConverters` and `DebeziumLogicalConverters`.
enum LogicalColumn: Sendable {
    case date, time, timestamp
    case decimal(BigQuerySettings.DecimalMode)
    case debeziumDate, debeziumTime, debeziumMicroTime, debeziumTimestamp, debeziumMicroTimestamp
    case debeziumZonedTimestamp
    /// Never `.record`, which leaves the struct as it is.
    case variableDecimal(BigQuerySettings.DecimalMode)

    /// nil for a schema without such a name.
    ///
    /// - Throws: `.data` for a name that goes with another type.
    init?(_ schema: ConnectSchema, _ settings: BigQuerySettings) throws(ConnectError) {
        guard let name = schema.name else { return nil }
        let kind: ConnectSchema.Kind
        switch name {
        case LogicalType.date.rawValue: (self, kind) = (.date, .int32)
        case LogicalType.time.rawValue: (self, kind) = (.time, .int32)
        case LogicalType.timestamp.rawValue: (self, kind) = (.timestamp, .int64)
        case LogicalType.decimal.rawValue: (self, kind) = (.decimal(settings.decimals), .bytes)
        case "io.debezium.time.Date": (self, kind) = (.debeziumDate, .int32)
        case "io.debezium.time.Time": (self, kind) = (.debeziumTime, .int32)
        case "io.debezium.time.MicroTime": (self, kind) = (.debeziumMicroTime, .int64)
        case "io.debezium.time.Timestamp": (self, kind) = (.debeziumTimestamp, .int64)
        case "io.debezium.time.MicroTimestamp": (self, kind) = (.debeziumMicroTimestamp, .int64)
        case "io.debezium.time.ZonedTimestamp": (self, kind) = (.debeziumZonedTimestamp, .string)
        case "io.debezium.data.VariableScaleDecimal":
            guard settings.variableDecimals != .record else { return nil }
            (self, kind) = (.variableDecimal(settings.variableDecimals), .structure)
        default: return nil
        }
        guard schema.kind == kind else {
            throw .data(
                "Logical Type \(name) must be encoded as \(kind.rawValue); instead, found \(schema.kind.rawValue)")
        }
    }

    func field(_ schema: ConnectSchema, _ name: String) throws(ConnectError) -> BigQueryField {
        switch self {
        case .date, .debeziumDate: return BigQueryField(name, "DATE")
        case .time, .debeziumTime, .debeziumMicroTime: return BigQueryField(name, "TIME")
        case .timestamp, .debeziumTimestamp, .debeziumMicroTimestamp, .debeziumZonedTimestamp:
            return BigQueryField(name, "TIMESTAMP")
        case .variableDecimal(let mode): return BigQueryField(name, mode.rawValue)
        case .decimal(.record):
            return BigQueryField(
                name, "RECORD",
                fields: [BigQueryField("scale", "INTEGER", .required), BigQueryField("value", "BYTES", .required)])
        case .decimal(.float): return BigQueryField(name, "FLOAT")
        case .decimal(let mode):
            var field = BigQueryField(name, mode.rawValue)
            let precision = schema.parameter("connect.decimal.precision").flatMap { Int($0) }
            let scale = schema.parameter("scale").flatMap { Int($0) }
            if mode == .numeric {
                if let precision, precision > 38 {
                    throw .data("Requested precision (\(precision)) is too high for NUMERIC type")
                }
                if let scale, scale > 9 { throw .data("Requested scale (\(scale)) is too large for NUMERIC type") }
            }
            // BigQuery has no scale without a precision.
            if let precision {
                field.precision = precision
                field.scale = scale
            }
            return field
        }
    }

    /// - Throws: `.data` for a value that is none of the type.
    func write(_ value: ConnectValue, _ field: String, to writer: inout JSONWriter) throws(ConnectError) {
        switch (self, value) {
        case (.date, .instant(let millis)):
            writer.string(ColumnTime.date(floorDiv(Int(millis), ColumnTime.dayMillis)))
        case (.time, .instant(let millis)): writer.string(ColumnTime.time(Int(millis), digits: 3))
        case (.timestamp, .instant(let millis)): writer.string(ColumnTime.timestamp(Int(millis), digits: 3))
        case (.debeziumDate, .int32(let days)): writer.string(ColumnTime.date(Int(days)))
        case (.debeziumTime, .int32(let millis)): writer.string(ColumnTime.time(Int(millis), digits: 3))
        case (.debeziumMicroTime, .int64(let micros)): writer.string(ColumnTime.time(Int(micros), digits: 6))
        case (.debeziumTimestamp, .int64(let millis)): writer.string(ColumnTime.timestamp(Int(millis), digits: 3))
        case (.debeziumMicroTimestamp, .int64(let micros)):
            writer.string(ColumnTime.timestamp(Int(micros), digits: 6))
        case (.debeziumZonedTimestamp, .string(let text)):
            // ISO 8601 with an offset; BigQuery has a space between date and time.
            var bytes = Array(text.utf8)
            guard bytes.count >= 17, bytes.count < 64, bytes[10] == UInt8(ascii: "T") else {
                throw .data("\(field) is no io.debezium.time.ZonedTimestamp")
            }
            bytes[10] = UInt8(ascii: " ")
            writer.string(String(decoding: bytes, as: UTF8.self))
        case (.decimal(let mode), .decimal(let number)):
            try Self.write(number, mode, field, option: "decimalHandlingMode", to: &writer)
        case (.variableDecimal(let mode), .structure(let parts)):
            guard let scale = parts["scale"]?.integer, Self.scales ~= Int(scale), let bytes = parts["value"]?.bytes,
                bytes.count < Self.byteCountMax
            else { throw .data("\(field) is no io.debezium.data.VariableScaleDecimal") }
            try Self.write(
                SQLDecimal(bigEndian: bytes, scale: Int(scale)), mode, field,
                option: "variableScaleDecimalHandlingMode",
                to: &writer)
        default: throw .data("\(field) holds a \(value.javaClass), which is no value of its type")
        }
    }

    /// Far beyond what any column holds. A number of a few bytes must not become a text of many megabytes.
    private static let scales = -10_000...10_000
    private static let byteCountMax = 10_000

    /// - Parameter option: of the mode.
    /// - Throws: `.data` for a number that is too large for its mode.
    private static func write(
        _ number: SQLDecimal, _ mode: BigQuerySettings.DecimalMode, _ field: String, option: String,
        to writer: inout JSONWriter
    ) throws(ConnectError) {
        if mode != .record {
            guard scales ~= number.scale else {
                throw .data(
                    "\(field) is a decimal of scale \(number.scale), and a row takes up to \(scales.upperBound) places: "
                        + "\(option)=RECORD makes a RECORD of scale and value of it")
            }
            guard number.unscaledInt64 != nil || number.bigEndian.count < byteCountMax else {
                throw .data(
                    "\(field) is a decimal of \(number.bigEndian.count) bytes, and a row takes less than \(byteCountMax): "
                        + "\(option)=RECORD makes a RECORD of scale and value of it")
            }
        }
        switch mode {
        case .float:
            let double = number.doubleValue
            guard double.isFinite else {
                // Not as the infinities of doubles, which no number stands for: this one would become another.
                throw .data(
                    "\(field) is a decimal beyond what a FLOAT holds: \(option)=RECORD makes a RECORD of scale and value of it"
                )
            }
            writer.double(double)
        // As a text, so that nobody reads it as a double on the way.
        case .numeric, .bigNumeric: writer.string(number.plainText)
        case .record:
            writer.beginObject()
            writer.name("scale")
            writer.integer(Int64(number.scale))
            writer.name("value")
            writer.string(Base64.encode(number.bigEndian))
            writer.endObject()
        }
    }
}

/// Times as BigQuery reads them, in UTC.
enum ColumnTime {
    static let dayMillis = 86_400_000

    static func date(_ days: Int) -> String { CivilDate(days: days).text }

    /// - Parameters:
    ///   - count: units of the day; what is more than a day counts as if it were less.
    ///   - digits: 3 for milliseconds, 6 for microseconds.
    static func time(_ count: Int, digits: Int) -> String {
        let unit = digits == 3 ? 1000 : 1_000_000
        let seconds = floorMod(floorDiv(count, unit), 86_400)
        func text(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        return "\(text(seconds / 3600, 2)):\(text(seconds / 60 % 60, 2)):\(text(seconds % 60, 2))."
            + text(floorMod(count, unit), digits)
    }

    /// - Parameter count: units since 1970.
    static func timestamp(_ count: Int, digits: Int) -> String {
        let day = digits == 3 ? dayMillis : dayMillis * 1000
        return date(floorDiv(count, day)) + " " + time(floorMod(count, day), digits: digits)
    }

    /// `20200131`, as partitions of days are named.
    static func decorator(_ millis: Int64) -> String {
        date(floorDiv(Int(millis), dayMillis)).replacing("-", with: "")
    }
}
