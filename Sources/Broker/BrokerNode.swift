import Coordinators
import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import NIOPosix
import Observability
import Synchronization

/// The broker without its sockets: what requests work on. Shared by all connections and by `EmbeddedCluster`.
package final class BrokerNode: Sendable {
    package let nodeId: Int32
    let clusterId: String
    /// Rises at every start after a crash, so that clients notice a log that lost its unacknowledged tail.
    let leaderEpoch: Int32
    let controller: Controller
    let directory: LogDirectory
    let disk: any Disk
    let clock: any WallClock
    let logger: Logger
    /// What of the log is shown.
    let logLevel: BrokerLogLevel
    let syncScheduler: SyncScheduler
    let alarm: StorageAlarm
    package let metrics: BrokerMetrics
    /// What connections hold their clients to.
    let quotas: ClientQuotas
    let clockWatch: ClockWatch
    /// Where requests that were refused for want of a permission are told.
    let denials: Denials
    private let isDrainingFlag = Atomic<Bool>(false)
    private let hooks = Mutex<[DrainHook]>([])
    let fetchSessions: FetchSessions
    let shareSessions: ShareSessions
    let producerIds: ProducerIdPool
    /// Coordinators of groups and transactions.
    let coordination: Coordination
    let requestMemory: RequestMemory
    let gate: ConnectionGate
    let passwordQueue = PasswordQueue()
    let diskPool: ThreadPool
    /// For timers of callers that have no event loop.
    let timerLoop: any EventLoop

    /// `socket.request.max.bytes`.
    let requestByteCountMax: Int
    /// `fetch.max.bytes`.
    let fetchByteCountMax: Int
    /// `log.flush=sync`: acks=all waits for the disk.
    let syncsBeforeAnswer: Bool

    private let running = Mutex<[Listener]>([])

    init(
        controller: Controller, directory: LogDirectory, disk: any Disk, clock: any WallClock, nodeId: Int32,
        leaderEpoch: Int32, diskPool: ThreadPool, timerLoop: any EventLoop, logger: Logger,
        logLevel: BrokerLogLevel, metrics registry: MetricRegistry = MetricRegistry()
    ) {
        let server = controller.server
        self.controller = controller
        self.directory = directory
        self.disk = disk
        self.clock = clock
        self.logger = logger
        self.logLevel = logLevel
        self.nodeId = nodeId
        self.leaderEpoch = leaderEpoch
        self.diskPool = diskPool
        self.timerLoop = timerLoop
        clusterId = controller.clusterId
        metrics = BrokerMetrics(registry)
        quotas = controller.quotas
        denials = Denials(logger: logger, metrics: metrics)
        clockWatch = ClockWatch(logger: logger, wallClock: clock, steps: metrics.clockSteps)
        alarm = StorageAlarm(logger: logger, metrics: metrics)
        syncScheduler = SyncScheduler(
            directory, alarm: alarm, pool: diskPool, threadCountMax: Int(server.number("num.io.threads")),
            durations: metrics.syncDurations)
        fetchSessions = FetchSessions(countMax: Int(server.number("max.incremental.fetch.session.cache.slots")))
        shareSessions = ShareSessions(countMax: Int(server.number("group.share.max.share.sessions")))
        requestMemory = RequestMemory(budget: Int(server.number("queued.max.request.bytes")))
        gate = ConnectionGate { [controller] in
            let server = controller.server
            return (Int(server.number("max.connections")), Int(server.number("max.connections.per.ip")))
        }
        producerIds = ProducerIdPool(controller)
        coordination = Coordination(
            CoordinationEnvironment(
                catalog: controller.catalog, producerIds: producerIds, clock: clock,
                monotonic: SystemMonotonicClock(), syncScheduler: syncScheduler,
                syncsBeforeReply: server.text("log.flush") == "sync", alarm: alarm, diskPool: diskPool,
                timerLoop: timerLoop, logger: logger), server
        ) { [controller] group in
            GroupSettings(controller, group, over: ConsumerGroupSettings(server))
        }
        requestByteCountMax = Int(server.number("socket.request.max.bytes"))
        fetchByteCountMax = Int(server.number("fetch.max.bytes"))
        syncsBeforeAnswer = server.text("log.flush") == "sync"
        controller.observeTopics { [coordination] in coordination.topicsChanged(deleted: $0) }
    }

    // MARK: Stopping

    /// Whether the broker is stopping: what waits for something to happen is answered instead.
    package var isDraining: Bool { isDrainingFlag.load(ordering: .acquiring) }

    /// Registers a part that has to know when the broker stops.
    package func onDrain(_ hook: DrainHook) { hooks.withLock { $0.append(hook) } }

    var drainHooks: [DrainHook] { hooks.withLock { $0 } }

    /// From now on nothing is parked; fetches that wait are answered with what there is.
    func beginDrain() {
        isDrainingFlag.store(true, ordering: .releasing)
        for topic in catalog.snapshot.byName.values {
            for partition in topic.partitions { partition.wakeWaiters() }
        }
    }

    var catalog: TopicCatalog { controller.catalog }
    var groups: CoordinatorTopic<GroupShard> { coordination.groups }
    var transactions: TransactionCoordinators { coordination.transactions }
    var markers: MarkerWriter { coordination.markers }

    /// All listeners, in the order of the configuration.
    var listeners: [Listener] {
        get { running.withLock { $0 } }
        set { running.withLock { $0 = newValue } }
    }

    /// Where the clients of the first listener are told to connect to.
    var advertised: Listener.Address { listeners.first?.advertised ?? Listener.Address() }

    /// Where a client is told to connect to: the address of the listener that it came by (KIP-103).
    func advertised(to responder: Responder) -> Listener.Address { responder.listener?.advertised ?? advertised }

    /// Runs what may wait for the disk off the event loop. If the broker stops first, the connection is closed.
    func onDiskThread(_ responder: Responder, _ work: @escaping @Sendable () -> Void) {
        diskPool.submit { state in
            switch state {
            case .active: work()
            case .cancelled: responder.close(because: "the broker stops")
            }
        }
    }
}
