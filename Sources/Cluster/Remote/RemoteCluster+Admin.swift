import CRdKafka

extension RemoteCluster {
    package func createTopic(_ topic: NewTopic, validateOnly: Bool) async throws(ClusterError) {
        let attempt = "create topic '\(topic.name)'"
        let handle = admin
        try await adminCall(RD_KAFKA_ADMIN_OP_CREATETOPICS, attempt, validateOnly: validateOnly) {
            (options, queue) throws(ClusterError) in
            var text = [CChar](repeating: 0, count: 512)
            let new = rd_kafka_NewTopic_new(
                topic.name, topic.partitionCount ?? -1, Int32(topic.replicationFactor ?? -1), &text, text.count)
            guard let new else {
                throw ClusterError(.invalidRequest, "\(attempt): " + Self.string(text))
            }
            defer { rd_kafka_NewTopic_destroy(new) }
            for (name, value) in topic.configs.sorted(by: { $0.key < $1.key }) {
                let error = rd_kafka_NewTopic_set_config(new, name, value)
                guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw ClusterError(rdkafka: error, attempt) }
            }
            var list: OpaquePointer? = new
            rd_kafka_CreateTopics(handle.client, &list, 1, options, queue)
        } answer: { event in
            var count = 0
            let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
            return Self.topicResult(results, count, attempt)
        }
    }

    package func addPartitions(topic: String, total: Int32, validateOnly: Bool) async throws(ClusterError) {
        let attempt = "add partitions to topic '\(topic)'"
        guard total > 0 else { throw ClusterError(.invalidPartitions, "\(attempt): \(total) is not above 0") }
        let handle = admin
        try await adminCall(RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, attempt, validateOnly: validateOnly) {
            (options, queue) throws(ClusterError) in
            var text = [CChar](repeating: 0, count: 512)
            guard let new = rd_kafka_NewPartitions_new(topic, Int(total), &text, text.count) else {
                throw ClusterError(.invalidPartitions, "\(attempt): " + Self.string(text))
            }
            defer { rd_kafka_NewPartitions_destroy(new) }
            var list: OpaquePointer? = new
            rd_kafka_CreatePartitions(handle.client, &list, 1, options, queue)
        } answer: { event in
            var count = 0
            let results = rd_kafka_CreatePartitions_result_topics(
                rd_kafka_event_CreatePartitions_result(event), &count)
            return Self.topicResult(results, count, attempt)
        }
    }

    package func deleteTopic(_ name: String) async throws(ClusterError) {
        let attempt = "delete topic '\(name)'"
        let handle = admin
        try await adminCall(RD_KAFKA_ADMIN_OP_DELETETOPICS, attempt) { (options, queue) throws(ClusterError) in
            guard !name.isEmpty, let old = rd_kafka_DeleteTopic_new(name) else {
                throw ClusterError(.invalidTopic, "\(attempt): a topic has a name")
            }
            defer { rd_kafka_DeleteTopic_destroy(old) }
            var list: OpaquePointer? = old
            rd_kafka_DeleteTopics(handle.client, &list, 1, options, queue)
        } answer: { event in
            var count = 0
            let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count)
            return Self.topicResult(results, count, attempt)
        }
    }

    package func deleteRecords(
        _ partition: TopicPartition, before offset: Int64?
    ) async throws(ClusterError) -> Int64 {
        let attempt = "delete records of \(partition)"
        if let offset, offset < 0 { throw ClusterError(.offsetOutOfRange, "\(attempt): offset \(offset) is negative") }
        try await check([partition])
        let handle = admin
        return try await adminCall(RD_KAFKA_ADMIN_OP_DELETERECORDS, attempt) { (options, queue) throws(ClusterError) in
            let offsets = rd_kafka_topic_partition_list_new(1)
            defer { rd_kafka_topic_partition_list_destroy(offsets) }
            rd_kafka_topic_partition_list_add(offsets, partition.topic, partition.partition).pointee.offset =
                offset ?? Int64(RD_KAFKA_OFFSET_END)
            guard let deletion = rd_kafka_DeleteRecords_new(offsets) else {
                throw ClusterError(.unknownServerError, "\(attempt): out of memory")
            }
            defer { rd_kafka_DeleteRecords_destroy(deletion) }
            var list: OpaquePointer? = deletion
            rd_kafka_DeleteRecords(handle.client, &list, 1, options, queue)
        } answer: { event in
            let result = rd_kafka_event_DeleteRecords_result(event)
            guard let offsets = rd_kafka_DeleteRecords_result_offsets(result), offsets.pointee.cnt > 0 else {
                return .failure(ClusterError(.unknownServerError, "\(attempt): the answer is empty"))
            }
            let answer = offsets.pointee.elems[0]
            guard answer.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                return .failure(ClusterError(rdkafka: answer.err, attempt))
            }
            return .success(answer.offset)
        }
    }

    // MARK: Configuration

    package func configs(of resource: ConfigResource) async throws(ClusterError) -> [ConfigEntry] {
        let attempt = "describe the configuration of \(Self.text(resource))"
        let handle = admin
        return try await adminCall(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, attempt) {
            (options, queue) throws(ClusterError) in
            let (type, name) = resource.rdkafka
            guard let asked = rd_kafka_ConfigResource_new(type, name) else {
                throw ClusterError(.invalidRequest, "\(attempt): not a valid name")
            }
            defer { rd_kafka_ConfigResource_destroy(asked) }
            var list: OpaquePointer? = asked
            rd_kafka_DescribeConfigs(handle.client, &list, 1, options, queue)
        } answer: { event -> Result<[ConfigEntry], ClusterError> in
            var count = 0
            let resources = rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &count)
            guard count > 0, let described = resources?[0] else {
                return .failure(ClusterError(.unknownServerError, "\(attempt): the answer is empty"))
            }
            if let error = Self.resourceError(described, attempt) { return .failure(error) }
            var entryCount = 0
            let entries = rd_kafka_ConfigResource_configs(described, &entryCount)
            return .success(Self.entries(entries, entryCount).sorted { $0.name < $1.name })
        }
    }

    /// librdkafka 2.0 has only the older AlterConfigs, which replaces everything a resource has set. So this reads what
    /// is set, applies the changes to it and writes the whole: another writer's change in between is lost.
    package func alterConfigs(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool
    ) async throws(ClusterError) {
        let attempt = "alter the configuration of \(Self.text(resource))"
        let present = try await configs(of: resource)
        let values = try Self.values(after: changes, of: present, resource, attempt)
        let handle = admin
        try await adminCall(
            RD_KAFKA_ADMIN_OP_ALTERCONFIGS, attempt, validateOnly: validateOnly
        ) { (options, queue) throws(ClusterError) in
            let (type, name) = resource.rdkafka
            guard let altered = rd_kafka_ConfigResource_new(type, name) else {
                throw ClusterError(.invalidRequest, "\(attempt): not a valid name")
            }
            defer { rd_kafka_ConfigResource_destroy(altered) }
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                let error = rd_kafka_ConfigResource_set_config(altered, name, value)
                guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw ClusterError(rdkafka: error, attempt) }
            }
            var list: OpaquePointer? = altered
            rd_kafka_AlterConfigs(handle.client, &list, 1, options, queue)
        } answer: { event -> Result<Void, ClusterError> in
            var count = 0
            let resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count)
            guard count > 0, let answered = resources?[0] else {
                return .failure(ClusterError(.unknownServerError, "\(attempt): the answer is empty"))
            }
            if let error = Self.resourceError(answered, attempt) { return .failure(error) }
            return .success(())
        }
    }

    /// What a resource has set after `changes`, from what it has now. Pure.
    static func values(
        after changes: [ConfigChange], of present: [ConfigEntry], _ resource: ConfigResource, _ attempt: String
    ) throws(ClusterError) -> [String: String] {
        let own: ConfigEntry.Source = if case .topic = resource { .dynamicTopic } else { .dynamicBroker }
        let effective = Dictionary(present.map { ($0.name, $0.value ?? "") }) { first, _ in first }
        var values: [String: String] = [:]
        for entry in present where entry.source == own {
            guard let value = entry.value else {
                throw ClusterError(
                    .invalidRequest,
                    "\(attempt): \(entry.name) is set but sensitive, and would be lost, because its value cannot be read"
                )
            }
            values[entry.name] = value
        }
        func list(_ text: String) -> [String] {
            text.split(separator: ",").map { String($0.trimmingSpaces()) }.filter { !$0.isEmpty }
        }
        for change in changes {
            let now = list(values[change.name] ?? effective[change.name] ?? "")
            switch change.operation {
            case .set(let value): values[change.name] = value
            case .reset: values[change.name] = nil
            case .append(let elements):
                values[change.name] = (now + list(elements).filter { !now.contains($0) }).joined(separator: ",")
            case .subtract(let elements):
                let removed = list(elements)
                values[change.name] = now.filter { !removed.contains($0) }.joined(separator: ",")
            }
        }
        return values
    }

    // MARK: Calls

    /// Sends one admin request and waits for its result without blocking a thread.
    ///
    /// - Parameters:
    ///   - send: gives the request to librdkafka with these options and this queue for the result; frees what it made.
    ///   - answer: reads the result event, on the event thread; the event is freed after it.
    private func adminCall<Value: Sendable>(
        _ operation: rd_kafka_admin_op_t, _ attempt: String, validateOnly: Bool = false,
        _ send: (OpaquePointer, OpaquePointer) throws(ClusterError) -> Void,
        answer: @escaping @Sendable (OpaquePointer) -> Result<Value, ClusterError>
    ) async throws(ClusterError) -> Value {
        let handle = admin
        guard let options = rd_kafka_AdminOptions_new(handle.client, operation) else {
            throw ClusterError(.unknownServerError, "\(attempt): out of memory")
        }
        defer { rd_kafka_AdminOptions_destroy(options) }
        var text = [CChar](repeating: 0, count: 512)
        let timeout = requestTimeoutMilliseconds
        var error = rd_kafka_AdminOptions_set_request_timeout(options, timeout, &text, text.count)
        if error == RD_KAFKA_RESP_ERR_NO_ERROR, operation.waitsForPropagation {
            // The controller answers once the change is everywhere, so it needs a bit less than the request.
            error = rd_kafka_AdminOptions_set_operation_timeout(options, timeout - timeout / 10, &text, text.count)
        }
        if error == RD_KAFKA_RESP_ERR_NO_ERROR, validateOnly {
            error = rd_kafka_AdminOptions_set_validate_only(options, 1, &text, text.count)
        }
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw ClusterError(rdkafka: error, attempt, detail: Self.string(text))
        }

        let result = await withCheckedContinuation { (done: CheckedContinuation<Result<Value, ClusterError>, Never>) in
            let reply = Unmanaged.passRetained(
                AdminReply { event in
                    let error = rd_kafka_event_error(event)
                    if error == RD_KAFKA_RESP_ERR_NO_ERROR {
                        done.resume(returning: answer(event))
                    } else {
                        let detail = rd_kafka_event_error_string(event).map { String(cString: $0) }
                        done.resume(returning: .failure(ClusterError(rdkafka: error, attempt, detail: detail)))
                    }
                })
            rd_kafka_AdminOptions_set_opaque(options, reply.toOpaque())
            do throws(ClusterError) {
                try send(options, handle.mainQueue)
            } catch {
                reply.release()
                done.resume(returning: .failure(error))
            }
        }
        return try withExtendedLifetime(handle) { () throws(ClusterError) in
            do throws(ClusterError) { return try result.get() } catch { throw explained(error) }
        }
    }

    private static func topicResult(
        _ results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, _ attempt: String
    ) -> Result<Void, ClusterError> {
        guard count > 0, let result = results?[0] else {
            return .failure(ClusterError(.unknownServerError, "\(attempt): the answer is empty"))
        }
        let error = rd_kafka_topic_result_error(result)
        guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return .success(()) }
        let detail = rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
        return .failure(ClusterError(rdkafka: error, attempt, detail: detail))
    }

    private static func resourceError(_ resource: OpaquePointer, _ attempt: String) -> ClusterError? {
        let error = rd_kafka_ConfigResource_error(resource)
        guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        let detail = rd_kafka_ConfigResource_error_string(resource).map { String(cString: $0) }
        return ClusterError(rdkafka: error, attempt, detail: detail)
    }

    private static func entries(_ entries: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int) -> [ConfigEntry] {
        (0..<count).compactMap { index in
            guard let entry = entries?[index], let name = rd_kafka_ConfigEntry_name(entry) else { return nil }
            var synonymCount = 0
            let synonyms = rd_kafka_ConfigEntry_synonyms(entry, &synonymCount)
            return ConfigEntry(
                name: String(cString: name), value: rd_kafka_ConfigEntry_value(entry).map { String(cString: $0) },
                source: source(entry), isReadOnly: rd_kafka_ConfigEntry_is_read_only(entry) == 1,
                isSensitive: rd_kafka_ConfigEntry_is_sensitive(entry) == 1,
                synonyms: Self.entries(synonyms, synonymCount).map {
                    .init(name: $0.name, value: $0.value, source: $0.source)
                })
        }
    }

    private static func source(_ entry: OpaquePointer) -> ConfigEntry.Source {
        switch rd_kafka_ConfigEntry_source(entry) {
        case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG: .dynamicTopic
        case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG: .dynamicBroker
        case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER_CONFIG: .dynamicDefaultBroker
        case RD_KAFKA_CONFIG_SOURCE_STATIC_BROKER_CONFIG: .staticBroker
        case RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG: .defaultConfig
        default: rd_kafka_ConfigEntry_is_default(entry) == 1 ? .defaultConfig : .unknown
        }
    }

    private static func text(_ resource: ConfigResource) -> String {
        switch resource {
        case .topic(let name): "topic '\(name)'"
        case .broker(let id): "broker \(id)"
        }
    }

    static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension rd_kafka_admin_op_t {
    /// Whether the broker may take its time until the whole cluster knows.
    fileprivate var waitsForPropagation: Bool {
        [
            RD_KAFKA_ADMIN_OP_CREATETOPICS, RD_KAFKA_ADMIN_OP_DELETETOPICS, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
            RD_KAFKA_ADMIN_OP_DELETERECORDS,
        ].contains(self)
    }
}

extension ConfigResource {
    fileprivate var rdkafka: (rd_kafka_ResourceType_t, String) {
        switch self {
        case .topic(let name): (RD_KAFKA_RESOURCE_TOPIC, name)
        case .broker(let id): (RD_KAFKA_RESOURCE_BROKER, String(id))
        }
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return text
    }
}
