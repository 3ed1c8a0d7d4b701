import SQLTypes

/// Functions of dates and times.
enum DateTimeFunctions {
    static let all: [ScalarFunction] =
        [
            add("DATEADD", "DATE", .date, sign: 1, "date", "A date so many units of time later.", addToDate),
            add("DATESUB", "DATE", .date, sign: -1, "date", "A date so many units of time earlier.", addToDate),
            add("TIMEADD", "TIME", .time, sign: 1, "time", "A time so many units later, around midnight.", addToTime),
            add(
                "TIMESUB", "TIME", .time, sign: -1, "time", "A time so many units earlier, around midnight.", addToTime),
            add(
                "TIMESTAMPADD", "TIMESTAMP", .timestamp, sign: 1, "timestamp", "A moment so many units of time later.",
                addToTimestamp),
            add(
                "TIMESTAMPSUB", "TIMESTAMP", .timestamp, sign: -1, "timestamp",
                "A moment so many units of time earlier.", addToTimestamp),
            ScalarFunction(
                "CONVERT_TZ", .dateTime, "A moment of one time zone's clocks as another's show it.",
                [
                    .plain(
                        ["timestamp": .timestamp, "fromTimeZone": .string, "toTimeZone": .string], .timestamp
                    ) { values, context throws(EvaluationError) in
                        let millis = values[0].timestamp ?? 0
                        let from = try zone(values[1].textArgument, context)
                        let to = try zone(values[2].textArgument, context)
                        let second = Int64(floorDiv(Int(millis), 1000))
                        return .timestamp(millis &+ Int64(to.offset(at: second) - from.offset(at: second)) * 1000)
                    }
                ]),
            ScalarFunction(
                "FORMAT_DATE", .dateTime, "A date in the form of a pattern.",
                [
                    .plain(["date": .date, "format": .string], .string) { values, context throws(EvaluationError) in
                        let parts = DateTimeParts(date: CivilDate(days: Int(values[0].date ?? 0)))
                        return try format(parts, values[1].textArgument, &context) {
                            "Failed to format date \(TimeText.date(values[0].date ?? 0)) with formatter '\($0)': \($1)"
                        }
                    }
                ]),
            ScalarFunction(
                "FORMAT_TIME", .dateTime, "A time in the form of a pattern.",
                [
                    .plain(["time": .time, "format": .string], .string) { values, context throws(EvaluationError) in
                        let millis = floorMod(Int(values[0].time ?? 0), 86_400_000)
                        let parts = DateTimeParts(nanos: millis * 1_000_000)
                        return try format(parts, values[1].textArgument, &context) {
                            "Failed to format time \(TimeText.time(values[0].time ?? 0)) with formatter '\($0)': \($1)"
                        }
                    }
                ]),
            ScalarFunction(
                "FORMAT_TIMESTAMP", .dateTime, "A moment in the form of a pattern.",
                [
                    .plain(["timestamp": .timestamp, "format": .string], .string, "In UTC.") {
                        values, context throws(EvaluationError) in try formatTimestamp(values, .utc, &context)
                    },
                    .plain(
                        ["timestamp": .timestamp, "format": .string, "timeZone": .string], .string, "In a time zone."
                    ) {
                        values, context throws(EvaluationError) in
                        try formatTimestamp(values, zone(values[2].textArgument, context), &context)
                    },
                ]),
            ScalarFunction(
                "FROM_DAYS", .dateTime, "The date so many days after 1970-01-01.",
                [
                    .plain(["days": .int], .date) { values, _ throws(EvaluationError) in
                        .date(Int32(truncatingIfNeeded: values[0].intArgument))
                    }
                ]),
            ScalarFunction(
                "FROM_UNIXTIME", .dateTime, "The moment so many milliseconds after 1970-01-01 00:00 UTC.",
                [
                    .plain(["epochMilli": .bigint], .timestamp) { values, _ throws(EvaluationError) in
                        .timestamp(values[0].bigint ?? 0)
                    }
                ]),
            ScalarFunction(
                "PARSE_DATE", .dateTime,
                "The date that a text in the form of a pattern means. What stands behind the date is ignored.",
                [
                    .plain(["formattedDate": .string, "format": .string], .date) {
                        values, context throws(EvaluationError) in
                        let (text, pattern) = (values[0].textArgument, values[1].textArgument)
                        do throws(EvaluationError) {
                            let compiled = try context.cache.simpleDate(pattern)
                            let zones = context.zones
                            let millis = try evaluating { () throws(SQLTypesError) in
                                try compiled.milliseconds(text, zones: zones)
                            }
                            guard millis % TimeText.millisPerDay == 0 else {
                                throw EvaluationError("Date format contains time field.")
                            }
                            guard let days = Int32(exactly: millis / TimeText.millisPerDay) else {
                                throw EvaluationError("the date is out of range")
                            }
                            return .date(days)
                        } catch {
                            throw EvaluationError(
                                "Failed to parse date '\(text)' with formatter '\(pattern)': \(error.message)")
                        }
                    }
                ]),
            ScalarFunction(
                "PARSE_TIME", .dateTime, "The time that a text in the form of a pattern means.",
                [
                    .plain(["formattedTime": .string, "format": .string], .time) {
                        values, context throws(EvaluationError) in
                        let (text, pattern) = (values[0].textArgument, values[1].textArgument)
                        func failure(_ reason: String) -> EvaluationError {
                            EvaluationError("Failed to parse time '\(text)' with formatter '\(pattern)': \(reason)")
                        }
                        let parsed = try parse(text, pattern, &context, isCaseInsensitive: true, failure)
                        if let field = DateTimeField.allCases.first(where: { $0.isDateBased && parsed.knows($0) }) {
                            throw failure("Unsupported field: \(field.rawValue)")
                        }
                        guard let nanos = parsed.nanos else {
                            throw failure("Unable to obtain LocalTime from TemporalAccessor")
                        }
                        return .time(Int32(nanos / 1_000_000))
                    }
                ]),
            ScalarFunction(
                "PARSE_TIMESTAMP", .dateTime, "The moment that a text in the form of a pattern means.",
                [
                    .plain(
                        ["formattedTimestamp": .string, "format": .string], .timestamp,
                        "In UTC where the text has no zone."
                    ) { values, context throws(EvaluationError) in
                        .timestamp(try parseTimestamp(values, .utc, &context))
                    },
                    .plain(
                        ["formattedTimestamp": .string, "format": .string, "timeZone": .string], .timestamp,
                        "In a time zone where the text has none."
                    ) { values, context throws(EvaluationError) in
                        .timestamp(try parseTimestamp(values, zone(values[2].textArgument, context), &context))
                    },
                ]),
            ScalarFunction(
                "UNIX_DATE", .dateTime, "The number of days since 1970-01-01, of today or of a date.",
                [
                    .plain([:], .int) { _, context throws(EvaluationError) in
                        .int(Int32(clamping: floorDiv(Int(context.now()), 86_400_000)))
                    },
                    .plain(["date": .date], .int) { values, _ throws(EvaluationError) in .int(values[0].date ?? 0) },
                ]
            ).volatile,
            ScalarFunction(
                "UNIX_TIMESTAMP", .dateTime,
                "The number of milliseconds since 1970-01-01 00:00 UTC, of now or of a moment.",
                [
                    .plain([:], .bigint) { _, context throws(EvaluationError) in .bigint(context.now()) },
                    .plain(["timestamp": .timestamp], .bigint) { values, _ throws(EvaluationError) in
                        .bigint(values[0].timestamp ?? 0)
                    },
                ]
            ).volatile,
        ]

    // MARK: Patterns

    static func zone(_ text: String, _ context: EvaluationContext) throws(EvaluationError) -> TimeZoneID {
        try evaluating { () throws(SQLTypesError) in try context.zones.zone(text) }
    }

    static func format(
        _ parts: DateTimeParts, _ pattern: String, _ context: inout EvaluationContext,
        _ failure: (_ pattern: String, _ reason: String) -> String
    ) throws(EvaluationError) -> SQLValue {
        do {
            let compiled = try context.cache.date(pattern)
            return .string(try evaluating { () throws(SQLTypesError) in try compiled.format(parts) })
        } catch { throw EvaluationError(failure(pattern, error.message)) }
    }

    static func formatTimestamp(
        _ values: [SQLValue], _ zone: TimeZoneID, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let millis = values[0].timestamp ?? values[0].bigint ?? 0
        return try format(DateTimeParts(epochMilli: millis, zone: zone), values[1].textArgument, &context) {
            "Failed to format timestamp \(TimeText.timestamp(millis)) with formatter '\($0)': \($1)"
        }
    }

    static func parse(
        _ text: String, _ pattern: String, _ context: inout EvaluationContext, isCaseInsensitive: Bool = false,
        _ failure: (String) -> EvaluationError
    ) throws(EvaluationError) -> ParsedDateTime {
        do {
            let compiled = try context.cache.date(pattern, isCaseInsensitive: isCaseInsensitive)
            let zones = context.zones
            return try evaluating { () throws(SQLTypesError) in try compiled.parse(text, zones: zones) }
        } catch { throw failure(error.message) }
    }

    static func date(_ parsed: ParsedDateTime, _ failure: (String) -> EvaluationError) throws(EvaluationError) -> Int32
    {
        guard let date = parsed.date else { throw failure("Unable to obtain LocalDate from TemporalAccessor") }
        guard let days = Int32(exactly: date.days) else { throw failure("the date is out of range") }
        return days
    }

    static func parseTimestamp(
        _ values: [SQLValue], _ zone: TimeZoneID, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> Int64 {
        let (text, pattern) = (values[0].textArgument, values[1].textArgument)
        do {
            let compiled = try context.cache.date(pattern, isCaseInsensitive: true)
            let zones = context.zones
            return try evaluating { () throws(SQLTypesError) in try compiled.timestamp(text, zone: zone, zones: zones) }
        } catch {
            throw EvaluationError("Failed to parse timestamp '\(text)' with formatter '\(pattern)': \(error.message)")
        }
    }

    // MARK: Sums

    private static let units: [String: Int64] = [
        "MILLISECOND": 1, "SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000,
    ]

    /// The length of a unit such as DAYS in milliseconds; nil when there is no such unit.
    package static func milliseconds(ofUnit name: String) -> Int64? {
        let upper = name.uppercased()
        return units[upper.hasSuffix("S") ? String(upper.dropLast()) : upper]
    }

    private static func add(
        _ name: String, _ typeName: String, _ type: ParameterType, sign: Int64, _ parameter: String,
        _ description: String, _ sum: @escaping @Sendable (SQLValue, Int64) -> SQLValue
    ) -> ScalarFunction {
        ScalarFunction(
            name, .dateTime, description,
            [
                .plain(["unit": .intervalUnit, "interval": .int, parameter: type], type) {
                    values, _ throws(EvaluationError) in
                    guard let unit = milliseconds(ofUnit: values[0].textArgument) else {
                        throw EvaluationError("Unknown unit of time: \(values[0].textArgument)")
                    }
                    // An INT of days has far fewer milliseconds than a BIGINT holds.
                    return sum(values[2], sign * unit * Int64(values[1].intArgument))
                }
            ])
    }

    private static func addToDate(_ value: SQLValue, _ millis: Int64) -> SQLValue {
        // Towards zero, as the original converts milliseconds to days.
        .date(Int32(truncatingIfNeeded: (Int64(value.date ?? 0) * 86_400_000 + millis) / 86_400_000))
    }

    private static func addToTime(_ value: SQLValue, _ millis: Int64) -> SQLValue {
        .time(Int32(floorMod(Int(Int64(value.time ?? 0) + millis), 86_400_000)))
    }

    private static func addToTimestamp(_ value: SQLValue, _ millis: Int64) -> SQLValue {
        .timestamp((value.timestamp ?? 0) &+ millis)
    }
}
