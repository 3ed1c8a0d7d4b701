import CPCRE2

/// A regular expression of Java's syntax, for searching.
///
/// Java matches by backtracking as PCRE2 does, without a bound; here every search has a budget in proportion to the
/// text, so that no expression can hold the caller up.
///
/// What differs from Java: look-behinds of several lengths are refused when they have groups with numbers in them, have
/// more than 256 lengths, or are too long when written out; a vertical tab and a form feed end a line for `.` and `$`;
/// a back reference with `(?i)` finds any letter's other case.
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

    /// The same code with calls of the counter, made when it is needed; `code` where there is no room for them.
    private var countedCode: OpaquePointer?
    private var weights: StepCounter.Weights = []
    private let units: [UInt8]

    /// Steps that all searches in one text may take; see `StepCounter`. For each byte of the text there are
    /// `stepCountPerByte` more, since people write expressions that take some ten.
    private static let stepCountMax = 2_000_000
    private static let stepCountPerByte = 32
    /// Texts up to this length are searched without the counter at first: PCRE2's own limit, which holds for each place
    /// anew, is enough for them.
    private static let shortByteCountMax = 512
    private static let shortStepCount = 100_000
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
        units = Array(text.utf8)
        guard let code = pcre2_compile_8(units, units.count, Self.options, &error, &offset, compileContext) else {
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
        pcre2_set_depth_limit_8(context, .max)
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

    private static let options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C

    deinit {
        if let countedCode, countedCode != code { pcre2_code_free_8(countedCode) }
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
        var budget = Self.stepCountMax + Self.stepCountPerByte * text.count
        return try firstMatch(in: text, from: start, budget: &budget)
    }

    /// - Parameters:
    ///   - budget: steps that may be taken; what was taken is subtracted, but for short texts.
    ///   - shortByteCountMax: for tests.
    func firstMatch(
        in text: [UInt8], from start: Int, budget: inout Int, shortByteCountMax: Int = shortByteCountMax
    ) throws(PatternError) -> Match? {
        var result = PCRE2_ERROR_MATCHLIMIT
        if text.count <= shortByteCountMax {
            pcre2_set_match_limit_8(context, UInt32(clamping: 100 + Self.shortStepCount / (text.count + 1)))
            result = plainSearch(text, start)
        }
        if result == PCRE2_ERROR_MATCHLIMIT {
            result = countedSearch(text, start, &budget)
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

    private func plainSearch(_ text: [UInt8], _ start: Int) -> CInt {
        text.withUnsafeBufferPointer { text in
            let bytes = text.baseAddress ?? StepCounter.noBytes
            let options = UInt32(PCRE2_NO_UTF_CHECK)
            let result = pcre2_match_8(code, bytes, text.count, start, options, matchData, context)
            guard result == PCRE2_ERROR_JIT_STACKLIMIT else { return result }
            return pcre2_match_8(code, bytes, text.count, start, options | UInt32(PCRE2_NO_JIT), matchData, context)
        }
    }

    private func countedSearch(_ text: [UInt8], _ start: Int, _ budget: inout Int) -> CInt {
        let counted = countedCode ?? makeCountedCode()
        guard counted != code else {
            // From every place of the text.
            let limit = max(0, budget) / (text.count + 1)
            pcre2_set_match_limit_8(context, UInt32(clamping: max(100, limit)))
            budget /= 2  // there may be many searches
            return plainSearch(text, start)
        }
        pcre2_set_match_limit_8(context, .max)
        return text.withUnsafeBufferPointer { text in
            var left = budget
            let options = UInt32(PCRE2_NO_UTF_CHECK)
            var result = StepCounter.search(
                counted, weights, text, from: start, options: options, matchData, context, budget: &left)
            if result == PCRE2_ERROR_JIT_STACKLIMIT {
                // What was done so far is done once more.
                left = budget
                result = StepCounter.search(
                    counted, weights, text, from: start, options: options | UInt32(PCRE2_NO_JIT), matchData, context,
                    budget: &left)
            }
            budget = left
            return result
        }
    }

    private func makeCountedCode() -> OpaquePointer {
        let compileContext = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(compileContext) }
        pcre2_set_newline_8(compileContext, UInt32(PCRE2_NEWLINE_ANY))
        var error: CInt = 0
        var offset = 0
        let options = Self.options | PCRE2_AUTO_CALLOUT
        let counted = pcre2_compile_8(units, units.count, options, &error, &offset, compileContext)
        if let counted {
            _ = pcre2_jit_compile_8(counted, UInt32(PCRE2_JIT_COMPLETE))
            weights = StepCounter.weights(of: units, counted)
        }
        countedCode = counted ?? code
        return counted ?? code
    }

    /// All matches from the left, each beginning where the one before ended; an empty one is followed from the next
    /// character on.
    ///
    /// - Parameter countMax: further ones are not looked for.
    /// - Throws: `.tooComplex`.
    package func matches(in text: [UInt8], countMax: Int = .max) throws(PatternError) -> [Match] {
        var matches: [Match] = []
        var at = 0
        var budget = Self.stepCountMax + Self.stepCountPerByte * text.count
        while at <= text.count, matches.count < countMax,
            let match = try firstMatch(in: text, from: at, budget: &budget)
        {
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
