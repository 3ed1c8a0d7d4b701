import Synchronization

/// A time zone as Java's `ZoneId` names it: an offset, or a region with rules.
package struct TimeZoneID: Sendable {
    /// The text it is known by: "Z", "+02:00", "UTC", "Europe/Paris".
    package let id: String
    private let rules: TimeZoneRules?
    private let fixedOffset: Int

    package static let utc = TimeZoneID(offset: 0, id: "Z")

    package init(offset: Int, id: String? = nil) {
        self.id = id ?? ZoneOffset.text(offset)
        rules = nil
        fixedOffset = offset
    }

    init(id: String, rules: TimeZoneRules) {
        self.id = id
        self.rules = rules
        fixedOffset = 0
    }

    /// Whether it is an offset without the name of a region.
    package var isFixed: Bool { rules == nil }

    package func period(at epochSecond: Int64) -> TimeZoneRules.Period {
        rules?.period(at: epochSecond)
            ?? TimeZoneRules.Period(offset: fixedOffset, isDaylight: false, abbreviation: id)
    }

    /// Seconds east of UTC.
    package func offset(at epochSecond: Int64) -> Int { rules?.period(at: epochSecond).offset ?? fixedOffset }

    /// When clocks show a local time. In a gap they show it as much later as the gap is long; of the two times in an
    /// overlap it is the one with the preferred offset, else the earlier.
    ///
    /// - Parameters:
    ///   - local: seconds since 1970-01-01 00:00 of the local clock.
    ///   - preferred: the offset to keep where both are possible.
    ///   - isLater: whether it is the later of the two without one.
    package func epochSecond(local: Int64, preferring preferred: Int? = nil, isLater: Bool = false) -> Int64 {
        guard let rules else { return local - Int64(fixedOffset) }
        // Offsets differ by less than two days, so the two nearest the local time are those in question.
        let before = rules.period(at: local - 86_400 - Int64(ZoneOffset.secondsMax) / 2).offset
        let after = rules.period(at: local + 86_400 + Int64(ZoneOffset.secondsMax) / 2).offset
        var valid: [Int] = []
        for offset in [before, after] where !valid.contains(offset) {
            if rules.period(at: local - Int64(offset)).offset == offset { valid.append(offset) }
        }
        if valid.isEmpty {
            // Inside a gap: what held before counts on.
            return local - Int64(before)
        }
        if let preferred, valid.contains(preferred) { return local - Int64(preferred) }
        return local - Int64((isLater ? valid.min() : valid.max()) ?? before)
    }
}

/// The time zones by name; reads each once.
package final class TimeZones: Sendable {
    private let read: @Sendable (String) -> [UInt8]?
    private let known = Mutex<[String: TimeZoneRules?]>([:])
    /// Names that are asked for and do not exist are remembered up to this number.
    private static let knownMax = 2000

    /// - Parameter read: the TZif file of a region; nil when there is none. Names have only letters, digits and `/_+-`.
    package init(read: @escaping @Sendable (String) -> [UInt8]?) { self.read = read }

    /// Knows offsets and UTC only.
    package static let offsetsOnly = TimeZones { _ in nil }

    /// What Java's `ZoneId.of` makes of a text.
    /// - Throws: `.invalidText` in Java's words.
    package func zone(_ text: String) throws(SQLTypesError) -> TimeZoneID {
        if text == "Z" || text.hasPrefix("+") || text.hasPrefix("-") {
            guard let offset = ZoneOffset.seconds(text) else {
                throw SQLTypesError(.invalidText, "Invalid ID for ZoneOffset, invalid format: \(text)")
            }
            return TimeZoneID(offset: offset)
        }
        for prefix in ["UTC", "GMT", "UT"] where text.hasPrefix(prefix) {
            let rest = text.dropFirst(prefix.utf8.count)
            if rest.isEmpty { return TimeZoneID(offset: 0, id: text) }
            if let first = rest.first, first == "+" || first == "-" {
                guard let offset = ZoneOffset.seconds(rest) else {
                    throw SQLTypesError(.invalidText, "Invalid ID for offset-based ZoneId: \(text)")
                }
                return TimeZoneID(offset: offset, id: offset == 0 ? prefix : prefix + ZoneOffset.text(offset))
            }
            if prefix == "GMT", rest == "0" { return TimeZoneID(offset: 0, id: text) }
        }
        let bytes = Array(text.utf8)
        guard let first = bytes.first, Self.isLetter(first), bytes.count > 1, bytes.count <= 64,
            bytes.allSatisfy({ Self.isLetter($0) || 0x30...0x39 ~= $0 || "/_+-~.".utf8.contains($0) })
        else { throw SQLTypesError(.invalidText, "Invalid ID for region-based ZoneId, invalid format: \(text)") }
        guard let rules = rules(text) else {
            throw SQLTypesError(.invalidText, "Unknown time-zone ID: \(text)")
        }
        return TimeZoneID(id: text, rules: rules)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { 0x41...0x5A ~= byte || 0x61...0x7A ~= byte }

    private func rules(_ id: String) -> TimeZoneRules? {
        if let known = known.withLock({ $0[id] }) { return known }
        // Files of the folder that are no zones, and parts that would lead out of it.
        guard !id.contains("."), !id.hasPrefix("posix"), !id.hasPrefix("right"), id != "localtime" else { return nil }
        let rules = read(id).flatMap { TimeZoneRules(tzif: $0) }
        known.withLock {
            if $0.count >= Self.knownMax { $0 = [:] }
            $0[id] = .some(rules)
        }
        return rules
    }
}
