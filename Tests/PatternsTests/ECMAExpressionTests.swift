import Testing

@testable import Patterns

@Suite struct ECMAExpressionTests {
    /// Expected values from ECMA-262, by hand.
    @Test(
        arguments: [
            ("a+", ["xaay"], ["b"]),
            ("^[\\w-\\.]+$", ["a-b.c"], ["a b"]), ("^[a-\\d]+$", ["a-1"], ["b"]), ("^[\\s-.]+$", [" -."], ["a"]),
            ("^[\\S]+$", ["ab"], ["a\u{a0}b", "\u{2028}"]), ("^[\\S,]+$", ["é,😀"], ["a b"]),
            ("[^\\S]", ["\u{a0}"], ["a"]),
            ("^a$", ["a"], ["a\n", "ba"]),
            ("^.$", ["é", "😀"], ["\n", "\r", "\u{2028}"]),
            ("^\\d+$", ["12"], ["١٢", "a"]),
            ("^\\w$", ["a", "_"], ["é"]),
            ("^\\s$", [" ", "\u{a0}", "\u{feff}", "\u{b}"], ["a"]),
            ("^\\S$", ["a"], ["\u{a0}", " "]),
            ("^[\\s]$", ["\u{2003}"], ["a"]),
            ("^\\u0041\\x42\\u{43}$", ["ABC"], ["abc"]),
            ("^\\ud83d\\ude00$", ["😀"], ["a"]),
            ("^\\cA$", ["\u{1}"], ["A"]),
            ("^[^]$", ["\n", "a"], [""]),
            ("[]", [], ["a", ""]),
            ("^[[:alpha:]]$", [":]", "a]", "[]"], ["b"]),
            ("^x{,2}$", ["x{,2}"], ["x", "xx"]),
            ("^\\p{Letter}+$", ["aé"], ["1"]),
            ("^\\p{Script=Greek}$", ["α"], ["a"]),
            ("^(?!a).*b$", ["cb"], ["ab"]),
            ("^(?<q>['\"]).*\\k<q>$", ["'a'"], ["'a\""]),
            ("(a)\\1", ["aa"], ["a"]),
            ("^\\$\\.\\/\\-$", ["$./-"], ["a"]),
            ("\\v", ["\u{b}"], ["\n"]),
        ] as [(String, [String], [String])])
    func `finds what ECMA-262 finds`(pattern: String, found: [String], missed: [String]) throws {
        let expression = try ECMAExpression(pattern)
        #expect(expression.isStandard)
        for text in found {
            let isFound = try expression.isFound(in: text)
            #expect(isFound, "`\(pattern)` in \(text.debugDescription)")
        }
        for text in missed {
            let isFound = try expression.isFound(in: text)
            #expect(!isFound, "`\(pattern)` in \(text.debugDescription)")
        }
    }

    @Test(arguments: ["(", "[a", "a)", "*a", "(?<a", "\\k<b>", "a\\"])
    func `refuses what is none`(pattern: String) {
        #expect(throws: PatternError.self) { try ECMAExpression(pattern) }
    }

    @Test(
        arguments: [
            ("\\Aab\\z", "ab", "xab"), ("^\\p{Alpha}+$", "ab", "a1"), ("^\\P{Alnum}$", "-", "a"),
            ("^[\\p{Upper}_]+$", "A_B", "a"), ("^\\p{IsGreek}$", "α", "a"), ("^a++b$", "aab", "b"),
        ])
    func `takes what only Java knows, and tells`(pattern: String, found: String, missed: String) throws {
        let expression = try ECMAExpression(pattern)
        #expect(!expression.isStandard || pattern.contains("++"))
        let isFound = try expression.isFound(in: found)
        #expect(isFound)
        let isMissed = try expression.isFound(in: missed)
        #expect(!isMissed)
    }

    @Test func `gives up on what takes too long`() throws {
        let expression = try ECMAExpression("^(a+)+$")
        #expect(throws: PatternError.self) { try expression.isFound(in: String(repeating: "a", count: 40) + "b") }
        let isFound = try expression.isFound(in: String(repeating: "a", count: 40))
        #expect(isFound)
    }
}
