import TestKit
import Testing

@testable import Patterns

/// That a search takes a number of steps in proportion to the text, whatever the expression.
@Suite struct StepCounterTests {
    private static func text(_ part: String, _ byteCount: Int, _ end: String = "") -> String {
        String(repeating: part, count: byteCount / part.utf8.count) + end
    }

    private static let hostile: [(String, String)] = [
        ("(?:a|b)*[cd]", text("ab", 20_000)), ("(?:a|b)*[cd]", text("ab", 100_000)),
        ("[ab]*[cd]", text("ab", 100_000)), ("(a+)+$", text("a", 20_000, "b")), ("(?:a+)+[cd]", text("a", 1000)),
        ("a*a*a*[cd]", text("a", 100_000)), ("(?=[ab]*[cd])a", text("ab", 100_000)),
        ("(?>[ab]*)[cd]", text("ab", 100_000)), ("[ab]*+[cd]", text("ab", 100_000)),
        ("[ab]{30000}[cd]", text("ab", 29_999, "z") + text("ab", 29_999, "z")), (".*?[cd]", text("ab", 60_000)),
        ("([ab]+)\\1[cd]", text("ab", 100_000)), ("(?:(?:a|b)*)*[cd]", text("ab", 50_000)),
        ("(?<!c)(?:[ab]|ab)*[cd]", text("ab", 50_000)), ("\\s+$", text(" ", 60_000, "x")),
    ]

    @Test(arguments: hostile)
    func `a hostile expression ends soon`(pattern: String, text: String) throws {
        let budget = 500_000 + 32 * text.utf8.count
        var stepCount = 0
        do throws(PatternError) {
            let isFound = try ECMAExpression(pattern).isFound(in: text, stepCount: &stepCount)
            #expect(!isFound)
        } catch {
            #expect(error.code == .tooComplex)
        }
        // The last step may be a large one.
        #expect(stepCount <= budget + text.utf8.count)
        do throws(PatternError) {
            let match = try JavaPattern(pattern).firstMatch(in: Array(text.utf8))
            #expect(match == nil)
        } catch {
            #expect(error.code == .tooComplex)
        }
    }

    @Test func `many matches take from one budget`() throws {
        let text = Array(Self.text("ab", 100_000).utf8)
        #expect(throws: PatternError.self) { try JavaPattern("(?:a|b)*[cd]|a").matches(in: text) }
        let matches = try JavaPattern("a|b").matches(in: text)
        #expect(matches.count == 100_000)
    }

    @Test(
        arguments: [
            ("^(?:a|b)*$", text("ab", 60_000)), ("^[ab]*$", text("ab", 60_000)), ("^.*[cd]$", text("ab", 100_000, "c")),
            ("^(?:[a-z]+ )*$", text("some words ", 50_000)), ("[cd]", text("ab", 60_000, "d")),
            ("^[A-Za-z0-9+/]*={0,2}$", text("QUJD", 200_000, "==")), ("^(\\w+)(?:,\\w+)*$", text("abc,", 60_000, "x")),
            ("^(?:\\d{1,3}\\.){3}\\d{1,3}$", "192.168.100.200"), ("^(['\"]).*?\\1$", "'" + text("ab", 100_000) + "'"),
            ("^(?:[0-9a-f]{64},)*$", text(text("0af", 63, "0,"), 60_000)),
            ("\\b[a-z]+@[a-z]+\\.com\\b", text("word ", 60_000, "me@host.com")),
            ("x{500}", text("y", 30_000) + text("x", 500)),
        ] as [(String, String)])
    func `a long text that people ask about is matched`(pattern: String, text: String) throws {
        let isFound = try ECMAExpression(pattern).isFound(in: text)
        #expect(isFound)
        let match = try JavaPattern(pattern).firstMatch(in: Array(text.utf8))
        #expect(match != nil)
    }

    /// A random expression of all that PCRE2 knows to repeat, choose and look at.
    private static func pattern(_ random: inout SeededRandom, depth: Int) -> String {
        func part(_ random: inout SeededRandom) -> String {
            var item: String
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<4: item = ["a", "b", "c", ".", "[ab]", "[^c]", "\\w"].randomElement(using: &random) ?? "a"
            case 4: return ["^", "$", "\\b", "\\B"].randomElement(using: &random) ?? "^"
            case 5 where depth > 0:
                let look = ["(?=", "(?!"].randomElement(using: &random) ?? "(?="
                return look + pattern(&random, depth: depth - 1) + ")"
            case 6: return ["(?<=a)", "(?<!bc)", "(?<=\\w)"].randomElement(using: &random) ?? ""
            case 7 where depth > 0: item = "(?:" + pattern(&random, depth: depth - 1) + ")"
            case 8 where depth > 0: item = "(" + pattern(&random, depth: depth - 1) + ")"
            default: item = ["a", "b", "x"].randomElement(using: &random) ?? "a"
            }
            item += ["", "", "", "*", "+", "?", "*?", "{2}", "{1,3}", "++"].randomElement(using: &random) ?? ""
            return item
        }
        let count = Int.random(in: 1...4, using: &random)
        let branches = Int.random(in: 1...2, using: &random)
        return (0..<branches).map { _ in (0..<count).map { _ in part(&random) }.joined() }.joined(separator: "|")
    }

    @Test func `finds what is found without the counter`() throws {
        var random = SeededRandom(seed: 4)
        var matchCount = 0
        for _ in 0..<1500 {
            var text = Self.pattern(&random, depth: 2)
            if text.contains("("), Bool.random(using: &random) { text = "(" + text + ")\\1" }
            let expression = try JavaPattern(text)
            for _ in 0..<3 {
                let length = Int.random(in: 0...40, using: &random)
                let subject = (0..<length).map { _ in Array("abcx ".utf8).randomElement(using: &random) ?? 0 }
                let start = Int.random(in: 0...length, using: &random)
                // Without steps for the counter; what takes long is left out.
                var budget = 0
                let plain: JavaPattern.Match?
                do throws(PatternError) {
                    plain = try expression.firstMatch(in: subject, from: start, budget: &budget)
                } catch { continue }
                budget = .max
                let counted = try expression.firstMatch(
                    in: subject, from: start, budget: &budget, shortByteCountMax: -1)
                #expect(plain?.groups == counted?.groups, "`\(text)` in \(subject) from \(start)")
                if plain != nil { matchCount += 1 }
            }
        }
        #expect(matchCount > 1000)
    }

    @Test func `an expression without room for the counter has a limit as well`() throws {
        for pattern in [
            "(?:a|b)*[cd]|" + String(repeating: "abcdefghij", count: 1000), String(repeating: "[a-c]", count: 1500),
        ] {
            let expression = try JavaPattern(pattern)
            let text = Array(Self.text("ab", 20_000).utf8)
            do throws(PatternError) { _ = try expression.firstMatch(in: text) } catch {
                #expect(error.code == .tooComplex)
            }
            do throws(PatternError) { _ = try ECMAExpression(pattern).isFound(in: Self.text("ab", 20_000)) } catch {
                #expect(error.code == .tooComplex)
            }
        }
    }
}
