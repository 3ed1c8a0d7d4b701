import JSONFormat

/// What a type means beyond its encoding.
///
/// - SeeAlso: Apache Avro 1.12 specification, "Logical Types".
package enum AvroLogicalType: Sendable, Hashable {
    /// Two's complement, big-endian: the unscaled value.
    case decimal(precision: Int, scale: Int)
    case uuid
    /// Days since 1970-01-01.
    case date
    case timeMillis, timeMicros
    case timestampMillis, timestampMicros, timestampNanos
    case localTimestampMillis, localTimestampMicros, localTimestampNanos
    /// Months, days and milliseconds, each 32 bits little-endian.
    case duration

    /// - Returns: nil for a name that is unknown or does not go with `kind`.
    init?(_ properties: [(name: String, value: JSONValue)], of kind: AvroType.Kind) {
        func value(_ name: String) -> JSONValue? { properties.last { $0.name == name }?.value }
        guard let word = value("logicalType")?.text else { return nil }
        switch (word, kind) {
        case ("decimal", .primitive(.bytes)), ("decimal", .fixed):
            guard let precision = value("precision")?.integer, precision > 0, precision <= Int32.max else { return nil }
            let scale = value("scale") ?? .number(0)
            guard let scale = scale.integer, 0...precision ~= scale else { return nil }
            if case .fixed(let fixed) = kind, Int(precision) > Self.digits(ofBytes: fixed.size) { return nil }
            self = .decimal(precision: Int(precision), scale: Int(scale))
        case ("uuid", .primitive(.string)): self = .uuid
        case ("uuid", .fixed(let fixed)) where fixed.size == 16: self = .uuid
        case ("date", .primitive(.int)): self = .date
        case ("time-millis", .primitive(.int)): self = .timeMillis
        case ("time-micros", .primitive(.long)): self = .timeMicros
        case ("timestamp-millis", .primitive(.long)): self = .timestampMillis
        case ("timestamp-micros", .primitive(.long)): self = .timestampMicros
        case ("timestamp-nanos", .primitive(.long)): self = .timestampNanos
        case ("local-timestamp-millis", .primitive(.long)): self = .localTimestampMillis
        case ("local-timestamp-micros", .primitive(.long)): self = .localTimestampMicros
        case ("local-timestamp-nanos", .primitive(.long)): self = .localTimestampNanos
        case ("duration", .fixed(let fixed)) where fixed.size == 12: self = .duration
        default: return nil
        }
    }

    /// Decimal digits that every number of so many digits fits into: floor(log10(2^(8n - 1) - 1)).
    private static func digits(ofBytes size: Int) -> Int {
        size < 1 ? 0 : Int((Double(size) * 8 - 1) * 0.301_029_995_663_981_2)
    }
}
