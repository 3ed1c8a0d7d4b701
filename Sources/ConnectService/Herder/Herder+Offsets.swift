import Cluster
import ConnectCore
import JSONFormat

/// Offsets of connectors, shown and changed (KIP-875).
extension Herder {
    func offsets(_ name: String) async throws(HerderFailure) -> JSONValue {
        let properties = try known(name)
        do throws(ConnectError) {
            let resolved = try await resolved(properties)
            let entries =
                try await isSink(properties)
                ? sinkOffsets(name, resolved) : sourceOffsets(name, resolved)
            return .object([("offsets", .array(entries))])
        } catch {
            throw .refused(status: 500, error.message)
        }
    }

    private func known(_ name: String) throws(HerderFailure) -> [String: String] {
        guard let properties = config.read({ $0.connectors[name]?.properties }) else {
            throw .notFound("Connector \(name) not found")
        }
        return properties
    }

    private func isSink(_ properties: [String: String]) -> Bool {
        plugin(of: properties) is any SinkPlugin
    }

    private func sinkOffsets(_ name: String, _ properties: [String: String]) async throws(ConnectError) -> [JSONValue] {
        do throws(ClusterError) {
            let group = SinkTaskRun.group(name, properties, settings)
            return try await parts.cluster.groupOffsets(group).sorted { $0.key < $1.key }.map { partition, offset in
                .object([
                    (
                        "partition",
                        .object([
                            ("kafka_topic", .string(partition.topic)),
                            ("kafka_partition", .number(Int64(partition.partition))),
                        ])
                    ), ("offset", .object([("kafka_offset", .number(offset.offset))])),
                ])
            }
        } catch {
            throw ConnectError(.connect, "Failed to retrieve consumer group offsets for connector \(name): \(error)")
        }
    }

    private func sourceOffsets(
        _ name: String, _ properties: [String: String]
    ) async throws(ConnectError) -> [JSONValue] {
        let found: [SourceOffset]
        do throws(ClusterError) {
            found = try await parts.offsets.offsets(of: name, properties, withDropped: true)
        } catch {
            throw ConnectError(.connect, "Failed to retrieve offsets for connector \(name): \(error)")
        }
        var entries: [JSONValue] = []
        for entry in found {
            entries.append(
                .object([
                    ("partition", try SourceOffsets.json(entry.partition)),
                    (
                        "offset",
                        try entry.offset.map { map throws(ConnectError) in try SourceOffsets.json(map) } ?? .null
                    ),
                ]))
        }
        return entries
    }

    // MARK: Changes

    /// - Parameter body: `{"offsets":[{"partition":{...},"offset":{...}}]}`; nil takes all offsets back.
    /// - Returns: the message of the answer.
    func alterOffsets(_ name: String, _ body: JSONValue?) async throws(HerderFailure) -> String {
        try await mustLead()
        let properties = try known(name)
        guard config.read({ $0.target(name) == .stopped && ($0.tasks(name)?.count ?? 0) == 0 }) else {
            throw .badRequest(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the "
                    + "specified connector by issuing a 'PUT' request to the '/connectors/\(name)/stop' endpoint")
        }
        var entries: [(partition: JSONValue, offset: JSONValue?)] = []
        if let body {
            for element in body["offsets"]?.elements ?? [] {
                guard let partition = element["partition"], partition.members != nil else {
                    let isSink = isSink(properties)
                    throw .badRequest(
                        "The partition for a \(isSink ? "sink connector" : "connector") offset cannot be null or missing"
                    )
                }
                let offset = element["offset"]
                if let offset, case .null = offset {
                    entries.append((partition, nil))
                } else {
                    entries.append((partition, offset))
                }
            }
            guard !entries.isEmpty else {
                throw .badRequest("Partitions / offsets need to be provided for an alter offsets request")
            }
        }
        do {
            let resolved = try await resolved(properties)
            let plugin = plugins.plugin(resolved["connector.class"] ?? "")
            let isKnown: Bool
            switch plugin {
            case let sink as any SinkPlugin:
                isKnown = try await alterSink(name, resolved, sink, body == nil ? nil : entries)
            case let source as any SourcePlugin:
                isKnown = try await alterSource(name, resolved, source, body == nil ? nil : entries)
            default: throw HerderFailure.badRequest(plugins.unknown(resolved["connector.class"] ?? ""))
            }
            let word = body == nil ? "reset" : "altered"
            return isKnown
                ? "The offsets for this connector have been \(word) successfully"
                : "The Connect framework-managed offsets for this connector have been \(word) successfully. However, if "
                    + "this connector manages offsets externally, they will need to be manually \(word) in the system "
                    + "that the connector uses."
        } catch let failure as HerderFailure {
            throw failure
        } catch let error as ConnectError {
            throw .refused(status: 500, error.message)
        } catch {
            throw .refused(status: 500, "\(error)")
        }
    }

    private func alterSource(
        _ name: String, _ properties: [String: String], _ plugin: any SourcePlugin,
        _ entries: [(partition: JSONValue, offset: JSONValue?)]?
    ) async throws -> Bool {
        var changes: [(partition: ConnectMap, offset: ConnectMap?)] = []
        if let entries {
            for entry in entries {
                guard let partition = SourceOffsets.map(entry.partition) else { continue }
                changes.append((partition, entry.offset.flatMap(SourceOffsets.map)))
            }
        } else {
            changes = try await parts.offsets.offsets(of: name, properties).map { ($0.partition, nil) }
        }
        let isKnown = try await plugin.alterOffsets(properties, changes)
        // Tasks that were slow to stop can write no more from here on.
        if settings.exactlyOnce == .enabled { try await fenceAll(name) }
        let store = try await parts.offsets.store(properties)
        var records: [(key: [UInt8], value: [UInt8]?)] = []
        for change in changes {
            records.append(
                (
                    try parts.offsets.key(name, change.partition, in: store),
                    try change.offset.map { try SourceOffsets.json($0).bytes }
                ))
        }
        try await store.write(records)
        return isKnown
    }

    private func fenceAll(_ name: String) async throws {
        guard let count = config.read({ $0.unfencedCount(name) }), count > 0 else { return }
        for number in 0..<count {
            let writer = try await parts.cluster.transactionalWriter(
                "\(settings.groupId)-\(name)-\(number)", timeout: .seconds(60))
            await writer.close()
        }
    }

    private func alterSink(
        _ name: String, _ properties: [String: String], _ plugin: any SinkPlugin,
        _ entries: [(partition: JSONValue, offset: JSONValue?)]?
    ) async throws -> Bool {
        let group = SinkTaskRun.group(name, properties, settings)
        var changes: [SinkPartition: Int64?] = [:]
        if let entries {
            for entry in entries {
                let (partition, offset) = try Self.sinkOffset(entry.partition, entry.offset)
                changes[partition] = .some(offset)
            }
        } else {
            for partition in try await parts.cluster.groupOffsets(group).keys {
                changes[SinkPartition(topic: partition.topic, partition: partition.partition)] = .some(nil)
            }
        }
        let isKnown = try await plugin.alterOffsets(properties, changes)
        var set: [TopicPartition: CommittedOffset] = [:]
        var dropped: [TopicPartition] = []
        for (partition, offset) in changes {
            let key = TopicPartition(partition.topic, partition.partition)
            if let offset { set[key] = CommittedOffset(offset) } else { dropped.append(key) }
        }
        do throws(ClusterError) {
            if !set.isEmpty { try await parts.cluster.alterGroupOffsets(group, set) }
            if entries == nil {
                try await forgetGroup(group)
            } else if !dropped.isEmpty {
                try await parts.cluster.deleteGroupOffsets(group, dropped)
            }
        } catch {
            if error.code == .groupIdNotFound { return isKnown }
            let word = entries == nil ? "reset" : "alter"
            let failed = "Failed to \(word) consumer group offsets for connector \(name)"
            let isInUse: [ClusterError.Code] = [.nonEmptyGroup, .unknownMemberId, .groupSubscribedToTopic]
            guard isInUse.contains(error.code) else { throw ConnectError(.connect, "\(failed): \(error)") }
            throw ConnectError(
                .connect,
                "\(failed) either because its tasks haven't stopped completely yet or the connector was resumed before "
                    + "the request to \(word) its offsets could be successfully completed. If the connector "
                    + "is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the "
                    + "Connect cluster may need to be restarted to get rid of the zombie sink tasks.")
        }
        return isKnown
    }

    /// A place in a topic as requests give it, numbers also as texts.
    ///
    /// - Returns: the offset nil where it is to be dropped.
    private static func sinkOffset(
        _ partition: JSONValue, _ offset: JSONValue?
    ) throws(HerderFailure) -> (SinkPartition, Int64?) {
        guard let topicJSON = partition["kafka_topic"], let numberJSON = partition["kafka_partition"] else {
            throw .badRequest(
                "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'")
        }
        if case .null = topicJSON {
            throw .badRequest("Kafka topic names must be valid strings and may not be null")
        }
        if case .null = numberJSON {
            throw .badRequest("Kafka partitions must be valid numbers and may not be null")
        }
        guard let number = integer(numberJSON).flatMap({ Int32(exactly: $0) }) else {
            throw .badRequest(
                "Failed to parse the following Kafka partition value in the provided offsets: '\(shown(numberJSON))'. "
                    + "Partition values for sink connectors need to be integers.")
        }
        let place = SinkPartition(topic: shown(topicJSON), partition: number)
        guard number >= 0 else { throw .badRequest("Partition \(number) of topic \(place.topic) is negative") }
        guard let offset else { return (place, nil) }
        guard let valueJSON = offset["kafka_offset"] else {
            throw .badRequest("The offset for a sink connector should either be null or contain the key 'kafka_offset'")
        }
        guard let value = integer(valueJSON) else {
            throw .badRequest(
                "Failed to parse the following Kafka offset value in the provided offsets: '\(shown(valueJSON))'. "
                    + "Offset values for sink connectors need to be integers.")
        }
        guard value >= 0 else { throw .badRequest("Invalid negative offset \(value)") }
        return (place, value)
    }

    private static func integer(_ json: JSONValue) -> Int64? { json.integer ?? json.text.flatMap { Int64($0) } }

    private static func shown(_ json: JSONValue) -> String { json.text ?? String(decoding: json.bytes, as: UTF8.self) }

    private func forgetGroup(_ group: String) async throws(ClusterError) {
        do throws(ClusterError) {
            try await parts.cluster.deleteGroup(group)
        } catch {
            guard error.code == .groupIdNotFound else { throw error }
        }
    }
}
