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
    struct State {
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
    let directory: LogDirectory
    let clock: any WallClock
    let nodeId: Int32
    let logger: Logger
    private let pool: NIOThreadPool
    /// Held through whole operations; only the control thread and readers of settings take it.
    let state: Mutex<State>
    let settings: Mutex<ServerProperties>
    /// Settings of groups, by group and name; what coordinators read.
    let groupSettings: Mutex<[String: [String: String]]>
    /// Quotas of users and client ids, for those who enforce them.
    let quotas: ClientQuotas
    /// Quotas of addresses.
    let connectionRates: ConnectionRates
    private let topicObserver = Mutex<(@Sendable (_ deleted: [String]) -> Void)?>(nil)
    /// Users with SCRAM credentials, for those who check passwords.
    let users: UserDirectory
    let settingsObserver = Mutex<(@Sendable (ServerProperties) -> Void)?>(nil)

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
        users.delegationTokens?.replace(image.delegationTokens.values)
        quotas = ClientQuotas(server.quotaWindows)
        connectionRates = ConnectionRates(server.quotaWindows)
        quotas.replace(image.quotas)
        connectionRates.replace(image.quotas)
        try openTopics()
    }

    /// The broker's own settings go before the defaults of all brokers, these before the configuration file.
    static func effective(_ staticServer: ServerProperties, _ image: MetadataImage) -> ServerProperties {
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

    func tellObserver(deleted: [String] = []) { topicObserver.withLock { $0 }?(deleted) }

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

    func commit(_ records: [MetadataRecord], _ state: inout State) throws(ControlError) {
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
