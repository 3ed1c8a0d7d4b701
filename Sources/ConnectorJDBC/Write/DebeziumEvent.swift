internal import ConnectCore

/// What a record asks of its table, as Debezium's own sink reads it: change events have the row inside.
enum DebeziumEvent {
    /// The record of the row after the change, or a record that is no change event.
    case row(ConnectRecord)
    /// Of the row of the record's key; the record has no value.
    case deletion(ConnectRecord)
    /// Of the whole table.
    case truncation

    init(_ record: ConnectRecord) {
        guard !record.value.value.isNull else {
            self = .deletion(record)
            return
        }
        guard let schema = record.value.schema, schema.kind == .structure, let event = record.value.value.structure,
            let after = schema.index(of: "after"), schema.index(of: "before") != nil,
            case .string(let operation)? = event["op"]
        else {
            self = .row(record)
            return
        }
        var row = record
        switch operation {
        case "t": self = .truncation
        case "d":
            row.value = .null
            self = .deletion(row)
        default:
            row.value = SchemaAndValue(schema.fields[after].schema, event.values[after])
            self = .row(row)
        }
    }

    /// Where a change event comes from; nil for a record that is none.
    static func source(_ record: ConnectRecord) -> ConnectStruct? {
        guard let event = record.value.value.structure, case .string? = event["op"] else { return nil }
        return event["source"]?.structure
    }
}
