import JSONFormat
import NIOCore
import SQLFormats
import SQLTypes

/// Writes the result of a query in one of the API's forms. One query, one task at a time.
///
/// | form | begins | row | ends |
/// |---|---|---|---|
/// | `rows` | `[{"header":{...}}` | `{"row":{"columns":[...]}}` | a final message, `]` |
/// | `protobuf` | the same with `protoSchema` | `{"row":{"protobufBytes":"..."}}` | the same |
/// | `lines` | `{"queryId":...,"columnNames":[...]}` on a line | `[...]` on a line | |
/// | `array` | `[{"queryId":...` | `[...]` | `]` |
/// | `messages` | | as `rows`, each part on a line | a final message |
struct ResultWriter {
    enum Form: Sendable, Hashable { case rows, protobuf, lines, array, messages }

    let form: Form
    let queryID: String
    let columns: [SQLColumn]
    /// Whether parts are separated as soon as they are written, so that clients get whole lines while the query goes on;
    /// such a result ends with a message. Else separators stand before parts.
    let isStreamed: Bool
    private let types: [SQLType]
    private let encoder: (any RowEncoder)?
    private let protoSchema: String?
    private let head: ResultHead?
    private var hasParts = false

    /// - Parameter head: of the form and the columns, where it was made before.
    /// - Throws: 40600 when the columns cannot be written in the form.
    init(
        _ form: Form, queryID: String, columns: [SQLColumn], isStreamed: Bool, head: ResultHead? = nil
    ) throws(KsqlFailure) {
        self.form = form
        self.head = head
        self.queryID = queryID
        self.columns = columns
        self.isStreamed = isStreamed
        types = head?.types ?? columns.map(\.type)
        guard form == .protobuf else {
            encoder = nil
            protoSchema = nil
            return
        }
        do throws(FormatError) {
            let fields = columns.map { SQLField($0.name, $0.type) }
            let format = SerdeFormat(FormatInfo(.protobufNoSR))
            protoSchema = try RegistrySchemas.schema(of: fields, format: format).text
            encoder = try RecordFormats().rowEncoder(format, topic: "", isKey: false, columns: fields)
        } catch { throw KsqlFailure(40600, "the result cannot be written as Protocol Buffers: \(error.message)") }
    }

    // MARK: Parts

    mutating func begin(_ output: inout [UInt8]) {
        if form == .messages { return }
        if form != .lines { output.append(UInt8(ascii: "[")) }
        beginPart(&output)
        (head ?? ResultHead(form, columns, protoSchema: protoSchema)).append(queryID, to: &output)
        endPart(&output)
    }

    /// - Returns: whether the form has such a row: tombstones are in `rows` only.
    /// - Throws: `.serialization` when the row cannot be written in the form.
    @discardableResult
    mutating func row(
        _ values: [SQLValue], isTombstone: Bool = false, _ output: inout [UInt8]
    ) throws(FormatError) -> Bool {
        if isTombstone, form != .rows, form != .messages { return false }
        let bytes = try encoder?.bytes(values) ?? []
        beginPart(&output)
        switch form {
        case .rows, .messages:
            output += "{\"row\":{\"columns\":".utf8
            RowText.append(values, types, to: &output)
            output += (isTombstone ? ",\"tombstone\":true}}" : "}}").utf8
        case .protobuf:
            output += "{\"row\":{\"protobufBytes\":\"".utf8
            output += Base64.encode(bytes).utf8
            output += "\"}}".utf8
        case .lines, .array: RowText.append(values, types, to: &output)
        }
        endPart(&output)
        return true
    }

    /// What went wrong after the result had begun; the last part.
    mutating func failure(_ failure: KsqlFailure, _ output: inout [UInt8]) {
        if !isStreamed || isByLine { beginPart(&output) }
        switch form {
        case .rows, .protobuf, .messages:
            output += "{\"errorMessage\":".utf8
            output += failure.json.bytes
            output.append(UInt8(ascii: "}"))
        case .lines, .array: output += failure.json.bytes
        }
        finish(&output)
    }

    /// The end of the result.
    ///
    /// - Parameter message: "Limit Reached", "Query Completed"; nil where there is none.
    mutating func end(_ message: String?, _ output: inout [UInt8]) {
        switch form {
        case .rows, .protobuf, .messages:
            guard let message else { break }
            if !isStreamed || isByLine { beginPart(&output) }
            output += "{\"finalMessage\":".utf8
            JSONText.quote(message, to: &output)
            output.append(UInt8(ascii: "}"))
            return finish(&output)
        case .lines, .array: break
        }
        if !isByLine { finish(&output) }
    }

    private var isByLine: Bool { form == .lines || form == .messages }

    private mutating func beginPart(_ output: inout [UInt8]) {
        if !isByLine, !isStreamed, hasParts { output += ",\n".utf8 }
        hasParts = true
    }

    private func endPart(_ output: inout [UInt8]) {
        if isByLine {
            output.append(UInt8(ascii: "\n"))
        } else if isStreamed {
            output += ",\n".utf8
        }
    }

    private func finish(_ output: inout [UInt8]) { output += (isByLine ? "\n" : "]\n").utf8 }
}
