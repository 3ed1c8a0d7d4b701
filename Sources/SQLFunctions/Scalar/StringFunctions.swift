import SQLTypes

/// Functions of texts.
enum StringFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "CHR", .string, "The character of a code point, or of a text such as \\u004b; null when there is none.",
            [
                .plain(["decimalCode": .int], .string) { values, _ throws(EvaluationError) in
                    let code = values[0].intArgument
                    guard 0...0x10FFFF ~= code else { return .null }
                    return .string(Unicode.Scalar(UInt32(code)).map { String($0) } ?? "\u{FFFD}")
                },
                .plain(["utf16Code": .string], .string) { values, _ throws(EvaluationError) in
                    .optional(unescaped(values[0].textArgument))
                },
            ]),
        ScalarFunction(
            "CONCAT", .string, "The texts or bytes one after the other; nulls count as empty.",
            [
                .nullable(["inputs...": .string], .string) { values, context throws(EvaluationError) in
                    try context.limits.check(values.lazy.map { $0.string?.utf8.count ?? 0 }, "CONCAT")
                    var text = ""
                    for value in values { text += value.string ?? "" }
                    return .string(text)
                },
                .nullable(["inputs...": .bytes], .bytes) { values, context throws(EvaluationError) in
                    try context.limits.check(values.lazy.map { $0.bytes?.count ?? 0 }, "CONCAT")
                    var bytes: [UInt8] = []
                    for value in values { bytes += value.bytes ?? [] }
                    return .bytes(bytes)
                },
            ]),
        ScalarFunction(
            "CONCAT_WS", .string, "The texts or bytes that are not null, with a separator between them.",
            [
                .nullable(["separator": .string, "inputs...": .string], .string) {
                    values, context throws(EvaluationError) in
                    guard values.count > 1 else { throw atLeastTwo }
                    guard let separator = values[0].string else { return .null }
                    let between = separator.utf8.count
                    try context.limits.check(
                        values.dropFirst().lazy.map { ($0.string?.utf8.count ?? 0) + between }, "CONCAT_WS")
                    return .string(values.dropFirst().compactMap(\.string).joined(separator: separator))
                },
                .nullable(["separator": .bytes, "inputs...": .bytes], .bytes) {
                    values, context throws(EvaluationError) in
                    guard values.count > 1 else { throw atLeastTwo }
                    guard let separator = values[0].bytes else { return .null }
                    let between = separator.count
                    try context.limits.check(
                        values.dropFirst().lazy.map { ($0.bytes?.count ?? 0) + between }, "CONCAT_WS")
                    return .bytes(Array(values.dropFirst().compactMap(\.bytes).joined(separator: separator)))
                },
            ]),
        ScalarFunction(
            "ELT", .string, "The text at a place of the list, which begins with 1; null when there is none.",
            [
                .nullable(["pos": .int, "args...": .string], .string) { values, _ throws(EvaluationError) in
                    guard !values[0].isNull else { return .null }
                    let place = values[0].intArgument
                    return place >= 1 && place < values.count ? values[place] : .null
                }
            ]),
        ScalarFunction(
            "FIELD", .string, "The place of a text in the list, which begins with 1; 0 when it is not there.",
            [
                .nullable(["str": .string, "args...": .string], .int) { values, _ throws(EvaluationError) in
                    guard !values[0].isNull else { return .int(0) }
                    let place = values.dropFirst().firstIndex(of: values[0]) ?? 0
                    return .int(Int32(clamping: place))
                }
            ]),
        ScalarFunction(
            "INITCAP", .string, "Every word with a large first letter and small other ones.",
            [
                .plain(["str": .string], .string) { values, _ throws(EvaluationError) in
                    .string(capitalized(values[0].textArgument))
                }
            ]),
        ScalarFunction(
            "INSTR", .string, "The place of a text inside of another, which begins with 1; 0 when it is not there.",
            [
                .nullable(["str": .string, "substring": .string], .int) { values, _ throws(EvaluationError) in
                    .int(place(values, position: 1, occurrence: 1))
                },
                .nullable(
                    ["str": .string, "substring": .string, "position": .int], .int,
                    "Looking from a place on, or backwards from a place counted from the end when it is negative."
                ) { values, _ throws(EvaluationError) in
                    .int(place(values, position: values[2].intArgument, occurrence: 1))
                },
                .nullable(
                    ["str": .string, "substring": .string, "position": .int, "occurrence": .int], .int,
                    "Which of several occurrences."
                ) { values, _ throws(EvaluationError) in
                    .int(place(values, position: values[2].intArgument, occurrence: values[3].intArgument))
                },
            ]),
        ScalarFunction(
            "LCASE", .string, "The text in small letters.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(values[0].textArgument.smallLetters)
                }
            ]),
        ScalarFunction(
            "UCASE", .string, "The text in capital letters.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(values[0].textArgument.uppercased())
                }
            ]),
        ScalarFunction(
            "LEN", .string, "The number of characters of a text, in UTF-16 units, or of bytes.",
            [
                .plain(["input": .string], .int) { values, _ throws(EvaluationError) in
                    .int(Int32(clamping: values[0].textArgument.utf16.count))
                },
                .plain(["input": .bytes], .int) { values, _ throws(EvaluationError) in
                    .int(Int32(clamping: values[0].bytesArgument.count))
                },
            ]),
        ScalarFunction(
            "MD5", .string, "The MD5 sum of the text's UTF-8 bytes, as hexadecimal digits.",
            [
                .plain(["s": .string], .string) { values, _ throws(EvaluationError) in
                    .string(Hexadecimal.encode(MD5.digest(Array(values[0].textArgument.utf8)), isUpperCase: false))
                }
            ]),
        ScalarFunction(
            "REPLACE", .string, "The text with every occurrence of one text replaced by another.",
            [
                .plain(["str": .string, "oldStr": .string, "newStr": .string], .string) {
                    values, context throws(EvaluationError) in
                    .string(
                        try replaced(
                            values[0].textArgument, values[1].textArgument, values[2].textArgument, context.limits))
                }
            ]),
        ScalarFunction(
            "SPLIT", .string, "The parts between the occurrences of a delimiter; its characters when that is empty.",
            [
                .plain(["string": .string, "delimiter": .string], .array(.string)) {
                    values, context throws(EvaluationError) in
                    .array(try split(values[0].textArgument, values[1].textArgument, context.limits))
                },
                .plain(["bytes": .bytes, "delimiter": .bytes], .array(.bytes)) {
                    values, context throws(EvaluationError) in
                    let (bytes, delimiter) = (values[0].bytesArgument, values[1].bytesArgument)
                    if bytes.isEmpty { return .array([.bytes([])]) }
                    if delimiter.isEmpty {
                        try context.limits.check(elementCount: bytes.count, "SPLIT")
                        return .array(bytes.map { .bytes([$0]) })
                    }
                    return .array(try split(bytes, delimiter, context.limits).map { .bytes(Array($0)) })
                },
            ]),
        ScalarFunction(
            "SPLIT_TO_MAP", .map, "The entries of a text that has keys and values between two kinds of delimiters.",
            [
                .plain(
                    ["input": .string, "entryDelimiter": .string, "kvDelimiter": .string],
                    .map(key: .string, value: .string)
                ) { values, _ throws(EvaluationError) in
                    splitToMap(values[0].textArgument, values[1].textArgument, values[2].textArgument)
                }
            ]),
        ScalarFunction(
            "SUBSTRING", .string, "A part of a text or of bytes, from a place on, which begins with 1.",
            [
                .plain(["str": .string, "pos": .int], .string, "To the end.") {
                    values, context throws(EvaluationError) in
                    let text = UTF16Text(values[0].textArgument)
                    return .string(text.text(part(text.count, values[1].intArgument, nil, context.limits)))
                },
                .plain(["str": .string, "pos": .int, "length": .int], .string, "So many characters.") {
                    values, context throws(EvaluationError) in
                    let text = UTF16Text(values[0].textArgument)
                    return .string(
                        text.text(part(text.count, values[1].intArgument, values[2].intArgument, context.limits)))
                },
                .plain(["bytes": .bytes, "pos": .int], .bytes, "To the end.") {
                    values, context throws(EvaluationError) in
                    let bytes = values[0].bytesArgument
                    return .bytes(Array(bytes[part(bytes.count, values[1].intArgument, nil, context.limits)]))
                },
                .plain(["bytes": .bytes, "pos": .int, "length": .int], .bytes, "So many bytes.") {
                    values, context throws(EvaluationError) in
                    let bytes = values[0].bytesArgument
                    return .bytes(
                        Array(bytes[part(bytes.count, values[1].intArgument, values[2].intArgument, context.limits)]))
                },
            ]),
        ScalarFunction(
            "TRIM", .string, "The text without white space at both ends.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(NumberText.trim(values[0].textArgument))
                }
            ]),
        ScalarFunction(
            "UUID", .string, "A new random identifier, or the text of the 16 bytes of one.",
            [
                .plain([:], .string) { _, context throws(EvaluationError) in
                    var bytes: [UInt8] = []
                    for word in [context.random(), context.random()] {
                        for shift in stride(from: UInt64(56), through: 0, by: -8) {
                            bytes.append(UInt8(truncatingIfNeeded: word >> shift))
                        }
                    }
                    bytes[6] = bytes[6] & 0x0F | 0x40  // version 4
                    bytes[8] = bytes[8] & 0x3F | 0x80
                    return .optional(identifier(bytes))
                },
                .plain(["bytes": .bytes], .string) { values, _ throws(EvaluationError) in
                    .optional(identifier(values[0].bytesArgument))
                },
            ]
        ).volatile,
    ]

    private static let atLeastTwo = EvaluationError("Function Concat_WS expects at least two input arguments.")

    // MARK: Bodies

    /// A text of escapes like \u004b; nil when it does not begin with one.
    private static func unescaped(_ text: String) -> String? {
        let units = Array(text.utf8)
        guard units.count >= 6, text.hasPrefix("\\u") else { return nil }
        var output: [UInt16] = []
        var rest = Substring(text)
        while let first = rest.unicodeScalars.first {
            if rest.hasPrefix("\\u"), let code = UInt16(rest.dropFirst(2).prefix(4), radix: 16), rest.utf8.count >= 6 {
                output.append(code)
                rest = rest.dropFirst(6)
            } else {
                output += Array(String(first).utf16)
                rest.unicodeScalars.removeFirst()
            }
        }
        return String(decoding: output, as: UTF16.self)
    }

    /// As the original does: what stands before the first word is lost, words end at Java's `\s`, and the first UTF-16
    /// unit of each becomes large, which may make two letters of it.
    private static func capitalized(_ text: String) -> String {
        var output = ""
        var isStart = true
        for scalar in text.smallLetters.unicodeScalars {
            switch scalar {
            case " ", "\t", "\n", "\u{B}", "\u{C}", "\r":
                isStart = true
                if output.isEmpty { continue }
                output.unicodeScalars.append(scalar)
            default:
                if isStart, scalar.value <= 0xFFFF {
                    output += scalar.properties.uppercaseMapping
                } else {
                    output.unicodeScalars.append(scalar)
                }
                isStart = false
            }
        }
        return output
    }

    private static func place(_ values: [SQLValue], position: Int, occurrence: Int) -> Int32 {
        guard let string = values[0].string, let substring = values[1].string else { return 0 }
        let text = UTF16Text(string)
        let other = UTF16Text(substring)
        guard position != 0, abs(position) <= text.count, occurrence > 0 else { return 0 }
        var at: Int?
        if position > 0 {
            at = text.index(of: other, from: position - 1)
            var count = 1
            while count < occurrence, let found = at {
                at = text.index(of: other, from: found + 1)
                count += 1
            }
        } else {
            // The end of the match is not behind the place, which is counted from the end.
            at = text.lastIndex(of: other, through: text.count + position + 1 - other.count)
            var count = 1
            while count < occurrence, let found = at {
                at = text.lastIndex(of: other, through: found - 1)
                count += 1
            }
        }
        return Int32(clamping: at.map { $0 + 1 } ?? 0)
    }

    private static func replaced(
        _ text: String, _ old: String, _ new: String, _ limits: FunctionLimits
    ) throws(EvaluationError) -> String {
        if old.isEmpty {
            guard
                (text.utf16.count + 1).multipliedReportingOverflow(by: new.utf8.count).partialValue
                    + text.utf8.count <= limits.byteCountMax
            else { throw EvaluationError("the result of REPLACE is too long") }
            // Java inserts the new text before every character and at the end.
            var output = new
            for scalar in text.unicodeScalars {
                output.unicodeScalars.append(scalar)
                output += new
            }
            return output
        }
        let bytes = Array(text.utf8)
        let pieces = parts(bytes, Array(old.utf8))
        guard pieces.count > 1 else { return text }
        guard bytes.count + (pieces.count - 1) * new.utf8.count <= limits.byteCountMax else {
            throw EvaluationError("the result of REPLACE is too long")
        }
        return String(decoding: Array(pieces.joined(separator: Array(new.utf8))), as: UTF8.self)
    }

    private static func split(
        _ text: String, _ delimiter: String, _ limits: FunctionLimits
    ) throws(EvaluationError) -> [SQLValue] {
        if text.isEmpty { return [.string("")] }
        if delimiter.isEmpty {
            try limits.check(elementCount: text.unicodeScalars.count, "SPLIT")
            return text.unicodeScalars.map { .string(String($0)) }
        }
        return try split(Array(text.utf8), Array(delimiter.utf8), limits).map {
            .string(String(decoding: $0, as: UTF8.self))
        }
    }

    /// `delimiter` is not empty.
    private static func split(
        _ bytes: [UInt8], _ delimiter: [UInt8], _ limits: FunctionLimits
    ) throws(EvaluationError) -> [ArraySlice<UInt8>] {
        // One more than may be shows that there are too many.
        let found = parts(bytes, delimiter, countMax: limits.elementsMax + 1)
        try limits.check(elementCount: found.count, "SPLIT")
        return found
    }

    static func parts(_ text: String, _ delimiter: String) -> [String] {
        if text.isEmpty { return [""] }
        if delimiter.isEmpty { return text.unicodeScalars.map { String($0) } }
        return parts(Array(text.utf8), Array(delimiter.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// - Parameters:
    ///   - delimiter: is not empty.
    ///   - countMax: the last of so many parts is all the rest.
    static func parts(
        _ bytes: [UInt8], _ delimiter: [UInt8], countMax: Int = .max
    ) -> [ArraySlice<UInt8>] {
        var result: [ArraySlice<UInt8>] = []
        var start = 0
        var at = 0
        while at + delimiter.count <= bytes.count, result.count + 1 < countMax {
            if bytes[at] == delimiter[0], bytes[at..<(at + delimiter.count)].elementsEqual(delimiter) {
                result.append(bytes[start..<at])
                at += delimiter.count
                start = at
            } else {
                at += 1
            }
        }
        result.append(bytes[start...])
        return result
    }

    private static func splitToMap(_ text: String, _ entryDelimiter: String, _ keyDelimiter: String) -> SQLValue {
        if entryDelimiter.isEmpty || keyDelimiter.isEmpty || entryDelimiter.isSame(as: keyDelimiter) { return .null }
        var entries: [(key: SQLValue, value: SQLValue)] = []
        for entry in parts(text, entryDelimiter) {
            let pair = parts(entry, keyDelimiter)
            if pair.count > 1 { entries.append((.string(pair[0]), .string(pair[1]))) }
        }
        return .map(SQLMap(entries, javaTable: SQLMap.javaDefaultTable))
    }

    private static func part(_ count: Int, _ position: Int, _ length: Int?, _ limits: FunctionLimits) -> Range<Int> {
        if limits.usesLegacySubstring {
            // The old form: places begin with 0 and the last argument is the end.
            let start = min(max(position, 0), count)
            return start..<max(start, min(length ?? count, count))
        }
        let start = position < 0 ? max(count + position, 0) : max(min(position - 1, count), 0)
        return start..<max(min(start + (length ?? count), count), start)
    }

    private static func identifier(_ bytes: [UInt8]) -> String? {
        guard bytes.count == 16 else { return nil }
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += Hexadecimal.encode([byte], isUpperCase: false)
        }
        return text
    }
}
