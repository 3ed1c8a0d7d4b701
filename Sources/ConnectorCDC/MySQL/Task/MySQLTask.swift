internal import ConnectCore

/// The task of a MySQL or MariaDB connector.
enum MySQLTask {
    static func make(
        _ config: MySQLConfig, _ context: any SourceTaskContext, version: String, clusters: CDCPlugin.ClusterProvider?
    ) -> CDCSourceTask {
        CDCSourceTask(config.shared, context, clusters: clusters) { (start) async throws(ConnectError) in
            let reader = SourceReader(
                config, queue: start.queue, inbox: start.inbox, version: version, writings: start.writings,
                log: start.log)
            // The history is handed to the one thread that uses it.
            nonisolated(unsafe) let history = try await makeHistory(config, clusters)
            return CDCSourceTask.Reading(reader: reader) { reader.run(from: start.offset, history: history) }
        } execute: { query in
            try MySQLConnection(config.address, readTimeout: 30).execute(query)
        }
    }

    private static func makeHistory(
        _ config: MySQLConfig, _ clusters: CDCPlugin.ClusterProvider?
    ) async throws(ConnectError) -> any SchemaHistory {
        let name = config.properties["schema.history.internal"] ?? SchemaHistoryKind.kafka.rawValue
        guard let kind = SchemaHistoryKind(name) else {
            throw .config(
                "The schema history '\(name)' is not known; there are \(SchemaHistoryKind.kafka.rawValue), "
                    + "\(SchemaHistoryKind.file.rawValue) and \(SchemaHistoryKind.memory.rawValue)")
        }
        switch kind {
        case .memory: return MemorySchemaHistory()
        case .file:
            guard let path = config.properties["schema.history.internal.file.filename"], !path.isEmpty else {
                throw ConfigValidator.invalid("schema.history.internal.file.filename", "A value is required")
            }
            return FileSchemaHistory(path)
        case .kafka:
            guard let clusters else {
                throw .config("The schema history '\(name)' needs a cluster, and this process has none")
            }
            var own: [String: String] = [:]
            let prefix = "schema.history.internal.kafka."
            for (name, value) in config.properties where name.hasPrefix(prefix) {
                own[String(name.dropFirst(prefix.count))] = value
            }
            let topic = own["topic"] ?? EventOptions.topic("schema-history." + config.prefix)
            return TopicSchemaHistory(try await clusters(own), topic: topic)
        }
    }
}
