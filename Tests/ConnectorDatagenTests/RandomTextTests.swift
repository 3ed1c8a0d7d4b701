import Patterns
import Testing

@testable import ConnectorDatagen

@Suite struct RandomTextTests {
    @Test(arguments: [
        "User_[1-9]", "Item_[1-9][0-9]{0,2}", "[A-Z]{2}\\d{6}[A-Z]", "lab-\\d{1}", "[1-9]{1}[0-9]{6}", "[a-z ]{10,15}",
        "\\[[0-9][0-9],[0-9][0-9]\\]", "(foo|bar)+baz?", "a*b+c?", "[^a-z]{3}", "\\w+@\\w+\\.com", "(a(b|c){2,3})?d",
        "(?:x|yy|zzz){2}", "^anchored$", "\\Qa.b*\\E!", "[\\d-]{4}", "[-x]y", "\\x41\\u00e9", "é{3}[α-ω]{2}",
        "", "(|a)b", "(?<year>20\\d\\d)-(0[1-9]|1[0-2])", ".{1,5}", "a{3,}", "(ab*)*", "\\.\\$\\{",
    ])
    func `makes texts that match`(pattern: String) throws {
        let text = try RandomText(pattern)
        let expression = try JavaPattern("\\A(?:" + pattern + ")\\z")
        var random = JavaRandom(seed: 7)
        for _ in 0..<200 {
            let made = text.text(8...15, &random)
            #expect(try expression.firstMatch(in: Array(made.utf8)) != nil, "\(pattern): \(made)")
        }
    }

    /// The length is met wherever the expression can meet it.
    @Test(arguments: [
        ("[a-z]*", 8...15, 8...15), ("[a-z]+", 3...3, 3...3), ("User_[1-9]{0,1}", 8...15, 6...6),
        ("(ab){1,9}", 5...7, 6...6), ("a{2}|b{9}", 8...15, 9...9), ("x*y*z*", 4...6, 4...6),
        ("[a-z]{20}", 8...15, 20...20),
    ])
    func `meets a length`(pattern: String, wanted: ClosedRange<Int>, expected: ClosedRange<Int>) throws {
        let text = try RandomText(pattern)
        var random = JavaRandom(seed: 3)
        for _ in 0..<100 { #expect(expected.contains(text.text(wanted, &random).count)) }
    }

    @Test(arguments: [
        "(", ")", "a)", "[a", "[", "a{2", "a{", "a{3,2}", "*a", "+", "\\", "(?=a)", "(?!a)", "(?<=a)b", "a{99999999}",
        "[z-a]", "\\1", "\\p{L}", "[^ -~]", "[a&&b]", "((a{10000}){10000}){10000}", String(repeating: "(", count: 500),
    ])
    func `refuses what makes no text`(pattern: String) {
        #expect(throws: DatagenError.self) { try RandomText(pattern) }
    }

    /// Nothing that a user writes may take all memory or time.
    @Test(arguments: ["(((a*)*)*)*", "(a{0,10000}){0,10000}", "((a?){0,10000}){0,100}", "(.*.*.*)*", "(((a*)*)*)*bb"])
    func `stays small`(pattern: String) throws {
        let text = try RandomText(pattern)
        var random = JavaRandom(seed: 1)
        for _ in 0..<20 { #expect(text.text(8...15, &random).count <= 15) }
    }
}
