/// Cuts a stream of bytes into lines: `\n`, `\r\n` or a single `\r` ends one.
struct LineSplitter {
    private var bytes: [UInt8] = []
    private var start = 0
    /// Up to here no end was found.
    private var looked = 0
    /// A line that has no end yet may be so long.
    let byteCountMax: Int

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    mutating func append(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeSubrange(..<start)
            looked -= start
            start = 0
        }
        bytes += more
    }

    /// Whether what has come of the next line is longer than it may be.
    var isTooLong: Bool { bytes.count - start > byteCountMax }

    /// The next whole line and how many bytes it took with its end. A `\r` that is the last byte waits for what follows.
    mutating func next() -> (line: String, byteCount: Int)? {
        while looked < bytes.count {
            let byte = bytes[looked]
            if byte == 0x0A || byte == 0x0D {
                var end = looked + 1
                if byte == 0x0D {
                    guard end < bytes.count else { return nil }
                    if bytes[end] == 0x0A { end += 1 }
                }
                defer {
                    start = end
                    looked = end
                }
                return (String(decoding: bytes[start..<looked], as: UTF8.self), end - start)
            }
            looked += 1
        }
        return nil
    }
}
