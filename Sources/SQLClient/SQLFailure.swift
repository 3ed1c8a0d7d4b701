package import JSONFormat

/// Why a SQL server did not do what it was asked.
package struct SQLFailure: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// Nobody answers, or not in time.
        case unreachable
        /// The server's own refusal: HTTP status and error code of section "error codes" of its API.
        case refused(status: Int, code: Int)
        /// The answer is none of a SQL server.
        case notUnderstood
    }

    package var kind: Kind
    package var message: String
    /// The statement that failed, as the server read it.
    package var statement: String?
    /// What the statements before the one that failed answered.
    package var entities: [JSONValue]

    package init(_ kind: Kind, _ message: String, statement: String? = nil, entities: [JSONValue] = []) {
        self.kind = kind
        self.message = message
        self.statement = statement
        self.entities = entities
    }

    package var description: String { message }

    /// From the body of an answer that is no success.
    init(status: Int, _ body: JSONValue?, _ address: String) {
        guard let message = body?["message"]?.text else {
            self.init(
                .refused(status: status, code: status * 100), "the SQL server at \(address) answered HTTP \(status)")
            return
        }
        let code = body?["error_code"]?.integer.map { Int($0) } ?? status * 100
        self.init(
            .refused(status: status, code: code), message, statement: body?["statementText"]?.text,
            entities: body?["entities"]?.elements ?? [])
    }
}
