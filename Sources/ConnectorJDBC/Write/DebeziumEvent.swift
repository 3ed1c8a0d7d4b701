internal import ConnectCore

/// Change events as Debezium's own sink takes them: with the row inside.
enum DebeziumEvent {
    /// The record of the row after the change, or of its deletion; the record itself when it is no change event.
    static func unwrapped(_ record: ConnectRecord) -> ConnectRecord {
        guard let schema = record.value.schema, schema.kind == .structure, let event = record.value.value.structure,
            let after = schema.index(of: "after"), schema.index(of: "before") != nil,
            case .string(let operation)? = event["op"]
        else { return record }
        var row = record
        let isDeletion = operation == "d"
        row.value = SchemaAndValue(
            isDeletion ? nil : schema.fields[after].schema, isDeletion ? .null : event.values[after])
        return row
    }
}
