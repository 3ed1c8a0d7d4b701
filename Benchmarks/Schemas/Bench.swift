import Foundation

/// Runs loops and prints a line for each: name, figures, checksum of what was computed. The figures are those of the best
/// of five runs, as neighbours only make it worse.
struct Bench {
    let isSmoke: Bool
    private let wanted: [String]

    init(arguments: some Sequence<String>) {
        isSmoke = arguments.contains("--smoke")
        wanted = arguments.filter { !$0.hasPrefix("--") }
    }

    /// - Parameters:
    ///   - byteCount: what one run of `body` goes through; 0 where that says nothing.
    ///   - recordCount: how many records, or schemas, one run has; of a single one the time is told.
    ///   - body: returns the checksum.
    func measure(_ name: String, byteCount: Int = 0, recordCount: Int, _ body: () throws -> Int) rethrows {
        guard wanted.isEmpty || wanted.contains(where: { name.contains($0) }) else { return }
        let clock = ContinuousClock()
        var checksum = 0
        var best = Double.infinity
        for _ in 0..<(isSmoke ? 1 : 5) {
            let elapsed = try clock.measure { checksum = try body() }
            best = min(best, elapsed / .seconds(1))
        }
        var figures =
            recordCount == 1
            ? String(format: "%9.3f s  ", best) : String(format: "%9.3f M/s", Double(recordCount) / best / 1e6)
        if byteCount > 0 { figures += String(format: " %7.0f MB/s", Double(byteCount) / best / 1e6) }
        print("\(name.padding(toLength: 48, withPad: " ", startingAt: 0)) \(figures)  [\(String(checksum, radix: 16))]")
    }
}
