import SQLTypes

/// Functions of URLs.
enum URLFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "URL_DECODE_PARAM", .url, "A value of a query without its escapes.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(try decodedForm(values[0].textArgument))
                }
            ]),
        ScalarFunction(
            "URL_ENCODE_PARAM", .url, "A value with escapes where a query needs them.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(encodedForm(values[0].textArgument))
                }
            ]),
        part("URL_EXTRACT_FRAGMENT", "What stands behind the #, without escapes.") {
            $0.fragment.map(URLParts.decoded)
        },
        part("URL_EXTRACT_HOST", "The host.") { $0.host },
        part("URL_EXTRACT_PATH", "The path, without escapes.") { $0.path.map(URLParts.decoded) },
        part("URL_EXTRACT_PROTOCOL", "The scheme, such as https.") { $0.scheme },
        part("URL_EXTRACT_QUERY", "The query, without escapes.") { $0.query.map(URLParts.decoded) },
        ScalarFunction(
            "URL_EXTRACT_PORT", .url, "The port; null when the URL has none.",
            [
                .plain(["input": .string], .int) { values, _ throws(EvaluationError) in
                    try URLParts(values[0].textArgument).port.map { .int(Int32(clamping: $0)) } ?? .null
                }
            ]),
        ScalarFunction(
            "URL_EXTRACT_PARAMETER", .url, "The value of one parameter of the query; empty when it has none.",
            [
                .plain(["input": .string, "paramToFind": .string], .string) { values, _ throws(EvaluationError) in
                    guard let query = try URLParts(values[0].textArgument).query else { return .null }
                    for parameter in StringFunctions.parts(URLParts.decoded(query), "&") {
                        let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                        if String(pair[0]).isSame(as: values[1].textArgument) {
                            return .string(pair.count > 1 ? pair[1] : "")
                        }
                    }
                    return .null
                }
            ]),
    ]

    private static func part(
        _ name: String, _ description: String, _ extract: @escaping @Sendable (URLParts) -> String?
    ) -> ScalarFunction {
        ScalarFunction(
            name, .url, description,
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .optional(extract(try URLParts(values[0].textArgument)))
                }
            ])
    }

    /// application/x-www-form-urlencoded, as Java's URLDecoder reads it.
    private static func decodedForm(_ text: String) throws(EvaluationError) -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "+"): output.append(0x20)
            case UInt8(ascii: "%"):
                guard at + 2 < bytes.count, let high = Hexadecimal.digit(bytes[at + 1]),
                    let low = Hexadecimal.digit(bytes[at + 2])
                else { throw EvaluationError("URLDecoder: Illegal hex characters in escape (%) pattern: \(text)") }
                output.append(high << 4 | low)
                at += 2
            default: output.append(bytes[at])
            }
            at += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func encodedForm(_ text: String) -> String {
        var output: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "*"),
                UInt8(ascii: "_"):
                output.append(byte)
            case 0x20: output.append(UInt8(ascii: "+"))
            default: output += "%\(Hexadecimal.encode([byte], isUpperCase: true))".utf8
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

/// The parts of a URL as `java.net.URI` takes it apart (RFC 2396).
struct URLParts {
    private(set) var scheme: String?
    private(set) var host: String?
    private(set) var port: Int?
    /// Raw, as the next two are; nil for opaque URLs such as mailto:someone.
    private(set) var path: String?
    private(set) var query: String?
    private(set) var fragment: String?

    /// - Throws: "URL input has invalid syntax".
    init(_ text: String) throws(EvaluationError) {
        let invalid = EvaluationError("URL input has invalid syntax: \(text)")
        guard !text.isEmpty else {
            path = ""
            return
        }
        guard Self.isLegal(text) else { throw invalid }
        var rest = text[...]
        if let hash = rest.firstIndex(of: "#") {
            fragment = String(rest[rest.index(after: hash)...])
            guard fragment?.contains("#") == false else { throw invalid }
            rest = rest[..<hash]
        }
        if let colon = rest.firstIndex(where: { ":/?#".contains($0) }), rest[colon] == ":" {
            let name = rest[..<colon].utf8
            guard let first = name.first, Self.isLetter(first),
                name.allSatisfy({ Self.isLetter($0) || 0x30...0x39 ~= $0 || "+-.".utf8.contains($0) })
            else { throw invalid }
            scheme = String(rest[..<colon])
            rest = rest[rest.index(after: colon)...]
            guard !rest.isEmpty else { throw invalid }
            if !rest.hasPrefix("/") { return }  // opaque
        }
        if let mark = rest.firstIndex(of: "?") {
            query = String(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
            let authority = rest.prefix { $0 != "/" }
            rest = rest.dropFirst(authority.count)
            guard !authority.isEmpty || !rest.isEmpty || query != nil else { throw invalid }
            readServer(authority)
            // Only an IPv6 address has brackets.
            guard host != nil || !authority.contains(where: { "[]".contains($0) }) else { throw invalid }
        }
        guard !rest.contains(where: { $0 == "[" || $0 == "]" }) else { throw invalid }
        path = String(rest)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { 0x41...0x5A ~= byte || 0x61...0x7A ~= byte }

    /// Whether all characters may occur and every % begins an escape. Letters beyond ASCII may.
    private static func isLegal(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "%"):
                guard index + 2 < bytes.count, Hexadecimal.digit(bytes[index + 1]) != nil,
                    Hexadecimal.digit(bytes[index + 2]) != nil
                else { return false }
            case 0...0x20, 0x7F: return false
            case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
                UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
                return false
            default: break
            }
        }
        return !text.unicodeScalars.contains { !$0.isASCII && ($0.properties.isWhitespace || $0.value < 0xA0) }
    }

    /// user@host:port. What has no such form names no host, but is no error.
    private mutating func readServer(_ authority: Substring) {
        var server = authority
        if let at = server.lastIndex(of: "@") { server = server[server.index(after: at)...] }
        var name = server
        var number: Int?
        if server.hasPrefix("[") {
            guard let end = server.firstIndex(of: "]") else { return }
            name = server[...end]
            server = server[server.index(after: end)...]
            guard server.isEmpty || server.hasPrefix(":") else { return }
            guard name.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isLetter }) else {
                return
            }
            if server.count > 1 {
                guard let value = Int32(server.dropFirst()), value >= 0 else { return }
                number = Int(value)
            }
        } else {
            if let colon = server.firstIndex(of: ":") {
                name = server[..<colon]
                let digits = server[server.index(after: colon)...]
                if !digits.isEmpty {
                    guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let value = Int32(digits) else { return }
                    number = Int(value)
                }
            }
            guard Self.isHost(name) else { return }
        }
        host = String(name)
        port = number
    }

    /// Labels of letters, digits and inner hyphens; the last begins with a letter, unless all are an IPv4 address.
    private static func isHost(_ name: Substring) -> Bool {
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.last == "", labels.count > 1 { labels.removeLast() }
        guard
            labels.allSatisfy({ label in
                !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { isLetter($0) || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "-") }
            })
        else { return false }
        if labels.count == 4, labels.allSatisfy({ UInt8($0) != nil }) { return true }
        guard let first = labels.last?.utf8.first else { return false }
        return isLetter(first)
    }

    /// Without escapes; what they do not make UTF-8 of becomes U+FFFD.
    static func decoded(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "%")) else { return text }
        var output: [UInt8] = []
        var at = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count, let high = Hexadecimal.digit(bytes[at + 1]),
                let low = Hexadecimal.digit(bytes[at + 2])
            {
                output.append(high << 4 | low)
                at += 3
            } else {
                output.append(bytes[at])
                at += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
