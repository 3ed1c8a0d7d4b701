import TestKit
import Testing

@testable import Patterns

@Suite struct RegularExpressionTests {
    private func matches(_ pattern: String, _ text: String, budget: Int = 100_000) throws -> Bool {
        let expression = try RegularExpression(re2: pattern)
        var budget = budget
        return try expression.matches(text, budget: &budget)
    }

    /// Expected values from RE2's syntax page, by hand.
    @Test(
        arguments: [
            ("ratings", ["ratings"], ["ratings2", "xratings", "Ratings", ""]),
            ("rat.*", ["rat", "ratings"], ["brat"]),
            ("a|bc", ["a", "bc"], ["ac", "abc", "b"]),
            ("a|ab", ["a", "ab"], ["abb"]),
            ("(a|ab)(c|bcd)", ["ac", "abc", "abcd", "abbcd"], ["ab", "abcdd"]),
            ("^a$", ["a"], ["a\n", "ab"]),
            ("^*a", ["a"], ["b"]),
            ("(?i)abc", ["abc", "ABC", "aBc"], ["abd"]),
            ("a(?i:b)c", ["abc", "aBc"], ["ABC", "abC"]),
            ("(?i)a(?-i)b", ["ab", "Ab"], ["aB"]),
            ("a.c", ["abc", "a-c", "aäc"], ["a\nc", "ac"]),
            ("(?s)a.c", ["a\nc"], ["ac"]),
            ("[a-c]+", ["abc", "a"], ["d", ""]),
            ("[^a-c]+", ["xyz", "-"], ["a"]),
            ("[]a]+", ["]", "a]"], ["b"]),
            ("[^]a]+", ["b"], ["]", "a"]),
            ("[a-]+", ["-a"], ["b"]),
            ("[-a]+", ["-a"], ["b"]),
            ("[[:alpha:]_]+", ["a_Z"], ["1"]),
            ("[[:^digit:]]+", ["a_Z"], ["1"]),
            ("[[:a]+", [":a[", "["], ["b"]),
            (#"\d{3}-\w+"#, ["123-x_1"], ["12-x", "123-"]),
            (#"a\.b"#, ["a.b"], ["axb"]),
            (#"a\_b"#, ["a_b"], ["ab"]),
            (#"\Qa.*b\E+"#, ["a.*b", "a.*bbb"], ["axxb"]),
            (#"\Qa.*"#, ["a.*"], ["axx"]),
            (#"\x41\x{42}\103"#, ["ABC"], ["abc"]),
            (#"\pL+"#, ["abcÄ"], ["1"]),
            (#"\p{Greek}+"#, ["αβγ"], ["abc"]),
            (#"\p{^Greek}+"#, ["abc"], ["αβγ"]),
            (#"\P{L}+"#, ["123"], ["a"]),
            (#"[\d\s]+"#, ["1 2"], ["a", "\u{b}"]),
            (#"[^\S]+"#, [" "], ["a", "\u{b}"]),
            (#"\bword\b"#, ["word"], ["words"]),
            (#"\Aword\z"#, ["word"], ["words"]),
            ("a{2}", ["aa"], ["a", "aaa"]),
            ("a{2,}", ["aa", "aaaa"], ["a"]),
            ("a{1,2}", ["a", "aa"], ["", "aaa"]),
            ("a{,2}", ["a{,2}"], ["a", "aa"]),
            ("a{01}", ["a{01}"], ["a"]),
            ("{a}", ["{a}"], ["a"]),
            ("x{", ["x{"], ["x"]),
            ("a]b}", ["a]b}"], ["ab"]),
            ("a*?b+?c??", ["aabb", "bc"], ["c"]),
            ("(?P<x>a)(?<y>b)", ["ab"], ["a"]),
            ("", [""], ["a"]),
            ("()|a", ["", "a"], ["b"]),
            ("(?:)", [""], ["a"]),
            ("(?U)a+b", ["aab"], ["b"]),
            ("ä+", ["ää"], ["a"]),
            ("#a b", ["#a b"], ["#ab"]),
        ] as [(String, [String], [String])])
    func `matches whole texts as RE2 does`(pattern: String, yes: [String], no: [String]) throws {
        for text in yes {
            let isMatch = try matches(pattern, text)
            #expect(isMatch, "\(pattern) matches \(text)")
        }
        for text in no {
            let isMatch = try matches(pattern, text)
            #expect(!isMatch, "\(pattern) does not match \(text)")
        }
    }

    @Test(
        arguments: [
            "(", ")", "a)", "(a", "[a", "[]", "[^]", "*", "+a", "?", "a**", "a*+", "a++", "a?+", "a{2}{3}", "a{2}+",
            "a{1001}", "a{2,1}", "(a{100}){11}", "((a{10}){10}){11}", "a{99999999999999999999}", "|*", "(*UTF)a", "(*)",
            "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?|a)", "(?#a)", "(?x)a", "(?R)", "(?1)", "(?P=x)",
            "(?P>x)", "(?&x)", "(?(1)a)", "(?P<>a)", "(?P<a-b>a)", "(?P<a>x)(?P<a>y)", "(?)", "(?-)", "(?i", "(?i-)",
            "(?i)*", #"\"#, #"a\"#, #"\1"#, #"(a)\1"#, #"\8"#, #"\Z"#, #"\G"#, #"\K"#, #"\R"#, #"\X"#, #"\C"#, #"\N"#,
            #"\h"#, #"\H"#, #"\V"#, #"\e"#, #"\cA"#, #"\g1"#, #"\g{1}"#, #"\k<a>"#, #"\o{101}"#, #"\u0041"#, #"\y"#,
            #"\ä"#, #"\x"#, #"\x4"#, #"\xg1"#, #"\x{}"#, #"\x{110000}"#, #"\x{d800}"#, #"\x{41"#, #"\p"#, #"\p{"#,
            #"\p{Xan}"#, #"\p{Nothing}"#, #"\p{L&}"#, #"\pl"#, #"\p{}"#, #"\p{bidi:L}"#, "[z-a]", #"[a-\d]"#, #"[\b]"#,
            #"[\Qa\E]"#, "[[:foo:]]", "[[:alpha:]",
        ])
    func `refuses what RE2 refuses`(pattern: String) {
        #expect(throws: PatternError.self) { _ = try RegularExpression(re2: pattern) }
    }

    @Test func `says what is wrong and where`() {
        let error = #expect(throws: PatternError.self) { _ = try RegularExpression(re2: "ab(?=c)") }
        #expect(error == PatternError(.syntax, "invalid or unsupported Perl syntax: `(?=c)`"))
    }

    /// Expressions that make a backtracking matcher run for ages end when the budget does.
    @Test(
        arguments: [
            "(a*)*[bc]", "(a|a)*[bc]", "(a|aa)+[bc]", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)[bc]", "(a?){30}a{30}[bc]",
        ])
    func `a hostile expression ends with its budget`(pattern: String) throws {
        let expression = try RegularExpression(re2: pattern)
        var budget = 50_000
        let text = String(repeating: "a", count: 249)
        let error = #expect(throws: PatternError.self) { _ = try expression.matches(text, budget: &budget) }
        #expect(error?.code == .tooComplex)
        #expect(budget == -1)
    }

    @Test(arguments: [
        "orders.*", ".*-(avro|json)", "[a-z0-9._-]+", "(?i)^prod[._-].*$", "a.*b.*c", "(orders|payments)-v[0-9]+",
    ])
    func `an honest expression takes few steps`(pattern: String) throws {
        let expression = try RegularExpression(re2: pattern)
        var budget = 10_000
        for text in ["orders", "prod.payments-avro", String(repeating: "abc", count: 83)] {
            _ = try expression.matches(text, budget: &budget)
        }
        #expect(budget > 5000, "\(pattern) took \(10_000 - budget) steps")
    }

    /// Nothing that arrives as an expression may end the process, and what is accepted compiles.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `random expressions are matched or refused`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let pieces =
            Array("ab01(){}[]|*+?^$.\\-,:=!<>PQEpxdwsbiU&# ä\u{0}").map(String.init) + ["(?", "[[:", "{1,", "\\Q"]
        for _ in 0..<200 {
            let pattern = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            do {
                let expression = try RegularExpression(re2: pattern)
                var budget = 1000
                _ = try expression.matches("ab01-ä", budget: &budget)
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
    }
}
