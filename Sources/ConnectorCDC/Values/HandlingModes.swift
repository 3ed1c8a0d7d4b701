/// How values of types that Connect does not have are written.
struct HandlingModes: Sendable, Hashable {
    enum Decimals: String, Sendable, CaseIterable { case string, double, precise }
    enum Times: String, Sendable, CaseIterable {
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
        case isostring, connect, microseconds, nanoseconds
    }
    enum BigIntegers: String, Sendable, CaseIterable { case precise, long }
    enum Bytes: String, Sendable, CaseIterable {
        case bytes, base64
        case base64URL = "base64-url-safe"
        case hex
    }

    var decimals = Decimals.precise
    var times = Times.adaptiveTimeMicroseconds
    var bigIntegers = BigIntegers.long
    var bytes = Bytes.bytes
    /// `enable.time.adjuster`: years of two digits become 1970 to 2069.
    var adjustsYears = true
}
