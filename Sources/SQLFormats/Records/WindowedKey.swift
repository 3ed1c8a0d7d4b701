/// A key with its window as bytes, as Kafka Streams writes them: behind the bytes of the key stand, big-endian, the
/// start of a time window, or the end and then the start of a session. All in milliseconds.
package enum WindowedKey {
    /// The bytes of the key and the window they end with; nil when they are too few.
    package static func split(
        _ bytes: [UInt8], _ window: WindowInfo
    ) -> (key: [UInt8], start: Int64, end: Int64)? {
        guard let parts = split(bytes, isSession: window.kind == .session) else { return nil }
        if let end = parts.end { return (parts.key, parts.start, end) }
        let end = parts.start.addingReportingOverflow(window.size ?? 0)
        return (parts.key, parts.start, end.overflow ? .max : end.partialValue)
    }

    /// As `split`, for who knows only of which sort the window is: a time window's end is nil.
    package static func split(_ bytes: [UInt8], isSession: Bool) -> (key: [UInt8], start: Int64, end: Int64?)? {
        let suffix = isSession ? 16 : 8
        guard bytes.count >= suffix else { return nil }
        let inner = bytes.count - suffix
        func number(_ at: Int) -> Int64 {
            Int64(bitPattern: bytes[at..<(at + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        let key = Array(bytes[..<inner])
        return isSession ? (key, number(inner + 8), number(inner)) : (key, number(inner), nil)
    }

    package static func join(_ key: [UInt8], start: Int64, end: Int64, isSession: Bool) -> [UInt8] {
        var bytes = key
        if isSession { append(end, to: &bytes) }
        append(start, to: &bytes)
        return bytes
    }

    private static func append(_ value: Int64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
