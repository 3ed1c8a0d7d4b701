import Patterns
import SQLTypes

/// Functions of regular expressions, in Java's syntax.
enum RegexFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "REGEXP_EXTRACT", .regularExpression, "The first match of the pattern, or what one of its groups matched.",
            [
                .plain(["pattern": .string, "input": .string], .string) { values, context throws(EvaluationError) in
                    try extract(values, group: 0, &context)
                },
                .plain(["pattern": .string, "input": .string, "group": .int], .string) {
                    values, context throws(EvaluationError) in
                    try extract(values, group: values[2].intArgument, &context)
                },
            ]),
        ScalarFunction(
            "REGEXP_EXTRACT_ALL", .regularExpression, "All matches of the pattern, or of one of its groups.",
            [
                .plain(["pattern": .string, "input": .string], .array(.string)) {
                    values, context throws(EvaluationError) in
                    try extractAll(values, group: 0, &context)
                },
                .plain(["pattern": .string, "input": .string, "group": .int], .array(.string)) {
                    values, context throws(EvaluationError) in
                    try extractAll(values, group: values[2].intArgument, &context)
                },
            ]),
        ScalarFunction(
            "REGEXP_REPLACE", .regularExpression,
            "The text with every match of the pattern replaced; $1 stands for what the first group matched.",
            [
                .plain(["str": .string, "regexp": .string, "newStr": .string], .string) {
                    values, context throws(EvaluationError) in try replace(values, &context)
                }
            ]),
        ScalarFunction(
            "REGEXP_SPLIT_TO_ARRAY", .regularExpression, "The parts between the matches of the pattern.",
            [
                .plain(["string": .string, "regexp": .string], .array(.string)) {
                    values, context throws(EvaluationError) in
                    try split(values, &context)
                }
            ]),
    ]

    private static func matching<T>(_ body: () throws(PatternError) -> T) throws(EvaluationError) -> T {
        do { return try body() } catch { throw EvaluationError(error) }
    }

    private static func matches(
        of pattern: JavaPattern, in bytes: [UInt8], _ name: String, _ limits: FunctionLimits
    ) throws(EvaluationError) -> [JavaPattern.Match] {
        // One more than may be shows that there are too many.
        let found = try matching { () throws(PatternError) in
            try pattern.matches(in: bytes, countMax: limits.elementsMax + 1)
        }
        try limits.check(elementCount: found.count, name)
        return found
    }

    private static func text(_ bytes: [UInt8], _ range: Range<Int>?) -> SQLValue {
        range.map { .string(String(decoding: bytes[$0], as: UTF8.self)) } ?? .null
    }

    private static func extract(
        _ values: [SQLValue], group: Int, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let pattern = try context.cache.expression(values[0].textArgument)
        guard group <= pattern.groupCount else { return .null }
        guard group >= 0 else { throw EvaluationError("No group \(group)") }
        let bytes = Array(values[1].textArgument.utf8)
        let match = try matching { () throws(PatternError) in try pattern.firstMatch(in: bytes) }
        return match.map { text(bytes, $0.groups[group]) } ?? .null
    }

    private static func extractAll(
        _ values: [SQLValue], group: Int, _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let pattern = try context.cache.expression(values[0].textArgument)
        guard group <= pattern.groupCount else { return .null }
        guard group >= 0 else { throw EvaluationError("No group \(group)") }
        let bytes = Array(values[1].textArgument.utf8)
        let matches = try matches(of: pattern, in: bytes, "REGEXP_EXTRACT_ALL", context.limits)
        return .array(matches.map { text(bytes, $0.groups[group]) })
    }

    /// What stands for a match: texts and groups by number.
    private enum Part { case text([UInt8]), group(Int) }

    private static func replace(
        _ values: [SQLValue], _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let bytes = Array(values[0].textArgument.utf8)
        let pattern = try context.cache.expression(values[1].textArgument)
        let matches = try matches(of: pattern, in: bytes, "REGEXP_REPLACE", context.limits)
        guard !matches.isEmpty else { return values[0] }
        let parts = try replacement(Array(values[2].textArgument.utf8), pattern)
        var output: [UInt8] = []
        var at = 0
        for match in matches {
            output += bytes[at..<max(at, match.whole.lowerBound)]
            for part in parts {
                switch part {
                case .text(let text): output += text
                case .group(let number): if let range = match.groups[number] { output += bytes[range] }
                }
            }
            at = match.whole.upperBound
            guard output.count <= context.limits.byteCountMax else {
                throw EvaluationError("the result of REGEXP_REPLACE is too long")
            }
        }
        output += bytes[at...]
        return .string(String(decoding: output, as: UTF8.self))
    }

    /// Java's syntax of replacements: `$1`, `${name}`, and a backslash before what means itself.
    private static func replacement(_ text: [UInt8], _ pattern: JavaPattern) throws(EvaluationError) -> [Part] {
        var parts: [Part] = []
        var literal: [UInt8] = []
        var at = 0
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == UInt8(ascii: "\\") {
                guard at < text.count else { throw EvaluationError("character to be escaped is missing") }
                literal.append(text[at])
                at += 1
            } else if byte == UInt8(ascii: "$") {
                guard at < text.count else { throw EvaluationError("Illegal group reference: group index is missing") }
                var number: Int
                if text[at] == UInt8(ascii: "{") {
                    let name = text[(at + 1)...].prefix { $0 != UInt8(ascii: "}") }
                    at += name.count + 2
                    let group = String(decoding: name, as: UTF8.self)
                    guard at <= text.count, let known = pattern.group(named: group) else {
                        throw EvaluationError("No group with name {\(group)}")
                    }
                    number = known
                } else {
                    guard 0x30...0x39 ~= text[at] else { throw EvaluationError("Illegal group reference") }
                    number = Int(text[at] - 0x30)
                    at += 1
                    guard number <= pattern.groupCount else { throw EvaluationError("No group \(number)") }
                    // As many digits as still name a group.
                    while at < text.count, 0x30...0x39 ~= text[at] {
                        let longer = number * 10 + Int(text[at] - 0x30)
                        guard longer <= pattern.groupCount else { break }
                        number = longer
                        at += 1
                    }
                }
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = []
                parts.append(.group(number))
            } else {
                literal.append(byte)
            }
        }
        if !literal.isEmpty { parts.append(.text(literal)) }
        return parts
    }

    private static func split(
        _ values: [SQLValue], _ context: inout EvaluationContext
    ) throws(EvaluationError) -> SQLValue {
        let bytes = Array(values[0].textArgument.utf8)
        let pattern = try context.cache.expression(values[1].textArgument)
        // A pattern that matches the empty text splits as Java does, which drops empty parts at the end; others as
        // Guava's Splitter, where an empty match behind a part divides nothing and one at the end leaves no part.
        let matchesNothing = try matching { () throws(PatternError) in try pattern.firstMatch(in: []) } != nil
        let matches = try matches(of: pattern, in: bytes, "REGEXP_SPLIT_TO_ARRAY", context.limits)
        var parts: [SQLValue] = []
        var start = 0
        for match in matches {
            if match.whole.isEmpty, match.whole.lowerBound == (matchesNothing ? 0 : start) { continue }
            parts.append(text(bytes, start..<max(start, match.whole.lowerBound)))
            start = match.whole.upperBound
        }
        if matchesNothing {
            if parts.isEmpty { return .array([values[0]]) }
            parts.append(text(bytes, start..<bytes.count))
            while parts.last?.string?.isEmpty == true { parts.removeLast() }
            return .array(parts)
        }
        if let last = matches.last?.whole, last.isEmpty, last.lowerBound == bytes.count { return .array(parts) }
        parts.append(text(bytes, start..<bytes.count))
        return .array(parts)
    }
}
