/// How a test ended.
package enum Verdict: Sendable {
    case passed
    /// - Parameters:
    ///   - reason: one line.
    ///   - details: more lines, such as expected and actual records side by side.
    case failed(reason: String, details: [String] = [])
    case skipped(reason: String)
}

/// A test and how it ended.
package struct TestResult: Sendable {
    package var name: String
    package var verdict: Verdict
    /// Queries, their plans and what their steps counted, for people.
    package var plans: [String] = []
    package var counters: [String] = []
    /// Records and columns that failed without stopping a query.
    package var log: [String] = []
    /// Differences from what another implementation has recorded.
    package var remarks: [String] = []

    package init(name: String, verdict: Verdict) {
        self.name = name
        self.verdict = verdict
    }
}
