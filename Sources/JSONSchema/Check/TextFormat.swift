import Patterns

/// The formats of `format`: whether a text has one. Formats that nobody defined are had by every text.
///
/// - SeeAlso: JSON Schema validation 2020-12, section 7.3, and the RFCs named there.
enum TextFormat {
    static func accepts(_ text: String, format: String) -> Bool {
        switch format {
        case "date-time": isDateTime(text)
        case "date": isDate(text)
        case "time": isTime(text)
        case "duration": isDuration(text)
        case "email": isEmail(text, isInternational: false)
        case "idn-email": isEmail(text, isInternational: true)
        case "hostname": isHostName(text)
        case "idn-hostname": isInternationalHostName(text)
        case "ipv4": isIPv4(text)
        case "ipv6": isIPv6(text)
        case "uri": isURI(text, isInternational: false, needsScheme: true)
        case "uri-reference": isURI(text, isInternational: false, needsScheme: false)
        case "iri": isURI(text, isInternational: true, needsScheme: true)
        case "iri-reference": isURI(text, isInternational: true, needsScheme: false)
        case "uri-template": isURITemplate(text)
        case "uuid": isUUID(text)
        case "json-pointer": isJSONPointer(text)
        case "relative-json-pointer": isRelativeJSONPointer(text)
        case "regex": isExpression(text)
        default: true
        }
    }

    // MARK: Times (RFC 3339)

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard !bytes.isEmpty, bytes.count <= 9, bytes.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return bytes.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    static func isDate(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == 0x2D, bytes[7] == 0x2D, let year = number(bytes[0..<4]),
            let month = number(bytes[5..<7]), let day = number(bytes[8..<10]), 1...12 ~= month
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return 1...days[month - 1] ~= day
    }

    static func isTime(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count >= 9, bytes[2] == 0x3A, bytes[5] == 0x3A, let hour = number(bytes[0..<2]),
            let minute = number(bytes[3..<5]), let second = number(bytes[6..<8]), hour < 24, minute < 60, second < 61
        else { return false }
        var at = 8
        if bytes[at] == 0x2E {
            let digits = bytes[(at + 1)...].prefix { 0x30...0x39 ~= $0 }
            if digits.isEmpty { return false }
            at += 1 + digits.count
        }
        guard at < bytes.count else { return false }
        var offset = 0
        if bytes[at] | 0x20 == 0x7A {
            guard bytes.count == at + 1 else { return false }
        } else {
            guard bytes.count == at + 6, bytes[at] == 0x2B || bytes[at] == 0x2D, bytes[at + 3] == 0x3A,
                let hours = number(bytes[(at + 1)..<(at + 3)]), let minutes = number(bytes[(at + 4)..<(at + 6)]),
                hours < 24, minutes < 60
            else { return false }
            offset = (hours * 60 + minutes) * (bytes[at] == 0x2B ? 1 : -1)
        }
        // A leap second is the last one of a day in UTC.
        return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 == 1439
    }

    static func isDateTime(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count > 11, bytes[10] | 0x20 == 0x74 else { return false }
        return isDate(String(decoding: bytes[..<10], as: UTF8.self))
            && isTime(String(decoding: bytes[11...], as: UTF8.self))
    }

    /// ISO 8601 as appendix A of RFC 3339 has it.
    static func isDuration(_ text: String) -> Bool {
        guard text.utf8.first == 0x50 else { return false }
        func isRun(_ part: Substring, _ units: String) -> Bool {
            var rest = part.utf8[...]
            var unitsLeft = Array(units.utf8)[...]
            var isFirst = true
            while !rest.isEmpty {
                let digits = rest.prefix { 0x30...0x39 ~= $0 }
                rest = rest.dropFirst(digits.count)
                guard !digits.isEmpty, let unit = rest.popFirst() else { return false }
                guard let place = unitsLeft.firstIndex(of: unit) else { return false }
                // Units follow each other without a gap.
                if !isFirst, place != unitsLeft.startIndex { return false }
                unitsLeft = unitsLeft[(place + 1)...]
                isFirst = false
            }
            return !isFirst
        }
        let rest = text.dropFirst()
        if rest.utf8.last == 0x57 { return isRun(rest, "W") }
        let parts = rest.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return isRun(rest, "YMD") }
        return (parts[0].isEmpty || isRun(parts[0], "YMD")) && isRun(parts[1], "HMS")
    }

    // MARK: Hosts

    static func isIPv4(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                guard let value = number(ArraySlice(part)), part.count <= 3 else { return false }
                return value < 256 && (part.count == 1 || part.first != 0x30)
            }
    }

    static func isIPv6(_ text: String) -> Bool {
        let halves = text.components(separatedBy: "::")
        guard halves.count <= 2 else { return false }
        var count = 0
        for (index, half) in halves.enumerated() where !half.isEmpty {
            let groups = half.split(separator: ":", omittingEmptySubsequences: false)
            for (number, group) in groups.enumerated() {
                if group.utf8.contains(0x2E) {
                    guard index == halves.count - 1, number == groups.count - 1, isIPv4(String(group)) else {
                        return false
                    }
                    count += 2
                } else {
                    guard 1...4 ~= group.utf8.count, group.utf8.allSatisfy(isHexDigit) else { return false }
                    count += 1
                }
            }
        }
        return halves.count == 2 ? count <= 7 : count == 8
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x46 ~= byte || 0x61...0x66 ~= byte
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte
    }

    /// RFC 1123, section 2.1; labels that begin with `xn--` are RFC 5891's.
    static func isHostName(_ text: String) -> Bool {
        guard 1...253 ~= text.utf8.count else { return false }
        return text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
            guard isAlphanumeric(first), isAlphanumeric(last) else { return false }
            guard label.allSatisfy({ isAlphanumeric($0) || $0 == 0x2D }) else { return false }
            let bytes = Array(label)
            guard bytes.count >= 4, bytes[2] == 0x2D, bytes[3] == 0x2D else { return true }
            guard bytes[0] | 0x20 == 0x78, bytes[1] | 0x20 == 0x6E, bytes.count > 4 else { return false }
            guard let decoded = Punycode.decode(bytes[4...]) else { return false }
            return InternationalLabel.isValid(decoded)
        }
    }

    /// RFC 5890: labels of letters, digits and hyphens of all scripts.
    static func isInternationalHostName(_ text: String) -> Bool {
        let dots: Set<Unicode.Scalar> = [".", "\u{3002}", "\u{FF0E}", "\u{FF61}"]
        let labels = text.unicodeScalars.split(omittingEmptySubsequences: false) { dots.contains($0) }
        guard !text.isEmpty, text.utf8.count <= 1000 else { return false }
        return labels.allSatisfy { label in
            if label.allSatisfy(\.isASCII) { return isHostName(String(String.UnicodeScalarView(label))) }
            let scalars = Array(label)
            guard let encodedCount = Punycode.encodedCount(scalars), encodedCount + 4 <= 63 else { return false }
            return InternationalLabel.isValid(scalars)
        }
    }

    /// RFC 5321, section 4.1.2; RFC 6531 for the international ones.
    static func isEmail(_ text: String, isInternational: Bool) -> Bool {
        guard let mark = text.utf8.lastIndex(of: 0x40) else { return false }
        let local = text.utf8[..<mark]
        let domain = String(Substring(text.utf8[text.utf8.index(after: mark)...]))
        let atoms = Set("!#$%&'*+-/=?^_`{|}~.".utf8)
        func isAllowed(_ byte: UInt8) -> Bool {
            isAlphanumeric(byte) || atoms.contains(byte) || isInternational && byte > 0x7F
        }
        guard let first = local.first, let last = local.last else { return false }
        if first == 0x22 {
            guard local.count >= 2, last == 0x22 else { return false }
            var isEscaped = false
            for byte in local.dropFirst().dropLast() {
                if isEscaped {
                    isEscaped = false
                } else if byte == 0x5C {
                    isEscaped = true
                } else if byte == 0x22 {
                    return false
                }
                if byte < 0x20 || byte == 0x7F || byte > 0x7F && !isInternational { return false }
            }
            if isEscaped { return false }
        } else {
            guard first != 0x2E, last != 0x2E, local.allSatisfy(isAllowed) else { return false }
            if String(Substring(local)).contains("..") { return false }
        }
        if domain.hasPrefix("["), domain.hasSuffix("]") {
            let address = String(domain.dropFirst().dropLast())
            return address.hasPrefix("IPv6:") ? isIPv6(String(address.dropFirst(5))) : isIPv4(address)
        }
        return isInternational ? isInternationalHostName(domain) : isHostName(domain)
    }

    // MARK: Addresses (RFC 3986, 3987, 6570)

    static func isURI(_ text: String, isInternational: Bool, needsScheme: Bool) -> Bool {
        let address = Address(text)
        if needsScheme, address.scheme == nil { return false }
        let plain = Set("-._~!$&'()*+,;=:@/?".utf8)
        func isText(_ text: String, _ more: Set<UInt8> = []) -> Bool {
            let bytes = Array(text.utf8)
            for (index, byte) in bytes.enumerated() {
                if isAlphanumeric(byte) || plain.contains(byte) || more.contains(byte) { continue }
                if byte > 0x7F, isInternational { continue }
                guard byte == 0x25, index + 2 < bytes.count, isHexDigit(bytes[index + 1]), isHexDigit(bytes[index + 2])
                else { return false }
            }
            return true
        }
        guard isText(address.path), isText(address.query ?? ""), isText(address.fragment ?? "") else { return false }
        // A first segment with a colon would be a scheme.
        if address.scheme == nil, address.authority == nil,
            address.path.prefix(while: { $0 != "/" }).contains(":")
        {
            return false
        }
        guard let authority = address.authority else { return true }
        var host = authority[...]
        if let mark = host.lastIndex(of: "@") {
            guard isText(String(host[..<mark])), !host[..<mark].contains("@") else { return false }
            host = host[host.index(after: mark)...]
        }
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return false }
            let literal = host[host.index(after: host.startIndex)..<end]
            guard isIPv6(String(literal)) || literal.lowercased().hasPrefix("v") else { return false }
            host = host[host.index(after: end)...]
            return host.isEmpty || host.hasPrefix(":") && host.dropFirst().utf8.allSatisfy { 0x30...0x39 ~= $0 }
        }
        if let colon = host.lastIndex(of: ":") {
            guard host[host.index(after: colon)...].utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return false }
            host = host[..<colon]
        }
        return isText(String(host)) && !host.contains(":")
    }

    static func isURITemplate(_ text: String) -> Bool {
        var isOpen = false
        var expression = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "{":
                if isOpen { return false }
                isOpen = true
                expression = ""
            case "}":
                guard isOpen, isTemplateExpression(expression) else { return false }
                isOpen = false
            default:
                if isOpen {
                    expression.unicodeScalars.append(scalar)
                } else if scalar.value <= 0x20 || scalar == "\u{7F}" || "\"'<>\\^`|".unicodeScalars.contains(scalar) {
                    return false
                }
            }
        }
        return !isOpen
    }

    private static func isTemplateExpression(_ text: String) -> Bool {
        var rest = text[...]
        if let first = rest.first, "+#./;?&=,!@|".contains(first) { rest = rest.dropFirst() }
        return rest.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { variable in
            var name = variable
            if name.hasSuffix("*") {
                name = name.dropLast()
            } else if let colon = name.firstIndex(of: ":") {
                let length = name[name.index(after: colon)...]
                guard 1...4 ~= length.utf8.count, length.utf8.first != 0x30,
                    length.utf8.allSatisfy({ 0x30...0x39 ~= $0 })
                else { return false }
                name = name[..<colon]
            }
            return !name.isEmpty && name.utf8.allSatisfy { isAlphanumeric($0) || [0x5F, 0x2E, 0x25].contains($0) }
        }
    }

    // MARK: The rest

    static func isUUID(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: 0x2D, omittingEmptySubsequences: false)
        return groups.map(\.count) == [8, 4, 4, 4, 12] && groups.allSatisfy { $0.allSatisfy(isHexDigit) }
    }

    static func isJSONPointer(_ text: String) -> Bool {
        guard text.isEmpty || text.hasPrefix("/") else { return false }
        let bytes = Array(text.utf8)
        return bytes.indices.allSatisfy { index in
            bytes[index] != 0x7E || index + 1 < bytes.count && (bytes[index + 1] == 0x30 || bytes[index + 1] == 0x31)
        }
    }

    static func isRelativeJSONPointer(_ text: String) -> Bool {
        let digits = text.utf8.prefix { 0x30...0x39 ~= $0 }
        guard !digits.isEmpty, digits.count == 1 || digits.first != 0x30 else { return false }
        let rest = String(Substring(text.utf8.dropFirst(digits.count)))
        return rest == "#" || isJSONPointer(rest)
    }

    static func isExpression(_ text: String) -> Bool {
        do throws(PatternError) {
            return try ECMAExpression(text).isStandard
        } catch {
            return false
        }
    }
}

extension String {
    /// The parts between all occurrences of `separator`.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var part: [UInt8] = []
        let bytes = Array(utf8)
        let mark = Array(separator.utf8)
        var at = 0
        while at < bytes.count {
            if bytes[at...].starts(with: mark) {
                parts.append(String(decoding: part, as: UTF8.self))
                part = []
                at += mark.count
            } else {
                part.append(bytes[at])
                at += 1
            }
        }
        return parts + [String(decoding: part, as: UTF8.self)]
    }
}
