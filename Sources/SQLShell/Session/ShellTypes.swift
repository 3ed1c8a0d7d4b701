/// Where a shell prints.
package protocol ShellOutput: Sendable {
    /// Results.
    func write(_ text: String) throws
    /// What is said about results, to people only; it does not get into a file or pipe.
    func note(_ text: String)
    /// Columns of the terminal; nil when it is none.
    var width: Int? { get }
}

/// How a shell prints results.
package enum ShellFormat: String, Sendable, CaseIterable {
    /// Grids for people.
    case tabular
    /// JSON for programs: what statements answer as it is; rows of queries as objects by column, one per line.
    case json
}

package struct ShellOptions: Sendable {
    package var format = ShellFormat.tabular
    /// Rows after which a query is ended; nil for no limit.
    package var queryRowLimit: Int?
    /// Time after which a query is ended; nil for no limit.
    package var queryTimeout: Duration?

    package init() {}
}

/// Why the shell did not do what it was asked.
package struct ShellFailure: Error, Sendable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
