package import ConnectCore

/// Pauses between attempts: each twice the one before, up to a limit, with a random part taken away so that many tasks that
/// failed together do not come back together.
package struct RetrySchedule: Sendable {
    package let first: Duration
    package let longest: Duration
    package let isRandom: Bool

    package init(first: Duration, longest: Duration = .seconds(60), isRandom: Bool = true) {
        self.first = first
        self.longest = longest
        self.isRandom = isRandom
    }

    /// - Parameter attempt: 0 for the pause behind the first failure.
    package func pause(_ attempt: Int) -> Duration {
        let whole = min(first * (1 << min(attempt, 20)), longest)
        guard isRandom else { return whole }
        return whole * Double.random(in: 0.5...1)
    }
}

/// Status codes as a list writes them: `429`, `500-599`, `400-` and up, `-399` and down.
package struct StatusCodes: Sendable, Hashable {
    private let ranges: [ClosedRange<Int>]

    /// - Throws: `.config` for what is no list of codes.
    package init(_ text: String, option: String) throws(ConnectError) {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",") {
            let part = part.filter { $0 != " " }
            guard !part.isEmpty else { continue }
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            let low = ends[0].isEmpty ? 0 : Int(ends[0])
            let high = ends.count == 1 ? low : (ends[1].isEmpty ? 599 : Int(ends[1]))
            guard ends.count <= 2, part != "-", let low, let high, low <= high, high < 1000 else {
                throw .config(option, text, "'\(part)' is no status code, nor a range of them like 500-599 or 400-")
            }
            ranges.append(low...high)
        }
        self.ranges = ranges
    }

    package func contains(_ code: Int) -> Bool { ranges.contains { $0.contains(code) } }
}
