/// A place in PostgreSQL's write-ahead log.
struct Lsn: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    var rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// As statements print it: `16/B374D848`.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ (1...8).contains($0.utf8.count) }),
            let high = UInt32(parts[0], radix: 16), let low = UInt32(parts[1], radix: 16)
        else { return nil }
        rawValue = UInt64(high) << 32 | UInt64(low)
    }

    /// As offsets and events carry it.
    var number: Int64 { Int64(bitPattern: rawValue) }

    init(number: Int64) { rawValue = UInt64(bitPattern: number) }

    var description: String {
        String(rawValue >> 32, radix: 16, uppercase: true) + "/"
            + String(rawValue & 0xFFFF_FFFF, radix: 16, uppercase: true)
    }

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
