/// Why a query cannot be built, or cannot go on.
package struct EngineError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The plan asks for something that is not there: a function, a column, a format.
        case invalidPlan
        /// A record ends the query: an aggregate that overflows, a result that its format cannot hold.
        case fatalRecord
        /// What it takes to read a record or to write a result cannot be had now; the same records may go through later.
        case unavailable
        /// State is as large as it may be, or its disk is full.
        case stateLimit
        /// Changes of state that this plan cannot have written.
        case invalidState
        /// The query keeps no table that could be read.
        case notMaterialized
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
