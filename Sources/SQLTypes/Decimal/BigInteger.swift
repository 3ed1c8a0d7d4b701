/// An integer of any size: sign and magnitude, 32-bit limbs, the least first. Only what decimals need.
struct BigInteger: Hashable, Sendable {
    private(set) var isNegative: Bool
    /// Without leading zeros; empty for 0.
    private(set) var limbs: [UInt32]

    init(_ value: Int64) {
        isNegative = value < 0
        limbs = []
        var rest = value.magnitude
        while rest > 0 {
            limbs.append(UInt32(truncatingIfNeeded: rest))
            rest >>= 32
        }
    }

    init(_ value: Int128) {
        isNegative = value < 0
        limbs = []
        var rest = value.magnitude
        while rest > 0 {
            limbs.append(UInt32(truncatingIfNeeded: rest))
            rest >>= 32
        }
    }

    private init(isNegative: Bool, limbs: [UInt32]) {
        var limbs = limbs
        while limbs.last == 0 { limbs.removeLast() }
        self.limbs = limbs
        self.isNegative = isNegative && !limbs.isEmpty
    }

    /// Decimal digits; nil when `digits` has anything else.
    init?(digits: some Sequence<UInt8>, isNegative: Bool) {
        var limbs: [UInt32] = []
        var chunk: UInt32 = 0
        var factor: UInt32 = 1
        for digit in digits {
            guard 0x30...0x39 ~= digit else { return nil }
            chunk = chunk * 10 + UInt32(digit - 0x30)
            factor *= 10
            if factor == 1_000_000_000 {
                Self.multiplyAdd(&limbs, factor, chunk)
                chunk = 0
                factor = 1
            }
        }
        if factor > 1 { Self.multiplyAdd(&limbs, factor, chunk) }
        self.init(isNegative: isNegative, limbs: limbs)
    }

    /// Two's complement, most significant byte first, as Avro and Connect write decimals. No bytes are 0.
    init(bigEndian bytes: [UInt8]) {
        let isNegative = (bytes.first ?? 0) >= 0x80
        var limbs = [UInt32](repeating: 0, count: (bytes.count + 3) / 4)
        for (index, byte) in bytes.reversed().enumerated() {
            limbs[index / 4] |= UInt32(isNegative ? ~byte : byte) << (8 * UInt32(index % 4))
        }
        if isNegative { Self.multiplyAdd(&limbs, 1, 1) }
        self.init(isNegative: isNegative, limbs: limbs)
    }

    /// Two's complement, most significant byte first, in as few bytes as Java's `toByteArray`.
    var bigEndian: [UInt8] {
        var magnitude = limbs
        if isNegative {  // two's complement of a negative number is the complement of its magnitude less one
            var at = 0
            while at < magnitude.count {
                let (value, borrow) = magnitude[at].subtractingReportingOverflow(1)
                magnitude[at] = value
                guard borrow else { break }
                at += 1
            }
        }
        var bytes: [UInt8] = []
        for limb in magnitude.reversed() {
            for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: limb >> shift)) }
        }
        bytes = Array(bytes.drop { $0 == 0 })
        if (bytes.first ?? 0x80) >= 0x80 { bytes.insert(0, at: 0) }
        return isNegative ? bytes.map { ~$0 } : bytes
    }

    private static func multiplyAdd(_ limbs: inout [UInt32], _ factor: UInt32, _ addend: UInt32) {
        var carry = UInt64(addend)
        for index in limbs.indices {
            let value = UInt64(limbs[index]) * UInt64(factor) + carry
            limbs[index] = UInt32(truncatingIfNeeded: value)
            carry = value >> 32
        }
        if carry > 0 { limbs.append(UInt32(carry)) }
    }

    var isZero: Bool { limbs.isEmpty }
    var isOdd: Bool { (limbs.first ?? 0) & 1 == 1 }

    /// nil when it does not fit.
    var int64: Int64? {
        guard limbs.count <= 2 else { return nil }
        let magnitude = lowBits
        if isNegative { return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int64(exactly: magnitude)
    }

    /// The low 64 bits of the two's complement, as Java's `longValue`.
    var truncated: Int64 { Int64(truncatingIfNeeded: isNegative ? 0 &- lowBits : lowBits) }

    private var lowBits: UInt64 {
        UInt64(limbs.first ?? 0) | UInt64(limbs.count > 1 ? limbs[1] : 0) << 32
    }

    static prefix func - (value: Self) -> Self { Self(isNegative: !value.isNegative, limbs: value.limbs) }

    var magnitude: Self { Self(isNegative: false, limbs: limbs) }

    /// The order of the magnitudes.
    static func compareMagnitudes(_ a: [UInt32], _ b: [UInt32]) -> Int {
        if a.count != b.count { return a.count < b.count ? -1 : 1 }
        for index in a.indices.reversed() where a[index] != b[index] { return a[index] < b[index] ? -1 : 1 }
        return 0
    }

    func compare(to other: Self) -> Int {
        if isNegative != other.isNegative { return isNegative ? -1 : 1 }
        let order = Self.compareMagnitudes(limbs, other.limbs)
        return isNegative ? -order : order
    }

    static func + (a: Self, b: Self) -> Self {
        if a.isNegative == b.isNegative { return Self(isNegative: a.isNegative, limbs: add(a.limbs, b.limbs)) }
        return compareMagnitudes(a.limbs, b.limbs) >= 0
            ? Self(isNegative: a.isNegative, limbs: subtract(a.limbs, b.limbs))
            : Self(isNegative: b.isNegative, limbs: subtract(b.limbs, a.limbs))
    }

    static func - (a: Self, b: Self) -> Self { a + -b }

    private static func add(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
        var sum: [UInt32] = []
        sum.reserveCapacity(max(a.count, b.count) + 1)
        var carry: UInt64 = 0
        for index in 0..<max(a.count, b.count) {
            let value = UInt64(index < a.count ? a[index] : 0) + UInt64(index < b.count ? b[index] : 0) + carry
            sum.append(UInt32(truncatingIfNeeded: value))
            carry = value >> 32
        }
        if carry > 0 { sum.append(UInt32(carry)) }
        return sum
    }

    /// `a` is not less than `b`.
    private static func subtract(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
        var difference = a
        var borrow: UInt64 = 0
        for index in a.indices {
            let taken = UInt64(index < b.count ? b[index] : 0) + borrow
            let value = UInt64(a[index])
            difference[index] = UInt32(truncatingIfNeeded: value &- taken)
            borrow = value < taken ? 1 : 0
        }
        return difference
    }

    static func * (a: Self, b: Self) -> Self {
        var product = [UInt32](repeating: 0, count: a.limbs.count + b.limbs.count)
        for (i, x) in a.limbs.enumerated() {
            var carry: UInt64 = 0
            for (j, y) in b.limbs.enumerated() {
                let value = UInt64(x) * UInt64(y) + UInt64(product[i + j]) + carry
                product[i + j] = UInt32(truncatingIfNeeded: value)
                carry = value >> 32
            }
            product[i + b.limbs.count] = UInt32(truncatingIfNeeded: carry)
        }
        return Self(isNegative: a.isNegative != b.isNegative, limbs: product)
    }

    /// Rounds toward zero, the remainder has the sign of the dividend. `divisor` is not 0.
    func dividing(by divisor: Self) -> (quotient: Self, remainder: Self) {
        precondition(!divisor.isZero)
        if Self.compareMagnitudes(limbs, divisor.limbs) < 0 { return (Self(0 as Int64), self) }
        let parts =
            divisor.limbs.count == 1
            ? Self.divide(limbs, by: divisor.limbs[0]) : Self.divide(limbs, by: divisor.limbs)
        return (
            Self(isNegative: isNegative != divisor.isNegative, limbs: parts.0),
            Self(isNegative: isNegative, limbs: parts.1)
        )
    }

    private static func divide(_ a: [UInt32], by divisor: UInt32) -> ([UInt32], [UInt32]) {
        var quotient = a
        var remainder: UInt64 = 0
        for index in a.indices.reversed() {
            let value = remainder << 32 | UInt64(a[index])
            quotient[index] = UInt32(value / UInt64(divisor))
            remainder = value % UInt64(divisor)
        }
        return (quotient, [UInt32(remainder)])
    }

    /// Knuth's algorithm D; `b` has at least two limbs and `a` at least as many.
    private static func divide(_ a: [UInt32], by b: [UInt32]) -> ([UInt32], [UInt32]) {
        let shift = UInt32(b[b.count - 1].leadingZeroBitCount)
        let divisor = shiftLeft(b, shift)
        var rest = shiftLeft(a, shift)
        if rest.count == a.count { rest.append(0) }
        let n = b.count
        let high = UInt64(divisor[n - 1])
        let next = UInt64(divisor[n - 2])
        var quotient = [UInt32](repeating: 0, count: rest.count - n)
        for j in (0..<(rest.count - n)).reversed() {
            let top = UInt64(rest[j + n]) << 32 | UInt64(rest[j + n - 1])
            var guess = top / high
            var left = top % high
            while guess >> 32 != 0 || guess * next > (left << 32 | UInt64(rest[j + n - 2])) {
                guess -= 1
                left += high
                if left >> 32 != 0 { break }
            }
            var borrow: Int64 = 0
            var carry: UInt64 = 0
            for i in 0..<n {
                let product = guess * UInt64(divisor[i]) + carry
                carry = product >> 32
                let value = Int64(rest[i + j]) - borrow - Int64(product & 0xFFFF_FFFF)
                rest[i + j] = UInt32(truncatingIfNeeded: value)
                borrow = value < 0 ? 1 : 0
            }
            let value = Int64(rest[j + n]) - borrow - Int64(carry)
            rest[j + n] = UInt32(truncatingIfNeeded: value)
            if value < 0 {  // the guess was one too high
                guess -= 1
                var carry: UInt64 = 0
                for i in 0..<n {
                    let sum = UInt64(rest[i + j]) + UInt64(divisor[i]) + carry
                    rest[i + j] = UInt32(truncatingIfNeeded: sum)
                    carry = sum >> 32
                }
                rest[j + n] = UInt32(truncatingIfNeeded: UInt64(rest[j + n]) + carry)
            }
            quotient[j] = UInt32(truncatingIfNeeded: guess)
        }
        return (quotient, shiftRight(Array(rest[..<n]), shift))
    }

    private static func shiftLeft(_ limbs: [UInt32], _ shift: UInt32) -> [UInt32] {
        guard shift > 0 else { return limbs }
        var output: [UInt32] = []
        output.reserveCapacity(limbs.count + 1)
        var carry: UInt32 = 0
        for limb in limbs {
            output.append(limb << shift | carry)
            carry = limb >> (32 - shift)
        }
        if carry > 0 { output.append(carry) }
        return output
    }

    private static func shiftRight(_ limbs: [UInt32], _ shift: UInt32) -> [UInt32] {
        guard shift > 0 else { return limbs }
        var output = limbs
        for index in limbs.indices {
            output[index] = limbs[index] >> shift | (index + 1 < limbs.count ? limbs[index + 1] << (32 - shift) : 0)
        }
        return output
    }

    /// `self` · 2^`count`.
    func shifted(left count: Int) -> Self {
        let zeros = [UInt32](repeating: 0, count: count / 32)
        return Self(isNegative: isNegative, limbs: zeros + Self.shiftLeft(limbs, UInt32(count % 32)))
    }

    /// 10^`exponent`.
    static func powerOf10(_ exponent: Int) -> Self { power(of: 10, exponent) }

    /// `base`^`exponent`.
    static func power(of base: Int64, _ exponent: Int) -> Self {
        var result = Self(1 as Int64)
        var factor = Self(base)
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result = result * factor }
            rest >>= 1
            if rest > 0 { factor = factor * factor }
        }
        return result
    }

    /// The digits of the magnitude, at least one.
    var digits: [UInt8] {
        guard !limbs.isEmpty else { return [0x30] }
        var chunks: [UInt32] = []
        var rest = limbs
        while !rest.isEmpty {
            let (quotient, remainder) = Self.divide(rest, by: 1_000_000_000)
            chunks.append(remainder[0])
            rest = quotient
            while rest.last == 0 { rest.removeLast() }
        }
        var digits = Array(String(chunks[chunks.count - 1]).utf8)
        for chunk in chunks.dropLast().reversed() {
            let text = Array(String(chunk).utf8)
            digits += [UInt8](repeating: 0x30, count: 9 - text.count) + text
        }
        return digits
    }
}
