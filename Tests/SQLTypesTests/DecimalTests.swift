import TestKit
import Testing

@testable import SQLTypes

/// Expected values are those of `java.math.BigDecimal`.
@Suite struct DecimalTests {
    @Test(
        arguments: [
            ("1.50", "1.50", "1.50"), ("-.5", "-0.5", "-0.5"), ("5.", "5", "5"), ("1e3", "1E+3", "1000"),
            ("123E-10", "1.23E-8", "0.0000000123"), ("0.0000001", "1E-7", "0.0000001"), ("0E-9", "0E-9", "0.000000000"),
            ("12345678901234567890.123456789", "12345678901234567890.123456789", "12345678901234567890.123456789"),
            ("+7", "7", "7"), ("-0", "0", "0"),
        ] as [(String, String, String)])
    func `texts`(text: String, description: String, plain: String) throws {
        let number = try SQLDecimal(text)
        #expect(number.description == description)
        #expect(number.plainText == plain)
    }

    @Test(arguments: ["", "-", ".", "1e", "1.2.3", "1 ", "0x1", "1e99999999999", "1e-50000", "NaN"])
    func `what is no number is refused`(text: String) { #expect(throws: SQLTypesError.self) { try SQLDecimal(text) } }

    @Test(
        arguments: [
            ("2.5", 0, SQLDecimal.Rounding.halfUp, "3"), ("-2.5", 0, .halfUp, "-3"), ("2.5", 0, .halfDown, "2"),
            ("2.5", 0, .halfEven, "2"), ("3.5", 0, .halfEven, "4"), ("-2.1", 0, .floor, "-3"),
            ("-2.9", 0, .ceiling, "-2"),
            ("-2.9", 0, .down, "-2"), ("2.1", 0, .up, "3"), ("15", -1, .halfUp, "2E+1"), ("1.2", 3, .down, "1.200"),
            ("99999999999999999999.5", 0, .halfUp, "100000000000000000000"),
        ] as [(String, Int, SQLDecimal.Rounding, String)])
    func `rounding`(text: String, scale: Int, rounding: SQLDecimal.Rounding, result: String) throws {
        let number = try SQLDecimal(text)
        #expect(number.rescaled(to: scale, rounding: rounding).description == result)
    }

    /// The types of section 3 of the language's reference.
    @Test(
        arguments: [
            (SQLArithmetic.add, (4, 2), (4, 2), (5, 2)), (.multiply, (4, 2), (4, 2), (9, 4)),
            (.divide, (4, 2), (4, 2), (11, 7)), (.modulo, (4, 2), (6, 3), (5, 3)),
            (.subtract, (10, 0), (5, 3), (14, 3)),
        ] as [(SQLArithmetic, (Int, Int), (Int, Int), (Int, Int))])
    func `types of results`(
        operation: SQLArithmetic, left: (Int, Int), right: (Int, Int), result: (Int, Int)
    ) throws {
        let type = try operation.resultType(
            .decimal(precision: left.0, scale: left.1), .decimal(precision: right.0, scale: right.1))
        #expect(type == .decimal(precision: result.0, scale: result.1))
    }

    @Test func `a quotient without end is an error`() throws {
        let (one, three) = (try SQLDecimal("1.00"), try SQLDecimal("3.00"))
        #expect(throws: SQLTypesError(.arithmetic, "Rounding necessary")) {
            try SQLArithmetic.divide.apply(one, three, precision: 11, scale: 7)
        }
        #expect(throws: SQLTypesError.self) {
            try SQLArithmetic.divide.apply(one, .zero, precision: 11, scale: 7)
        }
        let half = try SQLArithmetic.divide.apply(one, SQLDecimal("2.00"), precision: 11, scale: 7)
        #expect(half.description == "0.5000000")
    }

    /// As `BigDecimal.remainder` with the digits of the result.
    @Test func `the quotient of a remainder has as many digits as the result`() throws {
        func remainder(_ left: String, _ right: String) throws -> String {
            try SQLArithmetic.modulo.apply(SQLDecimal(left), SQLDecimal(right), precision: 3, scale: 2).description
        }
        #expect(try remainder("101.00", "2.5") == "1.00")
        #expect(try remainder("-101.00", "2.5") == "-1.00")
        // 4000 has a digit at its start only.
        #expect(try remainder("10001.00", "2.5") == "1.00")
        #expect(throws: SQLTypesError(.arithmetic, "Division impossible")) { try remainder("12345.00", "2.5") }
        #expect(throws: SQLTypesError(.arithmetic, "Division by zero")) { try remainder("1.00", "0.0") }
    }

    @Test func `a number that does not fit names its field`() throws {
        let number = try SQLDecimal("123.4")
        #expect(
            throws: SQLTypesError(
                .overflow,
                "Numeric field overflow: A field with precision 4 and scale 2 must round to an absolute value less than "
                    + "10^2. Got 123.4")
        ) { try number.cast(precision: 4, scale: 2) }
    }

    @Test func `no number gets more zeros than it may have`() {
        let large = SQLDecimal(unscaled: 5, scale: -2_147_483_648)
        #expect(large.rescaledExactly(to: 0) == nil)
        #expect(SQLDecimal(unscaled: 5, scale: -20_001).rescaledExactly(to: 0) == nil)
        #expect(SQLDecimal(unscaled: 5, scale: -20_000).rescaledExactly(to: 0)?.precision == 20_001)
        let zero = SQLDecimal(unscaled: 0, scale: -2_147_483_648)
        #expect(zero.rescaledExactly(to: 2) == SQLDecimal(unscaled: 0, scale: 2))
        #expect(zero.rescaled(to: -5, rounding: .halfUp) == SQLDecimal(unscaled: 0, scale: -5))
    }

    /// Against the arithmetic of Int128 where that reaches, and by undoing where it does not.
    @Test(arguments: 1...3)
    func `arithmetic holds for random numbers`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        func number(_ digitsMax: Int) -> SQLDecimal {
            let digits = (0..<Int.random(in: 1...digitsMax, using: &random)).map { _ in
                String(Int.random(in: 0...9, using: &random))
            }
            let text =
                (Bool.random(using: &random) ? "-" : "") + digits.joined()
                + "E-\(Int.random(in: 0...20, using: &random))"
            return SQLDecimal(utf8: Array(text.utf8)) ?? .zero
        }
        for _ in 0..<500 {
            let (a, b) = (number(60), number(60))
            #expect((a + b - b).compare(to: a) == 0)
            #expect((a * b).compare(to: b * a) == 0)
            #expect((a - b).signum == a.compare(to: b))
            let again = SQLDecimal(bigEndian: a.bigEndian, scale: a.scale)
            #expect(again == a)
            let parsed = try SQLDecimal(a.plainText)
            #expect(parsed.compare(to: a) == 0)
            guard !b.isZero else { continue }
            let quotient = try a.dividing(by: b, scale: 0, rounding: .down)
            let remainder = try a.remainder(dividingBy: b)
            #expect((quotient * b + remainder).compare(to: a) == 0)
            #expect(remainder.magnitude.compare(to: b.magnitude) < 0)
        }
    }
}
