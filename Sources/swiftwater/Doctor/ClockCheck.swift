import Glibc
import JSONFormat

/// Whether the clock can be believed: retention, timestamps of records and windows go by it.
enum ClockCheck {
    /// - Parameter dataDirectory: nil when there is none.
    static func finding(_ dataDirectory: String?) -> Finding {
        judged(
            now: Timestamps.nowMilliseconds(), newestChange: dataDirectory.flatMap(newestChange),
            isSynchronised: isSynchronised)
    }

    /// - Parameters:
    ///   - newestChange: when something in the data folder was changed last, in milliseconds.
    ///   - isSynchronised: nil when the kernel does not tell.
    static func judged(now: Int64, newestChange: Int64?, isSynchronised: Bool?) -> Finding {
        let text = Timestamps.text(milliseconds: now)
        let facts: [(String, JSONValue)] = [
            ("time", .string(text)), ("synchronised", isSynchronised.map { .bool($0) } ?? .null),
        ]
        // 2026-01-01: no clock that is right shows a time before this program was written.
        guard now > 1_767_225_600_000 else {
            return Finding("clock", .problem, "\(text) is in the past", hint: "set the clock", facts: facts)
        }
        if let newestChange, newestChange > now + 60_000 {
            return Finding(
                "clock", .warning,
                "\(text) is before the last change in the data folder, \(Timestamps.text(milliseconds: newestChange))",
                hint: "the clock was set back: records get times behind those they follow", facts: facts)
        }
        switch isSynchronised {
        case true?: return Finding("clock", .ok, "\(text), synchronised", facts: facts)
        case false?:
            return Finding(
                "clock", .warning, "\(text), and nothing keeps it right",
                hint: "run an NTP client such as systemd-timesyncd or chrony, on the host if this is a container",
                facts: facts)
        case nil: return Finding("clock", .ok, text, facts: facts)
        }
    }

    private static func newestChange(in folder: String) -> Int64? {
        let times = [folder, folder + "/topics", folder + "/meta"].compactMap { path -> Int64? in
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            return Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
        }
        return times.max()
    }

    /// By the kernel's answer to `adjtimex`, which Swift's module of the C library leaves out: a structure of zeros asks
    /// without changing anything, and `TIME_ERROR` (5) says that nobody disciplines the clock.
    private static var isSynchronised: Bool? {
        guard let symbol = dlsym(nil, "adjtimex") else { return nil }
        typealias Function = @convention(c) (UnsafeMutableRawPointer) -> Int32
        let function = unsafeBitCast(symbol, to: Function.self)
        // struct timex has 208 bytes on 64-bit Linux; more does no harm.
        var structure = [UInt64](repeating: 0, count: 64)
        let state = structure.withUnsafeMutableBytes { bytes in bytes.baseAddress.map { function($0) } ?? -1 }
        return state < 0 ? nil : state != 5
    }
}
