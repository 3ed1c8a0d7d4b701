package import JSONFormat

/// What connector statements ask of a Connect worker, by its REST API: of this process or of another.
package protocol ConnectorAdmin: Sendable {
    /// One exchange of Kafka Connect's REST API.
    ///
    /// - Parameters:
    ///   - method: "GET", "POST", "PUT" or "DELETE".
    ///   - path: parts of the path, not encoded: `["connectors", name, "status"]`.
    /// - Returns: the status and the body; null where there is none.
    /// - Throws: when the worker cannot be reached.
    func exchange(
        _ method: String, _ path: [String], _ body: JSONValue?
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue)
}

/// A Connect worker did not answer.
package struct ConnectorAdminError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package init(_ message: String) { self.message = message }
    package var description: String { message }
}

extension ConnectorAdmin {
    /// `POST /connectors`
    package func create(
        _ name: String, _ config: [(String, JSONValue)]
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange(
            "POST", ["connectors"], .object([("name", .string(name)), ("config", .object(config))]))
    }

    /// `PUT /connector-plugins/{class}/config/validate`
    package func validate(
        _ plugin: String, _ config: [(String, JSONValue)]
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("PUT", ["connector-plugins", plugin, "config", "validate"], .object(config))
    }

    package func list() async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("GET", ["connectors"], nil)
    }

    package func describe(_ name: String) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("GET", ["connectors", name], nil)
    }

    package func status(_ name: String) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("GET", ["connectors", name, "status"], nil)
    }

    package func topics(_ name: String) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("GET", ["connectors", name, "topics"], nil)
    }

    package func drop(_ name: String) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("DELETE", ["connectors", name], nil)
    }

    package func plugins() async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        try await exchange("GET", ["connector-plugins"], nil)
    }
}
