import TestKit
import Testing

@testable import Patterns

/// Look-behinds of several lengths, which are written out.
@Suite struct JavaLookBehindTests {
    /// What `java.util.regex.Matcher.find` finds.
    @Test(
        arguments: [
            ("(?x)(?<=x a {1,2})b", "xaab", "b"), ("(?x)(?<=x a? # ) c\n)b", "xab", "b"),
            ("(?x)(?<=x[a #]\n]?)b", "xab", "b"), ("(?x:(?<=x a{1,2} ?))b", "xaab", "b"),
            ("(?<=x\\Qya\\E[a]?)b", "xyaab", "b"), ("(?<=\\01{1,2}2)b", "\u{1}2b", "b"),
            ("(?<=\\uD83D\\uDE00{1,2})b", "😀😀b", "b"), ("(?<=a{02,3})b", "aab", "b"), ("(?<=a{0})b", "b", "b"),
            ("(?<=(?<=x?)a{1,2})b", "xab", "b"), ("(?<=a{100})b", String(repeating: "a", count: 100) + "b", "b"),
        ] as [(String, String, String)])
    func `finds what Java finds`(pattern: String, text: String, found: String) throws {
        let bytes = Array(text.utf8)
        let match = try JavaPattern(pattern).firstMatch(in: bytes)
        #expect(match.map { String(decoding: bytes[$0.whole], as: UTF8.self) } == found)
    }

    /// Java takes the latter ones; here groups would get other numbers, or the quantifier be for all of a quote.
    @Test(arguments: [
        "(?<=a{-1})b", "(?<=a{-3,-2})b", "(?<=a{+1,2})b", "(?<=a{2,1})b", "(?<=a{1,99999999999})b",
        "(?<=a{99999999999999999999})b", "(?<=a{1,99999999999999999999})b", "(?<=a{1,2,3})b", "(?<=a{ 1,2})b",
        "(?<=(x)a{1,2})(b)", "(?<=(a){1,2})(b)", "(?<=(?=(a))a{1,2})(b)", "(?<=(?<n>x)a{1,2})b",
        "(?<=(?!(?<n>x))a{1,2})b", "(?<=x\\Qya\\E{1,2})b", "(?x)(?<=x\\Qya\\E ?)b",
    ])
    func `refuses what cannot be written out`(pattern: String) {
        #expect(throws: PatternError.self) { try JavaPattern(pattern) }
    }

    @Test func `groups of look-behinds of one length keep their numbers`() throws {
        let match = try JavaPattern("(?<=(x)aa)(b)").firstMatch(in: Array("xaab".utf8))
        #expect(match?.groups == [3..<4, 0..<1, 3..<4])
    }

    private static func nested(_ levels: Int, _ part: String) -> String {
        (0..<levels).reduce("x") { inner, _ in "(?<=(?<=\(inner))\(part))" } + "b"
    }

    /// Each level stands in every alternative of the one around it.
    @Test(arguments: [(6, "a{1,9}"), (20, "a?"), (200, "a"), (5000, "a"), (5000, "a?")])
    func `nested look-behinds do not grow without bound`(levels: Int, part: String) {
        do throws(PatternError) {
            #expect(try JavaSyntax.translate(Self.nested(levels, part)).utf8.count < 1 << 20)
        } catch {
            #expect(error.code == .syntax)
        }
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: ["(?<=", "(?<=[", "(?<=a?)", "(?<=a{8000})", "(?<=(?:a{8000}){0}b?)", "[", "(?:", "(?<=(?:|a){8}"])
    func `long expressions are dealt with soon`(part: String) {
        for start in ["", "(?<=", "(?x)(?<="] {
            let text = start + String(repeating: part, count: 10_000 / part.utf8.count)
            do throws(PatternError) { _ = try JavaSyntax.translate(text) } catch { #expect(error.code == .syntax) }
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: 1...8 as ClosedRange<UInt64>)
    func `no expression traps`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let characters = Array("()?<=!{}[]\\Q E,-0129a|*+x:")
        let starts = ["", "(?<=", "(?x)(?<=", "(?<=a{", "(?<!\\Q"]
        for _ in 0..<2000 {
            var text = starts.randomElement(using: &random) ?? ""
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                text.append(characters.randomElement(using: &random) ?? "a")
            }
            if Bool.random(using: &random) { text += ")b" }
            do throws(PatternError) {
                #expect(try JavaSyntax.translate(text).utf8.count < 1 << 20, "\(text)")
                _ = try JavaPattern(text)
            } catch {
                #expect(error.code == .syntax, "\(text)")
            }
        }
    }
}
