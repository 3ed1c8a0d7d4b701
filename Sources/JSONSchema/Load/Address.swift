/// A URI reference in its five parts, and how one is resolved against another.
///
/// - SeeAlso: RFC 3986, sections 3 and 5.2; names that are no valid URIs go through as they are.
package struct Address: Hashable, Sendable, CustomStringConvertible {
    package var scheme: String?
    package var authority: String?
    package var path: String
    package var query: String?
    /// Still percent-encoded.
    package var fragment: String?

    package init(_ text: String) {
        var rest = text[...]
        if let hash = rest.firstIndex(of: "#") {
            fragment = String(rest[rest.index(after: hash)...])
            rest = rest[..<hash]
        }
        if let mark = rest.firstIndex(of: "?") {
            query = String(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        if let colon = rest.firstIndex(of: ":"), let first = rest.utf8.first, Self.isLetter(first),
            rest[..<colon].utf8.allSatisfy({
                Self.isLetter($0) || 0x30...0x39 ~= $0 || [0x2B, 0x2D, 0x2E].contains($0)
            })
        {
            scheme = rest[..<colon].lowercased()
            rest = rest[rest.index(after: colon)...]
        }
        if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex(of: "/") ?? rest.endIndex
            authority = String(rest[..<end])
            rest = rest[end...]
        }
        path = String(rest)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { 0x41...0x5A ~= byte || 0x61...0x7A ~= byte }

    package var description: String {
        let start = (scheme.map { $0 + ":" } ?? "") + (authority.map { "//" + $0 } ?? "")
        return start + path + (query.map { "?" + $0 } ?? "") + (fragment.map { "#" + $0 } ?? "")
    }

    /// Without the fragment: what names a document.
    package var document: String {
        var copy = self
        copy.fragment = nil
        return copy.description
    }

    /// What `reference` means in a document at this address.
    package func resolving(_ reference: String) -> Address {
        var target = Address(reference)
        if target.scheme != nil {
            target.path = Self.withoutDots(target.path)
            return target
        }
        target.scheme = scheme
        if target.authority != nil {
            target.path = Self.withoutDots(target.path)
            return target
        }
        target.authority = authority
        if target.path.isEmpty {
            target.path = path
            target.query = target.query ?? query
        } else if target.path.hasPrefix("/") {
            target.path = Self.withoutDots(target.path)
        } else if scheme == nil || authority != nil || path.contains("/") {  // urn:a:b has no folders
            let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? (authority == nil ? "" : "/")
            target.path = Self.withoutDots(folder + target.path)
        }
        return target
    }

    private static func withoutDots(_ path: String) -> String {
        guard path.contains(".") else { return path }
        var output: [Substring] = []
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            switch part {
            case ".": if isLast { output.append("") }
            case "..":
                if let last = output.last, last != "" || output.count > 1, last != ".." {
                    output.removeLast()
                } else if !path.hasPrefix("/") {
                    output.append(part)
                    continue
                }
                if isLast { output.append("") }
            default: output.append(part)
            }
        }
        return output.joined(separator: "/")
    }

    /// `%41` becomes `A`; what is no escape stays.
    static func percentDecoded(_ text: String) -> String {
        guard text.contains("%") else { return text }
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        var at = 0
        while at < bytes.count {
            if bytes[at] == 0x25, at + 2 < bytes.count,
                let byte = UInt8(String(decoding: bytes[(at + 1)...(at + 2)], as: UTF8.self), radix: 16)
            {
                output.append(byte)
                at += 3
            } else {
                output.append(bytes[at])
                at += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

/// A way into a JSON document, from RFC 6901.
package enum JSONPointer {
    /// `/a~1b/0` is `["a/b", "0"]`; nil when the text is no pointer.
    package static func steps(_ text: String) -> [String]? {
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { return nil }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { step in
            guard step.contains("~") else { return String(step) }
            var output = ""
            var isEscaped = false
            for scalar in step.unicodeScalars {
                if isEscaped {
                    output.unicodeScalars.append(scalar == "0" ? "~" : scalar == "1" ? "/" : scalar)
                    isEscaped = false
                } else if scalar == "~" {
                    isEscaped = true
                } else {
                    output.unicodeScalars.append(scalar)
                }
            }
            return output
        }
    }

    /// One step as it is written in a pointer.
    package static func escape(_ step: String) -> String {
        guard step.utf8.contains(where: { $0 == 0x7E || $0 == 0x2F }) else { return step }
        var output = ""
        for scalar in step.unicodeScalars {
            switch scalar {
            case "~": output += "~0"
            case "/": output += "~1"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }
}
