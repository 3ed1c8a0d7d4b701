import TestKit
import Testing

@testable import Fuzzing

/// A short run of every target; `./dev fuzz` makes long ones.
@Suite struct FuzzingTests {
    struct Run: Sendable, CustomTestStringConvertible {
        var target: FuzzTarget
        var seed: UInt64
        var testDescription: String { "\(target.name) from seed \(seed)" }
    }

    static let runs = FuzzTarget.all.flatMap { target in
        (0..<4 as Range<UInt64>).map { Run(target: target, seed: 1_000_000 * $0) }
    }

    @Test(arguments: runs)
    func `bytes that are almost right are an error or a value`(run: Run) {
        for seed in run.seed..<run.seed + run.target.stepCount {
            do { try run.target.run(seed: seed) } catch { Issue.record("\(run.target.name), seed \(seed): \(error)") }
        }
    }

    /// Bytes that were damaged beyond recognition teach nothing.
    @Test func `damage leaves most of the bytes alone`() {
        var random = SeededRandom(seed: 1)
        var same = 0
        for _ in 0..<1_000 {
            let bytes = random.bytes(200)
            var damaged = bytes
            random.damage(&damaged)
            if damaged.starts(with: bytes.prefix(60)) { same += 1 }
        }
        #expect((200...800).contains(same))
    }
}
