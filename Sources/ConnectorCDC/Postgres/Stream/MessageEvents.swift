internal import ConnectCore

/// Events of messages that were written into the log with `pg_logical_emit_message`.
struct MessageEvents {
    private static let keySchema = ConnectSchema(
        .structure, name: "io.debezium.connector.postgresql.MessageKey", version: 1,
        fields: [.init("prefix", .optionalString)])

    /// What transactions call them; the original has another name at every start.
    static let collection = "message"

    private let topic: String
    private let bytes: HandlingModes.Bytes
    private let included: NamePatterns?
    private let excluded: NamePatterns?
    private let blockSchema: ConnectSchema
    private let schema: ConnectSchema

    init(_ config: PostgresConfig) throws(ConnectError) {
        // With a point whatever topic.delimiter is, as upstream's `LogicalDecodingMessageMonitor`.
        topic = EventOptions.topic(config.prefix + ".message")
        bytes = config.modes.bytes
        func patterns(_ name: String) throws(ConnectError) -> NamePatterns? {
            guard let text = config.properties[name], !text.trimmingSpaces.isEmpty else { return nil }
            return try NamePatterns(text)
        }
        included = try patterns("message.prefix.include.list")
        excluded = try patterns("message.prefix.exclude.list")
        blockSchema = ConnectSchema(
            .structure, name: "io.debezium.connector.postgresql.Message", version: 1,
            fields: [
                .init("prefix", .optionalString), .init("content", bytes == .bytes ? .optionalBytes : .optionalString),
            ])
        schema = ConnectSchema(
            .structure, name: "io.debezium.connector.postgresql.MessageValue", version: 1,
            fields: [
                .init("op", .string), .init("ts_ms", .optionalInt64), .init("source", SourceInfo.postgresSchema),
                .init("transaction", TableEvents.transactionSchema), .init("message", blockSchema),
            ])
    }

    func wants(_ prefix: String) -> Bool {
        if let included { return included.matches(prefix) }
        return !(excluded?.matches(prefix) ?? false)
    }

    func record(
        _ prefix: String, _ content: [UInt8], source: SourceInfo, transaction: ConnectValue?,
        origin: ConnectRecord.Origin, headers: [ConnectHeader]
    ) -> ConnectRecord {
        let written = content.withUnsafeBytes { ColumnCodec.binary($0, bytes, 0) }
        let block = ConnectStruct(blockSchema, values: [.string(prefix), written])
        return ConnectRecord(
            topic: topic,
            key: SchemaAndValue(
                Self.keySchema, .structure(ConnectStruct(Self.keySchema, values: [.string(prefix)]))),
            value: SchemaAndValue(
                schema,
                .structure(
                    ConnectStruct(
                        schema,
                        values: [
                            .string("m"), .int64(wallClockNanoseconds() / 1_000_000), source.value,
                            transaction ?? .null, .structure(block),
                        ]))), headers: headers, origin: origin)
    }
}
