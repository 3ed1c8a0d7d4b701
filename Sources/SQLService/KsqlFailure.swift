package import JSONFormat
package import SQLPlan
package import SQLSyntax

/// Why a request is refused, as clients are told: the original's code, whose HTTP status is a hundredth of it.
package struct KsqlFailure: Error, Sendable, CustomStringConvertible {
    package var code: Int
    /// Causes follow on lines of their own, "Caused by: ...".
    package var message: String
    /// Of a statement error: the statement's text.
    package var statementText: String?
    /// Of a statement error: what the statements before it gave.
    package var entities: [JSONValue] = []

    package init(_ code: Int, _ message: String, statementText: String? = nil) {
        self.code = code
        self.message = message
        self.statementText = statementText
    }

    package var description: String { "\(code): \(message)" }

    /// HTTP status.
    package var status: Int { code / 100 }

    /// `{"@type":"generic_error", ...}` or `{"@type":"statement_error", ...}`.
    package var json: JSONValue {
        guard let statementText else {
            return .object([
                ("@type", .string("generic_error")), ("error_code", .number(Int64(code))),
                ("message", .string(message)),
            ])
        }
        return .object([
            ("@type", .string("statement_error")), ("error_code", .number(Int64(code))), ("message", .string(message)),
            ("statementText", .string(StatementMask(statementText).text)), ("entities", .array(entities)),
        ])
    }

    // MARK: The codes

    package static func badRequest(_ message: String) -> Self { .init(40000, message) }
    package static func badStatement(_ message: String, _ text: String) -> Self {
        .init(40001, message, statementText: text)
    }
    /// The statement is one for another path.
    package static func wrongEndpoint(_ message: String, _ text: String) -> Self {
        .init(40002, message, statementText: text)
    }
    package static func tooManyPushQueries(_ message: String) -> Self { .init(40003, message) }
    package static func notFound(_ message: String) -> Self { .init(40400, message) }
    package static let notAcceptable = Self(40600, "Not Acceptable")
    package static func assertionFailed(_ message: String, _ text: String) -> Self {
        .init(41700, message, statementText: text)
    }
    package static func tooManyRequests(_ message: String) -> Self { .init(42900, message) }
    package static func server(_ message: String, _ text: String? = nil) -> Self {
        .init(50000, message, statementText: text)
    }
    package static func commandQueueTimeout(_ message: String) -> Self { .init(50301, message) }
    package static let starting = Self(50302, "KSQL is not yet ready to serve requests.")
    package static let shuttingDown = Self(50303, "The server is shutting down")
    package static let shutDown = Self(50304, "The server is shut down")
}

extension KsqlFailure {
    /// A statement that means nothing here.
    package init(_ error: PlanError, _ text: String) {
        let noRegistry = error.code == .unavailable && error.message.contains("'ksql.schema.registry.url'")
        self.init(noRegistry ? 42801 : 40001, error.message, statementText: noRegistry ? nil : text)
    }

    /// A text that cannot be read.
    package init(_ error: SQLSyntaxError) {
        let mask = StatementMask(error.statement)
        let message = mask.hiding(error.headline) + (mask.text.isEmpty ? "" : "\nStatement: " + mask.text)
        self.init(40001, message, statementText: mask.text)
    }
}
