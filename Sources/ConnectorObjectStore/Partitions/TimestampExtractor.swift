import ConnectCore

/// Where a record's time comes from.
enum TimestampExtractor: Sendable, Hashable {
    case wallclock
    case record
    case field(String)

    /// - Parameter now: milliseconds since 1970, for the wall clock.
    /// - Throws: `.data` for records without a time.
    func millis(_ record: ConnectRecord, now: Int64) throws(ConnectError) -> Int64 {
        min(max(try given(record, now), -Self.millisMax), Self.millisMax)
    }

    /// Times beyond it, 285,000 years from 1970, count as it: what is computed with them must not overflow.
    private static let millisMax = Int64(1) << 53

    private func given(_ record: ConnectRecord, _ now: Int64) throws(ConnectError) -> Int64 {
        switch self {
        case .wallclock: return now
        case .record:
            guard let timestamp = record.timestamp else {
                throw .data("Unable to determine the timestamp of \(RecordPlace.text(record)): it has none")
            }
            return timestamp
        case .field(let name):
            let found = try RecordField.value(name, record)
            switch found {
            case .instant(let millis): return millis
            case .int32, .int64:
                if let number = found.integer { return number }
            case .float64(let number) where record.value.schema == nil && number.isFinite:
                // Any number will do where there is no schema; what is behind the point is cut off.
                return Int64(min(max(number, -0x1p53), 0x1p53))
            case .string(let text):
                if let millis = ISOMoment.millis(text) { return millis }
                throw .data(
                    "Error extracting timestamp from record field: \(name): '\(text.prefix(100))' is no date and time "
                        + "of ISO 8601")
            default: break
            }
            throw .data(
                "Error extracting timestamp from record field: \(name): \(found.javaClass) is neither a number of "
                    + "milliseconds, nor a text, nor a timestamp")
        }
    }
}

enum RecordPlace {
    /// Where a record comes from, for messages.
    static func text(_ record: ConnectRecord) -> String {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else {
            return "topic \(record.topic)"
        }
        return "topic \(topic), partition \(partition), offset \(offset)"
    }
}

/// Fields of values, also of those within others: `order.customer.id`.
enum RecordField {
    /// - Throws: `.data` when the value has no such field.
    static func value(_ path: String, _ record: ConnectRecord) throws(ConnectError) -> ConnectValue {
        try find(path, record).value
    }

    /// - Returns: the field's value, and its schema where the value has one.
    /// - Throws: `.data` when the value has no such field.
    static func find(
        _ path: String, _ record: ConnectRecord
    ) throws(ConnectError) -> (value: ConnectValue, schema: ConnectSchema?) {
        let value = record.value.value
        if let found = member(path, value) { return found }
        var found: (value: ConnectValue, schema: ConnectSchema?) = (value, record.value.schema)
        for name in path.split(separator: ".", omittingEmptySubsequences: false) {
            guard let next = member(String(name), found.value) else {
                guard value.structure != nil || value.map != nil else {
                    throw .data(
                        "Error encoding partition: the value of \(RecordPlace.text(record)) is neither Struct nor Map")
                }
                throw .data("The field named '\(path)' does not exist in the value of \(RecordPlace.text(record))")
            }
            found = next
        }
        return found
    }

    private static func member(
        _ name: String, _ value: ConnectValue
    ) -> (value: ConnectValue, schema: ConnectSchema?)? {
        switch value {
        case .structure(let structure):
            structure.schema.index(of: name).map { (structure[$0], structure.schema.fields[$0].schema) }
        case .map(let map): map[name].map { ($0, nil) }
        default: nil
        }
    }
}
