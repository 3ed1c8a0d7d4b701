import JSONFormat
import SQLTypes

/// The first part of a result: all of it but the id of the query is known once the query is planned.
struct ResultHead: Sendable {
    private var before: [UInt8] = []
    private var after: [UInt8] = []
    /// Of the columns.
    let types: [SQLType]

    init(_ form: ResultWriter.Form, _ columns: [SQLColumn], protoSchema: String? = nil) {
        types = columns.map(\.type)
        switch form {
        case .rows, .protobuf:
            before += "{\"header\":{\"queryId\":".utf8
            after += ",\"schema\":".utf8
            JSONText.quote(columns.map(\.description).joined(separator: ", "), to: &after)
            if let protoSchema {
                after += ",\"protoSchema\":".utf8
                JSONText.quote(protoSchema, to: &after)
            }
            after += "}}".utf8
        case .lines, .array:
            before += "{\"queryId\":".utf8
            Self.texts(",\"columnNames\":[", columns.map(\.name), &after)
            Self.texts("],\"columnTypes\":[", columns.map(\.type.description), &after)
            after += "]}".utf8
        case .messages: break
        }
    }

    private static func texts(_ head: String, _ texts: [String], _ output: inout [UInt8]) {
        output += head.utf8
        for (index, text) in texts.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            JSONText.quote(text, to: &output)
        }
    }

    func append(_ queryID: String, to output: inout [UInt8]) {
        output += before
        JSONText.quote(queryID, to: &output)
        output += after
    }

    var byteCount: Int { before.count + after.count }
}
