import TestKit
import Testing

@testable import Coordinators

/// Thousands of short lives of a coordinator; a seed that fails is printed and replays its life.
@Suite struct TransactionSimulationTests {
    @Test(arguments: 0..<2_000 as Range<UInt64>)
    func `transactions are atomic whatever happens`(seed: UInt64) {
        var simulation = TransactionSimulation(seed: seed)
        simulation.run(steps: 250)
        #expect(simulation.violations.isEmpty, "seed \(seed)")
    }

    @Test func `the simulation meets what it is made for`() {
        var tally: [String: Int] = [:]
        for seed in 0..<60 as Range<UInt64> {
            var simulation = TransactionSimulation(seed: seed)
            simulation.run(steps: 250)
            tally.merge(simulation.tally, uniquingKeysWith: +)
        }
        let kinds = [
            "init", "write", "commit", "abort", "order", "crash", "gave up", "new id", "end 51", "end 90", "end 48",
            "refused init", "refused add", "refused implicit", "refused end", "refused markers", "refused marker",
            "refused tick",
        ]
        for kind in kinds { #expect(tally[kind, default: 0] > 0, "\(kind) in \(tally)") }
    }

    @Test func `a seed gives one life`() {
        var first = TransactionSimulation(seed: 7)
        var second = TransactionSimulation(seed: 7)
        first.run(steps: 400)
        second.run(steps: 400)
        #expect(first.log == second.log)
    }
}
