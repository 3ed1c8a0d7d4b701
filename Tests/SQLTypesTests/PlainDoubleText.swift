@testable import SQLTypes

/// The text of a DOUBLE as Java 17's `Double.toString` writes it, put together step by step as Java's own program does,
/// in arithmetic without bounds where Java has it: what the quick one is held against.
///
/// | value                    | text                                  |
/// |--------------------------|---------------------------------------|
/// | 1e-3 <= x < 1e7          | plain, at least one digit after the point |
/// | others                   | one digit, point, digits, `E`, exponent |
///
/// The digits are those that Java before 19 finds, which are not always the fewest: 2.0E-44 has one more there. Where
/// the two are known to agree, Swift's own faster digits are used.
enum PlainDoubleText {
    static func text(_ value: Double) -> String { String(decoding: bytes(value), as: UTF8.self) }

    static func bytes(_ value: Double) -> [UInt8] {
        var output: [UInt8] = []
        append(value, to: &output)
        return output
    }

    static func append(_ value: Double, to output: inout [UInt8]) {
        if value.isNaN {
            output += "NaN".utf8
            return
        }
        if value.sign == .minus { output.append(UInt8(ascii: "-")) }
        if value.isInfinite {
            output += "Infinity".utf8
            return
        }
        let magnitude = value.magnitude
        if magnitude == 0 {
            output += "0.0".utf8
            return
        }
        if magnitude < 1e7, let integer = Int32(exactly: magnitude) {
            output += String(integer).utf8
            output += ".0".utf8
            return
        }
        let parts = shortDigits(magnitude) ?? PlainDigits.digits(magnitude)
        write(parts.digits, exponent: parts.exponent, to: &output)
    }

    /// `digits` is 0.d1d2d3... · 10^`exponent`.
    private static func write(_ digits: [UInt8], exponent: Int, to output: inout [UInt8]) {
        let point = UInt8(ascii: ".")
        if 0 < exponent, exponent < 8 {
            let whole = min(digits.count, exponent)
            output += digits[..<whole]
            output += [UInt8](repeating: 0x30, count: exponent - whole)
            output.append(point)
            if whole < digits.count { output += digits[whole...] } else { output.append(0x30) }
        } else if exponent <= 0, exponent > -3 {
            output += "0.".utf8
            output += [UInt8](repeating: 0x30, count: -exponent)
            output += digits
        } else {
            output.append(digits[0])
            output.append(point)
            if digits.count > 1 { output += digits[1...] } else { output.append(0x30) }
            output.append(UInt8(ascii: "E"))
            output += String(exponent - 1).utf8
        }
    }

    /// Swift's shortest digits, when Java's are the same for sure: at most 15 of them, no power of two, and below 1e15,
    /// where no number with so few digits lies exactly between two doubles.
    private static func shortDigits(_ value: Double) -> (digits: [UInt8], exponent: Int)? {
        guard value < 1e15, value > 1e-290, value.significandBitPattern != 0 else { return nil }
        var digits: [UInt8] = []
        var exponent = 0
        var hasPoint = false
        let text = Array(value.description.utf8)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: ".") {
                hasPoint = true
            } else if byte == UInt8(ascii: "e") {
                exponent += Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                if digits.isEmpty, byte == 0x30 {
                    if hasPoint { exponent -= 1 }
                    continue
                }
                digits.append(byte)
                if !hasPoint { exponent += 1 }
            }
        }
        while digits.last == 0x30, digits.count > 1 { digits.removeLast() }
        return digits.count <= 15 && !digits.isEmpty ? (digits, exponent) : nil
    }
}

/// The digits that Java up to 18 finds for a double: digit generation after Steele and White that stops inside half a
/// unit of the last place, with Java's own stops and estimates.
private enum PlainDigits {
    /// `value` is positive and finite.
    static func digits(_ value: Double) -> (digits: [UInt8], exponent: Int) {
        var fraction = Int64(value.significandBitPattern)
        var binaryExponent = Int(value.exponentBitPattern)
        var significantBits = 53
        if binaryExponent == 0 {
            let zeros = fraction.leadingZeroBitCount
            fraction <<= Int64(zeros - 11)
            binaryExponent = 1 - (zeros - 11)
            significantBits = 64 - zeros
        } else {
            fraction |= 1 << 52
        }
        binaryExponent -= 1023

        let tailZeros = fraction.trailingZeroBitCount
        let fractionBits = 53 - tailZeros
        let tinyBits = max(0, fractionBits - binaryExponent - 1)
        if binaryExponent <= 62, binaryExponent >= -21, tinyBits == 0 {
            return integerDigits(fraction, binaryExponent, significantBits)
        }

        // B / S is the value, M half a unit of its last place; all three as 5^x · 2^y.
        var exponent = estimateExponent(fraction, binaryExponent)
        let b5 = max(0, -exponent)
        var b2 = b5 + tinyBits + binaryExponent
        let s5 = max(0, exponent)
        var s2 = s5 + tinyBits
        var m2 = b2 - significantBits
        fraction >>= Int64(tailZeros)
        b2 -= fractionBits - 1
        let common = min(b2, s2)
        b2 -= common
        s2 -= common
        m2 -= common
        if fractionBits == 1 { m2 -= 1 }  // below a power of two the next number is only half as far
        if m2 < 0 {
            b2 -= m2
            s2 -= m2
            m2 = 0
        }

        // Java takes machine words when all seems to fit, and they may overflow: the digits depend on it.
        let numeratorBits = bits(of5: b5, and: fractionBits + b2)
        let tensBits = bits(of5: s5 + 1, and: s2 + 1)
        var result: (digits: [UInt8], isUp: Bool)
        if numeratorBits < 32, tensBits < 32 {
            result = wordDigits(
                Int32(truncatingIfNeeded: fraction &* powersOf5[b5]) &<< Int32(b2),
                Int32(truncatingIfNeeded: powersOf5[s5]) &<< Int32(s2),
                Int32(truncatingIfNeeded: powersOf5[b5]) &<< Int32(m2), &exponent)
        } else if numeratorBits < 64, tensBits < 64 {
            result = wordDigits(
                (fraction &* powersOf5[b5]) &<< Int64(b2), powersOf5[s5] &<< Int64(s2), powersOf5[b5] &<< Int64(m2),
                &exponent)
        } else {
            let power = BigInteger.power(of: 5, b5)
            result = bigDigits(
                BigInteger(fraction) * power.shifted(left: b2), BigInteger.power(of: 5, s5).shifted(left: s2),
                power.shifted(left: m2), &exponent)
        }
        if result.isUp { roundUp(&result.digits, &exponent) }
        exponent += 1
        while result.digits.count > 1, result.digits.last == 0x30 { result.digits.removeLast() }
        return (result.digits, exponent)
    }

    /// With an exponent there are two digits at least.
    private static func needsTwoDigits(_ exponent: Int) -> Bool { exponent < -3 || exponent >= 8 }

    private static func wordDigits<Word: FixedWidthInteger & SignedInteger>(
        _ numerator: Word, _ denominator: Word, _ margin: Word, _ exponent: inout Int
    ) -> (digits: [UInt8], isUp: Bool) {
        guard denominator > 0 else { return ([0x30], false) }
        var numerator = numerator
        var margin = margin
        let tens = denominator &* 10
        func nextDigit() -> UInt8 {
            let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
            numerator = remainder &* 10
            margin = margin &* 10
            return 0x30 &+ UInt8(truncatingIfNeeded: quotient)
        }
        var digits: [UInt8] = []
        let first = nextDigit()
        var low = numerator < margin
        var high = numerator &+ margin > tens
        if first == 0x30, !high { exponent -= 1 } else { digits.append(first) }
        if needsTwoDigits(exponent) {
            low = false
            high = false
        }
        while !low, !high {
            digits.append(nextDigit())
            low = margin <= 0 || numerator < margin
            high = margin <= 0 || numerator &+ margin > tens
        }
        let difference = (numerator &<< 1) &- tens
        let isUp = high && (!low || difference > 0 || difference == 0 && (digits.last ?? 0) & 1 == 1)
        return (digits, isUp)
    }

    private static func bigDigits(
        _ numerator: BigInteger, _ denominator: BigInteger, _ margin: BigInteger, _ exponent: inout Int
    ) -> (digits: [UInt8], isUp: Bool) {
        var numerator = numerator
        var margin = margin
        let ten = BigInteger(10 as Int64)
        let tens = denominator * ten
        func nextDigit() -> UInt8 {
            let (quotient, remainder) = numerator.dividing(by: denominator)
            numerator = remainder * ten
            margin = margin * ten
            return 0x30 &+ UInt8(truncatingIfNeeded: quotient.truncated)
        }
        var digits: [UInt8] = []
        let first = nextDigit()
        var low = numerator.compare(to: margin) < 0
        var high = (numerator + margin).compare(to: tens) >= 0
        if first == 0x30, !high { exponent -= 1 } else { digits.append(first) }
        if needsTwoDigits(exponent) {
            low = false
            high = false
        }
        while !low, !high {
            digits.append(nextDigit())
            low = numerator.compare(to: margin) < 0
            high = (numerator + margin).compare(to: tens) >= 0
        }
        let difference = (numerator + numerator).compare(to: tens)
        let isUp = high && (!low || difference > 0 || difference == 0 && (digits.last ?? 0) & 1 == 1)
        return (digits, isUp)
    }

    private static func roundUp(_ digits: inout [UInt8], _ exponent: inout Int) {
        var at = digits.count - 1
        while at >= 0, digits[at] == 0x39 {
            digits[at] = 0x30
            at -= 1
        }
        if at < 0 {
            exponent += 1
            digits[0] = 0x31
        } else {
            digits[at] += 1
        }
    }

    /// Whole numbers below 2^63; digits that a double cannot tell apart are rounded off.
    private static func integerDigits(
        _ fraction: Int64, _ binaryExponent: Int, _ significantBits: Int
    ) -> (digits: [UInt8], exponent: Int) {
        var value =
            binaryExponent >= 52 ? fraction << Int64(binaryExponent - 52) : fraction >> Int64(52 - binaryExponent)
        var dropped = 0
        if binaryExponent > significantBits {
            let bits = binaryExponent - significantBits - 1
            dropped = bits > 1 ? bits * 30103 / 100_000 : 0
        }
        if dropped > 0 {
            let power = SQLDecimal.powersOf10[dropped]
            let rest = value % power
            value /= power
            if rest >= power >> 1 { value += 1 }
        }
        var digits = Array(String(value).utf8)
        let exponent = digits.count + dropped
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        return (digits, exponent)
    }

    /// The power of ten of the first digit, or one more.
    private static func estimateExponent(_ fraction: Int64, _ binaryExponent: Int) -> Int {
        let mantissa = Double(bitPattern: 0x3FF0_0000_0000_0000 | UInt64(fraction) & ((1 << 52) - 1))
        let estimate = (mantissa - 1.5) * 0.289529654 + 0.176091259 + Double(binaryExponent) * 0.301029995663981
        return Int(estimate.rounded(.down))
    }

    /// Bits of 5^`power` · 2^`others`, by Java's table: exact up to 5^26, three a power beyond.
    private static func bits(of5 power: Int, and others: Int) -> Int {
        others + (power < bitsOf5.count ? bitsOf5[power] : power * 3)
    }

    private static let powersOf5: [Int64] = {
        var powers: [Int64] = [1]
        for _ in 1..<27 { powers.append(powers[powers.count - 1] * 5) }
        return powers
    }()

    private static let bitsOf5: [Int] = {
        var bits = [0]
        var value: UInt64 = 1
        for _ in 1..<27 {
            value *= 5
            bits.append(64 - value.leadingZeroBitCount)
        }
        return bits
    }()
}
