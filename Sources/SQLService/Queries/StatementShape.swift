/// A statement without the values that it compares with: statements that differ in nothing else have the same shape, and so
/// the same plan.
///
/// Values are taken out where they stand behind `=`, or in the list behind `IN`. Everything else stays byte for byte: case,
/// spaces, names, other numbers and texts. What the language sees in them is for the planner; here only the ends of tokens
/// matter, so that nothing is taken for a value that is inside of another token.
struct StatementShape: Hashable, Sendable {
    enum Value: Hashable, Sendable {
        case text(String)
        case integer(Int64)
    }

    /// UTF-8. A 0, which no statement has, and a letter stand where values were.
    let bytes: [UInt8]

    static let byteCountMax = 4096
    static let valueCountMax = 64

    /// - Returns: nil for statements that are not worth it or not for certain: long ones, those with comments, variables or
    ///   control characters, and those that end within a token.
    static func of(_ text: String) -> (shape: StatementShape, values: [Value])? {
        let source = Array(text.utf8)
        guard source.count <= byteCountMax else { return nil }
        var reader = Reader(source: source)
        guard reader.read() else { return nil }
        return (StatementShape(bytes: reader.shape), reader.values)
    }

    /// Where in a statement's UTF-8 its values stand, quotes and signs included; nil as `of` is.
    static func places(in text: String) -> [Range<Int>]? {
        let source = Array(text.utf8)
        guard source.count <= byteCountMax else { return nil }
        var reader = Reader(source: source)
        return reader.read() ? reader.places : nil
    }

    private struct Reader {
        let source: [UInt8]
        private var at = 0
        /// What stands before is in `shape`.
        private var kept = 0
        private(set) var shape: [UInt8] = []
        private(set) var values: [Value] = []
        private(set) var places: [Range<Int>] = []
        private var before = Before.other

        /// What stands in front of the next token.
        private enum Before {
            case other
            case equal
            case wordIn
            /// A list behind IN was opened, or has a comma.
            case listOpen
            /// A value of such a list.
            case listValue
        }

        init(source: [UInt8]) {
            self.source = source
            shape.reserveCapacity(source.count)
        }

        private func byte(_ distance: Int) -> UInt8 { at + distance < source.count ? source[at + distance] : 0 }

        mutating func read() -> Bool {
            while at < source.count {
                let byte = source[at]
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): keep(1)
                case 0..<0x20, 0x7F, UInt8(ascii: "$"): return false
                case UInt8(ascii: "'"): guard readText() else { return false }
                case UInt8(ascii: "\""), UInt8(ascii: "`"):
                    guard let count = quotedCount(byte) else { return false }
                    keep(count)
                    before = .other
                case UInt8(ascii: "0")...UInt8(ascii: "9"): readNumber(signCount: 0)
                case UInt8(ascii: "-"):
                    if self.byte(1) == UInt8(ascii: "-") { return false }
                    if canBeValue, isDigit(self.byte(1)) {
                        readNumber(signCount: 1)
                    } else {
                        keep(1)
                        before = .other
                    }
                case UInt8(ascii: "/") where self.byte(1) == UInt8(ascii: "*"): return false
                case _ where isWordPart(byte): readWord()
                default: readSign(byte)
                }
            }
            shape += source[kept...]
            return true
        }

        private var canBeValue: Bool { before == .equal || before == .listOpen }

        private mutating func keep(_ count: Int) { at += count }

        private mutating func take(_ value: Value, _ letter: Unicode.Scalar, _ count: Int) {
            values.append(value)
            places.append(at..<(at + count))
            shape += source[kept..<at]
            shape.append(0)
            shape.append(UInt8(ascii: letter))
            at += count
            kept = at
            before = before == .listOpen ? .listValue : .other
        }

        private func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

        private func isWordPart(_ byte: UInt8) -> Bool {
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "@") || byte >= 0x80
        }

        private mutating func readWord() {
            var count = 1
            while isWordPart(byte(count)) { count += 1 }
            let isIn =
                count == 2 && source[at] | 0x20 == UInt8(ascii: "i") && source[at + 1] | 0x20 == UInt8(ascii: "n")
            keep(count)
            before = isIn ? .wordIn : .other
        }

        private mutating func readSign(_ byte: UInt8) {
            let previous = at > 0 ? source[at - 1] : 0
            keep(1)
            switch byte {
            case UInt8(ascii: "="):
                // Behind others it is the end of `<=`, `>=`, `!=` and `:=`.
                switch previous {
                case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "!"), UInt8(ascii: ":"), UInt8(ascii: "="):
                    before = .other
                default: before = .equal
                }
            case UInt8(ascii: "(") where before == .wordIn: before = .listOpen
            case UInt8(ascii: ",") where before == .listValue: before = .listOpen
            default: before = .other
            }
        }

        /// The bytes up to the closing quote; a doubled one is part of the content. nil when there is none.
        private func quotedCount(_ quote: UInt8) -> Int? {
            var end = at + 1
            while end < source.count {
                if source[end] == 0 || source[end] == UInt8(ascii: "$") { return nil }
                if source[end] == quote {
                    guard end + 1 < source.count, source[end + 1] == quote else { return end + 1 - at }
                    end += 1
                }
                end += 1
            }
            return nil
        }

        private mutating func readText() -> Bool {
            let quote = UInt8(ascii: "'")
            guard let count = quotedCount(quote) else { return false }
            guard canBeValue, values.count < valueCountMax else {
                keep(count)
                before = .other
                return true
            }
            let content = source[(at + 1)..<(at + count - 1)]
            if content.contains(quote) {
                var plain: [UInt8] = []
                var isFirst = false
                for byte in content {
                    // Quotes come in pairs here: the first of each stands for both.
                    isFirst = byte == quote && !isFirst
                    if byte != quote || isFirst { plain.append(byte) }
                }
                take(.text(String(decoding: plain, as: UTF8.self)), "t", count)
            } else {
                take(.text(String(decoding: content, as: UTF8.self)), "t", count)
            }
            return true
        }

        private mutating func readNumber(signCount: Int) {
            var count = signCount
            while isDigit(byte(count)) { count += 1 }
            // The longest of what may be a number or a name that begins with a digit.
            let isWhole = !isWordPart(byte(count)) && byte(count) != UInt8(ascii: ".")
            if isWhole, canBeValue, values.count < valueCountMax,
                let number = Int64(String(decoding: source[at..<(at + count)], as: UTF8.self))
            {
                return take(.integer(number), "i", count)
            }
            while isWordPart(byte(count)) || byte(count) == UInt8(ascii: ".") { count += 1 }
            keep(count)
            before = .other
        }
    }
}
