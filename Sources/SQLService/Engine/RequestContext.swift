package import JSONFormat
package import SQLSyntax

/// What holds for the statements of one request: what the client's session sets, and what the statements before have.
package struct RequestContext: Sendable {
    /// `streamsProperties` of the request, and SET.
    package var properties: [String: String]
    /// `sessionVariables` of the request, and DEFINE.
    package var variables: SQLVariables
    package var variableNames: [String: String]
    /// `requestProperties`: between nodes, and for what one request asks of a query.
    package var requestProperties: [String: String]
    /// `commandSequenceNumber`: what has to be executed before; nil or negative: nothing.
    package var sequenceNumber: Int64?

    package init(
        properties: [String: String] = [:], variables: [String: String] = [:],
        requestProperties: [String: String] = [:], sequenceNumber: Int64? = nil
    ) {
        self.properties = properties
        self.variables = SQLVariables(variables)
        variableNames = variables
        self.requestProperties = requestProperties
        self.sequenceNumber = sequenceNumber
    }

    /// From the body of a request.
    ///
    /// - Parameter propertiesName: "streamsProperties", at `/query-stream` "properties".
    /// - Throws: 40000 for members that are something else.
    package init(_ body: JSONValue, propertiesName: String = "streamsProperties") throws(KsqlFailure) {
        self.init(
            properties: try Self.texts(body[propertiesName], propertiesName),
            variables: try Self.texts(body["sessionVariables"], "sessionVariables"),
            requestProperties: try Self.texts(body["requestProperties"], "requestProperties"),
            sequenceNumber: body["commandSequenceNumber"]?.integer)
    }

    package mutating func define(_ name: String, _ value: String) {
        variables[name] = value
        variableNames = variableNames.filter { $0.key.lowercased() != name.lowercased() }
        variableNames[name] = value
    }

    package mutating func undefine(_ name: String) {
        variables[name] = nil
        variableNames = variableNames.filter { $0.key.lowercased() != name.lowercased() }
    }

    /// An object whose values are texts, numbers or booleans.
    private static func texts(_ value: JSONValue?, _ name: String) throws(KsqlFailure) -> [String: String] {
        guard let value else { return [:] }
        if case .null = value { return [:] }
        guard let members = value.members else { throw .badRequest("'\(name)' is no object") }
        var result: [String: String] = [:]
        for (key, value) in members {
            switch value {
            case .null: continue
            case .array, .object: throw .badRequest("'\(name)': the value of '\(key)' is no text, number or boolean")
            default: result[key] = value.text ?? String(decoding: value.bytes, as: UTF8.self)
            }
        }
        return result
    }
}
