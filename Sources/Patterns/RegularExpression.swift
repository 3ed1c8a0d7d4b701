import CPCRE2

/// A regular expression of RE2's syntax that matches whole texts.
///
/// RE2 matches in linear time, PCRE2 by backtracking: what keeps a hostile expression from holding the caller up is the
/// budget of steps that every match is given. Expressions of the kind that people write to choose names take some ten
/// steps for each of a text's characters at the most.
///
/// Not for use by two threads at a time: a match keeps its state here.
///
/// - SeeAlso: `RE2Syntax` for what is refused.
package final class RegularExpression {
    private let code: OpaquePointer
    private let matchData: OpaquePointer
    private let context: OpaquePointer

    /// - Throws: `.syntax` in RE2's words, or in PCRE2's for what only it refuses: a name of a Unicode property that it
    ///   does not know, more than 250 nested groups, more than 64 KiB when compiled.
    package init(re2 pattern: String) throws(PatternError) {
        let text = try RE2Syntax.translate(pattern)
        let options =
            PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE
            | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT
        let compileContext = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(compileContext) }
        pcre2_set_newline_8(compileContext, UInt32(PCRE2_NEWLINE_LF))
        var error: CInt = 0
        var offset = 0
        var units = Array(text.utf8)
        guard let code = pcre2_compile_8(&units, units.count, options, &error, &offset, compileContext) else {
            throw PatternError(.syntax, "\(Self.message(of: error)): `\(pattern)`")
        }
        guard
            let context = pcre2_match_context_create_8(nil),
            let matchData = pcre2_match_data_create_8(1, nil)
        else {
            pcre2_code_free_8(code)
            throw PatternError(.tooComplex, "no memory to match `\(pattern)`")
        }
        pcre2_set_heap_limit_8(context, 64 << 10)  // in KiB
        self.code = code
        self.matchData = matchData
        self.context = context
    }

    deinit {
        pcre2_match_data_free_8(matchData)
        pcre2_match_context_free_8(context)
        pcre2_code_free_8(code)
    }

    /// Whether all of `text` is matched.
    ///
    /// - Parameter budget: the steps that may be taken; what was taken is subtracted. A step is one item of the
    ///   expression that is tried at one place of the text.
    /// - Throws: `.tooComplex` when the budget does not suffice.
    package func matches(_ text: String, budget: inout Int) throws(PatternError) -> Bool {
        var text = text
        let result = withUnsafeMutablePointer(to: &budget) { budget in
            pcre2_set_callout_8(
                context,
                { _, budget in
                    guard let budget = budget?.assumingMemoryBound(to: Int.self) else { return PCRE2_ERROR_CALLOUT }
                    budget.pointee -= 1
                    return budget.pointee < 0 ? PCRE2_ERROR_CALLOUT : 0
                }, budget)
            defer { pcre2_set_callout_8(context, nil, nil) }
            return text.withUTF8 { bytes in
                pcre2_match_8(code, bytes.baseAddress, bytes.count, 0, PCRE2_NO_UTF_CHECK, matchData, context)
            }
        }
        if result >= 0 { return true }
        if result == PCRE2_ERROR_NOMATCH { return false }
        throw PatternError(.tooComplex, "matching takes too many steps")
    }

    private static func message(of error: CInt) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = pcre2_get_error_message_8(error, &buffer, buffer.count)
        guard count > 0 else { return "error \(error)" }
        return String(decoding: buffer.prefix(Int(count)), as: UTF8.self)
    }
}
