/// One step on a record's way. Immutable: the same record gives the same result.
package protocol Transformation: Sendable {
    /// - Returns: nil to drop the record.
    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord?
}

/// A question about a record that decides whether a transform applies.
package protocol RecordPredicate: Sendable {
    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool
}

/// Which half of a record a transform works on: `$Key` or `$Value`.
package enum RecordPart: Sendable, Hashable {
    case key, value
}

extension ConnectRecord {
    package subscript(part: RecordPart) -> SchemaAndValue {
        get { part == .key ? key : value }
        set {
            if part == .key { key = newValue } else { value = newValue }
        }
    }

    func with(_ part: RecordPart, _ schema: ConnectSchema?, _ value: ConnectValue) -> ConnectRecord {
        var record = self
        record[part] = SchemaAndValue(schema, value)
        return record
    }
}

/// What transforms demand of values, in Connect's words (`Requirements`).
enum Requirements {
    static func map(_ value: ConnectValue, _ purpose: String) throws(ConnectError) -> ConnectMap {
        guard case .map(let map) = value else {
            throw .data("Only Map objects supported in absence of schema for [\(purpose)], found: \(value.javaClass)")
        }
        return map
    }

    static func structure(_ value: ConnectValue, _ purpose: String) throws(ConnectError) -> ConnectStruct {
        guard case .structure(let structure) = value else {
            throw .data("Only Struct objects supported for [\(purpose)], found: \(value.javaClass)")
        }
        return structure
    }

    static func schema(_ schema: ConnectSchema?, _ purpose: String) throws(ConnectError) -> ConnectSchema {
        guard let schema else { throw .data("Schema required for [\(purpose)]") }
        return schema
    }
}
