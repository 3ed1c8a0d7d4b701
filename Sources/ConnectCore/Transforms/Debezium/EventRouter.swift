import JSONFormat

/// `io.debezium.transforms.outbox.EventRouter`: rows of an outbox table become messages on topics of their own.
struct EventRouter: Transformation {
    private enum Placement: Sendable { case header, envelope, partition }

    private struct Additional: Sendable {
        var field: String
        var placement: Placement
        var alias: String
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        func text(_ name: String, _ value: String?, _ importance: ConfigDef.Importance, _ documentation: String) {
            definition.define(
                name, .string, value.map { .value(.string($0)) } ?? .null, nil, importance, documentation,
                width: .medium)
        }
        text("table.field.event.id", "id", .low, "The column with the event's id.")
        text("table.field.event.key", "aggregateid", .low, "The column with the message's key.")
        text(
            "table.field.event.type", "type", .low,
            "Without effect, as in the original: table.fields.additional.placement passes the column on.")
        text("table.field.event.payload", "payload", .low, "The column with the message.")
        text("table.field.event.timestamp", nil, .medium, "The column with the message's time.")
        definition.define(
            "table.fields.additional.placement", .list, .null, nil, .high,
            "More columns, as column:header|envelope|partition[:alias].")
        definition.define(
            "table.field.additional.missing", .string, .value(.string("error")),
            .oneOf(["error", "ignore", "skip"], ignoresCase: true), .medium,
            "What happens when one is missing: error or ignore.", width: .medium)
        definition.define(
            "table.fields.additional.error.on.missing", .boolean, .value(.boolean(true)), nil, .low, "An earlier name.",
            isInternal: true)
        text("table.field.event.schema.version", nil, .low, "The column with the schema's version.")
        definition.define(
            "table.op.invalid.behavior", .string, .value(.string("warn")),
            .oneOf(["warn", "error", "fatal"], ignoresCase: true), .medium,
            "What happens on updates: warn and error pass over them, fatal fails.", width: .medium)
        definition.define(
            "table.expand.json.payload", .boolean, .value(.boolean(false)), nil, .medium,
            "Whether a payload of JSON text becomes a struct.")
        text("table.json.payload.null.behavior", "ignore", .medium, "Nulls in it: ignore, or optional_bytes.")
        text("route.by.field", "aggregatetype", .high, "The column that names the topic.")
        text("route.topic.regex", "(?<routedByValue>.*)", .low, "An expression that its content has to match.")
        text("route.topic.replacement", "outbox.event.${routedByValue}", .high, "The topic's name.")
        definition.define(
            "route.tombstone.on.empty.payload", .boolean, .value(.boolean(false)), nil, .high,
            "Whether an empty payload becomes a tombstone.")
        text("tracing.span.context.field", "tracingspancontext", .high, "Taken for compatibility, without effect.")
        text("tracing.operation.name", "debezium-read", .high, "Taken for compatibility, without effect.")
        definition.define(
            "tracing.with.context.field.only", .boolean, .value(.boolean(false)), nil, .high,
            "Taken for compatibility, without effect."
        )
        return definition
    }()

    private let values: ConfigValues
    private let additional: [Additional]
    private let routeRegex: JavaRegex
    private let schemas = UpdatedSchemas()

    init(_ values: ConfigValues) throws(ConnectError) {
        self.values = values
        routeRegex = try JavaRegex(values, "route.topic.regex")
        var additional: [Additional] = []
        for text in values.list("table.fields.additional.placement") {
            let parts = text.split(separator: ":").map(\.trimmed)
            let placement: Placement?
            switch parts.count > 1 ? parts[1].lowercased() : "" {
            case "header": placement = .header
            case "envelope": placement = .envelope
            case "partition": placement = .partition
            default: placement = nil
            }
            guard let placement, parts.count <= 3 else {
                throw .config("table.fields.additional.placement", text, "Unexpected field placement")
            }
            additional.append(
                Additional(field: parts[0], placement: placement, alias: parts.count > 2 ? parts[2] : parts[0]))
        }
        self.additional = additional
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        // A tombstone follows the delete of a row that has been sent.
        if record.value.value.isNull { return nil }
        // Heartbeats, and messages that PostgreSQL's log carries, are no rows.
        guard case .structure(let event) = record.value.value, ExtractNewRecordState.isEvent(event.schema),
            let operation = event["op"]?.string
        else { return record }
        guard operation == "c" || operation == "r" else {
            if operation == "d" { return nil }
            guard values.string("table.op.invalid.behavior")?.lowercased() == "fatal" else { return nil }
            throw ConnectError(
                .illegalState, "Unexpected update message received \(JavaText.string(record.key.value)), fail.")
        }
        guard let row = event["after"]?.structure else { return record }
        let payloadName = values.text("table.field.event.payload") ?? "payload"
        guard row.schema.index(of: payloadName) != nil else {
            throw ConnectError(.connect, "Unable to find payload field \(payloadName) in event")
        }
        var output = record
        // The producer's partitioner finds one by the new key.
        if case .source = record.origin { output.partition = nil }
        let id = try column("table.field.event.id", "id", row)
        output.headers.append(ConnectHeader("id", id.schema, id.value))
        let key = try column("table.field.event.key", "aggregateid", row)
        output.key = SchemaAndValue(key.schema, key.value)
        if let name = values.text("table.field.event.timestamp") {
            guard row.schema.index(of: name) != nil else {
                throw ConnectError(.connect, "Unable to find timestamp field \(name) in event")
            }
            let unit = row.schema.field(name)?.schema.name
            output.timestamp = Self.millis(try row.value(name), unit) ?? event["ts_ms"]?.integer ?? record.timestamp
        } else {
            output.timestamp = event["ts_ms"]?.integer ?? record.timestamp
        }
        let payload = try column("table.field.event.payload", "payload", row)
        var value = try expanded(payload)
        let routed = try column("route.by.field", "aggregatetype", row)
        guard routed.schema.kind == .string else {
            throw .data("Field '\(values.text("route.by.field") ?? "aggregatetype")' is not of type STRING")
        }
        guard case .string(let route) = routed.value else {
            throw .data(
                "Column \(values.text("route.by.field") ?? "aggregatetype"), which names the topic, is null: "
                    + "route.by.field needs a column that always has a value")
        }
        let skipsMissing =
            // Upstream's word is the first; the second was taken before.
            ["ignore", "skip"].contains(values.string("table.field.additional.missing")?.lowercased())
            || !values.flag("table.fields.additional.error.on.missing")
        var inEnvelope: [(ConnectSchema.Field, ConnectValue)] = []
        for extra in additional {
            guard let index = row.schema.index(of: extra.field) else {
                if skipsMissing { continue }
                throw .data("\(extra.field) is not a valid field name")
            }
            let schema = row.schema.fields[index].schema
            switch extra.placement {
            case .header: output.headers.append(ConnectHeader(extra.alias, schema, row[index]))
            case .envelope: inEnvelope.append((.init(extra.alias, schema), row[index]))
            case .partition:
                let partition = row[index].integer.flatMap { Int32(exactly: $0) }
                guard partition != nil || row[index].isNull else {
                    throw .data("Unable to use field \(extra.field) as a partition")
                }
                output.partition = partition
            }
        }
        let isEmpty =
            value.value.isNull || value.value.string?.trimmed.isEmpty == true || value.value == .bytes([])
        if values.flag("route.tombstone.on.empty.payload"), isEmpty {
            value = .null
        } else if !inEnvelope.isEmpty {
            var schema = ConnectSchema.structure(
                [.init("payload", value.schema ?? .optionalString)] + inEnvelope.map(\.0),
                name: Self.envelopeName(row.schema.name, route))
            if let field = values.text("table.field.event.schema.version") {
                schema = schema.with(version: .some(row[field]?.integer.flatMap { Int32(exactly: $0) }))
            }
            value = SchemaAndValue(
                schema, .structure(ConnectStruct(schema, values: [value.value] + inEnvelope.map(\.1))))
        }
        output.value = value
        // What the expression does not match names the topic as it is.
        output.topic =
            try routeRegex.matches(route)
            ? routeRegex.replacingFirst(in: route, with: values.string("route.topic.replacement") ?? "") : route
        return output
    }

    /// The table's own name with the route before its last part.
    private static func envelopeName(_ name: String?, _ route: String) -> String {
        guard let name else { return route }
        guard let dot = name.lastIndex(of: ".") else { return route + "." + name }
        return "\(name[...dot])\(route)\(name[dot...])"
    }

    private func column(
        _ option: String, _ fallback: String, _ row: ConnectStruct
    ) throws(ConnectError) -> (schema: ConnectSchema, value: ConnectValue) {
        let name = values.text(option) ?? fallback
        guard let index = row.schema.index(of: name) else { throw .data("\(name) is not a valid field name") }
        return (row.schema.fields[index].schema, row[index])
    }

    /// Columns of times hold milliseconds, microseconds, nanoseconds or texts.
    ///
    /// - Parameter unit: the name of the column's schema.
    private static func millis(_ value: ConnectValue, _ unit: String?) -> Int64? {
        if let number = value.integer {
            switch unit {
            case "io.debezium.time.Timestamp": return number
            case "io.debezium.time.MicroTimestamp": return number / 1000
            case "io.debezium.time.NanoTimestamp": return number / 1_000_000
            default: break
            }
        }
        switch value {
        case .instant(let millis): return millis
        case .string(let text):
            let pattern = try? SimpleDateText("yyyy-MM-dd'T'HH:mm:ss")
            return try? pattern?.millis(text)
        default:
            guard let number = value.integer else { return nil }
            // Seconds since 1970 have ten digits, each finer unit three more.
            switch number.magnitude {
            case 0..<100_000_000_000_000: return number
            case 0..<100_000_000_000_000_000: return number / 1000
            default: return number / 1_000_000
            }
        }
    }

    private func expanded(_ payload: (schema: ConnectSchema, value: ConnectValue)) throws(ConnectError)
        -> SchemaAndValue
    {
        guard values.flag("table.expand.json.payload"), case .string(let text) = payload.value,
            // As upstream: text that begins otherwise is none that is meant.
            text.first == "{" || text.first == "[", let json = JSONValue.parse(Array(text.utf8)),
            json.members != nil || json.elements != nil
        else { return SchemaAndValue(payload.schema, payload.value) }
        let keepsNulls = values.string("table.json.payload.null.behavior") == "optional_bytes"
        let name = values.text("table.field.event.payload") ?? "payload"
        return JSONStructs.structure(json, name, keepsNulls: keepsNulls)
            ?? SchemaAndValue(payload.schema, payload.value)
    }
}
