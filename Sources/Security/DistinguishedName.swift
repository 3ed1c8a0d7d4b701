import Bytes

/// The name that a certificate is for, as Java writes it and Kafka therefore names principals (RFC 2253).
///
/// - SeeAlso: `javax.security.auth.x500.X500Principal.getName()`; X.690 for DER, RFC 5280 for certificates.
package enum DistinguishedName {
    /// The subject of a certificate.
    ///
    /// - Parameter certificate: in DER.
    /// - Returns: nil for what is no certificate.
    package static func subject(ofCertificate certificate: [UInt8]) -> String? {
        var outer = DER(certificate[...])
        guard var whole = outer.next(tag: DER.sequence), var body = whole.next(tag: DER.sequence) else { return nil }
        if body.tag == 0xA0, body.element() == nil { return nil }  // the version, when it is not the first one
        // Serial number, algorithm, issuer, validity.
        for _ in 0..<4 where body.element() == nil { return nil }
        guard var subject = body.next(tag: DER.sequence) else { return nil }
        var parts: [String] = []
        while !subject.isEmpty {
            guard var set = subject.next(tag: DER.set) else { return nil }
            var attributes: [String] = []
            while !set.isEmpty {
                guard var attribute = set.next(tag: DER.sequence), let text = text(of: &attribute) else { return nil }
                attributes.append(text)
            }
            guard !attributes.isEmpty else { return nil }
            parts.append(attributes.joined(separator: "+"))
        }
        return parts.reversed().joined(separator: ",")
    }

    private static let keywords = [
        "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O",
        "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
    ]

    /// `KEYWORD=VALUE`, or the type as numbers with the value as hexadecimal DER where there is no keyword.
    private static func text(of attribute: inout DER) -> String? {
        guard let type = attribute.element(), type.tag == DER.objectIdentifier,
            let number = objectIdentifier(type.content), let value = attribute.element()
        else { return nil }
        guard let keyword = keywords[number], let text = string(value) else {
            return "\(number)=#\(hexadecimal(value.whole))"
        }
        return "\(keyword)=\(escaped(text))"
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// nil for what is no text.
    private static func string(_ value: DER.Element) -> String? {
        let bytes = value.content
        switch value.tag {
        case 0x0C, 0x13, 0x16: return String(validating: bytes, as: UTF8.self)
        case 0x14, 0x1B: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        case 0x1E:
            guard bytes.count.isMultiple(of: 2) else { return nil }
            let units = stride(from: bytes.startIndex, to: bytes.endIndex, by: 2).map {
                UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
            }
            return String(validating: units, as: UTF16.self)
        default: return nil
        }
    }

    /// As Java's `AVA.toRFC2253String`.
    private static func escaped(_ text: String) -> String {
        var result = ""
        let characters = Array(text.unicodeScalars)
        let leading = characters.prefix { $0 == " " }.count
        let trailing = characters.count - characters.reversed().prefix { $0 == " " }.count
        for (index, character) in characters.enumerated() {
            if character == "\0" {
                result += "\\00"
                continue
            }
            let isSpaceAtEnd = character == " " && (index < leading || index >= trailing)
            if isSpaceAtEnd || ",=+<>#;\"\\".unicodeScalars.contains(character) { result += "\\" }
            result.unicodeScalars.append(character)
        }
        return result
    }

    /// The content of an object identifier as numbers with points; nil for what is none.
    static func objectIdentifier(_ bytes: ArraySlice<UInt8>) -> String? {
        var numbers: [UInt64] = []
        var value: UInt64 = 0
        var isInside = false
        for byte in bytes {
            guard value < 1 << 56 else { return nil }
            value = value << 7 | UInt64(byte & 0x7F)
            isInside = byte >= 0x80
            if isInside { continue }
            if numbers.isEmpty {
                let first = min(value / 40, 2)
                numbers = [first, value - 40 * first]
            } else {
                numbers.append(value)
            }
            value = 0
        }
        guard !isInside, !numbers.isEmpty else { return nil }
        return numbers.map(String.init).joined(separator: ".")
    }
}

/// Walks over elements of DER.
struct DER {
    static let sequence: UInt8 = 0x30
    static let set: UInt8 = 0x31
    static let objectIdentifier: UInt8 = 0x06

    struct Element {
        var tag: UInt8
        var content: ArraySlice<UInt8>
        /// Tag and length included.
        var whole: ArraySlice<UInt8>
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isEmpty: Bool { rest.isEmpty }
    /// Of the element that is next.
    var tag: UInt8? { rest.first }

    /// The next element; nil when there is none, or not a whole one.
    mutating func element() -> Element? {
        var bytes = rest
        guard let tag = bytes.popFirst(), let first = bytes.popFirst() else { return nil }
        var count = Int(first)
        if first >= 0x80 {
            guard 1...4 ~= first & 0x7F else { return nil }
            count = 0
            for _ in 0..<(first & 0x7F) {
                guard let byte = bytes.popFirst() else { return nil }
                count = count << 8 | Int(byte)
            }
        }
        guard count <= bytes.count else { return nil }
        let element = Element(
            tag: tag, content: bytes.prefix(count), whole: rest.prefix(rest.count - bytes.count + count))
        rest = bytes.dropFirst(count)
        return element
    }

    /// What is in the next element, if its tag is this one.
    mutating func next(tag: UInt8) -> DER? {
        guard self.tag == tag, let element = element() else { return nil }
        return DER(element.content)
    }
}
