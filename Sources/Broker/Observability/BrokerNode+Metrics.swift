import Environment
import LogStorage
import Observability
import Security

extension BrokerNode {
    /// Registers what the broker's parts know already and are asked for when somebody looks.
    func registerMetrics() {
        let registry = metrics.registry
        registry.gauge("swiftwater_kafka_connections", "Open connections of Kafka clients.") { [gate] in
            Double(gate.count)
        }
        registry.samples(
            "swiftwater_kafka_listener_connections", "Open connections of Kafka clients, by listener.", .gauge
        ) { [weak self] in
            (self?.listeners ?? []).map { .init([("listener", $0.name)], Double($0.connectionCount)) }
        }
        registry.gauge(
            "swiftwater_kafka_request_memory_bytes", "Memory reserved for large requests that are arriving, in bytes."
        ) { [requestMemory] in
            Double(requestMemory.usage.byteCount)
        }
        registry.gauge(
            "swiftwater_kafka_request_memory_waiting", "Connections that wait for memory for a large request."
        ) { [requestMemory] in
            Double(requestMemory.usage.waitingCount)
        }
        registry.gauge("swiftwater_fetch_sessions", "Incremental fetch sessions.") { [fetchSessions] in
            Double(fetchSessions.count)
        }
        registry.gauge("swiftwater_segment_files_open", "Closed segments and index files that are kept open.") {
            [directory] in Double(directory.files.openCount)
        }
        registry.gauge(
            "swiftwater_storage_failed", "1 when the data folder takes no more writes until a restart, else 0."
        ) { [directory] in
            directory.health.failure == nil ? 0 : 1
        }
        registry.gauge("swiftwater_acls", "Rules about who may do what that are in force.") { [controller] in
            Double(controller.authorizer?.ruleCount ?? 0)
        }
        quotas.registerMetrics(registry)
        for (name, help, value) in [
            ("swiftwater_disk_free_bytes", "Space that the data folder may still use, in bytes.", \DiskSpace.free),
            ("swiftwater_disk_size_bytes", "Size of the file system of the data folder, in bytes.", \DiskSpace.total),
        ] as [(String, String, KeyPath<DiskSpace, Int64> & Sendable)] {
            registry.samples(name, help, .gauge) { [disk, directory] in
                // A file system that does not tell has no sample rather than a wrong one.
                guard let space = try? disk.space(directory.directory) else { return [] }
                return [.init([], Double(space[keyPath: value]))]
            }
        }
        registerLogs()
    }

    private func registerLogs() {
        let registry = metrics.registry
        let topicCountMax = Int(controller.server.number("metrics.topics.max"))
        let survey = LogSurvey(topicCountMax: topicCountMax)
        registry.beforeEachLook { [weak self] in
            if let self { survey.look(self.catalog.snapshot.sorted) }
        }
        registerKafkaMetrics(survey)
        registry.gauge("swiftwater_topics", "Topics, internal ones included.") { Double(survey.topicCount) }
        registry.gauge("swiftwater_partitions", "Partitions of all topics.") { Double(survey.total.partitionCount) }
        registry.gauge("swiftwater_log_segments", "Segments of all partitions.") { Double(survey.total.segmentCount) }
        registry.gauge("swiftwater_log_bytes", "Bytes of all segments of all partitions.") {
            Double(survey.total.byteCount)
        }
        registry.gauge("swiftwater_log_unflushed_bytes", "Bytes appended that are not forced to disk yet.") {
            Double(survey.total.unflushedByteCount)
        }
        let ofTopics: [(String, String, MetricRegistry.Kind, @Sendable (LogSurvey.Figures) -> Int64)] = [
            ("swiftwater_topic_partitions", "Partitions, by topic.", .gauge, { $0.partitionCount }),
            ("swiftwater_topic_log_bytes", "Bytes of all segments, by topic.", .gauge, { $0.byteCount }),
            ("swiftwater_topic_log_segments", "Segments, by topic.", .gauge, { $0.segmentCount }),
            (
                "swiftwater_topic_log_start_offset", "Sum of the log start offsets of a topic's partitions.", .gauge,
                { $0.logStart }
            ),
            (
                "swiftwater_topic_log_end_offset",
                "Sum of the log end offsets of a topic's partitions; its rate is that of records produced.", .gauge,
                { $0.logEnd }
            ),
            (
                "swiftwater_topic_appended_bytes_total", "Bytes appended since the start, by topic.", .counter,
                { $0.appendedByteCount }
            ),
        ]
        for (name, help, kind, value) in ofTopics {
            registry.samples(name, help, kind) {
                survey.topics.map { .init([("topic", $0.name)], Double(value($0.figures))) }
            }
        }
    }
}
