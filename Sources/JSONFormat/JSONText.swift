/// JSON as bytes: checking, quoting and taking apart what comes from outside (RFC 8259).
package enum JSONText {
    /// Nesting beyond this is refused, so that a hostile record cannot exhaust the stack.
    package static let depthMax = 512

    /// Appends `text`, which is UTF-8, as a JSON string.
    package static func quote(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0..<0x20, 0x7F: output += [UInt8]("\\u00".utf8) + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// Whether `bytes` are one JSON value and nothing else but white space.
    package static func isValid(_ bytes: [UInt8]) -> Bool {
        var scanner = JSONScanner(bytes)
        return scanner.skipDocument() && String(validating: bytes, as: UTF8.self) != nil
    }

    /// Without the white space between the tokens: what is one value stays one line. `bytes` are valid JSON.
    package static func compact(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var isInString = false
        var isEscaped = false
        for byte in bytes {
            if isInString {
                isInString = isEscaped || byte != UInt8(ascii: "\"")
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
            } else if byte == 0x20 || 0x09...0x0D ~= byte {
                continue
            } else {
                isInString = byte == UInt8(ascii: "\"")
            }
            output.append(byte)
        }
        return output
    }
}

/// Walks over JSON text. Every method that reads returns false or nil at the first byte that does not belong there.
package struct JSONScanner {
    private let bytes: [UInt8]
    package private(set) var at = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    /// The byte at the current place; nil at the end.
    package var peek: UInt8? { next }

    package mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
    }

    package mutating func skip(_ byte: Character) -> Bool {
        guard let ascii = byte.asciiValue, next == ascii else { return false }
        at += 1
        return true
    }

    package var isAtEnd: Bool { at == bytes.count }

    package mutating func skipDocument() -> Bool {
        skipSpace()
        guard skipValue() else { return false }
        skipSpace()
        return isAtEnd
    }

    /// Passes one value.
    package mutating func skipValue(depth: Int = 0) -> Bool {
        guard depth < JSONText.depthMax else { return false }
        switch next {
        case UInt8(ascii: "{"):
            return skipElements(end: "}") { scanner in
                guard scanner.skipString() else { return false }
                scanner.skipSpace()
                guard scanner.skip(":") else { return false }
                scanner.skipSpace()
                return scanner.skipValue(depth: depth + 1)
            }
        case UInt8(ascii: "["): return skipElements(end: "]") { $0.skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""): return skipString()
        case UInt8(ascii: "t"): return skipWord("true")
        case UInt8(ascii: "f"): return skipWord("false")
        case UInt8(ascii: "n"): return skipWord("null")
        default: return skipNumber()
        }
    }

    /// Passes one value and returns its text.
    package mutating func value() -> [UInt8]? {
        let start = at
        return skipValue() ? Array(bytes[start..<at]) : nil
    }

    /// Passes a string and returns what it means.
    package mutating func string() -> String? {
        let start = at
        guard skipString() else { return nil }
        return Self.unescape(bytes[(start + 1)..<(at - 1)])
    }

    /// Passes an object; `value` passes the value of each member.
    mutating func members(_ value: (_ name: String, inout JSONScanner) -> Bool) -> Bool {
        guard next == UInt8(ascii: "{") else { return false }
        return skipElements(end: "}") { scanner in
            guard let name = scanner.string() else { return false }
            scanner.skipSpace()
            guard scanner.skip(":") else { return false }
            scanner.skipSpace()
            return value(name, &scanner)
        }
    }

    /// Passes an array; `element` passes each element.
    mutating func elements(_ element: (inout JSONScanner) -> Bool) -> Bool {
        guard next == UInt8(ascii: "[") else { return false }
        return skipElements(end: "]", element)
    }

    /// Members of an object, in order: their names and the texts of their values.
    package mutating func members() -> [(name: String, value: [UInt8])]? {
        var members: [(String, [UInt8])] = []
        let isWhole = self.members { name, scanner in
            guard let value = scanner.value() else { return false }
            members.append((name, value))
            return true
        }
        return isWhole ? members : nil
    }

    /// Elements of an array, in order, as texts.
    package mutating func elements() -> [[UInt8]]? {
        var elements: [[UInt8]] = []
        let isWhole = self.elements { scanner in
            guard let value = scanner.value() else { return false }
            elements.append(value)
            return true
        }
        return isWhole ? elements : nil
    }

    private mutating func skipElements(end: Character, _ element: (inout JSONScanner) -> Bool) -> Bool {
        at += 1  // the opening bracket, which the caller has seen
        skipSpace()
        if skip(end) { return true }
        while true {
            guard element(&self) else { return false }
            skipSpace()
            if skip(end) { return true }
            guard skip(",") else { return false }
            skipSpace()
        }
    }

    private mutating func skipWord(_ word: String) -> Bool {
        guard bytes[at...].starts(with: word.utf8) else { return false }
        at += word.utf8.count
        return true
    }

    private mutating func skipString() -> Bool {
        guard skip("\"") else { return false }
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"):
                guard let escape = next else { return false }
                at += 1
                if escape == UInt8(ascii: "u") {
                    guard at + 4 <= bytes.count, bytes[at..<(at + 4)].allSatisfy({ Self.hexDigit($0) != nil }) else {
                        return false
                    }
                    at += 4
                } else if !"\"\\/bfnrt".utf8.contains(escape) {
                    return false
                }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func skipNumber() -> Bool {
        func digits(_ scanner: inout JSONScanner) -> Bool {
            let start = scanner.at
            while let byte = scanner.next, 0x30...0x39 ~= byte { scanner.at += 1 }
            return scanner.at > start
        }
        _ = skip("-")
        if !skip("0") { guard digits(&self) else { return false } }
        if skip(".") { guard digits(&self) else { return false } }
        if skip("e") || skip("E") {
            if !skip("+") { _ = skip("-") }
            guard digits(&self) else { return false }
        }
        return true
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        case 0x61...0x66: UInt32(byte - 0x57)
        default: nil
        }
    }

    /// What an escaped string means; halves of a surrogate pair that stand alone become U+FFFD.
    private static func unescape(_ text: ArraySlice<UInt8>) -> String {
        var units: [UInt8] = []
        var at = text.startIndex
        func codeUnit(_ at: Int) -> UInt32 {
            text[at..<(at + 4)].reduce(0) { $0 << 4 | (hexDigit($1) ?? 0) }
        }
        while at < text.endIndex {
            guard text[at] == UInt8(ascii: "\\") else {
                units.append(text[at])
                at += 1
                continue
            }
            let escape = text[at + 1]  // the string was passed before, so an escape is whole
            at += 2
            switch escape {
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0C)
            case UInt8(ascii: "n"): units.append(0x0A)
            case UInt8(ascii: "r"): units.append(0x0D)
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "u"):
                var code = codeUnit(at)
                at += 4
                let isPair =
                    0xD800...0xDBFF ~= code && at + 6 <= text.endIndex && text[at] == UInt8(ascii: "\\")
                    && text[at + 1] == UInt8(ascii: "u") && 0xDC00...0xDFFF ~= codeUnit(at + 2)
                if isPair {
                    code = 0x10000 + (code - 0xD800) << 10 + (codeUnit(at + 2) - 0xDC00)
                    at += 6
                }
                units += Array(String(Unicode.Scalar(code).map(Character.init) ?? "\u{FFFD}").utf8)
            default: units.append(escape)
            }
        }
        return String(decoding: units, as: UTF8.self)
    }
}
