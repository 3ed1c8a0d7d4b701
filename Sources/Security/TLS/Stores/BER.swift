/// Makes DER of BER: lengths that are not said beforehand, octet strings in parts (X.690, 8.1.3.6 and 8.7.3). Files in PKCS#12 may
/// be written so, and some programs do.
enum BER {
    private static let depthMax = 32
    /// Of a file; a store of all authorities of a system has some thousands.
    private static let elementCountMax = 200_000

    /// - Returns: the first element in DER; nil for what is neither. Elements with tags above 30, of which the formats here
    ///   have none, are not read.
    static func definite(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var rest = bytes
        var elementCount = 0
        return element(&rest, depth: 0, &elementCount)
    }

    private static func element(
        _ rest: inout ArraySlice<UInt8>, depth: Int, _ elementCount: inout Int
    ) -> [UInt8]? {
        elementCount += 1
        guard elementCount <= elementCountMax, depth < depthMax, let tag = rest.popFirst(), tag & 0x1F != 0x1F,
            let first = rest.popFirst()
        else {
            return nil
        }
        let isConstructed = tag & 0x20 != 0
        var parts: [[UInt8]] = []
        if first == 0x80 {
            guard isConstructed else { return nil }
            while !rest.starts(with: [0, 0]) {
                guard let part = element(&rest, depth: depth + 1, &elementCount) else { return nil }
                parts.append(part)
            }
            rest = rest.dropFirst(2)
        } else {
            guard let count = count(first, &rest), count <= rest.count else { return nil }
            var content = rest.prefix(count)
            rest = rest.dropFirst(count)
            guard isConstructed else { return encoded(tag, Array(content)) }
            while !content.isEmpty {
                guard let part = element(&content, depth: depth + 1, &elementCount) else { return nil }
                parts.append(part)
            }
        }
        guard tag == 0x24 else { return encoded(tag, Array(parts.joined())) }
        return octets(parts).map { encoded(0x04, $0) }
    }

    /// The contents of octet strings, one behind the other.
    private static func octets(_ parts: [[UInt8]]) -> [UInt8]? {
        var all: [UInt8] = []
        for part in parts {
            var reader = DER(part[...])
            guard let element = reader.element(), element.tag == 0x04 else { return nil }
            all += element.content
        }
        return all
    }

    private static func count(_ first: UInt8, _ rest: inout ArraySlice<UInt8>) -> Int? {
        guard first >= 0x80 else { return Int(first) }
        guard 1...4 ~= first & 0x7F else { return nil }
        var count = 0
        for _ in 0..<(first & 0x7F) {
            guard let byte = rest.popFirst() else { return nil }
            count = count << 8 | Int(byte)
        }
        return count
    }

    /// An element of DER.
    static func encoded(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        guard content.count >= 0x80 else { return [tag, UInt8(content.count)] + content }
        var length: [UInt8] = []
        var count = content.count
        while count > 0 {
            length.insert(UInt8(truncatingIfNeeded: count), at: 0)
            count >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}

extension DER {
    static let octetString: UInt8 = 0x04
    static let integer: UInt8 = 0x02

    /// The next element's object identifier as numbers with points; nil when it is none.
    mutating func objectIdentifier() -> String? {
        guard tag == Self.objectIdentifier, let element = element() else { return nil }
        return DistinguishedName.objectIdentifier(element.content)
    }

    /// The next element's octets; nil when it is no octet string.
    mutating func octets() -> [UInt8]? {
        guard tag == Self.octetString, let element = element() else { return nil }
        return Array(element.content)
    }

    /// The next element as a number that is not negative and has at most 31 bits; nil for anything else.
    mutating func number() -> Int? {
        guard tag == Self.integer, let element = element(), 1...5 ~= element.content.count else { return nil }
        let value = element.content.reduce(0) { $0 << 8 | Int($1) }
        guard element.content.first ?? 0x80 < 0x80, value <= Int(Int32.max) else { return nil }
        return value
    }
}
