import Foundation
import TestKit
import Testing

@testable import SQLTypes

/// The quick way of printing against the plain one.
///
/// SWIFTWATER_SEEDS=40 takes more than a million numbers instead of a tenth of that.
@Suite struct DoubleTextTests {
    private static let seeds = 1...(ProcessInfo.processInfo.environment["SWIFTWATER_SEEDS"].flatMap { UInt64($0) } ?? 4)

    private static func check(_ value: Double) {
        guard value.isFinite else { return }
        let text = DoubleText.text(value)
        let plain = PlainDoubleText.text(value)
        if text != plain {
            Issue.record("\(value) of bits \(String(value.bitPattern, radix: 16)): \(text) instead of \(plain)")
        }
    }

    @Test func `edges`() {
        for exponent in -1074...1023 {
            let power = Double(sign: .plus, exponent: exponent, significand: 1)
            for value in [power, power.nextUp, power.nextDown, power * 1.5, -power] { Self.check(value) }
        }
        var ten = 1.0
        for exponent in 0...308 {
            for digit in 1...9 {
                Self.check(Double("\(digit)e\(exponent)") ?? 0)
                Self.check(Double("\(digit)e-\(exponent)") ?? 0)
                Self.check(Double("\(digit)5e-\(exponent)") ?? 0)
            }
            for value in [ten, ten.nextUp, ten.nextDown, 1 / ten] { Self.check(value) }
            ten *= 10
        }
        for value in [
            0, -0.0, .leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude, 9_999_999.999999999,
            1e7, 1e7.nextDown, 0.001, 0.001.nextDown, 9_007_199_254_740_994, 4_294_967_296, 2e-44, 1e23, 2e23,
        ] as [Double] { Self.check(value) }
    }

    @Test(arguments: seeds)
    func `any bits`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<5000 { Self.check(Double(bitPattern: random.next())) }
    }

    /// As they are in data: averages, amounts, rates, sums.
    @Test(arguments: seeds)
    func `numbers of any size`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<5000 {
            let count = Int.random(in: 1...100_000, using: &random)
            let sum = Int.random(in: 1...(5 * count), using: &random)
            Self.check(Double(sum) / Double(count))
            Self.check(Double(Int.random(in: -10_000_000...10_000_000, using: &random)) / 100)
            Self.check(Double.random(in: -1...1, using: &random))
            let exponent = Int.random(in: -60...80, using: &random)
            Self.check(Double(sign: .plus, exponent: exponent, significand: .random(in: 1..<2, using: &random)))
            let digits = Int.random(in: 1...999_999, using: &random)
            Self.check(Double("\(digits)e\(Int.random(in: -30...30, using: &random))") ?? 0)
        }
    }
}
