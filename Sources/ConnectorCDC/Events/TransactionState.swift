internal import ConnectCore

/// The transaction of the source that is being read, for `provide.transaction.metadata`.
struct TransactionState {
    static let keySchema = ConnectSchema(
        .structure, name: "io.debezium.connector.common.TransactionMetadataKey", version: 1,
        fields: [.init("id", .string)])
    private static let collection = ConnectSchema(
        .structure, isOptional: true, name: "event.collection", version: 1,
        fields: [.init("data_collection", .string), .init("event_count", .int64)])
    static let valueSchema = ConnectSchema(
        .structure, name: "io.debezium.connector.common.TransactionMetadataValue", version: 1,
        fields: [
            .init("status", .string), .init("id", .string), .init("event_count", .optionalInt64),
            .init("data_collections", .array(collection, isOptional: true)), .init("ts_ms", .int64),
        ])

    /// With PostgreSQL another one for each of its events.
    var id: String
    private(set) var count: Int64 = 0
    /// By table, or what else has a topic.
    private var counts: [String: Int64] = [:]
    private var order: [String] = []

    init(id: String) { self.id = id }

    mutating func count(_ table: TableID) { count(table.description) }

    mutating func count(_ collection: String) {
        count += 1
        if counts[collection] == nil { order.append(collection) }
        counts[collection, default: 0] += 1
    }

    /// The `transaction` block of the event that was counted last.
    func block(_ table: TableID) -> ConnectValue { block(table.description) }

    func block(_ collection: String) -> ConnectValue {
        .structure(
            ConnectStruct(
                TableEvents.transactionSchema,
                values: [.string(id), .int64(count), .int64(counts[collection] ?? 0)]))
    }

    private var key: SchemaAndValue {
        SchemaAndValue(Self.keySchema, .structure(ConnectStruct(Self.keySchema, values: [.string(id)])))
    }

    func begin(_ milliseconds: Int64, topic: String, partition: ConnectMap, offset: ConnectMap) -> ConnectRecord {
        record(["BEGIN", id], .null, .null, milliseconds, topic, partition, offset)
    }

    func end(_ milliseconds: Int64, topic: String, partition: ConnectMap, offset: ConnectMap) -> ConnectRecord {
        let collections = javaOrdered(order.map { (key: $0, value: counts[$0] ?? 0) }).map { entry -> ConnectValue in
            .structure(ConnectStruct(Self.collection, values: [.string(entry.key), .int64(entry.value)]))
        }
        return record(["END", id], .int64(count), .array(collections), milliseconds, topic, partition, offset)
    }

    private func record(
        _ texts: [String], _ count: ConnectValue, _ collections: ConnectValue, _ milliseconds: Int64, _ topic: String,
        _ partition: ConnectMap, _ offset: ConnectMap
    ) -> ConnectRecord {
        ConnectRecord(
            topic: topic, key: key,
            value: SchemaAndValue(
                Self.valueSchema,
                .structure(
                    ConnectStruct(
                        Self.valueSchema,
                        values: texts.map { .string($0) } + [count, collections, .int64(milliseconds)])
                )), origin: .source(partition: partition, offset: offset))
    }
}
