/// A text as Java counts it, in UTF-16 units. Texts of ASCII only, most of them, stay bytes.
struct UTF16Text {
    private enum Storage { case ascii([UInt8]), units([UInt16]) }
    private let storage: Storage

    init(_ text: String) {
        let bytes = Array(text.utf8)
        if bytes.allSatisfy({ $0 < 0x80 }) {
            storage = .ascii(bytes)
        } else {
            storage = .units(Array(text.utf16))
        }
    }

    var count: Int {
        switch storage {
        case .ascii(let bytes): bytes.count
        case .units(let units): units.count
        }
    }

    subscript(index: Int) -> UInt16 {
        switch storage {
        case .ascii(let bytes): UInt16(bytes[index])
        case .units(let units): units[index]
        }
    }

    /// `range` lies within the text. A half of a surrogate pair alone becomes U+FFFD.
    func text(_ range: Range<Int>) -> String {
        switch storage {
        case .ascii(let bytes): String(decoding: bytes[range], as: UTF8.self)
        case .units(let units): String(decoding: units[range], as: UTF16.self)
        }
    }

    /// The place of `other` at or behind `start`; nil when there is none.
    func index(of other: UTF16Text, from start: Int) -> Int? {
        guard other.count <= count else { return nil }
        var at = max(0, start)
        while at <= count - other.count {
            var length = 0
            while length < other.count, self[at + length] == other[length] { length += 1 }
            if length == other.count { return at }
            at += 1
        }
        return nil
    }

    /// The last place of `other` at or before `end`; nil when there is none.
    func lastIndex(of other: UTF16Text, through end: Int) -> Int? {
        var at = min(end, count - other.count)
        while at >= 0 {
            var length = 0
            while length < other.count, self[at + length] == other[length] { length += 1 }
            if length == other.count { return at }
            at -= 1
        }
        return nil
    }
}
