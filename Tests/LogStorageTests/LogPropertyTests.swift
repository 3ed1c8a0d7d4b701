import Glibc
import Testing

@testable import LogStorage

@Suite struct LogPropertyTests {
    /// `SIMULATION_SEEDS=FROM-TO` runs others than the first 2000; a failing seed is the test's argument.
    static let seeds: Range<UInt64> = {
        let text = getenv("SIMULATION_SEEDS").map { String(cString: $0) } ?? ""
        let bounds = text.split(separator: "-").compactMap { UInt64($0) }
        return bounds.count == 2 && bounds[0] < bounds[1] ? bounds[0]..<bounds[1] : 0..<2000
    }()

    @Test(arguments: seeds)
    func `keeps its promises through crashes, full disks and failing syncs`(seed: UInt64) throws {
        var simulation = LogSimulation(seed: seed)
        do {
            try simulation.run(stepCount: 80)
        } catch {
            Issue.record("seed \(seed): \(error)\n\(simulation.trace.suffix(30).joined(separator: "\n"))")
        }
    }
}
