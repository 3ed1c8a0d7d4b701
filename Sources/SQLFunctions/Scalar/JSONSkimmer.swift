import JSONFormat

/// Finds the place of a path in a JSON text in one pass, without building anything.
///
/// The whole first value is checked, as a text that breaks off is an error wherever the path leads. Of members with the
/// same name the last counts.
struct JSONSkimmer {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let steps: [String]
    private var at = 0
    private var found: Range<Int>?

    /// The bytes of the value at the path.
    ///
    /// - Returns: nil when the text is not JSON; `.some(nil)` when nothing is at the path.
    static func find(_ steps: [String], in text: String) -> [UInt8]?? {
        var text = text
        return text.withUTF8 { bytes -> [UInt8]?? in
            var skimmer = JSONSkimmer(bytes: bytes, steps: steps)
            skimmer.skipSpace()
            guard skimmer.value(step: 0, depth: 0) else { return nil }
            return .some(skimmer.found.map { Array(bytes[$0]) })
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, steps: [String]) {
        self.bytes = bytes
        self.steps = steps
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        at += 1
        return true
    }

    /// Passes a value; `step` is that of the path which leads further from here, nil off the path.
    private mutating func value(step: Int?, depth: Int) -> Bool {
        guard depth < JSONText.depthMax, let first = next else { return false }
        let start = at
        // A second member of the same name replaces what the first led to.
        if step != nil { found = nil }
        let deeper = step == steps.count ? nil : step
        let isValid =
            switch first {
            case UInt8(ascii: "{"): object(step: deeper, depth: depth)
            case UInt8(ascii: "["): array(step: deeper, depth: depth)
            case UInt8(ascii: "\""): string()
            case UInt8(ascii: "t"): word("true")
            case UInt8(ascii: "f"): word("false")
            case UInt8(ascii: "n"): word("null")
            default: number()
            }
        if step == steps.count { found = start..<at }
        return isValid
    }

    private mutating func object(step: Int?, depth: Int) -> Bool {
        at += 1
        skipSpace()
        if take(UInt8(ascii: "}")) { return true }
        while true {
            let start = at
            guard next == UInt8(ascii: "\""), string() else { return false }
            let isNext = step.map { isName(start..<at, steps[$0]) } ?? false
            skipSpace()
            guard take(UInt8(ascii: ":")) else { return false }
            skipSpace()
            guard value(step: isNext ? step.map { $0 + 1 } : nil, depth: depth + 1) else { return false }
            skipSpace()
            if take(UInt8(ascii: "}")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
            skipSpace()
        }
    }

    private mutating func array(step: Int?, depth: Int) -> Bool {
        at += 1
        skipSpace()
        if take(UInt8(ascii: "]")) { return true }
        let wanted = step.flatMap { Int32(steps[$0]) }
        var index: Int32 = 0
        while true {
            guard value(step: wanted == index ? step.map { $0 + 1 } : nil, depth: depth + 1) else { return false }
            index &+= 1
            skipSpace()
            if take(UInt8(ascii: "]")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
            skipSpace()
        }
    }

    /// `quoted` is a string with its quotes.
    private func isName(_ quoted: Range<Int>, _ name: String) -> Bool {
        let inner = bytes[(quoted.lowerBound + 1)..<(quoted.upperBound - 1)]
        guard inner.contains(UInt8(ascii: "\\")) else { return inner.elementsEqual(name.utf8) }
        var scanner = JSONScanner(Array(bytes[quoted]))
        return scanner.string().map { $0.utf8.elementsEqual(name.utf8) } ?? false
    }

    private mutating func word(_ text: StaticString) -> Bool {
        for offset in 0..<text.utf8CodeUnitCount {
            guard take(text.utf8Start[offset]) else { return false }
        }
        return true
    }

    private mutating func string() -> Bool {
        at += 1
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"):
                guard let escape = next else { return false }
                at += 1
                switch escape {
                case UInt8(ascii: "u"):
                    for _ in 0..<4 {
                        guard let digit = next, Hexadecimal.digit(digit) != nil else { return false }
                        at += 1
                    }
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                    UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                    break
                default: return false
                }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func digits() -> Bool {
        let start = at
        while let byte = next, 0x30...0x39 ~= byte { at += 1 }
        return at > start
    }

    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { guard digits() else { return false } }
        if take(UInt8(ascii: ".")) { guard digits() else { return false } }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() else { return false }
        }
        return true
    }
}
