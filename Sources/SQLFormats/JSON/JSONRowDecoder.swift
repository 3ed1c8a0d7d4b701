import JSONFormat
import SQLTypes

/// JSON and JSON_SR, a record at a time: an object with a member per column, or a bare value.
final class JSONRowDecoder: RowDecoder {
    let columns: [SQLField]
    let isUnwrapped: Bool
    /// JSON_SR: five bytes stand before the text, the first of them 0.
    let isFramed: Bool
    private let topic: String
    private let isKey: Bool

    init(columns: [SQLField], isUnwrapped: Bool, isFramed: Bool, topic: String, isKey: Bool) {
        self.columns = columns
        self.isUnwrapped = isUnwrapped
        self.isFramed = isFramed
        self.topic = topic
        self.isKey = isKey
    }

    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? {
        do throws(JSONFailure) {
            return try values(bytes)
        } catch {
            let message = error.path.isEmpty ? error.message : "\(error.message), path: \(error.path)"
            throw FormatError(
                .deserialization,
                "Failed to deserialize \(isKey ? "key" : "value") from topic: \(topic). \(message)", causes: [message])
        }
    }

    private func values(_ record: UnsafeRawBufferPointer) throws(JSONFailure) -> [SQLValue]? {
        var text = record
        if isFramed {
            guard record.first == 0 else {
                throw JSONFailure(
                    "Got unexpected JSON serialization format that did not start with the magic byte. If this"
                        + " stream was not serialized using the JsonSchemaConverter, then make sure the stream is"
                        + " declared with JSON format (not JSON_SR).")
            }
            guard record.count >= 5 else { throw JSONFailure("a record of \(record.count) bytes has no schema id") }
            text = UnsafeRawBufferPointer(rebasing: record[5...])
        }
        if JSONEncodingMark.isLikely(text), let utf8 = JSONEncodingMark.utf8(text) {
            return try values(utf8.span.bytes)
        }
        if !isFramed, text.first == 0 {
            throw JSONFailure(
                "Got unexpected JSON serialization format that starts with the magic byte. If this stream was"
                    + " serialized using the JsonSchemaConverter, then make sure the stream is declared with JSON_SR"
                    + " format (not JSON).")
        }
        return try values(text.bytes)
    }

    private func values(_ bytes: RawSpan) throws(JSONFailure) -> [SQLValue]? {
        var cursor = JSONCursor()
        cursor.skipSpace(in: bytes)
        guard cursor.at < bytes.byteCount else {
            let type = isUnwrapped ? columns.first?.type ?? .string : .structure(columns)
            if isUnwrapped, type == .string { return [.string("")] }
            throw JSONFailure(
                "Can't convert type. sourceType: MissingNode, requiredType: \(JSONReading.typeText(type))"
            ).inside("$")
        }
        do throws(JSONError) {
            var ahead = cursor
            try ahead.skipValue(in: bytes)
            if try cursor.takeNull(in: bytes) { return nil }
        } catch { throw JSONFailure(error) }
        do throws(JSONFailure) {
            if isUnwrapped, let column = columns.first {
                return [try JSONReading.value(&cursor, in: bytes, as: column.type)]
            }
            guard case .structure(let row) = try JSONReading.value(&cursor, in: bytes, as: .structure(columns)) else {
                return nil
            }
            return row
        } catch { throw error.inside("$") }
    }
}
