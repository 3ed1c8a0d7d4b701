import Glibc
import Testing

@testable import LogStorage

@Suite struct CompactionPropertyTests {
    /// `SIMULATION_SEEDS=FROM-TO` runs others than the first 300; a failing seed is the test's argument.
    static let seeds: Range<UInt64> = {
        let text = getenv("SIMULATION_SEEDS").map { String(cString: $0) } ?? ""
        let bounds = text.split(separator: "-").compactMap { UInt64($0) }
        return bounds.count == 2 && bounds[0] < bounds[1] ? bounds[0]..<bounds[1] : 0..<300
    }()

    @Test(arguments: seeds)
    func `cleans without losing the last value of a key, through crashes and full disks`(seed: UInt64) throws {
        var simulation = CompactionSimulation(seed: seed)
        do {
            try simulation.run(stepCount: 120)
        } catch {
            Issue.record("seed \(seed): \(error)\n\(simulation.trace.suffix(60).joined(separator: "\n"))")
        }
    }
}
