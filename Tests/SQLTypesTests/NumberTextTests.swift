import TestKit
import Testing

@testable import SQLTypes

@Suite struct NumberTextTests {
    /// What `Double.toString` of Java 17 gives.
    @Test(
        arguments: [
            (0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (10, "10.0"), (1e7, "1.0E7"), (9_999_999, "9999999.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"), (1.1, "1.1"), (123.456, "123.456"), (1e21, "1.0E21"), (1e23, "9.999999999999999E22"),
            (2e23, "1.9999999999999998E23"), (8.41e21, "8.409999999999999E21"), (2.0e-3, "0.002"),
            (4.9e-324, "4.9E-324"),
            (1.7976931348623157e308, "1.7976931348623157E308"), (2.2250738585072014e-308, "2.2250738585072014E-308"),
            (9_007_199_254_740_993, "9.007199254740992E15"), (.nan, "NaN"), (.infinity, "Infinity"),
            (-.infinity, "-Infinity"), (0x1p-44, "5.6843418860808015E-14"), (5e-5, "5.0E-5"), (100_000.5, "100000.5"),
        ] as [(Double, String)])
    func `doubles as Java prints them`(value: Double, text: String) { #expect(DoubleText.text(value) == text) }

    @Test(arguments: 1...3)
    func `a printed double is read back`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            #expect(Double(DoubleText.text(value)) == value)
        }
    }

    /// What `Double.parseDouble` takes.
    @Test(
        arguments: [
            ("1", 1), (" 1.5 ", 1.5), ("1.", 1), (".5", 0.5), ("1e3", 1000), ("1d", 1), ("1.5F", 1.5), ("0x1p3", 8),
            ("0x1.8p1", 3), ("-1E-2", -0.01), ("+2", 2),
        ] as [(String, Double)])
    func `numbers as Java reads them`(text: String, value: Double) throws {
        #expect(try NumberText.double(text) == value)
    }

    @Test(arguments: ["", " ", "a", "1e", "0x1", "1dd", "NaN", "Infinity", "-Infinity", "1e400", "1,5", "--1", "d"])
    func `what is no finite number is refused`(text: String) {
        #expect(throws: SQLTypesError.self) { try NumberText.double(text) }
    }

    @Test(
        arguments: [
            ("true", true), ("T", true), ("tr", true), ("YES", true), ("y", true), ("truex", false), ("false", false),
            ("", false), ("no", false), ("1", false),
        ] as [(String, Bool)])
    func `booleans`(text: String, value: Bool) { #expect(NumberText.boolean(text) == value) }
}
