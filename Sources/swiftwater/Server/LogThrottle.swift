/// Lets a message that comes again and again through only now and then, and says how often it did not.
///
/// Of one message `burst` pass within `windowSeconds`; the rest are counted, and told as one line when the message comes
/// after the window's end or anything else is logged then. What repeats is the message; the metadata may differ.
struct LogThrottle {
    static let burst = 10
    static let windowSeconds: Int64 = 10
    /// Messages kept at a time; the number of different ones is that of places in the program.
    private static let messageCountMax = 256

    private struct Window {
        var end: Int64
        var count: Int
        var suppressed: Int
    }
    private var windows: [String: Window] = [:]

    enum Decision: Equatable {
        case pass
        case suppress
    }

    /// - Parameter now: seconds of any clock that only goes forward.
    /// - Returns: whether to write the message, and what was suppressed in windows that ended meanwhile.
    mutating func decide(_ message: String, now: Int64) -> (Decision, ended: [(message: String, suppressed: Int)]) {
        let ended = endWindows { $0.end <= now }
        var window = windows[message] ?? Window(end: now + Self.windowSeconds, count: 0, suppressed: 0)
        window.count += 1
        let passes = window.count <= Self.burst
        if !passes { window.suppressed += 1 }
        if windows[message] != nil || windows.count < Self.messageCountMax { windows[message] = window }
        return (passes ? .pass : .suppress, ended)
    }

    /// Ends all windows, for the end of the program.
    mutating func finish() -> [(message: String, suppressed: Int)] { endWindows { _ in true } }

    private mutating func endWindows(_ isOver: (Window) -> Bool) -> [(message: String, suppressed: Int)] {
        let over = windows.filter { isOver($0.value) }
        guard !over.isEmpty else { return [] }
        for message in over.keys { windows[message] = nil }
        return over.filter { $0.value.suppressed > 0 }.map { ($0.key, $0.value.suppressed) }.sorted { $0.0 < $1.0 }
    }
}
