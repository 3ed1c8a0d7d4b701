import SQLTypes

/// Numbers and moments as Java prints them.
enum JavaText {
    /// `Float.toString` of JDK 19 and later: the shortest digits that read as the same float.
    static func text(_ value: Float) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        let sign = value < 0 ? "-" : ""
        // Swift's digits are the shortest too; what differs is where the point goes.
        let shown = Array(value.magnitude.description.utf8)
        let parts = shown.split(separator: UInt8(ascii: "e"), omittingEmptySubsequences: false)
        let mantissa = parts[0].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        var exponent = parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
        var digits = Array(mantissa[0])
        exponent += digits.count
        if mantissa.count > 1 { digits += mantissa[1] }
        while digits.count > 1, digits.first == 0x30 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        func string(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
        // The value is 0.digits * 10^exponent.
        if value.magnitude >= 1e-3, value.magnitude < 1e7 {
            if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + string(digits) }
            if exponent >= digits.count {
                return sign + string(digits) + String(repeating: "0", count: exponent - digits.count) + ".0"
            }
            return sign + string(digits[..<exponent]) + "." + string(digits[exponent...])
        }
        let rest = digits.count > 1 ? string(digits.dropFirst()) : "0"
        return sign + string(digits.prefix(1)) + "." + rest + "E" + String(exponent - 1)
    }

    static func text(_ value: Double) -> String { DoubleText.text(value) }

    static let millisOfDay: Int64 = 86_400_000

    /// A moment as `Values.dateFormatFor` prints it: before the second day a time, at midnight a date, else both.
    static func instant(_ millis: Int64) -> String {
        if millis < millisOfDay { return time(millis) }
        if millis % millisOfDay == 0 { return date(millis) }
        return date(millis) + "T" + time(millis)
    }

    private static func date(_ millis: Int64) -> String {
        let date = JavaDate(days: floorDiv(Int(millis), Int(millisOfDay)))
        return pad(date.year, 4) + "-" + pad(date.month, 2) + "-" + pad(date.day, 2)
    }

    static func civil(_ millis: Int64) -> (year: Int, month: Int, day: Int) {
        let date = CivilDate(days: floorDiv(Int(millis), Int(millisOfDay)))
        return (date.year, date.month, date.day)
    }

    private static func time(_ millis: Int64) -> String {
        let rest = floorMod(Int(millis), Int(millisOfDay))
        return pad(rest / 3_600_000, 2) + ":" + pad(rest / 60_000 % 60, 2) + ":" + pad(rest / 1000 % 60, 2) + "."
            + pad(rest % 1000, 3) + "Z"
    }

    static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value.magnitude)
        return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// Java's `Object.toString` of a value, as string converters and casts show it.
    static func string(_ value: ConnectValue) -> String { string(value, depth: 0) }

    private static func string(_ value: ConnectValue, depth: Int) -> String {
        guard depth < ConnectSchema.depthMax else { return "..." }
        switch value {
        case .null: return "null"
        case .int8(let value): return String(value)
        case .int16(let value): return String(value)
        case .int32(let value): return String(value)
        case .int64(let value): return String(value)
        case .float32(let value): return text(value)
        case .float64(let value): return text(value)
        case .boolean(let value): return value ? "true" : "false"
        case .string(let value): return value
        // Java shows an array's identity, which nobody can use.
        case .bytes(let bytes): return Base64.encode(bytes)
        case .decimal(let value): return value.description
        case .instant(let millis): return SimpleDateText.javaDate(millis)
        case .array(let elements):
            return "[" + elements.map { string($0, depth: depth + 1) }.joined(separator: ", ") + "]"
        case .map(let map):
            let entries = map.entries.map {
                string($0.key, depth: depth + 1) + "=" + string($0.value, depth: depth + 1)
            }
            return "{" + entries.joined(separator: ", ") + "}"
        case .structure(let structure):
            var parts: [String] = []
            for (index, field) in structure.schema.fields.enumerated() where !structure.values[index].isNull {
                parts.append(field.name + "=" + string(structure.values[index], depth: depth + 1))
            }
            return "Struct{" + parts.joined(separator: ",") + "}"
        }
    }
}
