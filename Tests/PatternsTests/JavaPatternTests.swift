import Patterns
import Testing

@Suite struct JavaPatternTests {
    /// What `java.util.regex.Matcher.find` finds.
    @Test(
        arguments: [
            ("b+", "abbb", "bbb"), ("(a)(b)?", "ac", "a"), ("[a-z&&[^b]]+", "bacd", "acd"),
            ("[a-c[x-z]]+", "mbxz", "bxz"),
            ("\\p{Upper}\\w*", "an Apple", "Apple"), ("\\u0041", "xA", "A"), ("(?i)ABC", "xabc", "abc"),
            ("\\Qa.b\\E", "aab a.b", "a.b"), ("[^\\d\\s]+", "12 ab", "ab"), ("\\p{L}+", "1é2", "é"), ("", "abc", ""),
            ("[]a]+", "x]a", "]a"), ("(?<n>x)\\k<n>", "axx", "xx"), ("a{2}", "aaa", "aa"), ("[&]", "&", "&"),
            ("\\p{InCyrillic}+", "ab привет", "привет"), ("\\p{blk=Greek}", "bγ", "γ"),
            ("[\\p{InGreek}x]+", "bγx", "γx"),
            ("\\P{InBasic_Latin}", "aé", "é"), ("a{2,}", "aaa", "aaa"), ("(?<=a)b", "ab", "b"), ("(?i:A)b", "ab", "ab"),
            ("[{]", "{", "{"), ("\\{", "{", "{"), ("}", "}", "}"),
        ] as [(String, String, String)])
    func `finds the first match`(pattern: String, text: String, found: String) throws {
        let expression = try JavaPattern(pattern)
        let bytes = Array(text.utf8)
        let match = try expression.firstMatch(in: bytes)
        #expect(match.map { String(decoding: bytes[$0.whole], as: UTF8.self) } == found)
    }

    @Test func `a group that took no part has no place`() throws {
        let match = try JavaPattern("(a)|(b)").firstMatch(in: Array("b".utf8))
        #expect(match?.groups == [0..<1, nil, 0..<1])
    }

    @Test(arguments: [
        "(", "[a", "*a", "(*ACCEPT)", "\\y", "a**b[", "[z-a]", "\\p{Foo1}", "\\", "{", "a{", "x{,3}", "a{2",
        "(?P<n>a)", "a(?#c)b", "(?|a)", "(?<1x>a)", "\\p{InNowhere}",
    ])
    func `refuses what is no expression`(pattern: String) {
        #expect(throws: PatternError.self) { try JavaPattern(pattern) }
    }

    @Test func `a hostile expression ends`() throws {
        let expression = try JavaPattern("(a+)+$")
        #expect(throws: PatternError.self) {
            try expression.firstMatch(in: Array((String(repeating: "a", count: 60) + "b").utf8))
        }
    }
}
