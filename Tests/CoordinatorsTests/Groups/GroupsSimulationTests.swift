import Glibc
import Testing

@testable import Coordinators

@Suite struct GroupsSimulationTests {
    /// `SIMULATION_SEEDS=FROM-TO` runs others than the first 2000; a failing seed is the test's argument.
    static let seeds: Range<UInt64> = {
        let text = getenv("SIMULATION_SEEDS").map { String(cString: $0) } ?? ""
        let bounds = text.split(separator: "-").compactMap { UInt64($0) }
        return bounds.count == 2 && bounds[0] < bounds[1] ? bounds[0]..<bounds[1] : 0..<2000
    }()

    @Test(arguments: seeds)
    func `groups keep their promises through silence, refused appends and crashes`(seed: UInt64) throws {
        var simulation = GroupSimulation(seed: seed)
        do {
            try simulation.run(stepCount: 100)
        } catch {
            // The same again with a trace, which is too slow to be kept always.
            var traced = GroupSimulation(seed: seed, isTracing: true)
            _ = try? traced.run(stepCount: 100)
            Issue.record("seed \(seed): \(error)\n\(traced.trace.suffix(40).joined(separator: "\n"))")
        }
    }

    @Test(arguments: UInt64(0)..<20) func `the same events lead to the same replies and records`(seed: UInt64) throws {
        var runs = (0..<2).map { _ in GroupSimulation(seed: seed, isTracing: true) }
        try runs[0].run(stepCount: 100)
        try runs[1].run(stepCount: 100)
        #expect(runs[0].trace == runs[1].trace)
    }

    @Test func `the simulation does not idle`() throws {
        var counts: [String: Int] = [:]
        for seed in UInt64(0)..<100 {
            var simulation = GroupSimulation(seed: seed)
            try simulation.run(stepCount: 100)
            counts.merge(simulation.counts) { $0 + $1 }
        }
        for what in ["abandon", "crash", "round", "assignment", "commit", "marker", "tombstone", "removal"] {
            #expect(counts[what, default: 0] >= 50, "\(what) in \(counts)")
        }
    }
}
