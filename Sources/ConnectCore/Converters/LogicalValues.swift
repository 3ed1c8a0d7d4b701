import SQLTypes

/// Between logical values and those of the types beneath: Java's `Decimal`, `Date`, `Time` and `Timestamp` classes.
enum LogicalValues {
    private static let day: Int64 = 86_400_000

    /// The value beneath: bytes, days or milliseconds. Values without a logical type stay as they are.
    ///
    /// - Throws: `.data` in Connect's words.
    static func encoded(_ value: ConnectValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectValue {
        guard let type = schema.logicalType else { return value }
        switch (type, value) {
        case (.decimal, .decimal(let decimal)):
            let scale = try schema.decimalScale()
            guard decimal.scale == scale else {
                throw .data(
                    "Decimal value has mismatching scale for given Decimal schema. Schema has scale \(scale), value has "
                        + "scale \(decimal.scale).")
            }
            return .bytes(decimal.bigEndian)
        case (.date, .instant(let millis)):
            guard millis % day == 0 else {
                throw .data(
                    "Kafka Connect Date type should not have any time fields set to non-zero values.")
            }
            guard let days = Int32(exactly: millis / day) else { throw .data("Date \(millis) is out of range") }
            return .int32(days)
        case (.time, .instant(let millis)):
            // The end of the day counts as one of its moments.
            guard 0...day ~= millis else {
                throw .data(
                    "Kafka Connect Time type should not have any date fields set to non-zero values.")
            }
            return .int32(Int32(truncatingIfNeeded: millis))
        case (.timestamp, .instant(let millis)): return .int64(millis)
        default: return value
        }
    }

    /// The logical value of one beneath.
    ///
    /// - Throws: `.data` in Connect's words.
    static func decoded(_ value: ConnectValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectValue {
        guard let type = schema.logicalType else { return value }
        switch (type, value) {
        case (.decimal, .bytes(let bytes)):
            return .decimal(SQLDecimal(bigEndian: bytes, scale: try schema.decimalScale()))
        case (.date, .int32(let days)): return .instant(Int64(days) * day)
        case (.time, .int32(let millis)):
            guard 0...day ~= Int64(millis) else {
                throw .data(
                    "Time values must use number of milliseconds greater than 0 and less than 86400000")
            }
            return .instant(Int64(millis))
        case (.timestamp, .int64(let millis)): return .instant(millis)
        default: return value
        }
    }
}
