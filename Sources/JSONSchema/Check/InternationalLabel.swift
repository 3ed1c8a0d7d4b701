/// Labels of host names beyond ASCII.
///
/// - SeeAlso: RFC 5892, and its appendix A for the characters that depend on their neighbours.
enum InternationalLabel {
    static func isValid(_ label: [Unicode.Scalar]) -> Bool {
        guard let first = label.first, let last = label.last, first != "-", last != "-" else { return false }
        if label.count >= 4, label[2] == "-", label[3] == "-" { return false }
        switch first.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: return false
        default: break
        }
        var hasArabicDigit = false
        var hasExtendedDigit = false
        for (index, scalar) in label.enumerated() {
            if 0x660...0x669 ~= scalar.value { hasArabicDigit = true }
            if 0x6F0...0x6F9 ~= scalar.value { hasExtendedDigit = true }
            guard
                isAllowed(
                    scalar, before: index > 0 ? label[index - 1] : nil,
                    after: index + 1 < label.count ? label[index + 1] : nil, in: label)
            else { return false }
        }
        return !(hasArabicDigit && hasExtendedDigit)
    }

    private static func isAllowed(
        _ scalar: Unicode.Scalar, before: Unicode.Scalar?, after: Unicode.Scalar?, in label: [Unicode.Scalar]
    ) -> Bool {
        switch scalar.value {
        case 0xB7: return before == "l" && after == "l"
        case 0x375: return after.map { 0x370...0x3FF ~= $0.value || 0x1F00...0x1FFF ~= $0.value } ?? false
        case 0x5F3, 0x5F4: return before.map { 0x590...0x5FF ~= $0.value } ?? false
        case 0x30FB:
            return label.contains { 0x3040...0x30FF ~= $0.value && $0.value != 0x30FB || 0x4E00...0x9FFF ~= $0.value }
        case 0x200C, 0x200D:
            if before?.properties.canonicalCombiningClass == .virama { return true }
            // Between letters that join: those of the scripts that have such, as their types are not known here.
            func joins(_ scalar: Unicode.Scalar?) -> Bool {
                scalar.map { 0x620...0x7FF ~= $0.value || 0x840...0x8FF ~= $0.value || 0x1820...0x18AA ~= $0.value }
                    ?? false
            }
            return scalar.value == 0x200C && joins(before) && joins(after)
        // Exceptions of section 2.6: allowed, and not.
        case 0xDF, 0x3C2, 0x6FD, 0x6FE, 0xF0B, 0x3007: return true
        case 0x640, 0x7FA, 0x302E, 0x302F, 0x3031...0x3035, 0x303B: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .decimalNumber: return true
        case .uppercaseLetter: return true  // hosts are compared without case; most readers fold it
        default: return scalar == "-"
        }
    }
}

/// How labels beyond ASCII are written in ASCII (RFC 3492).
enum Punycode {
    private static func adapt(_ delta: Int, _ count: Int, isFirst: Bool) -> Int {
        var delta = isFirst ? delta / 700 : delta / 2
        delta += delta / count
        var k = 0
        while delta > 455 {
            delta /= 35
            k += 36
        }
        return k + 36 * delta / (delta + 38)
    }

    /// What follows `xn--`; nil when it is no Punycode.
    static func decode(_ bytes: ArraySlice<UInt8>) -> [Unicode.Scalar]? {
        var output: [UInt32] = []
        var rest = bytes
        if let mark = bytes.lastIndex(of: 0x2D) {
            output = bytes[..<mark].map { UInt32($0) }
            rest = bytes[(mark + 1)...]
        }
        var code = 128
        var place = 0
        var bias = 72
        var at = rest.startIndex
        while at < rest.endIndex {
            let start = place
            var weight = 1
            var k = 36
            while true {
                guard at < rest.endIndex else { return nil }
                let digit: Int
                switch rest[at] {
                case 0x61...0x7A: digit = Int(rest[at]) - 0x61
                case 0x41...0x5A: digit = Int(rest[at]) - 0x41
                case 0x30...0x39: digit = Int(rest[at]) - 0x30 + 26
                default: return nil
                }
                at += 1
                place += digit * weight
                guard place < 1 << 40, weight < 1 << 40 else { return nil }
                let limit = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias
                if digit < limit { break }
                weight *= 36 - limit
                k += 36
            }
            bias = adapt(place - start, output.count + 1, isFirst: start == 0)
            code += place / (output.count + 1)
            place %= output.count + 1
            guard code <= 0x10FFFF else { return nil }
            output.insert(UInt32(code), at: place)
            place += 1
        }
        let scalars = output.compactMap(Unicode.Scalar.init)
        return scalars.count == output.count ? scalars : nil
    }

    /// How many characters a label takes when it is encoded; nil for labels that are far too long.
    static func encodedCount(_ label: [Unicode.Scalar]) -> Int? {
        guard label.count <= 64 else { return nil }
        var handled = label.filter(\.isASCII).count
        let basicCount = handled
        var count = handled > 0 ? handled + 1 : 0
        var code = 128
        var delta = 0
        var bias = 72
        while handled < label.count {
            guard let next = label.map({ Int($0.value) }).filter({ $0 >= code }).min() else { return nil }
            delta += (next - code) * (handled + 1)
            code = next
            for scalar in label {
                if Int(scalar.value) < code { delta += 1 }
                guard Int(scalar.value) == code else { continue }
                var rest = delta
                var k = 36
                while true {
                    let limit = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias
                    count += 1
                    if rest < limit { break }
                    rest = (rest - limit) / (36 - limit)
                    k += 36
                }
                bias = adapt(delta, handled + 1, isFirst: handled == basicCount)
                delta = 0
                handled += 1
            }
            delta += 1
            code += 1
        }
        return count
    }
}
