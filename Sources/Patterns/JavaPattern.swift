import CPCRE2

/// A regular expression of Java's syntax, for searching.
///
/// Java matches by backtracking as PCRE2 does, without a bound; here every search has a budget, so that no expression can
/// hold the caller up.
///
/// What differs from Java: lookbehind takes alternatives of fixed length only; `(?u)`, `(?d)` and `(?U)` have no effect;
/// a vertical tab and a form feed end a line for `.` and `$`.
///
/// Not for use by two threads at a time: a search keeps its state here.
package final class JavaPattern {
    /// Where a match and its groups are, as places in the text's UTF-8 bytes; nil for groups that took no part.
    package struct Match {
        package var groups: [Range<Int>?]
        package var whole: Range<Int> { groups[0] ?? 0..<0 }
    }

    private let code: OpaquePointer
    private let matchData: OpaquePointer
    private let context: OpaquePointer
    /// Capturing groups, without the whole.
    package let groupCount: Int
    private let pattern: String

    /// Steps that one search may take. A step is one item of the expression that is tried at one place of the text.
    private static let budget: UInt32 = 2_000_000
    private static let patternByteCountMax = 64 << 10

    /// - Throws: `.syntax`.
    package init(_ pattern: String) throws(PatternError) {
        guard pattern.utf8.count <= Self.patternByteCountMax else {
            throw PatternError(.syntax, "the pattern is longer than \(Self.patternByteCountMax) bytes")
        }
        let text = try JavaSyntax.translate(pattern)
        let compileContext = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(compileContext) }
        pcre2_set_newline_8(compileContext, UInt32(PCRE2_NEWLINE_ANY))
        var error: CInt = 0
        var offset = 0
        var units = Array(text.utf8)
        let options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C
        guard let code = pcre2_compile_8(&units, units.count, options, &error, &offset, compileContext) else {
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = pcre2_get_error_message_8(error, &buffer, buffer.count)
            let message = count > 0 ? String(decoding: buffer.prefix(Int(count)), as: UTF8.self) : "error \(error)"
            throw PatternError(.syntax, "\(message) near index \(offset)\n\(pattern)")
        }
        guard let context = pcre2_match_context_create_8(nil),
            let matchData = pcre2_match_data_create_from_pattern_8(code, nil)
        else {
            pcre2_code_free_8(code)
            throw PatternError(.tooComplex, "no memory to match `\(pattern)`")
        }
        pcre2_set_match_limit_8(context, Self.budget)
        pcre2_set_depth_limit_8(context, Self.budget)
        pcre2_set_heap_limit_8(context, 64 << 10)  // in KiB
        // Where machine code cannot be made, the interpreter does the same more slowly.
        _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
        var count: UInt32 = 0
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), &count)
        groupCount = Int(count)
        self.code = code
        self.matchData = matchData
        self.context = context
        self.pattern = pattern
    }

    deinit {
        pcre2_match_data_free_8(matchData)
        pcre2_match_context_free_8(context)
        pcre2_code_free_8(code)
    }

    /// The number of a named group; nil when there is none.
    package func group(named name: String) -> Int? {
        let number = pcre2_substring_number_from_name_8(code, name)
        return number > 0 ? Int(number) : nil
    }

    /// The first match at or behind a place.
    ///
    /// - Parameters:
    ///   - text: valid UTF-8.
    ///   - start: the beginning of a character, at most the text's length.
    /// - Throws: `.tooComplex` when the budget does not suffice.
    package func firstMatch(in text: [UInt8], from start: Int = 0) throws(PatternError) -> Match? {
        let options = UInt32(PCRE2_NO_UTF_CHECK)
        var result = text.withUnsafeBufferPointer {
            pcre2_match_8(code, $0.baseAddress ?? Self.noBytes, $0.count, start, options, matchData, context)
        }
        if result == PCRE2_ERROR_JIT_STACKLIMIT {
            result = text.withUnsafeBufferPointer {
                pcre2_match_8(
                    code, $0.baseAddress ?? Self.noBytes, $0.count, start, options | UInt32(PCRE2_NO_JIT), matchData,
                    context)
            }
        }
        if result == PCRE2_ERROR_NOMATCH { return nil }
        guard result > 0, let places = pcre2_get_ovector_pointer_8(matchData) else {
            throw PatternError(.tooComplex, "matching `\(pattern)` takes too many steps")
        }
        var groups: [Range<Int>?] = []
        for group in 0...groupCount {
            let low = places[2 * group]
            let high = places[2 * group + 1]
            // Groups that took no part have the place -1; \K in a lookahead may turn the two around.
            groups.append(low >= 0 && low <= high && high <= text.count ? low..<high : nil)
        }
        return Match(groups: groups)
    }

    /// An empty array may have no address, which PCRE2 would not take.
    private nonisolated(unsafe) static let noBytes: UnsafePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)  // once for the program, never written to again
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()

    /// All matches from the left, each beginning where the one before ended; an empty one is followed from the next
    /// character on.
    ///
    /// - Throws: `.tooComplex`.
    package func matches(in text: [UInt8]) throws(PatternError) -> [Match] {
        var matches: [Match] = []
        var at = 0
        while at <= text.count, let match = try firstMatch(in: text, from: at) {
            matches.append(match)
            if match.whole.isEmpty {
                at = match.whole.upperBound + 1
                while at < text.count, text[at] & 0xC0 == 0x80 { at += 1 }
            } else {
                at = match.whole.upperBound
            }
        }
        return matches
    }
}
