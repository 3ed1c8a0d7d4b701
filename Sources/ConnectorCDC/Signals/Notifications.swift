internal import ConnectCore

/// What a connector tells of itself: how far its snapshots are. `notification.enabled.channels` says whom: `sink`, a topic,
/// and `log`.
///
/// Types, names and the order of the data are Debezium's.
struct Notification {
    enum Aggregate: String {
        /// Also of blocking snapshots.
        case initial = "Initial Snapshot"
        case incremental = "Incremental Snapshot"
    }

    enum Kind: String {
        case started = "STARTED"
        case inProgress = "IN_PROGRESS"
        case tableScanCompleted = "TABLE_SCAN_COMPLETED"
        case paused = "PAUSED"
        case resumed = "RESUMED"
        case aborted = "ABORTED"
        case skipped = "SKIPPED"
        case completed = "COMPLETED"
    }

    enum Scan: String {
        case succeeded = "SUCCEEDED"
        case empty = "EMPTY"
        case noPrimaryKey = "NO_PRIMARY_KEY"
        case unknownSchema = "UNKNOWN_SCHEMA"
        case failed = "SQL_EXCEPTION"
    }

    var aggregate: Aggregate
    var kind: Kind
    /// Of the signal that asked for it; nil for one of its own.
    var id: String?
    var data: [(key: String, value: String)] = []

    static func list(_ tables: [TableID]) -> String { tables.map(\.description).joined(separator: ",") }

    /// Tables in the order in which the original's maps give them out.
    static func unordered(_ tables: [TableID]) -> String {
        javaOrdered(tables.map { (key: $0.description, value: ()) }).map(\.key).joined(separator: ",")
    }

    static func inProgress(_ table: TableID, of tables: [TableID]) -> Notification {
        Notification(
            aggregate: .initial, kind: .inProgress,
            data: [("current_collection_in_progress", table.description), ("data_collections", unordered(tables))])
    }

    static func scanned(_ table: TableID, rowCount: Int64, of tables: [TableID]) -> Notification {
        Notification(
            aggregate: .initial, kind: .tableScanCompleted,
            data: [
                ("scanned_collection", table.description), ("data_collections", list(tables)),
                ("total_rows_scanned", String(rowCount)), ("status", Scan.succeeded.rawValue),
            ])
    }
}

extension Notification {
    private static let keySchema = ConnectSchema(
        .structure, name: "io.debezium.connector.common.NotificationKey", version: 1, fields: [.init("id", .string)])
    private static let valueSchema = ConnectSchema(
        .structure, name: "io.debezium.connector.common.Notification", version: 1,
        fields: [
            .init("id", .string), .init("type", .string), .init("aggregate_type", .string),
            .init("additional_data", .map(.string, .string, isOptional: true)), .init("timestamp", .int64),
        ])

    /// A random UUID (RFC 9562, version 4).
    static func randomID() -> String {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0 ... .max) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        return BinlogDecoder.uuid(bytes)
    }

    fileprivate func content(_ prefix: String) -> (id: String, data: [(key: String, value: String)]) {
        // A copy of a map is as large as that has to be.
        (
            id ?? Self.randomID(),
            javaOrdered(data + [("connector_name", prefix)], capacity: data.count > 2 ? 8 : 4)
        )
    }

    fileprivate func text(
        _ id: String, _ data: [(key: String, value: String)], _ milliseconds: Int64
    ) -> String {
        "[Notification Service]  {id='\(id)', aggregateType='\(aggregate.rawValue)', type='\(kind.rawValue)', additionalData={"
            + data.map { "\($0.key)=\($0.value)" }.joined(separator: ", ") + "}, timestamp=\(milliseconds)}"
    }

    fileprivate func record(
        _ id: String, _ data: [(key: String, value: String)], _ milliseconds: Int64, topic: String,
        origin: ConnectRecord.Origin
    ) -> ConnectRecord {
        let map = ConnectMap(data.map { ($0.key, ConnectValue.string($0.value)) })
        return ConnectRecord(
            topic: topic,
            key: SchemaAndValue(
                Self.keySchema, .structure(ConnectStruct(Self.keySchema, values: [.string(id)]))),
            value: SchemaAndValue(
                Self.valueSchema,
                .structure(
                    ConnectStruct(
                        Self.valueSchema,
                        values: [
                            .string(id), .string(kind.rawValue), .string(aggregate.rawValue), .map(map),
                            .int64(milliseconds),
                        ]))),
            origin: origin)
    }
}

extension RecordOutput {
    /// - Parameter offset: where to go on behind it.
    func notify(_ notification: Notification, offset: ConnectMap) {
        guard options.notificationTopic != nil || options.logsNotifications else { return }
        let now = wallClockNanoseconds() / 1_000_000
        let (id, data) = notification.content(options.prefix)
        if options.logsNotifications { log(.info, notification.text(id, data, now)) }
        guard let topic = options.notificationTopic else { return }
        add(
            notification.record(
                id, data, now, topic: topic, origin: .source(partition: partition, offset: offset)), byteCount: 600)
    }
}
