/// What an upload has yet to send.
struct PendingBytes {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func append(_ more: [UInt8]) {
        // The first bytes are taken as they are, not copied.
        if bytes.isEmpty { bytes = more } else { bytes += more }
    }

    /// The next ones.
    func first(_ count: Int) -> [UInt8] { count == bytes.count ? bytes : Array(bytes[..<count]) }

    mutating func drop(_ count: Int) {
        if count == bytes.count { bytes = [] } else { bytes.removeFirst(count) }
    }
}
