/// Values as text, the way CAST to STRING writes them.
package enum SQLText {
    /// The text of a value that is not null; "null" for one that is, as inside of containers.
    package static func text(of value: SQLValue, type: SQLType) -> String {
        var output = ""
        append(value, type, to: &output)
        return output
    }

    /// What Java's `toString` makes of a value: its decimals may have exponents, its times are those of java.sql. So
    /// are values written that stand in containers.
    package static func javaText(of value: SQLValue, type: SQLType) -> String {
        var output = ""
        append(value, type, isInside: true, to: &output)
        return output
    }

    private static func append(_ value: SQLValue, _ type: SQLType, isInside: Bool = false, to output: inout String) {
        switch value {
        case .null: output += "null"
        case .boolean(let value): output += value ? "true" : "false"
        case .int(let value): output += String(value)
        case .bigint(let value): output += String(value)
        case .double(let value): output += DoubleText.text(value)
        case .decimal(let value): output += isInside ? value.description : value.plainText
        case .string(let value): output += value
        case .bytes(let value): output += Base64.encode(value)
        case .time(let value): output += isInside ? TimeText.javaTime(value) : TimeText.time(value)
        case .date(let value): output += TimeText.date(value)
        case .timestamp(let value): output += isInside ? TimeText.javaTimestamp(value) : TimeText.timestamp(value)
        case .array(let elements):
            let elementType: SQLType = if case .array(let type) = type { type } else { .string }
            output += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { output += ", " }
                append(element, elementType, isInside: true, to: &output)
            }
            output += "]"
        case .map(let map):
            let (keyType, valueType): (SQLType, SQLType) =
                if case .map(let key, let value) = type { (key, value) } else { (.string, .string) }
            output += "{"
            for (index, entry) in map.javaOrdered.enumerated() {
                if index > 0 { output += ", " }
                append(entry.key, keyType, isInside: true, to: &output)
                output += "="
                append(entry.value, valueType, isInside: true, to: &output)
            }
            output += "}"
        case .structure(let values):
            // Fields without a value are left out.
            output += "Struct{"
            var isFirst = true
            for (value, field) in zip(values, type.fields ?? []) where !value.isNull {
                if !isFirst { output += "," }
                isFirst = false
                output += field.name + "="
                append(value, field.type, isInside: true, to: &output)
            }
            output += "}"
        }
    }
}

/// Base64 of RFC 4648, with padding.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (index, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(index) }
        return values
    }()

    package static func encode(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count + 2) / 3 * 4)
        var at = 0
        while at < bytes.count {
            let count = min(3, bytes.count - at)
            var group: UInt32 = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[at + offset]) : 0) }
            for digit in 0..<4 {
                output.append(
                    digit <= count ? alphabet[Int(group >> (18 - 6 * UInt32(digit)) & 63)] : UInt8(ascii: "="))
            }
            at += 3
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// As Java's decoder: padding may be missing, nothing else may stand between or behind; nil for anything else.
    package static func decode(_ text: String) -> [UInt8]? {
        var digits = Array(text.utf8)
        if digits.last == UInt8(ascii: "=") {
            guard digits.count % 4 == 0 else { return nil }
            digits.removeLast()
            if digits.last == UInt8(ascii: "=") { digits.removeLast() }
        }
        guard digits.count % 4 != 1 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(digits.count * 3 / 4)
        var group: UInt32 = 0
        var bits: UInt32 = 0
        for digit in digits {
            let value = values[Int(digit)]
            guard value != 0xFF else { return nil }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: group >> bits))
            }
        }
        return output
    }
}
