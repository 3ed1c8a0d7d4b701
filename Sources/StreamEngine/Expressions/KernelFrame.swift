import Columns
import SQLTypes

/// What the kernels of an expression share while they work on the rows of a batch.
///
/// A row for which a part fails is noted; the whole expression is null there. Parts that stand on their own are null
/// themselves and do not spoil what is around them (`ksql.nested.error.set.null`): that is a `log`.
final class KernelFrame {
    let columns: [Vector]
    let count: Int
    /// Parameters of the lambdas around, innermost last, for a frame of one row.
    let parameters: [[SQLValue]]
    /// Messages of rows that failed; the first counts.
    private(set) var failures: [Int: String] = [:]
    private(set) var logs: [(row: Int, message: String)] = []

    init(columns: [Vector], count: Int, parameters: [[SQLValue]] = []) {
        self.columns = columns
        self.count = count
        self.parameters = parameters
    }

    var hasFailures: Bool { !failures.isEmpty }

    func hasFailed(_ row: Int) -> Bool { !failures.isEmpty && failures[row] != nil }

    func fail(_ row: Int, _ message: @autoclosure () -> String) {
        if failures[row] == nil { failures[row] = message() }
    }

    func log(_ row: Int, _ message: String) { logs.append((row, message)) }

    /// A frame for a part that counts only for some rows.
    func child() -> KernelFrame { KernelFrame(columns: columns, count: count, parameters: parameters) }

    /// Takes over what happened in a child, for the rows for which it counts.
    func adopt(_ child: KernelFrame, where counts: (Int) -> Bool) {
        for (row, message) in child.failures where counts(row) { fail(row, message) }
        for entry in child.logs where counts(entry.row) { logs.append(entry) }
    }

    /// Failures of a part that is null there, and what it logged.
    func adoptAsLogs(_ child: KernelFrame, of what: String) {
        for (row, message) in child.failures.sorted(by: { $0.key < $1.key }) {
            logs.append((row, "Error processing \(what): \(message)"))
        }
        logs.append(contentsOf: child.logs)
    }
}

/// Computes a vector of the frame's rows.
typealias Kernel = (KernelFrame) -> Vector
