internal import ConnectCore

/// What all connectors of this module share of a configuration: names of topics and fields, queues, what becomes an event.
struct EventOptions: Sendable {
    enum Names: Sendable { case none, avro, avroUnicode }

    /// `mysql`, `mariadb` or `postgresql`.
    let connector: String
    /// In today's names.
    let properties: [String: String]
    let prefix: String
    /// Between the parts of topics' names.
    let delimiter: String
    let batchCountMax: Int
    let queueCountMax: Int
    /// The worker's transactions are the source's.
    let hasOwnBoundaries: Bool
    let queueByteCountMax: Int
    let pollInterval: Duration
    let hasTombstones: Bool
    let heartbeatInterval: Duration?
    let heartbeatTopic: String
    let heartbeatQuery: String?
    let hasTransactions: Bool
    let transactionTopic: String
    let skippedOperations: Set<String>
    /// Updates that change no column that events have are no events.
    let skipsUnchanged: Bool
    let hasContextHeaders: Bool
    let hasComments: Bool
    let signalTable: String?
    /// In small letters.
    let signalChannels: Set<String>
    let signalInterval: Duration
    let signalFile: String
    /// nil: there are no notifications in a topic.
    let notificationTopic: String?
    let logsNotifications: Bool
    /// What `post.processors` asks for.
    var reselection: Reselection?
    let chunkRowCount: Int
    let deletesWatermarks: Bool
    let retryCountMax: Int
    let retryWait: Duration
    let snapshotDelay: Duration
    let streamingDelay: Duration
    let tableCountMax: Int
    let failsBeyondTableCount: Bool
    let schemaNames: Names
    let fieldNames: Names
    let queryTimeoutSeconds: Int
    let checksLogPosition: Bool
    let snapshotOrder: String

    init(connector: String, properties: [String: String], values: ConfigValues) {
        self.connector = connector
        self.properties = properties
        prefix = values.text("topic.prefix") ?? ""
        delimiter = properties["topic.delimiter"] ?? "."
        batchCountMax = Int(values.integer("max.batch.size") ?? 2048)
        hasOwnBoundaries = properties["transaction.boundary"]?.lowercased() == "connector"
        queueCountMax = max(Int(values.integer("max.queue.size") ?? 8192), batchCountMax)
        let bytes = Int(values.integer("max.queue.size.in.bytes") ?? 0)
        queueByteCountMax = bytes > 0 ? bytes : 64 << 20
        pollInterval = .milliseconds(min(values.integer("poll.interval.ms") ?? 500, 1000))
        hasTombstones = values.flag("tombstones.on.delete")
        let heartbeat = values.integer("heartbeat.interval.ms") ?? 0
        heartbeatInterval = heartbeat > 0 ? .milliseconds(heartbeat) : nil
        let heartbeatPrefix =
            properties["topic.heartbeat.prefix"] ?? values.text("heartbeat.topics.prefix") ?? "__debezium-heartbeat"
        heartbeatTopic = heartbeatPrefix + delimiter + prefix
        heartbeatQuery = values.text("heartbeat.action.query")
        hasTransactions = values.flag("provide.transaction.metadata")
        transactionTopic = prefix + delimiter + (properties["topic.transaction"] ?? "transaction")
        skippedOperations = Set(values.list("skipped.operations").map { $0.lowercased() })
        skipsUnchanged = values.flag("skip.messages.without.change")
        hasContextHeaders = values.flag("extended.headers.enabled")
        hasComments = values.flag("include.schema.comments")
        signalTable = values.list("signal.data.collection").first.flatMap { $0.isEmpty ? nil : $0 }
        signalChannels = Set(values.list("signal.enabled.channels").map { $0.trimmingSpaces.lowercased() })
        signalInterval = .milliseconds(max(10, values.integer("signal.poll.interval.ms") ?? 5000))
        signalFile =
            properties["signal.file"].map(\.trimmingSpaces).flatMap { $0.isEmpty ? nil : $0 } ?? "file-signals.txt"
        let notified = values.list("notification.enabled.channels").map { $0.trimmingSpaces.lowercased() }
        notificationTopic = notified.contains("sink") ? values.text("notification.sink.topic.name") : nil
        logsNotifications = notified.contains("log")
        chunkRowCount = Int(values.integer("incremental.snapshot.chunk.size") ?? 1024)
        deletesWatermarks =
            values.text("incremental.snapshot.watermarking.strategy")?.lowercased() == "insert_delete"
        retryCountMax = Int(values.integer("errors.max.retries") ?? -1)
        retryWait = .milliseconds(values.integer("retriable.restart.connector.wait.ms") ?? 10_000)
        snapshotDelay = .milliseconds(values.integer("snapshot.delay.ms") ?? 0)
        streamingDelay = .milliseconds(values.integer("streaming.delay.ms") ?? 0)
        tableCountMax = Int(values.integer("guardrail.collections.max") ?? 0)
        failsBeyondTableCount = values.text("guardrail.collections.limit.action")?.lowercased() == "fail"
        schemaNames = Self.names(values.text("schema.name.adjustment.mode"))
        let sanitizes = properties["sanitize.field.names"]?.lowercased() == "true"
        fieldNames = sanitizes ? .avro : Self.names(properties["field.name.adjustment.mode"])
        queryTimeoutSeconds = Int(values.integer("database.query.timeout.ms") ?? 600_000) / 1000
        checksLogPosition = values.flag("internal.log.position.check.enable")
        snapshotOrder = values.text("snapshot.tables.order.by.row.count")?.lowercased() ?? "disabled"
    }

    /// Incremental snapshots write into the table of signals here, which a connection that only reads must not.
    ///
    /// - Parameter properties: of a connector, by today's names.
    /// - Throws: `.config` where the option asks for what is not there.
    static func checkReadOnly(_ properties: [String: String]) throws(ConnectError) {
        guard let text = properties["read.only"] else { return }
        let word = text.trimmingSpaces.lowercased()
        guard ["true", "false"].contains(word) else {
            throw .config("read.only", text, "Expected value to be either true or false")
        }
        let hasSignals = (properties["signal.data.collection"] ?? "").contains { $0 != "," && !$0.isWhitespace }
        guard word == "true", hasSignals else { return }
        throw .config(
            "read.only", text,
            "incremental snapshots without writing are not available: leave out signal.data.collection, or set read.only=false "
                + "and give the user the right to INSERT into that table")
    }

    /// Signals may come by other ways than the table.
    var hasOuterSignals: Bool { signalChannels.contains("file") || signalChannels.contains("kafka") }

    /// - Throws: `.config` for post processors that are not there, and for a channel that lacks what it needs.
    mutating func complete() throws(ConnectError) {
        reselection = try Reselection.make(properties)
        if let problem = Self.channelProblem(properties) { throw .config(problem.message) }
    }

    /// What the channels of notifications lack.
    static func channelProblem(_ properties: [String: String]) -> (option: String, message: String)? {
        let channels = (properties["notification.enabled.channels"] ?? "").split(separator: ",")
            .map { $0.trimmingSpaces.lowercased() }
        let topic = (properties["notification.sink.topic.name"] ?? "").trimmingSpaces
        guard channels.contains("sink"), topic.isEmpty else { return nil }
        let name = "notification.sink.topic.name"
        return (
            name,
            "The '\(name)' value is invalid: Notification topic name must be provided when kafka notification channel is "
                + "enabled"
        )
    }

    private static func names(_ text: String?) -> Names {
        switch text?.lowercased() {
        case "avro": .avro
        case "avro_unicode": .avroUnicode
        default: .none
        }
    }

    /// Statements of `database.initial.statements`.
    static func statements(_ text: String?) -> [String] {
        guard let text else { return [] }
        return text.replacing(";;", with: "\u{1}").split(separator: ";")
            .map { $0.replacing("\u{1}", with: ";").trimmingSpaces }.filter { !$0.isEmpty }
    }

    /// Names of topics have letters, digits, dots, dashes and underscores.
    static func topic(_ name: String) -> String {
        var text: [UInt8] = []
        for unit in name.utf16 {
            switch unit {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: text.append(UInt8(unit))
            default: text.append(0x5F)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    func topic(of table: TableID) -> String {
        Self.topic([prefix, table.database, table.table].joined(separator: delimiter))
    }

    /// The name of a schema as Avro takes it, where that is wanted.
    func schemaName(_ name: String) -> String { Self.adjusted(name, schemaNames, keepsDots: true) }

    func fieldName(_ name: String) -> String { Self.adjusted(name, fieldNames, keepsDots: false) }

    static func adjusted(_ name: String, _ mode: Names, keepsDots: Bool) -> String {
        guard mode != .none else { return name }
        var text: [UInt8] = []
        var isFirst = true
        for unit in name.utf16 {
            let isLetter =
                switch unit {
                case 0x41...0x5A, 0x61...0x7A: true
                case 0x5F: mode == .avro
                default: false
                }
            let isDigit = 0x30...0x39 ~= unit
            if isLetter || (isDigit && !isFirst) || (keepsDots && unit == 0x2E) {
                text.append(UInt8(unit))
            } else if mode == .avroUnicode {
                let digits = Array(String(unit, radix: 16).utf8)
                text += "_u".utf8
                for _ in 0..<(4 - digits.count) { text.append(0x30) }
                text += digits
            } else {
                text.append(0x5F)
                if isDigit { text.append(UInt8(unit)) }
            }
            isFirst = keepsDots && unit == 0x2E
        }
        return String(decoding: text, as: UTF8.self)
    }
}
