/// An exact decimal number: an integer of any size, of which the last `scale` digits stand behind the point. Java's
/// BigDecimal: 1.0 and 1.00 are different values of the same size; a negative scale means zeros before the point.
package struct SQLDecimal: Sendable {
    /// Digits that a value or an exponent may call for, so that a short text cannot ask for gigabytes.
    package static let digitsMax = 20_000

    enum Unscaled: Sendable {
        case small(Int64)
        case large(LargeInteger)
    }

    final class LargeInteger: Sendable {
        let value: BigInteger
        init(_ value: BigInteger) { self.value = value }
    }

    private let unscaled: Unscaled
    private let storedScale: Int32

    package var scale: Int { Int(storedScale) }

    package static let zero = SQLDecimal(0)

    package init(_ value: Int64) { self.init(unscaled: value, scale: 0) }

    /// `unscaled` · 10^-`scale`. The scale is within what an Int32 holds.
    package init(unscaled: Int64, scale: Int) {
        self.unscaled = .small(unscaled)
        storedScale = Int32(clamping: scale)
    }

    init(_ value: BigInteger, scale: Int) {
        unscaled = value.int64.map { .small($0) } ?? .large(LargeInteger(value))
        storedScale = Int32(clamping: scale)
    }

    private init(_ value: Int128, scale: Int) {
        if let small = Int64(exactly: value) {
            self.init(unscaled: small, scale: scale)
        } else {
            self.init(BigInteger(value), scale: scale)
        }
    }

    /// The bytes of Avro's and Connect's decimals: two's complement, most significant first.
    package init(bigEndian bytes: [UInt8], scale: Int) { self.init(BigInteger(bigEndian: bytes), scale: scale) }

    /// In as few bytes as Java's `BigInteger.toByteArray`.
    package var bigEndian: [UInt8] { integer.bigEndian }

    /// The unscaled value; nil when it takes more than 64 bits.
    package var unscaledInt64: Int64? { if case .small(let value) = unscaled { value } else { nil } }

    var integer: BigInteger {
        switch unscaled {
        case .small(let value): BigInteger(value)
        case .large(let value): value.value
        }
    }

    package var isNegative: Bool {
        switch unscaled {
        case .small(let value): value < 0
        case .large(let value): value.value.isNegative
        }
    }

    package var isZero: Bool { if case .small(0) = unscaled { true } else { false } }

    package var signum: Int { isZero ? 0 : (isNegative ? -1 : 1) }

    /// Digits of the unscaled value; 1 for zero.
    package var precision: Int {
        switch unscaled {
        case .small(let value):
            var rest = value.magnitude
            var count = 1
            while rest >= 10 {
                rest /= 10
                count += 1
            }
            return count
        case .large(let value): return value.value.digits.count
        }
    }

    static let powersOf10: [Int64] = {
        var powers: [Int64] = [1]
        for _ in 0..<18 { powers.append(powers[powers.count - 1] * 10) }
        return powers
    }()
}

// MARK: Order

extension SQLDecimal: Hashable {
    /// Same value and same scale, as Java's `equals`.
    package static func == (a: Self, b: Self) -> Bool {
        guard a.storedScale == b.storedScale else { return false }
        return switch (a.unscaled, b.unscaled) {
        case (.small(let a), .small(let b)): a == b
        case (.large(let a), .large(let b)): a.value == b.value
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(storedScale)
        switch unscaled {
        case .small(let value): hasher.combine(value)
        case .large(let value): hasher.combine(value.value)
        }
    }

    /// By value: 1.0 and 1.00 are the same.
    package func compare(to other: Self) -> Int {
        if storedScale == other.storedScale, let a = unscaledInt64, let b = other.unscaledInt64 {
            return a < b ? -1 : (a == b ? 0 : 1)
        }
        if signum != other.signum { return signum < other.signum ? -1 : 1 }
        if signum == 0 { return 0 }
        // Places before the point tell most numbers apart without aligning them.
        let places = precision - scale
        let otherPlaces = other.precision - other.scale
        if places != otherPlaces { return places < otherPlaces ? -signum : signum }
        let common = max(scale, other.scale)
        return aligned(to: common).compare(to: other.aligned(to: common))
    }

    private func aligned(to scale: Int) -> BigInteger { integer * BigInteger.powerOf10(scale - self.scale) }
}

// MARK: Arithmetic

extension SQLDecimal {
    package enum Rounding: Sendable { case halfUp, halfDown, down, up, floor, ceiling, halfEven }

    package static prefix func - (value: Self) -> Self {
        if let small = value.unscaledInt64 { return Self(-Int128(small), scale: value.scale) }
        return Self(-value.integer, scale: value.scale)
    }

    package var magnitude: Self { isNegative ? -self : self }

    package static func + (a: Self, b: Self) -> Self {
        let scale = max(a.scale, b.scale)
        if let x = a.int128(at: scale), let y = b.int128(at: scale) { return Self(x + y, scale: scale) }
        return Self(a.aligned(to: scale) + b.aligned(to: scale), scale: scale)
    }

    package static func - (a: Self, b: Self) -> Self { a + -b }

    package static func * (a: Self, b: Self) -> Self {
        let scale = a.scale + b.scale
        if let x = a.unscaledInt64, let y = b.unscaledInt64 { return Self(Int128(x) * Int128(y), scale: scale) }
        return Self(a.integer * b.integer, scale: scale)
    }

    /// The unscaled value at a scale that is not less, when it surely fits.
    private func int128(at scale: Int) -> Int128? {
        let difference = scale - self.scale
        guard let small = unscaledInt64, difference <= 18 else { return nil }
        return Int128(small) * Int128(Self.powersOf10[difference])
    }

    /// The quotient with `scale` digits behind the point.
    /// - Throws: `.arithmetic` when `divisor` is 0.
    package func dividing(
        by divisor: Self, scale: Int, rounding: Rounding
    ) throws(SQLTypesError) -> Self {
        try quotient(by: divisor, scale: scale, rounding: rounding).value
    }

    /// As `dividing`, and whether nothing was lost.
    private func quotient(
        by divisor: Self, scale: Int, rounding: Rounding
    ) throws(SQLTypesError) -> (value: Self, isExact: Bool) {
        guard !divisor.isZero else { throw SQLTypesError(.arithmetic, "Division by zero") }
        // self / divisor · 10^scale: the dividend is shifted, or the divisor when that is less.
        let shift = scale + divisor.scale - self.scale
        guard abs(shift) <= Self.digitsMax else { throw SQLTypesError(.overflow, "Underflow or overflow of a scale") }
        let dividend = shift > 0 ? integer * BigInteger.powerOf10(shift) : integer
        let by = shift < 0 ? divisor.integer * BigInteger.powerOf10(-shift) : divisor.integer
        let (quotient, remainder) = dividend.dividing(by: by)
        let isNegative = dividend.isNegative != by.isNegative
        let rounded = Self.round(quotient, remainder, by, isNegative: isNegative, rounding)
        return (Self(rounded, scale: scale), remainder.isZero)
    }

    /// The remainder of the division whose quotient is a whole number, with the sign of the dividend.
    /// - Throws: `.arithmetic` when `divisor` is 0.
    package func remainder(dividingBy divisor: Self) throws(SQLTypesError) -> Self {
        guard !divisor.isZero else { throw SQLTypesError(.arithmetic, "Division by zero") }
        let scale = max(self.scale, divisor.scale)
        return Self(aligned(to: scale).dividing(by: divisor.aligned(to: scale)).remainder, scale: scale)
    }

    private static func round(
        _ quotient: BigInteger, _ remainder: BigInteger, _ divisor: BigInteger, isNegative: Bool, _ rounding: Rounding
    ) -> BigInteger {
        guard !remainder.isZero else { return quotient }
        let half = BigInteger.compareMagnitudes((remainder + remainder).limbs, divisor.limbs)
        let isUp =
            switch rounding {
            case .down: false
            case .up: true
            case .floor: isNegative
            case .ceiling: !isNegative
            case .halfUp: half >= 0
            case .halfDown: half > 0
            case .halfEven: half > 0 || half == 0 && quotient.isOdd
            }
        guard isUp else { return quotient }
        return quotient + BigInteger((isNegative ? -1 : 1) as Int64)
    }

    /// The same number with `scale` digits behind the point; digits that have no room are rounded off.
    package func rescaled(to scale: Int, rounding: Rounding) -> Self {
        let difference = scale - self.scale
        if difference == 0 { return self }
        // Zero has no digits to shift, however far.
        if isZero { return Self(unscaled: 0, scale: scale) }
        if difference > 0 {
            if let value = int128(at: scale) { return Self(value, scale: scale) }
            return Self(aligned(to: scale), scale: scale)
        }
        if let small = unscaledInt64, -difference <= 18 {
            let divisor = Self.powersOf10[-difference]
            let (quotient, remainder) = small.quotientAndRemainder(dividingBy: divisor)
            if remainder == 0 { return Self(unscaled: quotient, scale: scale) }
            let half = remainder.magnitude * 2
            let isUp =
                switch rounding {
                case .down: false
                case .up: true
                case .floor: small < 0
                case .ceiling: small > 0
                case .halfUp: half >= divisor.magnitude
                case .halfDown: half > divisor.magnitude
                case .halfEven: half > divisor.magnitude || half == divisor.magnitude && quotient & 1 == 1
                }
            return Self(unscaled: isUp ? quotient + (small < 0 ? -1 : 1) : quotient, scale: scale)
        }
        // Beyond the digits that there are, more of them to drop change nothing.
        let drop = min(-difference, precision + 1)
        let divisor = BigInteger.powerOf10(drop)
        let (quotient, remainder) = integer.dividing(by: divisor)
        return Self(Self.round(quotient, remainder, divisor, isNegative: isNegative, rounding), scale: scale)
    }

    /// As `rescaled`, but only when no digit other than 0 is lost; nil otherwise, and for more than `digitsMax` zeros.
    package func rescaledExactly(to scale: Int) -> Self? {
        guard isZero || scale - self.scale <= Self.digitsMax else { return nil }
        let result = rescaled(to: scale, rounding: .down)
        return scale >= self.scale || result.compare(to: self) == 0 ? result : nil
    }

    /// With at most `digits` digits in all, rounded as Java's MathContext does.
    package func rounded(toPrecision digits: Int, rounding: Rounding) -> Self {
        var result = self
        while result.precision > digits {  // a second round when 9.99 became 10.0
            result = result.rescaled(to: result.scale - (result.precision - digits), rounding: rounding)
        }
        return result
    }

    /// Without zeros at the end.
    package var strippingTrailingZeros: Self {
        if isZero { return .zero }
        if var small = unscaledInt64 {
            var scale = self.scale
            while small % 10 == 0 {
                small /= 10
                scale -= 1
            }
            return Self(unscaled: small, scale: scale)
        }
        let digits = integer.digits
        let zeros = digits.reversed().prefix { $0 == 0x30 }.count
        return rescaled(to: scale - zeros, rounding: .down)
    }

    /// The integer part; what does not fit keeps its low bits, as Java's `longValue`.
    package var int64Truncating: Int64 {
        // A factor of 2^64 for each of 64 zeros: nothing is left of the low bits.
        if scale < -64 { return 0 }
        let whole = scale == 0 ? self : rescaled(to: 0, rounding: .down)
        return whole.unscaledInt64 ?? whole.integer.truncated
    }

    /// The nearest DOUBLE.
    package var doubleValue: Double {
        if let small = unscaledInt64, small.magnitude < 1 << 53, 0...22 ~= scale {
            return Double(small) / Self.doublePowersOf10[scale]  // both exact, so one rounding
        }
        return Double(description) ?? .nan
    }

    private static let doublePowersOf10: [Double] = {
        var powers: [Double] = [1]
        for _ in 0..<22 { powers.append(powers[powers.count - 1] * 10) }
        return powers
    }()

    /// All digits of a DOUBLE's binary value.
    /// - Throws: `.invalidText` for infinities and NaN, which have none.
    package init(exactly value: Double) throws(SQLTypesError) {
        guard value.isFinite else { throw SQLTypesError(.invalidText, "Infinite or NaN") }
        if value == 0 {
            self = .zero
            return
        }
        var significand = Int64(value.significandBitPattern)
        var exponent = Int(value.exponentBitPattern) - 1075
        if value.exponentBitPattern == 0 { exponent += 1 } else { significand |= 1 << 52 }
        let zeros = significand.trailingZeroBitCount
        significand >>= Int64(zeros)
        exponent += zeros
        let integer = BigInteger(value < 0 ? -significand : significand)
        if exponent >= 0 {
            self.init(integer.shifted(left: exponent), scale: 0)
        } else {
            self.init(integer * BigInteger.power(of: 5, -exponent), scale: -exponent)
        }
    }
}
