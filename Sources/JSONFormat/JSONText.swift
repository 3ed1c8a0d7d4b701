/// JSON as bytes: checking, quoting and compacting (RFC 8259).
package enum JSONText {
    /// Nesting beyond this is refused, so that a hostile record cannot exhaust the stack.
    package static let depthMax = 512

    /// Appends `text`, which is UTF-8, as a JSON string.
    package static func quote(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        let quoted: Void? = text.withContiguousStorageIfAvailable { quote(UnsafeRawBufferPointer($0), to: &output) }
        if quoted == nil { Array(text).withUnsafeBytes { quote($0, to: &output) } }
    }

    /// Appends `text` as a JSON string.
    package static func quote(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 { quote(UnsafeRawBufferPointer($0), to: &output) }
    }

    /// Appends `text`, which is UTF-8, as a JSON string, escaped as Java's Jackson does it: what must be, in two
    /// characters where there is such an escape. `output` only grows by appending.
    package static func quote(_ text: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        var start = 0
        var at = 0
        while at < text.count {
            if at &+ 8 <= text.count {
                let word = UInt64(littleEndian: text.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                let hits = JSONCursor.specials(in: word)
                if hits == 0 {
                    at &+= 8
                    continue
                }
                at &+= hits.trailingZeroBitCount &>> 3
            }
            let byte = text[at]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                at &+= 1
                continue
            }
            if start < at { output.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<at])) }
            escape(byte, to: &output)
            at &+= 1
            start = at
        }
        if start < at { output.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<at])) }
        output.append(UInt8(ascii: "\""))
    }

    private static func escape(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(byte)
        case 0x08: output.append(UInt8(ascii: "b"))
        case 0x09: output.append(UInt8(ascii: "t"))
        case 0x0A: output.append(UInt8(ascii: "n"))
        case 0x0C: output.append(UInt8(ascii: "f"))
        case 0x0D: output.append(UInt8(ascii: "r"))
        default:
            output += "u00".utf8
            for digit in [byte >> 4, byte & 15] { output.append(digit < 10 ? 0x30 + digit : 0x37 + digit) }
        }
    }

    /// Appends an integer in decimal.
    package static func append(_ value: Int64, to output: inout [UInt8]) {
        var magnitude = value.magnitude
        if value < 0 { output.append(UInt8(ascii: "-")) }
        let start = output.count
        repeat {
            let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
            output.append(0x30 + UInt8(truncatingIfNeeded: digit))
            magnitude = quotient
        } while magnitude > 0
        output[start...].reverse()
    }

    /// Whether `bytes` are one JSON value and nothing else but white space.
    package static func isValid(_ bytes: [UInt8]) -> Bool {
        do throws(JSONError) {
            try check(bytes.span.bytes)
            return true
        } catch {
            return false
        }
    }

    /// - Throws: unless `bytes` are one JSON value and nothing else but white space.
    package static func check(_ bytes: RawSpan, depthMax: Int = depthMax) throws(JSONError) {
        var cursor = JSONCursor(depthMax: depthMax)
        try cursor.skipValue(in: bytes)
        try cursor.expectEnd(in: bytes)
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

/// Takes a JSON text apart into the texts of its values. Every method returns false or nil at the first byte that does
/// not belong there.
package struct JSONScanner {
    private let bytes: [UInt8]
    private var cursor = JSONCursor()

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var at: Int { cursor.at }
    package var isAtEnd: Bool { cursor.at == bytes.count }
    /// The byte at the current place; nil at the end.
    package var peek: UInt8? { cursor.at < bytes.count ? bytes[cursor.at] : nil }

    package mutating func skipSpace() {
        let text = bytes
        cursor.skipSpace(in: text.span.bytes)
    }

    package mutating func skip(_ byte: Character) -> Bool {
        guard let ascii = byte.asciiValue, peek == ascii else { return false }
        cursor.at += 1
        return true
    }

    /// Passes one value and returns its text.
    package mutating func value() -> [UInt8]? {
        skipSpace()
        let start = cursor.at
        return attempt { cursor, bytes throws(JSONError) in try cursor.skipValue(in: bytes) } == nil
            ? nil : Array(bytes[start..<cursor.at])
    }

    /// Passes a string and returns what it means.
    package mutating func string() -> String? {
        attempt { cursor, bytes throws(JSONError) in JSONCursor.string(try cursor.readString(in: bytes), in: bytes) }
    }

    /// Members of an object, in order: their names and the texts of their values.
    package mutating func members() -> [(name: String, value: [UInt8])]? {
        let text = bytes
        return attempt { cursor, bytes throws(JSONError) in
            var members: [(String, [UInt8])] = []
            guard try cursor.enterObject(in: bytes) else { return members }
            repeat {
                let name = JSONCursor.string(try cursor.readName(in: bytes), in: bytes)
                cursor.skipSpace(in: bytes)
                let start = cursor.at
                try cursor.skipValue(in: bytes)
                members.append((name, Array(text[start..<cursor.at])))
            } while try cursor.nextMember(in: bytes)
            return members
        }
    }

    /// Elements of an array, in order, as texts.
    package mutating func elements() -> [[UInt8]]? {
        let text = bytes
        return attempt { cursor, bytes throws(JSONError) in
            var elements: [[UInt8]] = []
            guard try cursor.enterArray(in: bytes) else { return elements }
            repeat {
                cursor.skipSpace(in: bytes)
                let start = cursor.at
                try cursor.skipValue(in: bytes)
                elements.append(Array(text[start..<cursor.at]))
            } while try cursor.nextElement(in: bytes)
            return elements
        }
    }

    private mutating func attempt<Answer>(
        _ read: (inout JSONCursor, RawSpan) throws(JSONError) -> Answer
    ) -> Answer? {
        let text = bytes
        do throws(JSONError) {
            return try read(&cursor, text.span.bytes)
        } catch {
            return nil  // what callers do about it is the same for every error
        }
    }
}
