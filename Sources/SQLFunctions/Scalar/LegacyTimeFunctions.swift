import SQLTypes

/// Functions of days and milliseconds as numbers, from before there were types for them.
enum LegacyTimeFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "DATETOSTRING", .dateTime, "A number of days since 1970-01-01 in the form of a pattern. Use FORMAT_DATE.",
            [
                .plain(["epochDays": .int, "formatPattern": .string], .string) {
                    values, context throws(EvaluationError) in
                    let days = values[0].intArgument
                    return try DateTimeFunctions.format(
                        DateTimeParts(date: CivilDate(days: days)), values[1].textArgument, &context
                    ) { "Failed to format date \(days) with formatter '\($0)': \($1)" }
                }
            ]),
        ScalarFunction(
            "STRINGTODATE", .dateTime, "The number of days since 1970-01-01 that a text means. Use PARSE_DATE.",
            [
                .plain(["formattedDate": .string, "formatPattern": .string], .int) {
                    values, context throws(EvaluationError) in
                    let (text, pattern) = (values[0].textArgument, values[1].textArgument)
                    func failure(_ reason: String) -> EvaluationError {
                        EvaluationError("Failed to parse date '\(text)' with formatter '\(pattern)': \(reason)")
                    }
                    let parsed = try DateTimeFunctions.parse(text, pattern, &context, failure)
                    return .int(try DateTimeFunctions.date(parsed, failure))
                }
            ]),
        ScalarFunction(
            "STRINGTOTIMESTAMP", .dateTime,
            "The number of milliseconds since 1970-01-01 that a text means. Use PARSE_TIMESTAMP.",
            [
                .plain(
                    ["formattedTimestamp": .string, "formatPattern": .string], .bigint, "In the server's time zone."
                ) {
                    values, context throws(EvaluationError) in
                    let zone = context.zone
                    return .bigint(try DateTimeFunctions.parseTimestamp(values, zone, &context))
                },
                .plain(
                    ["formattedTimestamp": .string, "formatPattern": .string, "timeZone": .string], .bigint,
                    "In the given time zone."
                ) { values, context throws(EvaluationError) in
                    let zone = try DateTimeFunctions.zone(values[2].textArgument, context)
                    return .bigint(try DateTimeFunctions.parseTimestamp(values, zone, &context))
                },
            ]),
        ScalarFunction(
            "TIMESTAMPTOSTRING", .dateTime,
            "A number of milliseconds since 1970-01-01 in the form of a pattern. Use FORMAT_TIMESTAMP.",
            [
                .plain(["epochMilli": .bigint, "formatPattern": .string], .string, "In the server's time zone.") {
                    values, context throws(EvaluationError) in
                    let zone = context.zone
                    return try DateTimeFunctions.formatTimestamp(values, zone, &context)
                },
                .plain(
                    ["epochMilli": .bigint, "formatPattern": .string, "timeZone": .string], .string,
                    "In the given time zone."
                ) { values, context throws(EvaluationError) in
                    let zone = try DateTimeFunctions.zone(values[2].textArgument, context)
                    return try DateTimeFunctions.formatTimestamp(values, zone, &context)
                },
            ]),
    ]
}
