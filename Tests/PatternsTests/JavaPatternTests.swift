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
            // Case: of ASCII, and of all letters with (?u).
            ("(?i)k+", "\u{212A}Kk", "Kk"), ("(?i)s", "\u{17F}S", "S"), ("(?i)[j-l]+", "\u{212A}KLm", "KL"),
            ("(?i)[^k]+", "Kk\u{212A}", "\u{212A}"), ("(?iu)é", "É", "É"), ("(?iu)k", "\u{212A}", "\u{212A}"),
            ("(?i)a(?u:é)É", "AÉÉ", "AÉÉ"), ("((?i)a)b", "aBAb", "Ab"), ("(?i)a(?-i)b", "ABAb", "Ab"),
            ("(?i)\\QkÉ\\E", "KéKÉ", "KÉ"), ("(?i)\\x6b", "K", "K"), ("(?i)(?<ks>k)\\k<ks>", "kK", "kK"),
            // Unicode's classes.
            ("(?U)\\w+", "- naïve", "naïve"), ("\\w+", "naïve", "na"), ("(?U)\\d+", "a٣4", "٣4"),
            ("(?U)[\\w&&[^n]]+", "naïve", "aïve"), ("(?U)\\bé\\b", "né é", "é"), ("(?U)\\s", "\u{A0}", "\u{A0}"),
            ("(?U)\\p{Upper}", "aÉ", "É"), ("(?U)\\p{Alpha}+", "1é2", "é"), ("(?U)\\W+", "é-!é", "-!"),
            ("(?U)\\p{Punct}", "a«", "«"), ("(?U)\\p{Graph}+", " é ", "é"), ("(?U:\\w)\\w", "éaé", "éa"),
            // Comments.
            ("(?x) a b # c (d\n [e f] g", "abeg", "abeg"), ("(?x)a\\ b", "a b", "a b"),
            ("(?x:a b)c d", "abc d", "abc d"),
            // Lines that only a line feed ends.
            ("(?d).+", "a\rb\nc", "a\rb"), ("(?dm)^b", "a\rb\nb", "b"), ("(?d)a$", "a\n", "a"),
            // Look-behinds of several lengths.
            ("(?<=a{1,3})b", "aab", "b"), ("(?<=x(?:a|bc)?)d", "xbcd", "d"), ("(?<!-?\\d{1,2})[a-z]", "-12xy", "y"),
            ("(?<=[$€]\\s{0,2})\\d+", "5 € 42", "42"), ("(?<=ab|c)d", "cd", "d"), ("(?i)(?<=k{1,2})b", "Kb", "b"),
            ("(?<=(a))b\\1", "aba", "ba"), ("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\\10", "abcdefghijj", "abcdefghijj"),
            ("(a)\\10", "aa0", "aa0"),
        ] as [(String, String, String)])
    func `finds the first match`(pattern: String, text: String, found: String) throws {
        let expression = try JavaPattern(pattern)
        let bytes = Array(text.utf8)
        let match = try expression.firstMatch(in: bytes)
        #expect(match.map { String(decoding: bytes[$0.whole], as: UTF8.self) } == found)
    }

    @Test(arguments: [
        ("(?i)é", "É"), ("(?i)[é]", "É"), ("(?i)k", "\u{212A}"), ("(?i)[a-z]", "\u{212A}\u{17F}"), ("(?-i)a", "A"),
        ("(?i)(?-i:a)", "A"), ("\\d", "٣"), ("(?U-U)\\d", "٣"), ("(?<=a{2,3})b", "ab"), ("(?<!a{1,2})b", "ab"),
        ("(?d)a$", "a\r"),
    ])
    func `finds nothing`(pattern: String, text: String) throws {
        #expect(try JavaPattern(pattern).firstMatch(in: Array(text.utf8)) == nil)
    }

    @Test func `a group that took no part has no place`() throws {
        let match = try JavaPattern("(a)|(b)").firstMatch(in: Array("b".utf8))
        #expect(match?.groups == [0..<1, nil, 0..<1])
    }

    @Test(arguments: [
        "(", "[a", "*a", "(*ACCEPT)", "\\y", "a**b[", "[z-a]", "\\p{Foo1}", "\\", "{", "a{", "x{,3}", "a{2",
        "(?P<n>a)", "a(?#c)b", "(?|a)", "(?<1x>a)", "\\p{InNowhere}",
        "(?<=a+)b", "(?<=a*)b", "(?<=a{2,})b", "(?i--m)a", "(?<n", "\\kn", "(?ic", "(?<=(?:a|b{1,9}){1,99})c",
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
