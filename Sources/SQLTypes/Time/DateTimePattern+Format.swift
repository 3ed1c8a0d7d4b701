extension DateTimePattern {
    /// - Throws: `.unsupported` in Java's words when the pattern asks for what is not known: hours of a date, say.
    package func format(_ parts: DateTimeParts) throws(SQLTypesError) -> String {
        var output = ""
        try Self.format(elements, parts, isOptional: false, &output)
        return output
    }

    private static func format(
        _ elements: [Element], _ parts: DateTimeParts, isOptional: Bool, _ output: inout String
    ) throws(SQLTypesError) {
        for element in elements { try format(element, parts, &output) }
    }

    private static func value(_ field: DateTimeField, _ parts: DateTimeParts) throws(SQLTypesError) -> Int {
        guard let value = parts.value(field) else {
            throw SQLTypesError(.unsupported, "Unsupported field: \(field.name)")
        }
        return value
    }

    private static func format(
        _ element: Element, _ parts: DateTimeParts, _ output: inout String
    ) throws(SQLTypesError) {
        switch element {
        case .literal(let text): output += text
        case .number(let field, let min, let max, let sign, _):
            let value = try value(field, parts)
            let digits = String(value.magnitude)
            guard digits.utf8.count <= max else {
                throw SQLTypesError(
                    .unsupported,
                    "Field \(field.name) cannot be printed as the value \(value) exceeds the maximum print width of \(max)"
                )
            }
            if value < 0 {
                guard sign != .notNegative else {
                    throw SQLTypesError(
                        .unsupported,
                        "Field \(field.name) cannot be printed as the value \(value) cannot be negative according to "
                            + "the SignStyle")
                }
                output += "-"
            } else if sign == .exceedsPad, min < 19, digits.utf8.count > min {
                output += "+"
            }
            output += String(repeating: "0", count: Swift.max(0, min - digits.utf8.count)) + digits
        case .twoDigitYear(let field, _): output += twoDigits(abs(try value(field, parts)) % 100)
        case .fraction(let digits, _):
            let nanos = String(try value(.nanoOfSecond, parts))
            output += (String(repeating: "0", count: 9 - nanos.utf8.count) + nanos).prefix(digits)
        case .text(let field, let style): output += DateTimeNames.text(field, style, try value(field, parts))
        case .dayPeriod(let style):
            let minutes = try value(.hourOfDay, parts) * 60 + value(.minuteOfHour, parts)
            output += DateTimeNames.dayPeriod(minutes, style)
        case .offset(let shape, let zero):
            output += offsetText(try value(.offsetSeconds, parts), shape, zero: zero)
        case .localizedOffset(let isFull):
            let offset = try value(.offsetSeconds, parts)
            output += "GMT"
            guard offset != 0 else { break }
            let magnitude = abs(offset)
            let hours = magnitude / 3600
            output += offset < 0 ? "-" : "+"
            output += isFull ? twoDigits(hours) : String(hours)
            let minutes = magnitude / 60 % 60
            let seconds = magnitude % 60
            if isFull || minutes != 0 || seconds != 0 { output += ":" + twoDigits(minutes) }
            if seconds != 0 { output += ":" + twoDigits(seconds) }
        case .zoneID:
            guard let zone = parts.zone else {
                throw SQLTypesError(.unsupported, "Unable to extract ZoneId from temporal")
            }
            output += zone.id
        case .zoneText(let isFull, let isGeneric):
            guard let zone = parts.zone, let period = parts.period else {
                throw SQLTypesError(.unsupported, "Unable to extract ZoneId from temporal")
            }
            output += ZoneNames.text(zone, period, isFull: isFull, isGeneric: isGeneric)
        case .optional(let elements):
            var section = ""
            do {
                try format(elements, parts, isOptional: true, &section)
                output += section
            } catch {
                // Only what is not known may be left out.
                guard error.message.hasPrefix("Unsupported") || error.message.hasPrefix("Unable") else { throw error }
            }
        case .padded(let width, let element):
            var section = ""
            try format(element, parts, &section)
            let count = section.unicodeScalars.count
            guard count <= width else {
                throw SQLTypesError(
                    .unsupported, "Cannot print as output of \(count) characters exceeds pad width of \(width)")
            }
            output += String(repeating: " ", count: width - count) + section
        }
    }

    private static func offsetText(_ offset: Int, _ shape: OffsetPattern, zero: String) -> String {
        if offset == 0 { return zero }
        let magnitude = abs(offset)
        let minutes = magnitude / 60 % 60
        let seconds = magnitude % 60
        let hasColon: Bool
        let hasMinutes: Bool
        var hasSeconds = false
        switch shape {
        case .hours: (hasColon, hasMinutes) = (false, minutes != 0)
        case .hoursMinutes(let colon): (hasColon, hasMinutes) = (colon, true)
        case .hoursMinutesSeconds(let colon):
            (hasColon, hasMinutes) = (colon, true)
            hasSeconds = seconds != 0
        }
        let hours = magnitude / 3600
        // An offset of less than a minute where no seconds are printed is none.
        if hours == 0, !hasMinutes || minutes == 0, !hasSeconds { return zero }
        let colon = hasColon ? ":" : ""
        return (offset < 0 ? "-" : "+") + twoDigits(hours) + (hasMinutes ? colon + twoDigits(minutes) : "")
            + (hasSeconds ? colon + twoDigits(seconds) : "")
    }
}

/// The English names of months, days and the like.
enum DateTimeNames {
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    static let weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    static let quarters = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"]

    static func text(_ field: DateTimeField, _ style: DateTimePattern.Style, _ value: Int) -> String {
        let names = names(field, style)
        let first = field.range?.lowerBound ?? 0
        return names.indices.contains(value - first) ? names[value - first] : String(value)
    }

    /// The names, the first of them for the field's smallest value.
    static func names(_ field: DateTimeField, _ style: DateTimePattern.Style) -> [String] {
        switch (field, style) {
        case (.monthOfYear, _): shortened(months, style)
        case (.dayOfWeek, _): shortened(weekdays, style)
        case (.localizedDayOfWeek, _): shortened([weekdays[6]] + weekdays.dropLast(), style)
        case (.quarterOfYear, .short): ["Q1", "Q2", "Q3", "Q4"]
        case (.quarterOfYear, .full): quarters
        case (.quarterOfYear, .narrow): ["1", "2", "3", "4"]
        case (.era, .short): ["BC", "AD"]
        case (.era, .full): ["Before Christ", "Anno Domini"]
        case (.era, .narrow): ["B", "A"]
        default: ["AM", "PM"]
        }
    }

    private static func shortened(_ names: [String], _ style: DateTimePattern.Style) -> [String] {
        switch style {
        case .full: names
        case .short: names.map { String($0.prefix(3)) }
        case .narrow: names.map { String($0.prefix(1)) }
        }
    }

    static func dayPeriod(_ minutes: Int, _ style: DateTimePattern.Style) -> String {
        switch minutes {
        case 0: style == .narrow ? "mi" : "midnight"
        case 720: style == .narrow ? "n" : "noon"
        case 360..<720: "in the morning"
        case 721..<1080: "in the afternoon"
        case 1080..<1260: "in the evening"
        default: "at night"
        }
    }
}

/// The names of time zones for people, by `ZoneNameTable`; elsewhere the short ones come with the zone's rules, and the
/// offset stands in for long ones.
enum ZoneNames {
    /// Names that are read, and those without a season: the zone that a text means, the words of the long names.
    private static let known: [(abbreviations: [String], zone: String, long: [String])] = [
        (
            ["PST", "PDT", "PT"], "America/Los_Angeles",
            ["Pacific Standard Time", "Pacific Daylight Time", "Pacific Time"]
        ),
        (
            ["MST", "MDT", "MT"], "America/Denver",
            ["Mountain Standard Time", "Mountain Daylight Time", "Mountain Time"]
        ),
        (["CST", "CDT", "CT"], "America/Chicago", ["Central Standard Time", "Central Daylight Time", "Central Time"]),
        (
            ["EST", "EDT", "ET"], "America/New_York",
            ["Eastern Standard Time", "Eastern Daylight Time", "Eastern Time"]
        ),
        (
            ["AKST", "AKDT", "AKT"], "America/Anchorage",
            ["Alaska Standard Time", "Alaska Daylight Time", "Alaska Time"]
        ),
        (
            ["HST", "HDT", "HST"], "Pacific/Honolulu",
            ["Hawaii-Aleutian Standard Time", "Hawaii-Aleutian Daylight Time", "Hawaii-Aleutian Time"]
        ),
        (
            ["CET", "CEST", "CET"], "Europe/Paris",
            ["Central European Standard Time", "Central European Summer Time", "Central European Time"]
        ),
        (
            ["EET", "EEST", "EET"], "Europe/Athens",
            ["Eastern European Standard Time", "Eastern European Summer Time", "Eastern European Time"]
        ),
        (
            ["WET", "WEST", "WET"], "Europe/Lisbon",
            ["Western European Standard Time", "Western European Summer Time", "Western European Time"]
        ),
        (
            ["GMT", "BST", "GMT"], "Europe/London",
            ["Greenwich Mean Time", "British Summer Time", "Greenwich Mean Time"]
        ),
        (["JST", "JDT", "JT"], "Asia/Tokyo", ["Japan Standard Time", "Japan Daylight Time", "Japan Time"]),
        (["IST", "IST", "IT"], "Asia/Kolkata", ["India Standard Time", "India Standard Time", "India Standard Time"]),
        (["MSK", "MSD", "MSK"], "Europe/Moscow", ["Moscow Standard Time", "Moscow Summer Time", "Moscow Time"]),
        (
            ["AEST", "AEDT", "AET"], "Australia/Sydney",
            ["Australian Eastern Standard Time", "Australian Eastern Daylight Time", "Eastern Australia Time"]
        ),
    ]

    static func text(
        _ zone: TimeZoneID, _ period: TimeZoneRules.Period, isFull: Bool, isGeneric: Bool
    ) -> String {
        if zone.isFixed {
            guard isFull, zone.id == "UTC" || zone.id == "GMT" else { return zone.id }
            return zone.id == "UTC" ? "Coordinated Universal Time" : "Greenwich Mean Time"
        }
        if isFull || isGeneric, zone.id == "UTC" || zone.id == "Etc/UTC" {
            return isFull ? "Coordinated Universal Time" : "UTC"
        }
        if let names = ZoneNameTable.byZone[zone.id] {
            if isGeneric, let general = known.first(where: { $0.long[0] == names.long }) {
                return isFull ? general.long[2] : general.abbreviations[2]
            }
            // To Java, summer time is ahead of standard time here as elsewhere; to the zones' files winter is behind it.
            let isReversed = ["Europe/Dublin", "Eire", "Africa/Casablanca", "Africa/El_Aaiun"].contains(zone.id)
            let isSummer = isReversed ? period.offset > 0 : period.isDaylight
            let name: String?
            if isSummer {
                name = isFull ? names.summer?.long : names.summer?.short
            } else {
                name = isFull ? names.long : names.short
            }
            if !isGeneric, let name, !name.isEmpty { return name }
        }
        // Abbreviations that are only an offset, as of zones without one in use.
        guard isFull || period.abbreviation.hasPrefix("+") || period.abbreviation.hasPrefix("-") else {
            return period.abbreviation
        }
        return period.offset == 0 ? "GMT" : "GMT" + ZoneOffset.text(period.offset)
    }

    /// The region that an abbreviation or a long name means, how long the name is, and whether it is a standard time's; the
    /// longest counts.
    static func zone(
        at text: String, isCaseInsensitive: Bool
    ) -> (zone: String, count: Int, isStandard: Bool)? {
        let text = isCaseInsensitive ? text.lowercased() : text
        var best: (zone: String, count: Int, isStandard: Bool)?
        for entry in known {
            for (index, name) in (entry.abbreviations + entry.long).enumerated() {
                guard text.hasPrefix(isCaseInsensitive ? name.lowercased() : name) else { continue }
                if name.utf8.count > best?.count ?? 0 { best = (entry.zone, name.utf8.count, index % 3 == 0) }
            }
        }
        let word = text.prefix { $0.isASCII && $0.isLetter }
        if word.utf8.count > best?.count ?? 0, let entry = ZoneNameTable.byShortName[word.lowercased()],
            isCaseInsensitive || word == word.uppercased()
        {
            best = (entry.zone, word.utf8.count, entry.isStandard)
        }
        return best
    }
}
