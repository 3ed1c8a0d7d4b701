import CPCRE2

/// A regular expression as JSON Schema means it: ECMA-262's syntax, found anywhere in a text.
///
/// ECMA-262 has backreferences and lookaround, so matching goes by backtracking; what keeps a hostile expression from
/// holding the caller up is a limit of steps for every search, in proportion to the text.
///
/// - SeeAlso: JSON Schema core 2020-12, section 6.4; `ECMASyntax` for the differences from PCRE2.
package final class ECMAExpression: Sendable {
    /// As it was given.
    package let text: String
    /// Whether the expression keeps to ECMA-262. Others, which Java and Perl know, are taken as well.
    package let isStandard: Bool
    // Never changed after the initialiser: PCRE2 documents compiled code as safe to be used by several threads at a
    // time.
    nonisolated(unsafe) private let code: OpaquePointer
    private let weights: StepCounter.Weights
    /// Whether the code calls the counter. Very large expressions have no room for that.
    private let isCounted: Bool

    /// Steps that one search may take; see `StepCounter`. For each byte of the text there are `stepCountPerByte` more,
    /// since people write expressions that take some ten.
    package static let stepCountMax = 500_000
    private static let stepCountPerByte = 32

    /// - Throws: `.syntax` in PCRE2's words.
    package init(_ text: String) throws(PatternError) {
        self.text = text
        let translated = ECMASyntax.translate(text)
        isStandard = translated.isStandard
        let options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C
        var error: CInt = 0
        var offset = 0
        let units = Array(translated.pattern.utf8)
        if let code = pcre2_compile_8(units, units.count, options | PCRE2_AUTO_CALLOUT, &error, &offset, nil) {
            self.code = code
            weights = StepCounter.weights(of: units, code)
            isCounted = true
        } else if let code = pcre2_compile_8(units, units.count, options, &error, &offset, nil) {
            self.code = code
            weights = []
            isCounted = false
        } else {
            throw PatternError(.syntax, "\(Self.message(of: error)): `\(text)`")
        }
    }

    deinit { pcre2_code_free_8(code) }

    /// Whether the expression matches anywhere in `text`.
    ///
    /// - Parameter stepCountMax: steps that may be taken, beyond those that a text is worth for its length.
    /// - Throws: `.tooComplex` when that takes too many steps.
    package func isFound(in text: String, stepCountMax: Int = stepCountMax) throws(PatternError) -> Bool {
        var stepCount = 0
        return try isFound(in: text, stepCountMax: stepCountMax, stepCount: &stepCount)
    }

    /// Whether the expression matches anywhere in `text`.
    ///
    /// - Parameters:
    ///   - stepCountMax: steps that may be taken, beyond those that a text is worth for its length.
    ///   - stepCount: the steps that were taken are added, also when there were too many.
    /// - Throws: `.tooComplex` when that takes too many steps.
    package func isFound(
        in text: String, stepCountMax: Int = stepCountMax, stepCount: inout Int
    ) throws(PatternError) -> Bool {
        guard
            let matchData = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil)
        else { throw PatternError(.tooComplex, "no memory to match") }
        defer {
            pcre2_match_data_free_8(matchData)
            pcre2_match_context_free_8(context)
        }
        pcre2_set_heap_limit_8(context, 64 << 10)  // in KiB
        var text = text
        let limit = stepCountMax + Self.stepCountPerByte * text.utf8.count
        var left = limit
        let result = text.withUTF8 { bytes in
            if isCounted {
                pcre2_set_match_limit_8(context, .max)
                return StepCounter.search(
                    code, weights, bytes, from: 0, options: PCRE2_NO_UTF_CHECK, matchData, context, budget: &left)
            }
            // From every place of the text.
            pcre2_set_match_limit_8(context, UInt32(clamping: max(100, limit / (bytes.count + 1))))
            left = limit / 2
            return pcre2_match_8(
                code, bytes.baseAddress ?? StepCounter.noBytes, bytes.count, 0, PCRE2_NO_UTF_CHECK, matchData, context)
        }
        stepCount += limit - left
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
