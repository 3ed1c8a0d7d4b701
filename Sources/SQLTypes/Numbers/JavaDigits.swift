/// The digits that Java up to 18 finds for a double: digit generation after Steele and White that stops inside half a
/// unit of the last place, with Java's own stops and estimates.
///
/// From 1 to 10, as averages are, the denominator is a power of two, and a digit takes a shift; to 10 000 000 and above
/// 0.01 it takes a division of machine words. Most others take one of 128 bits, of which the upper 64 are enough for a
/// guess that is one too high at the most (Knuth, TAOCP 4.3.1). The few that are larger or smaller than 25 powers of
/// ten go by numbers without bounds.
///
/// - SeeAlso: G. Steele, J. White, How to Print Floating-Point Numbers Accurately, 1990.
struct JavaDigits {
    /// Java has room for no more.
    static let countMax = 32

    private let digits: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    /// The value is 0.d1d2d3... · 10^`exponent`.
    private(set) var exponent = 0

    /// - Parameter digits: has room for `countMax`.
    init(_ digits: UnsafeMutablePointer<UInt8>) { self.digits = digits }

    @inline(__always)
    private mutating func append(_ digit: UInt8) {
        precondition(count < Self.countMax, "a double has fewer digits")
        digits[count] = 0x30 &+ digit
        count &+= 1
    }

    /// - Parameter value: positive and finite.
    mutating func find(_ value: Double) {
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
            return findWhole(fraction, binaryExponent, significantBits)
        }

        // B / S is the value, M half a unit of its last place; all three as 5^x · 2^y.
        exponent = Self.estimateExponent(fraction, binaryExponent)
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
        let numeratorBits = Self.bits(of5: b5, and: fractionBits + b2)
        let tensBits = Self.bits(of5: s5 + 1, and: s2 + 1)
        let isUp: Bool
        if numeratorBits < 32, tensBits < 32 {
            isUp = findByWords(
                Int32(truncatingIfNeeded: fraction &* Self.powersOf5[b5]) &<< Int32(b2),
                Int32(truncatingIfNeeded: Self.powersOf5[s5]) &<< Int32(s2),
                Int32(truncatingIfNeeded: Self.powersOf5[b5]) &<< Int32(m2), byShifts: false)
        } else if numeratorBits < 64, tensBits < 64, s5 == 0 {
            isUp = findByWords(
                (fraction &* Self.powersOf5[b5]) &<< Int64(b2), 1 &<< Int64(s2), Self.powersOf5[b5] &<< Int64(m2),
                byShifts: true)
        } else if numeratorBits < 64, tensBits < 64 {
            isUp = findByWords(
                (fraction &* Self.powersOf5[b5]) &<< Int64(b2), Self.powersOf5[s5] &<< Int64(s2),
                Self.powersOf5[b5] &<< Int64(m2), byShifts: false)
        } else if b5 < Self.powersOf5.count, s5 < Self.powersOf5.count, numeratorBits < 122, tensBits < 122,
            Self.bits(of5: b5, and: m2) < 122
        {
            let power = UInt128(UInt64(Self.powersOf5[b5]))
            isUp = findByDoubleWords(
                UInt128(UInt64(fraction)) &* power &<< UInt128(b2),
                UInt128(UInt64(Self.powersOf5[s5])) &<< UInt128(s2), power &<< UInt128(m2))
        } else {
            let power = BigInteger.power(of: 5, b5)
            isUp = findByBigIntegers(
                BigInteger(fraction) * power.shifted(left: b2), BigInteger.power(of: 5, s5).shifted(left: s2),
                power.shifted(left: m2))
        }
        if isUp { roundUp() }
        exponent += 1
        dropZeros()
    }

    private mutating func dropZeros() {
        while count > 1, digits[count - 1] == 0x30 { count -= 1 }
    }

    /// With an exponent there are two digits at least.
    private var needsTwoDigits: Bool { exponent < -3 || exponent >= 8 }

    private var lastIsOdd: Bool { count > 0 && digits[count - 1] & 1 == 1 }

    /// - Parameter byShifts: the denominator is a power of two; a constant of the caller.
    /// - Returns: whether the last digit is to be rounded up.
    @inline(__always)
    private mutating func findByWords<Word: FixedWidthInteger & SignedInteger>(
        _ numerator: Word, _ denominator: Word, _ margin: Word, byShifts: Bool
    ) -> Bool {
        guard denominator > 0 else {
            append(0)
            return false
        }
        var numerator = numerator
        var margin = margin
        let tens = denominator &* 10
        let shift = Word(truncatingIfNeeded: denominator.trailingZeroBitCount)
        @inline(__always) func nextDigit() -> UInt8 {
            margin = margin &* 10
            if byShifts {
                let quotient = numerator &>> shift
                numerator = (numerator & (denominator &- 1)) &* 10
                return UInt8(truncatingIfNeeded: quotient)
            }
            let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
            numerator = remainder &* 10
            return UInt8(truncatingIfNeeded: quotient)
        }
        let first = nextDigit()
        var low = numerator < margin
        var high = numerator &+ margin > tens
        if first == 0, !high { exponent -= 1 } else { append(first) }
        if needsTwoDigits {
            low = false
            high = false
        }
        while !low, !high {
            append(nextDigit())
            low = margin <= 0 || numerator < margin
            high = margin <= 0 || numerator &+ margin > tens
        }
        let difference = (numerator &<< 1) &- tens
        return high && (!low || difference > 0 || difference == 0 && lastIsOdd)
    }

    /// All are below 2^122, so that nothing overflows.
    private mutating func findByDoubleWords(_ numerator: UInt128, _ denominator: UInt128, _ margin: UInt128) -> Bool {
        var numerator = numerator
        var margin = margin
        let tens = denominator &* 10
        // The upper 60 bits of 10 · S; those of S are 56 or more.
        let shift = UInt128(max(0, 128 - tens.leadingZeroBitCount - 60))
        let upper = UInt64(truncatingIfNeeded: denominator &>> shift)
        @inline(__always) func nextDigit() -> UInt8 {
            var quotient = UInt64(truncatingIfNeeded: numerator &>> shift) / upper
            var product = denominator &* UInt128(quotient)
            if product > numerator {
                quotient &-= 1
                product &-= denominator
            }
            numerator = (numerator &- product) &* 10
            margin = margin &* 10
            return UInt8(truncatingIfNeeded: quotient)
        }
        let first = nextDigit()
        var low = numerator < margin
        var high = numerator &+ margin >= tens
        if first == 0, !high { exponent -= 1 } else { append(first) }
        if needsTwoDigits {
            low = false
            high = false
        }
        while !low, !high {
            append(nextDigit())
            low = numerator < margin
            high = numerator &+ margin >= tens
        }
        let twice = numerator &+ numerator
        return high && (!low || twice > tens || twice == tens && lastIsOdd)
    }

    private mutating func findByBigIntegers(
        _ numerator: BigInteger, _ denominator: BigInteger, _ margin: BigInteger
    ) -> Bool {
        var numerator = numerator
        var margin = margin
        let ten = BigInteger(10 as Int64)
        let tens = denominator * ten
        func nextDigit() -> UInt8 {
            let (quotient, remainder) = numerator.dividing(by: denominator)
            numerator = remainder * ten
            margin = margin * ten
            return UInt8(truncatingIfNeeded: quotient.truncated)
        }
        let first = nextDigit()
        var low = numerator.compare(to: margin) < 0
        var high = (numerator + margin).compare(to: tens) >= 0
        if first == 0, !high { exponent -= 1 } else { append(first) }
        if needsTwoDigits {
            low = false
            high = false
        }
        while !low, !high {
            append(nextDigit())
            low = numerator.compare(to: margin) < 0
            high = (numerator + margin).compare(to: tens) >= 0
        }
        let difference = (numerator + numerator).compare(to: tens)
        return high && (!low || difference > 0 || difference == 0 && lastIsOdd)
    }

    private mutating func roundUp() {
        var at = count - 1
        while at >= 0, digits[at] == 0x39 {
            digits[at] = 0x30
            at -= 1
        }
        if at < 0 {
            exponent += 1
            digits[0] = 0x31
            count = max(1, count)
        } else {
            digits[at] += 1
        }
    }

    /// Whole numbers below 2^63; digits that a double cannot tell apart are rounded off.
    private mutating func findWhole(_ fraction: Int64, _ binaryExponent: Int, _ significantBits: Int) {
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
        var place = Self.countMax
        var rest = value.magnitude
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            place -= 1
            digits[place] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest > 0
        count = Self.countMax - place
        for index in 0..<count { digits[index] = digits[place + index] }
        exponent = count + dropped
        dropZeros()
    }

    /// The power of ten of the first digit, or one more.
    private static func estimateExponent(_ fraction: Int64, _ binaryExponent: Int) -> Int {
        let mantissa = Double(bitPattern: 0x3FF0_0000_0000_0000 | UInt64(fraction) & ((1 << 52) - 1))
        let estimate = (mantissa - 1.5) * 0.289529654 + 0.176091259 + Double(binaryExponent) * 0.301029995663981
        return Int(estimate.rounded(.down))
    }

    /// Bits of 5^`power` · 2^`others`, by Java's table: exact up to 5^26, three a power beyond.
    @inline(__always)
    private static func bits(of5 power: Int, and others: Int) -> Int {
        others + (power < powersOf5.count ? (power == 0 ? 0 : 64 - powersOf5[power].leadingZeroBitCount) : power * 3)
    }

    private static let powersOf5: [Int64] = {
        var powers: [Int64] = [1]
        for _ in 1..<27 { powers.append(powers[powers.count - 1] * 5) }
        return powers
    }()
}
