import Cluster

/// What `--from` says.
enum StartPosition {
    /// - Parameters:
    ///   - now: milliseconds since 1970, for spans before now.
    ///   - option: where it was given.
    /// - Throws: `CommandFailure` (usage).
    static func parse(_ text: String, now: Int64, option: String = "--from") throws -> LogPosition {
        switch text {
        case "beginning", "earliest", "start": return .beginning
        case "end", "latest": return .end
        default: break
        }
        if let number = Int64(text) {
            // A count before the end; -0 is the end.
            if text.first == "-" { return .beforeEnd(number.magnitude > Int64.max ? .max : -number) }
            return .offset(number)
        }
        guard let time = Timestamps.parse(text, now: now) else {
            throw CommandFailure.usage(
                "\(option) \(text) is no position",
                hint: "beginning, end, an offset (42), a count before the end (-10), a time (2026-11-25T18:00, UTC), "
                    + "@ and milliseconds (@1764093600000), or a span before now (15m, 2h, 1d)")
        }
        return .timestamp(time)
    }
}

/// A list of partition numbers: `0,2,5-7`.
///
/// - Throws: `CommandFailure` (usage).
func partitionNumbers(_ text: String) throws -> [Int32] {
    var numbers: Set<Int32> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let bounds = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
            Int32($0.trimmed)
        }
        guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, 0 <= first, first <= last,
            last - first < 100_000
        else {
            throw CommandFailure.usage("--partition \(text): write numbers and ranges, as in 0,2,5-7")
        }
        numbers.formUnion(first...last)
    }
    return numbers.sorted()
}
