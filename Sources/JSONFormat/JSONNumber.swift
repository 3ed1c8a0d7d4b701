/// A number with all the digits it was written with: a decimal of any size, compared and divided exactly.
///
/// `digits` has neither leading nor trailing zeros; zero has none at all.
package struct JSONNumber: Hashable, Sendable, Comparable {
    package private(set) var isNegative: Bool
    /// 0...9 each, the most significant first.
    package private(set) var digits: [UInt8]
    /// Of the last digit: the value is `digits` times 10 to this. An exponent that is out of all reason is cut to
    /// `exponentMax`, which every comparison still answers right unless both sides are that large.
    package private(set) var exponent: Int

    private static let exponentMax = 1 << 40

    package init(_ value: Int64) {
        var text: [UInt8] = []
        JSONText.append(value, to: &text)
        self.init(checked: text)
    }

    /// - Returns: nil when `text` is no JSON number.
    package init?(_ text: [UInt8]) {
        // The cursor would pass over white space in front.
        guard let first = text.first, first == UInt8(ascii: "-") || 0x30...0x39 ~= first else { return nil }
        do throws(JSONError) {
            var cursor = JSONCursor()
            _ = try cursor.readNumber(in: text.span.bytes)
            guard cursor.at == text.count else { return nil }
        } catch {
            return nil
        }
        self.init(checked: text)
    }

    private init(checked text: [UInt8]) {
        isNegative = text.first == UInt8(ascii: "-")
        digits = []
        exponent = 0
        var isFraction = false
        var at = isNegative ? 1 : 0
        while at < text.count {
            if text[at] == UInt8(ascii: ".") {
                isFraction = true
            } else if 0x30...0x39 ~= text[at] {
                if !digits.isEmpty || text[at] != 0x30 { digits.append(text[at] - 0x30) }
                if isFraction { exponent -= 1 }
            } else {
                break
            }
            at += 1
        }
        if at < text.count {
            at += 1
            let isBelow = text[at] == UInt8(ascii: "-")
            if !(0x30...0x39 ~= text[at]) { at += 1 }
            var written = 0
            for digit in text[at...] { written = min(written * 10 + Int(digit - 0x30), Self.exponentMax) }
            exponent += isBelow ? -written : written
        }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty {
            isNegative = false
            exponent = 0
        }
    }

    package var isZero: Bool { digits.isEmpty }

    /// Whether the value has no fraction, however it is written: 1.0 and 1e3 have none.
    package var isInteger: Bool { exponent >= 0 }

    /// The value as an integer; nil when it has a fraction or does not fit.
    package var int64: Int64? {
        guard isInteger, digits.count + exponent <= 19 else { return nil }
        var magnitude: UInt64 = 0  // 19 digits fit
        for digit in digits { magnitude = magnitude * 10 + UInt64(digit) }
        for _ in 0..<exponent { magnitude *= 10 }
        if isNegative { return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int64(exactly: magnitude)
    }

    /// The nearest double, infinite when it is too large.
    package var double: Double {
        let text = (isNegative ? "-" : "") + (isZero ? "0" : digits.map(String.init).joined()) + "e\(exponent)"
        return Double(text) ?? .nan
    }

    package static func < (a: Self, b: Self) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? isSmaller(b, a) : isSmaller(a, b)
    }

    /// Whether the magnitude of `a` is the smaller one.
    private static func isSmaller(_ a: Self, _ b: Self) -> Bool {
        if a.isZero || b.isZero { return !b.isZero }
        let first = a.digits.count + a.exponent
        let second = b.digits.count + b.exponent
        return first == second ? a.digits.lexicographicallyPrecedes(b.digits) : first < second
    }

    /// Whether this is `divisor` times an integer. Exact for divisors of up to 18 digits; with longer ones it is what
    /// doubles make of it.
    package func isMultiple(of divisor: JSONNumber) -> Bool {
        if isZero { return true }
        if divisor.isZero { return false }
        // No trailing zeros: a factor 10 in the divisor that this lacks cannot be made up for.
        if exponent < divisor.exponent { return false }
        guard divisor.digits.count <= 18 else {
            let quotient = double / divisor.double
            return quotient == quotient.rounded()
        }
        let modulus = divisor.digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1) }
        var rest = digits.reduce(UInt64(0)) { Self.multiply($0, 10, modulus: modulus) + UInt64($1) }
        var power = exponent - divisor.exponent
        var base = 10 % modulus
        while power > 0 {
            if power & 1 == 1 { rest = Self.multiply(rest, base, modulus: modulus) }
            base = Self.multiply(base, base, modulus: modulus)
            power >>= 1
        }
        return rest % modulus == 0
    }

    private static func multiply(_ a: UInt64, _ b: UInt64, modulus: UInt64) -> UInt64 {
        modulus.dividingFullWidth((a % modulus).multipliedFullWidth(by: b % modulus)).remainder
    }

    /// A number as Java prints it after reading it: whole numbers as they are, others as `BigDecimal.toString()`, so
    /// `1e3` becomes `1E+3` and `0.0000001` becomes `1E-7`.
    ///
    /// - Parameter text: a JSON number.
    package static func javaText(_ text: [UInt8]) -> [UInt8] {
        let isWhole = !text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
        if isWhole { return text == Array("-0".utf8) ? [0x30] : text }
        var unscaled: [UInt8] = []
        var scale = 0
        var isFraction = false
        var at = text.first == UInt8(ascii: "-") ? 1 : 0
        while at < text.count, text[at] | 0x20 != UInt8(ascii: "e") {
            if text[at] == UInt8(ascii: ".") {
                isFraction = true
            } else {
                unscaled.append(text[at])
                if isFraction { scale += 1 }
            }
            at += 1
        }
        if at < text.count {
            guard let exponent = Int32(String(decoding: text[(at + 1)...], as: UTF8.self)) else { return text }
            scale -= Int(exponent)
        }
        let zeros = unscaled.prefix { $0 == 0x30 }.count
        unscaled.removeFirst(min(zeros, unscaled.count - 1))
        var output: [UInt8] = text.first == UInt8(ascii: "-") && unscaled != [0x30] ? [UInt8(ascii: "-")] : []
        let adjusted = unscaled.count - 1 - scale
        if scale >= 0, adjusted >= -6 {
            let whole = unscaled.count - scale
            if whole > 0 {
                output += unscaled[..<whole]
            } else {
                output.append(0x30)
            }
            if scale > 0 {
                output.append(UInt8(ascii: "."))
                if whole < 0 { output += [UInt8](repeating: 0x30, count: -whole) }
                output += unscaled[max(whole, 0)...]
            }
        } else {
            output.append(unscaled[0])
            if unscaled.count > 1 { output += [UInt8(ascii: ".")] + unscaled[1...] }
            if adjusted != 0 { output += "E\(adjusted > 0 ? "+" : "")\(adjusted)".utf8 }
        }
        return output
    }
}
