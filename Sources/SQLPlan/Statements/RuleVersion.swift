import SQLTypes

/// The rules by which a statement is planned.
///
/// Logs keep statements, not plans, and every start plans them again. What an earlier program accepted keeps the types
/// and the layouts of state that it had there, whatever the rules for new statements are: a rule that changes either
/// gets another version here.
package enum RuleVersion: Int, Comparable, Sendable {
    /// Until 0.05 became a DECIMAL(3, 2), COUNT of a column named like ROWTIME counted values, and texts beside such a
    /// column were texts.
    case first = 1
    case second = 2

    package static let current = RuleVersion.second

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    var literals: DecimalLiterals { self < .second ? .withDigitsNeeded : .withDigitBeforePoint }
    /// Whether names that only end as ROWTIME and the bounds of windows do are taken for those.
    var goesByEndsOfNames: Bool { self < .second }
}
