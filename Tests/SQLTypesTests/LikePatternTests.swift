import SQLTypes
import Testing

@Suite struct LikePatternTests {
    @Test(
        arguments: [
            ("foo", "foo", true), ("f%", "foo", true), ("%o", "foo", true), ("%x%", "foo", false), ("f_o", "foo", true),
            ("f__", "fo", false), ("", "", true), ("%", "", true), ("_", "", false), ("%a%b%c", "xaybzc", true),
            ("%a%b%c", "xaybzcd", false), ("100!%", "100%", true), ("100!%", "1000", false), ("a.c", "abc", false),
            ("_", "𝄞", true), ("%%%a", "bba", true), ("f%", "f\no", false), ("f_o", "f\no", false),
            ("f\n%", "f\no", true), ("%\n%", "f\no", true), ("%o%", "f\no", false), ("%o%", "foo", true),
            ("%o%", "fo\u{2028}o", false), ("_", "\r", false), ("_", "\u{85}", false), ("%\n%\n%", "a\nb\nc", true),
            ("%\n%", "a\nb\nc", false), ("_", "e\u{301}", false), ("!_", "_", true), ("!!", "!", true),
        ] as [(String, String, Bool)])
    func `matches whole texts`(pattern: String, text: String, isMatch: Bool) throws {
        #expect(try LikePattern(pattern, escape: "!").matches(text) == isMatch)
    }

    /// LikeEvaluator of the original.
    @Test func `an escape escapes something`() {
        #expect(throws: SQLTypesError(.invalidText, "LIKE pattern must not end with escape character")) {
            try LikePattern("a!", escape: "!")
        }
    }

    @Test func `a hostile pattern ends`() throws {
        let pattern = try LikePattern(String(repeating: "%a", count: 100) + "%b")
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }
}
