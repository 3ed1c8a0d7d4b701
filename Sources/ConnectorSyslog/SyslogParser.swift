/// Reads messages of RFC 3164 (as it is found in the wild), RFC 5424 and the Common Event Format. What is none of them is
/// kept whole as `UNKNOWN`.
enum SyslogParser {
    /// - Parameters:
    ///   - bytes: one message without its frame. Bytes that are no UTF-8 become U+FFFD.
    ///   - now: milliseconds since 1970; says the year of times that come without.
    static func parse(_ bytes: [UInt8], now: Int64) -> SyslogMessage {
        let raw = SyslogScanner.text(bytes)
        return cef(bytes[...], raw, now) ?? rfc5424(bytes[...], raw, now) ?? rfc3164(bytes[...], raw, now)
            ?? SyslogMessage(.unknown, raw: raw)
    }

    private static func text(_ bytes: some Collection<UInt8>) -> String? {
        bytes.isEmpty ? nil : SyslogScanner.text(bytes)
    }

    // MARK: RFC 3164

    /// The priority may be missing, as in files of a logging daemon.
    private static func rfc3164(_ bytes: ArraySlice<UInt8>, _ raw: String, _ now: Int64) -> SyslogMessage? {
        var scanner = SyslogScanner(bytes)
        var message = SyslogMessage(.rfc3164, raw: raw)
        message.setPriority(scanner.priority())
        guard let time = scanner.time(now: now), scanner.skipSpaces(), let host = scanner.word() else { return nil }
        message.time = time
        message.host = text(host)
        if let (tag, process) = scanner.tag() {
            message.tag = text(tag)
            message.processID = text(process)
            scanner.skipSpaces()
        }
        guard let rest = text(scanner.takeRest()) else { return nil }
        message.message = rest
        return message
    }

    // MARK: RFC 5424

    private static func rfc5424(_ bytes: ArraySlice<UInt8>, _ raw: String, _ now: Int64) -> SyslogMessage? {
        var scanner = SyslogScanner(bytes)
        guard let priority = scanner.priority(), let version = scanner.number(1...3), scanner.skipSpaces() else {
            return nil
        }
        var message = SyslogMessage(.rfc5424, raw: raw)
        message.setPriority(priority)
        message.version = Int32(version)
        if !scanner.skip("- ") {
            guard let time = scanner.time(now: now), scanner.skipSpaces() else { return nil }
            message.time = time
        }
        guard let host = scanner.field(), let app = scanner.field(), let process = scanner.field(),
            let id = scanner.field(), let elements = scanner.structuredData()
        else { return nil }
        message.host = host
        message.appName = app
        message.processID = process
        message.messageID = id
        message.structuredData = elements
        scanner.skipSpaces()
        // A mark that says: UTF-8.
        _ = scanner.skip("\u{FEFF}")
        message.message = text(scanner.takeRest())
        return message
    }

    // MARK: Common Event Format

    private static func cef(_ bytes: ArraySlice<UInt8>, _ raw: String, _ now: Int64) -> SyslogMessage? {
        var scanner = SyslogScanner(bytes)
        var message = SyslogMessage(.cef, raw: raw)
        message.setPriority(scanner.priority())
        if let time = scanner.time(now: now) {
            guard scanner.skipSpaces(), let host = scanner.word() else { return nil }
            message.time = time
            message.host = text(host)
        }
        guard scanner.skip("CEF:"), let version = scanner.number(1...3), scanner.skip(UInt8(ascii: "|")) else {
            return nil
        }
        message.version = Int32(version)
        let places: [WritableKeyPath<SyslogMessage, String?>] = [
            \.deviceVendor, \.deviceProduct, \.deviceVersion, \.deviceEventClassID, \.name, \.severity,
        ]
        for place in places {
            guard !scanner.isAtEnd else { break }
            message[keyPath: place] = SyslogScanner.text(scanner.headerField())
        }
        if !scanner.isAtEnd { message.extensions = extensions(scanner.takeRest()) }
        return message
    }

    /// `src=10.0.0.1 msg=a text with spaces`. A value ends where a space and the next name begin.
    private static func extensions(_ bytes: ArraySlice<UInt8>) -> [SyslogMessage.Parameter] {
        var starts: [(name: Range<Int>, value: Int)] = []
        var wordStart = bytes.startIndex
        var isName = true
        for (index, byte) in zip(bytes.indices, bytes) {
            if SyslogScanner.isSpace(byte) {
                wordStart = index + 1
                isName = true
            } else if byte == UInt8(ascii: "="), isName, index > wordStart {
                starts.append((wordStart..<index, index + 1))
                isName = false
            } else if !isWord(byte) {
                isName = false
            }
        }
        return starts.indices.map { index in
            let start = starts[index]
            let end = index + 1 < starts.count ? starts[index + 1].name.lowerBound : bytes.endIndex
            var value = bytes[start.value..<end]
            while let last = value.last, SyslogScanner.isSpace(last) { value.removeLast() }
            while let first = value.first, SyslogScanner.isSpace(first) { value.removeFirst() }
            return .init(SyslogScanner.text(bytes[start.name]), SyslogScanner.text(unescaped(value)))
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        SyslogScanner.isDigit(byte) || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte || byte == UInt8(ascii: "_")
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var isEscaped = false
        for byte in bytes {
            if isEscaped {
                switch byte {
                case UInt8(ascii: "="), UInt8(ascii: "\\"), UInt8(ascii: "|"): result.append(byte)
                case UInt8(ascii: "n"): result.append(0x0A)
                case UInt8(ascii: "r"): result.append(0x0D)
                default: result += [UInt8(ascii: "\\"), byte]
                }
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                result.append(byte)
            }
        }
        if isEscaped { result.append(UInt8(ascii: "\\")) }
        return result
    }
}

extension SyslogScanner {
    /// `sshd[42]:` or `kernel:`, without the colon; nothing is read where there is none. Of several colons in the first
    /// word the last one counts.
    fileprivate mutating func tag() -> (tag: ArraySlice<UInt8>, process: ArraySlice<UInt8>)? {
        var ahead = self
        let word = ahead.take {
            !Self.isSpace($0) && $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]")
        }
        if !word.isEmpty, ahead.skip(UInt8(ascii: "[")) {
            let process = ahead.take(while: Self.isDigit)
            if !process.isEmpty, ahead.skip("]:") {
                self = ahead
                return (word, process)
            }
        }
        guard let colon = word.lastIndex(of: UInt8(ascii: ":")), colon > word.startIndex else { return nil }
        let tag = word[..<colon]
        self = SyslogScanner(bytes[(colon + 1)...])
        return (tag, [])
    }

    /// A field of an RFC 5424 header and the spaces behind it; `-` is none.
    fileprivate mutating func field() -> String?? {
        guard let word = word() else { return nil }
        return .some(word.elementsEqual([UInt8(ascii: "-")]) ? nil : Self.text(word))
    }

    /// RFC 5424, 6.3: `-` or elements one behind the other. nil when it is broken.
    fileprivate mutating func structuredData() -> [SyslogMessage.Element]? {
        if skip(UInt8(ascii: "-")) { return isAtEnd || next.map(Self.isSpace) == true ? [] : nil }
        var elements: [SyslogMessage.Element] = []
        while skip(UInt8(ascii: "[")) {
            let id = take { !Self.isSpace($0) && $0 != UInt8(ascii: "]") && $0 != UInt8(ascii: "=") }
            guard !id.isEmpty else { return nil }
            var element = SyslogMessage.Element(id: Self.text(id))
            while true {
                skipSpaces()
                if skip(UInt8(ascii: "]")) { break }
                guard let parameter = parameter() else { return nil }
                element.parameters.append(parameter)
            }
            elements.append(element)
        }
        return elements.isEmpty ? nil : elements
    }

    /// `name="value"`, where `\"`, `\\` and `\]` stand for themselves without the backslash.
    private mutating func parameter() -> SyslogMessage.Parameter? {
        let name = take { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "]") && !Self.isSpace($0) }
        guard !name.isEmpty, skip("=\"") else { return nil }
        var value: [UInt8] = []
        while let byte = next {
            _ = skip(byte)
            if byte == UInt8(ascii: "\"") { return .init(Self.text(name), Self.text(value)) }
            if byte == UInt8(ascii: "\\"), let escaped = next,
                [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "]")].contains(escaped)
            {
                _ = skip(escaped)
                value.append(escaped)
            } else {
                value.append(byte)
            }
        }
        return nil
    }

    /// Up to the next `|` that has no backslash before it, which is read too.
    fileprivate mutating func headerField() -> [UInt8] {
        var field: [UInt8] = []
        while let byte = next {
            _ = skip(byte)
            if byte == UInt8(ascii: "|") { break }
            if byte == UInt8(ascii: "\\"), let escaped = next,
                escaped == UInt8(ascii: "|") || escaped == UInt8(ascii: "\\")
            {
                _ = skip(escaped)
                field.append(escaped)
            } else {
                field.append(byte)
            }
        }
        return field
    }
}
