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

    /// A record with its headers as its key, one field for each; of a name that stands twice the last.
    static func keyed(_ record: ConnectRecord) -> ConnectRecord {
        var fields: [ConnectSchema.Field] = []
        var values: [ConnectValue] = []
        for header in record.headers {
            // A column needs a type.
            guard let schema = header.schema else { continue }
            if let place = fields.firstIndex(where: { $0.name == header.name }) {
                fields.remove(at: place)
                values.remove(at: place)
            }
            fields.append(.init(header.name, schema))
            values.append(header.value)
        }
        let schema = ConnectSchema.structure(fields)
        var keyed = record
        keyed.key = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values)))
        return keyed
    }

    /// Where a change event comes from; nil for a record that is none.
    static func source(_ record: ConnectRecord) -> ConnectStruct? {
        guard let event = record.value.value.structure, case .string? = event["op"] else { return nil }
        return event["source"]?.structure
    }
}
