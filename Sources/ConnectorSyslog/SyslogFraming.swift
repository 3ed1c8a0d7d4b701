/// Cuts a stream into messages, by RFC 6587: each message says which way it comes, with its length before it (octet
/// counting) or with a line feed or NUL behind it.
struct SyslogFraming {
    private enum Place {
        /// Where a message begins.
        case start
        /// In a message of which so many bytes are to come; those after the longest length are passed over.
        case counted(rest: Int)
        case line
    }

    private let byteCountMax: Int
    private var place = Place.start
    private var message: [UInt8] = []
    /// Messages that were longer than is taken, since somebody last asked.
    private var cutCount = 0
    private var isCut = false
    /// Digits that may be the beginning of a length.
    private var digits: [UInt8] = []

    /// - Parameter byteCountMax: of a message; what is longer is cut there.
    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// How many messages were cut since the last call.
    mutating func takeCutCount() -> Int {
        defer { cutCount = 0 }
        return cutCount
    }

    /// - Returns: the messages that are complete now.
    mutating func append(_ bytes: [UInt8]) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        var rest = bytes[...]
        while let first = rest.first {
            switch place {
            case .start: begin(first, &rest)
            case .counted(let count):
                let part = rest.prefix(count)
                add(part)
                rest = rest.dropFirst(part.count)
                if part.count == count {
                    finish(into: &messages)
                } else {
                    place = .counted(rest: count - part.count)
                }
            case .line:
                guard let end = rest.firstIndex(where: { $0 == 0x0A || $0 == 0 }) else {
                    add(rest)
                    return messages
                }
                add(rest[..<end])
                rest = rest[end...].dropFirst()
                finish(into: &messages)
            }
        }
        return messages
    }

    /// The stream has ended: what came without its end is a message too.
    mutating func end() -> [[UInt8]] {
        add(digits)
        digits = []
        var messages: [[UInt8]] = []
        finish(into: &messages)
        return messages
    }

    private mutating func begin(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) {
        if 0x30...0x39 ~= byte, digits.count < 9, byte != 0x30 || !digits.isEmpty {
            digits.append(byte)
            rest = rest.dropFirst()
            return
        }
        if byte == 0x20, !digits.isEmpty {
            place = .counted(rest: digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
            rest = rest.dropFirst()
        } else {
            place = .line
            add(digits)
        }
        digits = []
    }

    private mutating func add(_ bytes: some Collection<UInt8>) {
        let room = byteCountMax - message.count
        message += bytes.prefix(room)
        if bytes.count > room, !isCut {
            isCut = true
            cutCount += 1
        }
    }

    private mutating func finish(into messages: inout [[UInt8]]) {
        // Some senders end counted messages with a line feed as well.
        while let last = message.last, last == 0x0A || last == 0x0D || last == 0 { message.removeLast() }
        if !message.isEmpty { messages.append(message) }
        message = []
        isCut = false
        place = .start
    }
}
