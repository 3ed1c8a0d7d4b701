/// Secrets inside of values that are none as a whole: passwords in addresses, headers that let somebody in.
struct SecretParts {
    private let bytes: [UInt8]
    /// Where secrets are, in order.
    private(set) var ranges: [Range<Int>] = []

    /// - Parameters:
    ///   - name: of the option, as of a connector.
    ///   - value: what it is set to.
    init(of name: String, in value: String) {
        bytes = Array(value.utf8)
        if name.lowercased().contains("headers") { findHeaders() }
        if bytes.contains(UInt8(ascii: ":")) {
            findParameters()  // first: a password there may look like what stands before a host
            findUserInformation()
        }
        ranges.sort { $0.lowerBound < $1.lowerBound }
    }

    /// The value with `text` in place of each secret.
    func replaced(by text: String) -> String { replaced(ranges.map { _ in Array(text.utf8) }) }

    /// `value` with the secrets of this one where it has `text`; nil when it has another number of them.
    func restored(_ value: String, hiddenBy text: String) -> String? {
        let parts = Self.split(Array(value.utf8), at: Array(text.utf8))
        guard parts.count == ranges.count + 1 else { return nil }
        var result = Array(parts[0])
        for (range, part) in zip(ranges, parts.dropFirst()) { result += bytes[range] + part }
        return String(decoding: result, as: UTF8.self)
    }

    private func replaced(_ texts: [[UInt8]]) -> String {
        var result: [UInt8] = []
        var at = 0
        for (range, text) in zip(ranges, texts) {
            result += bytes[at..<range.lowerBound] + text
            at = range.upperBound
        }
        return String(decoding: result + bytes[at...], as: UTF8.self)
    }

    private static func split(_ bytes: [UInt8], at separator: [UInt8]) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var (start, at) = (0, 0)
        while at < bytes.count {
            if bytes[at...].starts(with: separator) {
                parts.append(bytes[start..<at])
                at += separator.count
                start = at
            } else {
                at += 1
            }
        }
        return parts + [bytes[start...]]
    }

    private mutating func hide(_ range: Range<Int>) {
        guard !range.isEmpty, !ranges.contains(where: { $0.overlaps(range) }) else { return }
        let text = String(decoding: bytes[range], as: UTF8.self)
        if text.hasPrefix("${"), text.hasSuffix("}") { return }  // a reference to a secret is none
        ranges.append(range)
    }

    // MARK: Addresses

    /// `http://user:PASSWORD@host`.
    private mutating func findUserInformation() {
        let mark = Array("://".utf8)
        var at = 0
        while at < bytes.count {
            guard bytes[at...].starts(with: mark) else {
                at += 1
                continue
            }
            at += mark.count
            let authority = bytes[at...].prefix { !Self.endOfAuthority.contains($0) }
            guard let end = authority.lastIndex(of: UInt8(ascii: "@")),
                let colon = authority[..<end].firstIndex(of: UInt8(ascii: ":"))
            else { continue }
            hide(colon + 1..<end)
            at = end
        }
    }

    private static let endOfAuthority = Set("/?# \"'<>\n\r\t".utf8)

    /// `?user=u&password=SECRET`, and with semicolons, as SQL Server's.
    private mutating func findParameters() {
        for at in bytes.indices where bytes[at] == UInt8(ascii: "=") {
            let name = name(before: at)
            guard name.lowerBound > 0, Self.beforeParameter.contains(bytes[name.lowerBound - 1]),
                Self.isSecretParameter(String(decoding: bytes[name], as: UTF8.self))
            else { continue }
            let value = bytes[(at + 1)...].prefix { !Self.endOfParameter.contains($0) }
            hide(value.startIndex..<value.endIndex)
        }
    }

    private static let beforeParameter = Set("?&;".utf8)
    private static let endOfParameter = Set("&;# \"'\n\r\t".utf8)

    private static func isSecretParameter(_ name: String) -> Bool {
        let name = name.lowercased()
        return SecretMask.isSecret(name) || name == "pwd" || name == "sig" || name == "key"
            || ["access_key", "api_key", "private_key"].contains { name.contains($0) }
    }

    // MARK: Headers

    /// `Authorization:Bearer SECRET,Accept:text/plain`; between headers stand commas or bars.
    private mutating func findHeaders() {
        var starts: [(name: Range<Int>, value: Int)] = []
        for at in bytes.indices where bytes[at] == UInt8(ascii: ":") {
            let name = name(before: at)
            let before = bytes[..<name.lowerBound].last { $0 != UInt8(ascii: " ") }
            guard !name.isEmpty, before == nil || Self.betweenHeaders.contains(before ?? 0) else { continue }
            starts.append((name, at + 1))
        }
        for (index, start) in starts.enumerated() {
            guard Self.isSecretHeader(String(decoding: bytes[start.name], as: UTF8.self)) else { continue }
            var end = bytes.count
            if index + 1 < starts.count {
                let next = starts[index + 1].name.lowerBound
                end = bytes[..<next].lastIndex { Self.betweenHeaders.contains($0) } ?? next
            }
            var first = start.value
            while first < end, bytes[first] == UInt8(ascii: " ") { first += 1 }
            if first < end { hide(first..<end) }
        }
    }

    private static let betweenHeaders = Set(",|;\n\r".utf8)

    private static func isSecretHeader(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["auth", "cookie", "key", "token", "secret", "password", "credential", "signature"].contains {
            name.contains($0)
        }
    }

    private func name(before end: Int) -> Range<Int> {
        (bytes[..<end].lastIndex { !Self.isOfName($0) }.map { $0 + 1 } ?? 0)..<end
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
