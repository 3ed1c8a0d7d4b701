import Environment
import SQLTypes

/// `io.debezium.transforms.TimezoneConverter`: times in the rows of change events, in another zone.
///
/// Times with a zone are the same moment in the zone that is named. Times without one are what a wall in that zone shows, and
/// become the moment in UTC.
struct TimezoneConverter: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "converted.timezone", .string, .required, nil, .high,
            "The zone: a region as America/Los_Angeles, or how far it is ahead of UTC as +08:00.", width: .medium,
            displayName: "Converted Timezone")
        let rules =
            "source:TABLE or topic:TOPIC, each with :FIELD for one field (before.x, after.x and source.x for that of one "
            + "struct), or TABLE-OR-TOPIC:FIELD."
        definition.define(
            "include.list", .list, .value(.list([])), nil, .high, "What is converted, all times without it: " + rules,
            width: .medium, displayName: "Include List")
        definition.define(
            "exclude.list", .list, .value(.list([])), nil, .high, "What is not converted: " + rules, width: .medium,
            displayName: "Exclude List")
        return definition
    }()

    private enum Choice: Sendable { case all, only, allBut }

    /// Fields by the topic, the table, or what is either.
    private struct Rules: Sendable {
        var topics: [String: Set<String>] = [:]
        var tables: [String: Set<String>] = [:]
        var either: [String: Set<String>] = [:]

        /// What is said about the event; nil for nothing, and no fields for all of them.
        func fields(_ table: String?, _ topic: String) -> Set<String>? {
            topics[topic] ?? table.flatMap { tables[$0] } ?? either[topic] ?? table.flatMap { either[$0] }
        }
    }

    private static let zones = TimeZones(read: TimeZoneFiles.read)
    private static let kinds: Set<String> = [
        "io.debezium.time.MicroTimestamp", "io.debezium.time.NanoTimestamp", "io.debezium.time.Timestamp",
        "io.debezium.time.ZonedTimestamp", "io.debezium.time.ZonedTime", LogicalType.timestamp.rawValue,
    ]

    private let zone: TimeZoneID
    private let included: Rules?
    private let excluded: Rules?
    private let clock: TransformClock

    init(_ values: ConfigValues, _ clock: @escaping TransformClock) throws(ConnectError) {
        self.clock = clock
        let included = values.list("include.list").filter { !$0.isEmpty }
        let excluded = values.list("exclude.list").filter { !$0.isEmpty }
        for (word, list) in [("include", included), ("exclude", excluded)] where !list.isEmpty {
            guard try Self.form.matches("[" + list.joined(separator: ", ") + "]") else {
                throw ConnectError(
                    .connect,
                    "Invalid \(word) list format. Please specify a list of rules in the format of "
                        + "\"source:<tablename>:<fieldnames>\", \"topic:<topicname>:<fieldnames>\", "
                        + "\"<matchname>:<fieldnames>\"")
            }
            // As upstream, which looks at the second list only where there is no first.
            break
        }
        zone = try Self.zone(values.string("converted.timezone") ?? "")
        guard included.isEmpty || excluded.isEmpty else {
            throw ConnectError(.connect, "Both include and exclude lists are specified. Please specify only one.")
        }
        self.included = included.isEmpty ? nil : Self.rules(included)
        self.excluded = excluded.isEmpty ? nil : Self.rules(excluded)
    }

    private static let form: JavaRegex = {
        do throws(ConnectError) {
            return try JavaRegex("^\\[(source|topic|[\".\\w\\s_]+):([\".\\w\\s_]+(?::[\".\\w\\s_]+)?(?:,|]$))+$")
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    private static func zone(_ text: String) throws(ConnectError) -> TimeZoneID {
        let bytes = Array(text.utf8)
        let isOffset = bytes.first.map { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") } ?? false
        let hasForm = isOffset ? bytes.count == 6 || bytes.count == 9 : text.first?.isLetter == true && text != "Z"
        do throws(SQLTypesError) {
            if hasForm { return try zones.zone(text) }
        } catch {
            // Told below, as what has another form.
        }
        throw ConnectError(
            .connect,
            "Invalid timezone format. Please specify either a geographic timezone (e.g. America/Los_Angeles) or a UTC "
                + "offset in the format of +/-hh:mm, (e.g. +08:00).")
    }

    private static func rules(_ items: [String]) -> Rules {
        var rules = Rules()
        // A word in front counts for the items behind it, too.
        var word: String?
        for item in items {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            var name = parts[0]
            var field: String?
            if parts.count > 1, ["source", "topic"].contains(parts[0].lowercased()) {
                word = parts[0]
                name = parts[1]
                field = parts.count > 2 ? parts[2] : nil
            } else if parts.count > 1 {
                field = parts[1]
            }
            let fields: Set<String> = field.map { [$0] } ?? []
            switch word {
            case "topic": rules.topics[name, default: []].formUnion(fields)
            case "source": rules.tables[name, default: []].formUnion(fields)
            default: rules.either[name, default: []].formUnion(fields)
            }
        }
        return rules
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard case .structure(let event) = record.value.value, ExtractNewRecordState.isEvent(event.schema) else {
            return record
        }
        let table = event["source"]?.structure?["table"]?.string
        var choice = Choice.all
        var fields: Set<String> = []
        if let included {
            guard let found = included.fields(table, record.topic) else { return record }
            if !found.isEmpty { (choice, fields) = (.only, found) }
        } else if let excluded, let found = excluded.fields(table, record.topic) {
            guard !found.isEmpty else { return record }
            (choice, fields) = (.allBut, found)
        }
        var output = event
        for part in ["before", "after", "source"] {
            guard let place = event.schema.index(of: part), case .structure(let row) = event.values[place] else {
                continue
            }
            let own = Set(fields.compactMap { Self.own($0, of: part) })
            // The source is looked at only where it is named.
            if part == "source", own.isEmpty { continue }
            output[place] = .structure(try converted(row, choice, own))
        }
        return record.with(.value, record.value.schema, .structure(output))
    }

    /// The name within the struct; nil for a field of another.
    private static func own(_ field: String, of part: String) -> String? {
        for known in ["source", "before", "after"] where field.hasPrefix(known + ".") {
            return known == part ? String(field.dropFirst(known.count + 1)) : nil
        }
        return part == "source" ? nil : field
    }

    private func converted(
        _ row: ConnectStruct, _ choice: Choice, _ fields: Set<String>
    ) throws(ConnectError) -> ConnectStruct {
        var output = row
        for (index, field) in row.schema.fields.enumerated() {
            guard let name = field.schema.name, Self.kinds.contains(name) else { continue }
            switch choice {
            case .all: break
            case .only: guard fields.contains(field.name) else { continue }
            case .allBut: guard !fields.contains(field.name) else { continue }
            }
            if !row[index].isNull { output[index] = try converted(row[index], name) }
        }
        return output
    }

    private func converted(_ value: ConnectValue, _ name: String) throws(ConnectError) -> ConnectValue {
        switch (name, value) {
        case ("io.debezium.time.ZonedTimestamp", .string(let text)):
            guard var moment = ZonedText(text, hasDate: true) else { throw Self.unreadable(text) }
            moment.move(to: ahead(local: moment.local))
            return .string(moment.text)
        case ("io.debezium.time.ZonedTime", .string(let text)):
            guard var moment = ZonedText(text, hasDate: false) else { throw Self.unreadable(text) }
            // A time alone does not say which of a region's two offsets counts: that of today.
            moment.move(to: zone.offset(at: Int64(floorDiv(Int(clock()), 1000))))
            return .string(moment.text)
        case ("io.debezium.time.MicroTimestamp", .int64(let number)): return .int64(moved(number, 1_000_000))
        case ("io.debezium.time.NanoTimestamp", .int64(let number)): return .int64(moved(number, 1_000_000_000))
        case ("io.debezium.time.Timestamp", .int64(let number)): return .int64(moved(number, 1000))
        case (_, .instant(let millis)): return .instant(moved(millis, 1000))
        default: return value
        }
    }

    private func moved(_ number: Int64, _ unitsOfSecond: Int) -> Int64 {
        number &- Int64(ahead(local: Int64(floorDiv(Int(number), unitsOfSecond))) * unitsOfSecond)
    }

    /// How far the zone is ahead of UTC, in seconds, when its clocks show this; the earlier of two answers.
    private func ahead(local: Int64) -> Int { Int(local &- zone.epochSecond(local: local)) }

    private static func unreadable(_ text: String) -> ConnectError {
        ConnectError(.connect, "Text '\(text.prefix(60))' could not be parsed as a time with a zone")
    }
}

/// A text such as `2020-01-11T16:40:30.123+05:30`, or one without the date.
private struct ZonedText {
    /// Seconds since 1970, or of the day, as the text shows them.
    private(set) var local: Int64
    private let hasDate: Bool
    /// Digits behind the seconds.
    private let fraction: String
    private var ahead: Int

    init?(_ text: String, hasDate: Bool) {
        self.hasDate = hasDate
        var rest = Substring(text)
        func number(_ text: Substring, _ limit: Int) -> Int? {
            guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let value = Int(text), value < limit
            else {
                return nil
            }
            return value
        }
        var days = 0
        if hasDate {
            guard let mark = rest.firstIndex(of: "T") else { return nil }
            var dateText = rest[..<mark]
            let isNegative = dateText.first == "-"
            if isNegative || dateText.first == "+" { dateText.removeFirst() }
            let date = dateText.split(separator: "-", omittingEmptySubsequences: false)
            guard date.count == 3, let year = number(date[0], 1_000_000_000), let month = number(date[1], 13),
                month > 0,
                let day = number(date[2], 32), day > 0
            else { return nil }
            let signed = isNegative ? -year : year
            guard day <= CivilDate.length(ofMonth: month, year: signed) else { return nil }
            days = CivilDate(year: signed, month: month, day: day).days
            rest = rest[mark...].dropFirst()
        }
        guard let sign = rest.firstIndex(where: { $0 == "Z" || $0 == "+" || $0 == "-" }),
            let ahead = ZoneOffset.seconds(rest[sign...])
        else { return nil }
        self.ahead = ahead
        let halves = rest[..<sign].split(separator: ".", omittingEmptySubsequences: false)
        guard halves.count <= 2, let time = halves.first else { return nil }
        let parts = time.split(separator: ":", omittingEmptySubsequences: false)
        guard 2...3 ~= parts.count, let hour = number(parts[0], 24), let minute = number(parts[1], 60),
            let second = parts.count > 2 ? number(parts[2], 60) : 0
        else { return nil }
        var fraction = halves.count > 1 ? String(halves[1]) : ""
        guard fraction.utf8.count <= 9, fraction.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        while fraction.hasSuffix("0") { fraction.removeLast() }
        self.fraction = fraction
        local = Int64(days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// The same moment where clocks are so many seconds ahead of UTC.
    mutating func move(to ahead: Int) {
        local += Int64(ahead - self.ahead)
        self.ahead = ahead
    }

    /// As Java's ISO formatters print it.
    var text: String {
        let ofDay = floorMod(Int(local), 86_400)
        var text = hasDate ? CivilDate(days: floorDiv(Int(local), 86_400)).text + "T" : ""
        text += [ofDay / 3600, ofDay / 60 % 60, ofDay % 60].map { JavaText.pad($0, 2) }.joined(separator: ":")
        if !fraction.isEmpty { text += "." + fraction }
        guard ahead != 0 else { return text + "Z" }
        let size = abs(ahead)
        text += (ahead < 0 ? "-" : "+") + JavaText.pad(size / 3600, 2) + ":" + JavaText.pad(size / 60 % 60, 2)
        return size % 60 == 0 ? text : text + ":" + JavaText.pad(size % 60, 2)
    }
}
