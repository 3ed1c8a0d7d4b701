package import SQLSyntax
import SQLTypes

/// Why a statement cannot be executed. The message is ksqlDB's where clients and tests look for it.
package struct PlanError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The statement means nothing as it is.
        case invalid
        /// A stream or table is not known.
        case unknownSource
        /// A column is not known, or several sources have it.
        case unknownColumn
        /// A function is not known or does not take such arguments.
        case function
        /// Types do not allow what was asked for.
        case type
        /// A schema cannot be read, made or registered.
        case schema
        /// The registry or the cluster did not answer.
        case unavailable
        /// Something else depends on it.
        case inUse
    }

    package var code: Code
    package var message: String
    package var position: Position?
    /// Whether the original finds it only when it compiles an expression, and then says for what.
    var isFromCompiling = false

    package init(_ code: Code, _ message: String, at position: Position? = nil) {
        self.code = code
        self.message = message
        self.position = position
    }

    init(_ message: String, at position: Position? = nil) { self.init(.invalid, message, at: position) }

    init(_ error: SQLTypesError, at position: Position? = nil) { self.init(.type, error.message, at: position) }

    package var description: String { message }

    func prefixed(_ prefix: String) -> Self {
        var copy = self
        copy.message = prefix + message
        return copy
    }

    var fromCompiling: Self {
        var copy = self
        copy.isFromCompiling = true
        return copy
    }
}

/// Lists in sentences.
enum Words {
    /// "A", "A and B", "A, B and C"
    static func join(_ items: [String], _ last: String) -> String {
        guard let tail = items.last, items.count > 1 else { return items.first ?? "" }
        return items.dropLast().joined(separator: ", ") + " \(last) " + tail
    }
}

extension Position {
    /// "Line: 3, Col: 38: ", as messages about names begin.
    var prefix: String { "\(description): " }
}
