import Bytes
import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOPosix
import Security
import Synchronization

/// Owner of everything about the cluster that is not records: topics, settings, id counters.
///
/// Its operations run one after another on one thread of their own, where they may wait for the disk. A change is first
/// in the metadata log and on disk, then in the catalog that requests read, then answered.
package final class Controller: Sendable {
    private struct State {
        var image: MetadataImage
        var log: MetadataLog
        var server: ServerProperties
        /// As the configuration file and flags have them, without what was altered while running.
        let staticServer: ServerProperties
        /// How far the metadata log reached when that was noted last.
        var checkpointedEnd: Int64 = -1
    }

    let catalog: TopicCatalog
    /// Decides who may do what; nil where everybody may do everything.
    let authorizer: Authorizer?
    private let directory: LogDirectory
    private let clock: any WallClock
    private let nodeId: Int32
    private let logger: Logger
    private let pool: NIOThreadPool
    /// Held through whole operations; only the control thread and readers of settings take it.
    private let state: Mutex<State>
    private let settings: Mutex<ServerProperties>
    /// Settings of groups, by group and name; what coordinators read.
    private let groupSettings: Mutex<[String: [String: String]]>
    private let topicObserver = Mutex<(@Sendable (_ deleted: [String]) -> Void)?>(nil)
    /// Users with SCRAM credentials, for those who check passwords.
    let users: UserDirectory
    private let settingsObserver = Mutex<(@Sendable (ServerProperties) -> Void)?>(nil)

    /// Opens all topics of the data folder.
    ///
    /// - Throws: `LogError` when the folder cannot be used.
    init(
        directory: LogDirectory, log: MetadataLog, image: MetadataImage, server: ServerProperties, nodeId: Int32,
        clock: any WallClock, pool: NIOThreadPool, logger: Logger, users: UserDirectory = UserDirectory()
    ) throws {
        self.users = users
        let effective = Self.effective(server, image)
        self.directory = directory
        self.clock = clock
        self.nodeId = nodeId
        self.logger = logger
        self.pool = pool
        catalog = TopicCatalog()
        let authorizer = server.authorizer(image.acls.values)
        self.authorizer = authorizer
        if authorizer == nil, !image.acls.isEmpty {
            logger.warning(
                "rules about who may do what are stored, but authorizer.class.name is not set: they do not count",
                metadata: ["rules": "\(image.acls.count)"])
        }
        state = Mutex(State(image: image, log: log, server: effective, staticServer: server))
        settings = Mutex(effective)
        groupSettings = Mutex(image.groupConfigs)
        users.replace(image.scramCredentials)
        try openTopics()
    }

    /// The broker's own settings go before the defaults of all brokers, these before the configuration file.
    private static func effective(_ staticServer: ServerProperties, _ image: MetadataImage) -> ServerProperties {
        var effective = staticServer
        for values in [image.brokerDefaults, image.brokerConfigs] {
            for (name, value) in values { effective.set(name, to: value) }
        }
        return effective
    }

    /// The properties in force.
    package var server: ServerProperties { settings.withLock { $0 } }
    /// The offset after the last metadata record.
    var metadataEnd: Int64 { state.withLock { $0.log.end } }
    package var clusterId: String { state.withLock { $0.image.clusterId ?? "" } }

    /// Calls `observer` on the control thread after topics were created, deleted or got more partitions.
    ///
    /// - Parameter observer: takes the names of deleted topics.
    func observeTopics(_ observer: @escaping @Sendable (_ deleted: [String]) -> Void) {
        topicObserver.withLock { $0 = observer }
    }

    /// Calls `observer` on the control thread with the properties in force, soon and after they were changed: two calls
    /// never overtake each other.
    func observeSettings(_ observer: @escaping @Sendable (ServerProperties) -> Void) {
        perform { controller in
            controller.settingsObserver.withLock { $0 = observer }
            observer(controller.server)
        }
    }

    private func tellObserver(deleted: [String] = []) { topicObserver.withLock { $0 }?(deleted) }

    /// Runs `operation` on the control thread, after the ones before it.
    package func perform(_ operation: @escaping @Sendable (Controller) -> Void) {
        pool.submit { [self] _ in operation(self) }
    }

    /// Runs `operation` on the control thread and waits for its result.
    package func value<T: Sendable>(_ operation: @escaping @Sendable (Controller) -> T) async -> T {
        await withCheckedContinuation { continuation in
            perform { continuation.resume(returning: operation($0)) }
        }
    }

    // MARK: Opening

    private func openTopics() throws {
        try state.withLock { state in
            var topics: [Topic] = []
            for topic in state.image.topics.values.sorted(by: { $0.name < $1.name }) {
                let config = EffectiveTopicConfig(overrides: topic.overrides, server: state.server)
                let partitions = try openPartitions(topic.name, topic.id, 0..<topic.partitionCount, config)
                topics.append(
                    Topic(
                        name: topic.name, id: topic.id, partitions: partitions, overrides: topic.overrides,
                        config: config))
            }
            // A folder without a topic is the rest of a creation or deletion that a crash cut short; or the metadata
            // came from elsewhere. Records are never deleted because something does not know them.
            for orphan in directory.unopened {
                let kept = try directory.setAside(orphan)
                logger.warning(
                    "no topic has this partition; its folder is kept aside",
                    metadata: ["partition": "\(orphan)", "folder": "\(kept)"])
            }
            catalog.publish(topics)
        }
    }

    /// - Parameter areNew: nothing that the folder knows by their names is theirs.
    private func openPartitions(
        _ name: String, _ id: KafkaUUID, _ indexes: Range<Int32>, _ config: EffectiveTopicConfig, areNew: Bool = false
    ) throws(LogError) -> [Partition] {
        var partitions: [Partition] = []
        partitions.reserveCapacity(indexes.count)
        for index in indexes {
            let partition = PartitionName(topic: name, partition: index)
            if areNew { try directory.forget(partition) }
            if !areNew, !directory.has(partition) {
                // It was there before the topic was.
                logger.error(
                    "the folder of a partition is gone; it begins anew, empty", metadata: ["partition": "\(partition)"])
            }
            let log = try openLog(partition, id, config.log)
            partitions.append(Partition(topicName: name, index: index, log: log))
        }
        return partitions
    }

    private func openLog(_ name: PartitionName, _ id: KafkaUUID, _ config: LogConfig) throws(LogError) -> PartitionLog {
        let topicId = (id.high, id.low)
        let log: PartitionLog
        do throws(LogError) {
            log = try directory.open(name, topicId: topicId, config: config, now: clock.now())
        } catch  where error.code == .inconsistentTopicId {
            // Left by a topic of the same name whose deletion a crash cut short.
            let kept = try directory.setAside(name)
            logger.warning(
                "the folder belongs to a deleted topic of the same name; it is kept aside",
                metadata: ["partition": "\(name)", "folder": "\(kept)"])
            log = try directory.open(name, topicId: topicId, config: config, now: clock.now())
        }
        report(log.recovery, of: name)
        return log
    }

    /// Tells what was found damaged: it is gone for good, and the operator may have a backup or a failing disk.
    private func report(_ recovery: RecoveryReport, of name: PartitionName) {
        if !recovery.missing.isEmpty {
            let ranges = recovery.missing.prefix(10).map { "\($0.lowerBound)-\($0.upperBound - 1)" }
            logger.error(
                """
                records of a partition are gone or damaged: files of closed segments were removed, cut or changed; \
                readers pass over what is gone. Stop the server and restore the partition's folder from a backup
                """,
                metadata: [
                    "partition": "\(name)", "folder": "\(directory.folder(of: name))",
                    "missingOffsets": "\(ranges.joined(separator: ", "))\(recovery.missing.count > 10 ? ", ..." : "")",
                ])
        }
        guard recovery.truncatedByteCount > 0 || recovery.lostRecordCount > 0 else { return }
        var metadata: Logger.Metadata = [
            "partition": "\(name)", "cutBytes": "\(recovery.truncatedByteCount)", "reason": "\(recovery.reason ?? "")",
        ]
        // Only what is known: a number that is 0 would be a promise.
        if recovery.cutRecordCount > 0 { metadata["cutRecords"] = "\(recovery.cutRecordCount)" }
        if recovery.lostRecordCount > 0 { metadata["lostDurableRecords"] = "\(recovery.lostRecordCount)" }
        let isDamage = recovery.cutRecordCount > 0 || recovery.lostRecordCount > 0
        logger.log(
            level: isDamage ? .error : .warning,
            isDamage
                ? "records of a partition are gone: the machine stopped before all was on disk, or its files were changed"
                : "the end of a partition was not whole after an unclean stop and was cut off",
            metadata: metadata)
    }

    // MARK: Topics

    /// Creates topics, each on its own: one that fails does not hinder the others.
    func createTopics(
        _ creations: [TopicCreation], validateOnly: Bool
    ) -> [Result<Topic, ControlError>] {
        defer { if !validateOnly { tellObserver() } }
        return state.withLock { state in
            var results: [Result<Topic, ControlError>] = []
            var created: [Topic] = []
            var records: [MetadataRecord] = []
            var random = SystemRandomNumberGenerator()
            var partitionCountLeft = TopicRules.partitionCountMax
            for creation in creations {
                do throws(ControlError) {
                    let topic = try makeTopic(
                        creation, state, &partitionCountLeft, opensLogs: !validateOnly, id: .random(using: &random))
                    results.append(.success(topic))
                    created.append(topic)
                } catch {
                    results.append(.failure(error))
                }
            }
            guard !validateOnly, !created.isEmpty else { return results }
            for topic in created {
                records.append(
                    .topic(name: topic.name, id: topic.id, partitionCount: Int32(clamping: topic.partitions.count)))
                if !topic.overrides.isEmpty { records.append(.topicConfigs(id: topic.id, values: topic.overrides)) }
            }
            do throws(ControlError) {
                try commit(records, &state)
            } catch {
                for topic in created { discard(topic) }
                return results.map { result in result.flatMap { _ in .failure(error) } }
            }
            catalog.publish(created)
            return results
        }
    }

    private func makeTopic(
        _ creation: TopicCreation, _ state: borrowing State, _ partitionCountLeft: inout Int, opensLogs: Bool,
        id: KafkaUUID
    ) throws(ControlError) -> Topic {
        let count = try TopicRules.partitionCount(of: creation, server: state.server, nodeId: nodeId)
        if creation.name == "__cluster_metadata" {
            throw ControlError(
                .invalidRequest, "Creation of internal topic \(creation.name) is prohibited.")
        }
        let existing = catalog.snapshot.byName
        if existing[creation.name] != nil {
            throw ControlError(.topicAlreadyExists, "Topic '\(creation.name)' already exists.")
        }
        if let other = TopicRules.collision(of: creation.name, in: existing.keys) {
            throw ControlError(
                .invalidTopicException, "Topic '\(creation.name)' collides with existing topic: \(other)")
        }
        guard Int(count) <= partitionCountLeft else {
            throw ControlError(.policyViolation, "Excessively large number of partitions per request.")
        }
        partitionCountLeft -= Int(count)
        var overrides: [String: String] = [:]
        for (name, value) in creation.configs {
            guard let value else {
                throw ControlError(.invalidConfig, "Null value not supported for topic configs: \(name)")
            }
            if let problem = TopicConfigs.problem(name, value) { throw ControlError(.invalidConfig, problem) }
            overrides[name] = value
        }
        if let conflict = TopicConfigs.conflict(overrides, server: state.server) {
            throw ControlError(.invalidConfig, conflict)
        }
        let config = EffectiveTopicConfig(overrides: overrides, server: state.server)
        var partitions: [Partition] = []
        if opensLogs {
            do throws(LogError) {
                partitions = try openPartitions(creation.name, id, 0..<count, config, areNew: true)
            } catch {
                throw ControlError(error)
            }
        }
        return Topic(name: creation.name, id: id, partitions: partitions, overrides: overrides, config: config)
    }

    func deleteTopic(_ topic: Topic) throws(ControlError) {
        guard !Topic.isInternal(topic.name) else {
            throw ControlError(
                .invalidTopicException,
                "Topic '\(topic.name)' keeps the state of groups or transactions and cannot be deleted.")
        }
        defer { if catalog.topic(id: topic.id) == nil { tellObserver(deleted: [topic.name]) } }
        try state.withLock { state throws(ControlError) in
            guard state.server.flag("delete.topic.enable") else {
                throw ControlError(.topicDeletionDisabled, "Topic deletion is disabled.")
            }
            guard let current = catalog.topic(id: topic.id) else { throw ControlError(.unknownTopicId) }
            try commit([.topicRemoved(id: topic.id)], &state)
            catalog.publish([], removing: [current])
            discard(current)
        }
    }

    /// Raises the number of partitions to `count`.
    func createPartitions(
        topic name: String, count: Int32, assignments: [[Int32]]?, validateOnly: Bool
    ) throws(ControlError) {
        guard !Topic.isInternal(name) else {
            throw ControlError(
                .invalidTopicException,
                "Topic '\(name)' keeps its number of partitions: they are where groups or transactions are looked for.")
        }
        defer { if !validateOnly { tellObserver() } }
        try state.withLock { state throws(ControlError) in
            guard let topic = catalog.topic(named: name) else {
                throw ControlError(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            let present = Int32(clamping: topic.partitions.count)
            if count == present {
                throw ControlError(.invalidPartitions, "Topic already has \(present) partition(s).")
            }
            if count < present {
                throw ControlError(
                    .invalidPartitions,
                    "The topic \(name) currently has \(present) partition(s); \(count) would not be an increase.")
            }
            guard count - present <= TopicRules.partitionCountMax else {
                throw ControlError(.policyViolation, "Excessively large number of partitions per request.")
            }
            if let assignments {
                guard assignments.count == Int(count - present) else {
                    throw ControlError(
                        .invalidReplicaAssignment,
                        "Attempted to add \(count - present) additional partition(s), but only \(assignments.count) "
                            + "assignment(s) were specified.")
                }
                guard assignments.allSatisfy({ $0 == [nodeId] }) else {
                    throw ControlError(.invalidReplicaAssignment, "\(nodeId) is the only broker there is.")
                }
            }
            guard !validateOnly else { return }
            let added: [Partition]
            do throws(LogError) {
                added = try openPartitions(name, topic.id, present..<count, topic.config, areNew: true)
            } catch {
                throw ControlError(error)
            }
            do throws(ControlError) {
                try commit([.partitionCount(id: topic.id, count: count)], &state)
            } catch {
                for partition in added { discard(partition) }
                throw error
            }
            catalog.publish([
                Topic(
                    name: name, id: topic.id, partitions: topic.partitions + added, overrides: topic.overrides,
                    config: topic.config)
            ])
        }
    }

    private func discard(_ topic: Topic) {
        for partition in topic.partitions { discard(partition) }
    }

    private func discard(_ partition: Partition) {
        partition.markDeleted()
        do throws(LogError) {
            try directory.delete(PartitionName(topic: partition.topicName, partition: partition.index))
        } catch {
            // The next start removes the folder, since no topic has it.
            logger.warning(
                "folder of a deleted partition stays until the next start",
                metadata: ["partition": "\(partition.topicName)-\(partition.index)", "error": "\(error)"])
        }
    }

    // MARK: Settings

    /// Replaces (`isIncremental` false: what is not named goes back to its default) or changes a topic's settings.
    func alterTopic(
        _ name: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            guard let topic = catalog.topic(named: name) else {
                throw ControlError(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
            }
            let server = state.server
            let overrides = try TopicRules.applied(
                alterations, to: isIncremental ? topic.overrides : [:], definition: TopicConfigs.definition,
                current: { server.topicDefault($0) }, problem: TopicConfigs.problem)
            if let conflict = TopicConfigs.conflict(overrides, server: server) {
                throw ControlError(.invalidConfig, conflict)
            }
            guard !validateOnly else { return }
            try commit([.topicConfigs(id: topic.id, values: overrides)], &state)
            publish(topic, overrides: overrides, server: server)
        }
    }

    /// Changes settings of the broker that may change while it runs: its own, or the defaults of all brokers.
    ///
    /// What is wrong with them is INVALID_REQUEST, where for topics and groups it is INVALID_CONFIG: Kafka's own oddity
    /// (KAFKA-13609).
    func alterBroker(
        _ alterations: [ConfigAlteration], isDefault: Bool, isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let server = state.server
            let present = isDefault ? state.image.brokerDefaults : state.image.brokerConfigs
            let overrides = try TopicRules.applied(
                alterations, to: isIncremental ? present : [:],
                definition: ServerProperties.alterable, current: { server.text($0) }, code: .invalidRequest,
                problem: { name, value in
                    guard let definition = ServerProperties.alterable(name) else {
                        let hint = nearestName(to: name, among: ServerProperties.known.lazy.map(\.name))
                        return "Unknown broker config name: \(name)" + (hint.map { "; did you mean \($0)?" } ?? "")
                    }
                    guard ServerProperties.isDynamic(name) else {
                        return "Cannot update these configs dynamically: Set(\(name))"
                    }
                    return definition.problem(with: value).map {
                        "Invalid value \(value) for configuration \(name): \($0)"
                    }
                })
            var image = state.image
            if isDefault { image.brokerDefaults = overrides } else { image.brokerConfigs = overrides }
            if let conflict = Self.effective(state.staticServer, image).conflict {
                throw ControlError(.invalidRequest, conflict)
            }
            guard !validateOnly else { return }
            try commit([isDefault ? .brokerDefaults(values: overrides) : .brokerConfigs(values: overrides)], &state)
            let effective = Self.effective(state.staticServer, state.image)
            state.server = effective
            settings.withLock { $0 = effective }
            settingsObserver.withLock { $0 }?(effective)
            for topic in catalog.snapshot.sorted {
                publish(topic, overrides: topic.overrides, server: effective)
            }
        }
    }

    private func publish(_ topic: Topic, overrides: [String: String], server: ServerProperties) {
        let config = EffectiveTopicConfig(overrides: overrides, server: server)
        for partition in topic.partitions { partition.log.update(config: config.log) }
        catalog.publish([
            Topic(
                name: topic.name, id: topic.id, partitions: topic.partitions, overrides: overrides, config: config)
        ])
    }

    /// Replaces or changes the settings of a group, which need not exist.
    func alterGroup(
        _ group: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let server = state.server
            let values = try TopicRules.applied(
                alterations, to: isIncremental ? state.image.groupConfigs[group] ?? [:] : [:],
                definition: GroupConfigs.definition, current: { GroupConfigs.definition($0)?.defaultValue ?? "" },
                problem: { GroupConfigs.problem($0, $1, server) })
            if let conflict = GroupConfigs.conflict(values, server) { throw ControlError(.invalidConfig, conflict) }
            guard !validateOnly else { return }
            try commit([.groupConfigs(group: group, values: values)], &state)
            groupSettings.withLock { $0[group] = values.isEmpty ? nil : values }
        }
    }

    /// The settings that a group has of its own.
    func groupConfigs(_ group: String) -> [String: String] { groupSettings.withLock { $0[group] ?? [:] } }

    /// Groups with settings of their own, in the order of their names.
    var configuredGroups: [String] { groupSettings.withLock { $0.keys.sorted() } }

    /// What the settings of the broker come from.
    var brokerLayers: BrokerConfigLayers {
        state.withLock {
            BrokerConfigLayers(
                own: $0.image.brokerConfigs, defaults: $0.image.brokerDefaults, staticServer: $0.staticServer)
        }
    }

    // MARK: Users

    /// Changes credentials of users, all or none.
    ///
    /// - Parameter decide: is given those that there are, and returns the changes.
    func alterUsers(
        _ decide: ([ScramCredentialKey: ScramCredential]) -> [MetadataRecord]
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let records = decide(state.image.scramCredentials)
            guard !records.isEmpty else { return }
            try commit(records, &state)
            users.replace(state.image.scramCredentials)
        }
    }

    /// The credentials of all users.
    var scramCredentials: [ScramCredentialKey: ScramCredential] { state.withLock { $0.image.scramCredentials } }

    // MARK: Producer ids

    /// Takes the next `count` producer ids for good, also over a crash.
    func takeProducerIds(_ count: Int64) throws(ControlError) -> Range<Int64> {
        try state.withLock { state throws(ControlError) in
            let first = state.image.producerIdsBelow
            try commit([.producerIds(below: first + count)], &state)
            return first..<first + count
        }
    }

    /// The metadata as it is; for parts that keep something of their own in it.
    func image<T: Sendable>(_ look: (MetadataImage) -> T) -> T { state.withLock { look($0.image) } }

    // MARK: Log

    /// Writes the records that `decide` makes of the metadata as it is; on the control thread.
    func change(
        _ decide: (MetadataImage) throws(ControlError) -> [MetadataRecord]
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let records = try decide(state.image)
            if !records.isEmpty { try commit(records, &state) }
        }
    }

    private func commit(_ records: [MetadataRecord], _ state: inout State) throws(ControlError) {
        do throws(LogError) {
            try state.log.append(records, now: clock.now())
        } catch {
            logger.error("metadata cannot be written", metadata: ["error": "\(error)"])
            throw ControlError(error)
        }
        for record in records { state.image.apply(record) }
        let image = state.image
        do throws(LogError) {
            try state.log.snapshotIfWorthwhile(image, now: clock.now())
        } catch {
            // The log still has everything; only the next start is slower.
            logger.warning("metadata snapshot cannot be written", metadata: ["error": "\(error)"])
        }
    }

    /// Notes how far the metadata log reaches; on the control thread.
    func checkpointMetadata() {
        state.withLock { state in
            guard state.log.end != state.checkpointedEnd else { return }
            state.checkpointedEnd = state.log.end
            do throws(LogError) { try state.log.checkpoint() } catch {
                // What is appended is on disk all the same.
                logger.warning("checkpoint of the metadata cannot be written", metadata: ["error": "\(error)"])
            }
        }
    }

    func close() {
        state.withLock { state in
            do throws(LogError) {
                try state.log.close()
            } catch {
                logger.error("metadata log cannot be closed", metadata: ["error": "\(error)"])
            }
        }
    }
}
