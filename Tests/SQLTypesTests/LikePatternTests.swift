import SQLTypes
import Testing

@Suite struct LikePatternTests {
    @Test(
        arguments: [
            ("foo", "foo", true), ("f%", "foo", true), ("%o", "foo", true), ("%x%", "foo", false), ("f_o", "foo", true),
            ("f__", "fo", false), ("", "", true), ("%", "", true), ("_", "", false), ("%a%b%c", "xaybzc", true),
            ("%a%b%c", "xaybzcd", false), ("100!%", "100%", true), ("100!%", "1000", false), ("a.c", "abc", false),
            ("_", "𝄞", true), ("%%%a", "bba", true),
        ] as [(String, String, Bool)])
    func `matches whole texts`(pattern: String, text: String, isMatch: Bool) {
        #expect(LikePattern(pattern, escape: "!").matches(text) == isMatch)
    }

    @Test func `a hostile pattern ends`() {
        let pattern = LikePattern(String(repeating: "%a", count: 100) + "%b")
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }
}
