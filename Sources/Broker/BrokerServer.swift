package import Environment
import KafkaMessages
import LogStorage
package import Logging
import NIOCore
import NIOPosix
package import Observability
package import Security
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A running broker: the data folder open, the port listening.
package final class BrokerServer: Sendable {
    /// Longest time that a stop waits for answers that are due and for clients to leave.
    private static let drainSecondsMax: Int64 = 3
    /// How long requests that wait for other clients, such as members of a group, may hold up a stop.
    private static let waitingTimeMax = TimeAmount.milliseconds(500)

    /// Of the first listener.
    package let host: String
    package let port: Int
    package let node: BrokerNode
    /// The same broker for the services of this process.
    package let cluster: EmbeddedCluster
    private let groups: EventLoops
    private let pools: Pools
    private let channels: [any Channel]
    let loops: [NIOLoopBound<LoopConnections>]
    private let maintenance: Maintenance
    private let readiness: Readiness
    /// Cleans compacted topics.
    package let compactor: Compactor
    private let staleTasks: Mutex<[RepeatedTask]>
    private let isStopped = Atomic<Bool>(false)

    private struct EventLoops {
        /// For timers, and for connections unless they have loops of their own.
        var first: MultiThreadedEventLoopGroup
        var connections: MultiThreadedEventLoopGroup

        init(_ server: ServerProperties) {
            first = MultiThreadedEventLoopGroup(numberOfThreads: Self.count(server))
            connections = first
        }

        /// What was altered while the broker ran is known only when the data folder is open.
        mutating func useAltered(_ altered: ServerProperties, instead: ServerProperties) {
            let count = Self.count(altered)
            if count != Self.count(instead) { connections = MultiThreadedEventLoopGroup(numberOfThreads: count) }
        }

        private static func count(_ server: ServerProperties) -> Int {
            let count = Int(server.number("num.network.threads"))
            return count > 0 ? count : (System.coreCount + 1) / 2
        }

        func shutdown() async throws {
            if connections !== first { try await connections.shutdownGracefully() }
            try await first.shutdownGracefully()
        }
    }

    private struct Pools {
        /// Forces logs to disk and searches them.
        var disk: ThreadPool
        /// Runs the controller's operations one after another.
        var control: NIOThreadPool
        var maintenance: NIOThreadPool
        var compaction: ThreadPool

        func shutdown() async throws {
            try await maintenance.shutdownGracefully()
            try await compaction.shutdownGracefully()
            try await disk.shutdownGracefully()
            try await control.shutdownGracefully()
        }
    }

    private init(
        host: String, port: Int, node: BrokerNode, groups: EventLoops, pools: Pools,
        channels: [any Channel], loops: [NIOLoopBound<LoopConnections>], readiness: Readiness
    ) {
        self.readiness = readiness
        self.host = host
        self.port = port
        self.node = node
        cluster = EmbeddedCluster(node)
        self.groups = groups
        self.pools = pools
        self.channels = channels
        self.loops = loops
        maintenance = Maintenance(node, pool: pools.maintenance)
        compactor = Compactor(node, pool: pools.compaction)
        staleTasks = Mutex([])
    }

    /// Opens the data folder, recovers what a crash left, and listens.
    ///
    /// - Parameters:
    ///   - metrics: where the broker registers what it counts.
    ///   - readiness: told while the broker starts, stops or has lost its disk.
    ///   - disk: where the data folder is.
    /// - Throws: `BrokerError`.
    package static func start(
        _ configuration: BrokerConfiguration, logger: Logger, metrics: MetricRegistry = MetricRegistry(),
        readiness: Readiness = Readiness(), disk: any Disk = RealDisk()
    ) async throws -> BrokerServer {
        readiness.hold("broker", because: "loading")
        raiseFileLimit(logger)
        let server = configuration.properties
        var groups = EventLoops(server)
        let pools = Pools(
            disk: ThreadPool(threadCount: Int(server.number("num.io.threads"))),
            control: NIOThreadPool(numberOfThreads: 1), maintenance: NIOThreadPool(numberOfThreads: 1),
            compaction: ThreadPool(threadCount: Int(server.number("log.cleaner.threads"))))
        pools.control.start()
        pools.maintenance.start()
        var opened: BrokerNode?
        do {
            // On a thread of ours, as a check after a crash takes its time.
            let node = try await pools.maintenance.runIfActive { [timerLoop = groups.first.any()] in
                try open(configuration, pools, timerLoop, logger, metrics, readiness, disk)
            }
            opened = node
            groups.useAltered(node.controller.server, instead: server)
            let running = try await listen(configuration, node, groups, pools, readiness)
            running.begin()
            readiness.release("broker")
            return running
        } catch {
            if let opened { closeData(opened) }
            try? await pools.shutdown()
            try? await groups.shutdown()
            throw error
        }
    }

    /// Changes users of a data folder that no broker uses, as before the first start of one that lets in nobody unknown.
    ///
    /// - Parameter decide: is given the credentials that there are; what it returns replaces them, nil removes one.
    /// - Throws: `BrokerError`, and what `decide` throws.
    package static func alterUsers(
        _ configuration: BrokerConfiguration, logger: Logger,
        _ decide: @Sendable ([ScramCredentialKey: ScramCredential]) throws -> [ScramCredentialKey: ScramCredential?]
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pools = Pools(
            disk: ThreadPool(threadCount: 1), control: NIOThreadPool(numberOfThreads: 1),
            maintenance: NIOThreadPool(numberOfThreads: 1), compaction: ThreadPool(threadCount: 1))
        pools.control.start()
        pools.maintenance.start()
        var failure: (any Error)?
        do {
            let node = try await pools.maintenance.runIfActive { [timerLoop = group.any()] in
                try open(configuration, pools, timerLoop, logger, MetricRegistry(), Readiness(), RealDisk())
            }
            do {
                let changes = try decide(node.controller.scramCredentials)
                let records = changes.sorted { $0.key < $1.key }.map { key, credential -> MetadataRecord in
                    if let credential { .scramCredential(key, credential) } else { .scramCredentialRemoved(key) }
                }
                try node.controller.alterUsers { _ in records }
            } catch {
                failure = error
            }
            if !closeData(node), failure == nil {
                failure = BrokerError(
                    .dataDirectoryUnusable,
                    "data folder '\(configuration.dataDirectory)' cannot be closed; whether users were changed is unknown"
                )
            }
        } catch {
            failure = error
        }
        // The threads have nothing to do any more.
        try? await pools.shutdown()
        try? await group.shutdownGracefully()
        if let failure { throw failure }
    }

    private static func open(
        _ configuration: BrokerConfiguration, _ pools: Pools, _ timerLoop: any EventLoop, _ programLog: Logger,
        _ metrics: MetricRegistry, _ readiness: Readiness, _ disk: any Disk
    ) throws -> BrokerNode {
        let logLevel = BrokerLogLevel(programLog.logLevel)
        let logger = logLevel.logger(programLog)
        let clock = SystemWallClock()
        let server = configuration.properties
        do {
            let files = FileCache(disk: disk, capacity: Int(server.number("open.segment.files.max")))
            let directory = try LogDirectory(directory: configuration.dataDirectory, disk: disk, files: files)
            readiness.check("storage") { [health = directory.health] in health.failure.map { "\($0)" } }
            var (log, image) = try MetadataLog.open(
                configuration.dataDirectory + "/meta", disk: disk, files: files,
                health: directory.health, wasClean: directory.wasClean, now: clock.now())
            if log.cutByteCount > 0 {
                logger.warning(
                    "the metadata's end, never acknowledged, was not whole after an unclean stop and was cut off",
                    metadata: ["cutBytes": "\(log.cutByteCount)"])
            }
            if image.clusterId == nil {
                // The id is written before the first topic is made.
                guard directory.unopened.isEmpty else {
                    throw LogError(
                        .corruptSegment,
                        "'topics' holds \(directory.unopened.count) partitions, but the metadata in 'meta' is gone: "
                            + "nothing says whose they are; restore 'meta' from a backup, nothing was changed")
                }
                var random = SystemRandomNumberGenerator()
                let configured = server.text("cluster.id")
                let record = MetadataRecord.clusterId(
                    configured.isEmpty ? KafkaUUID.random(using: &random).description : configured)
                try log.append([record], now: clock.now())
                image.apply(record)
            } else if let own = image.clusterId, server.isSet("cluster.id"), server.text("cluster.id") != own {
                logger.warning(
                    "cluster.id has no effect: the data folder has another, which stays",
                    metadata: ["configured": "\(server.text("cluster.id"))", "cluster": "\(own)"])
            }
            let users = UserDirectory(
                maker: try CredentialMaker.secret(in: configuration.dataDirectory),
                delegationTokens: server.delegationTokens { clock.now() })
            let nodeId = Int32(clamping: server.number("node.id"))
            let controller = try Controller(
                directory: directory, log: log, image: image, server: server, nodeId: nodeId, clock: clock,
                pool: pools.control, logger: logger, users: users)
            let node = BrokerNode(
                controller: controller, directory: directory, disk: disk, clock: clock, nodeId: nodeId,
                leaderEpoch: directory.leaderEpoch, diskPool: pools.disk, timerLoop: timerLoop,
                logger: logger, logLevel: logLevel, metrics: metrics)
            node.registerMetrics()
            node.registerCoordinationMetrics()
            return node
        } catch let error as LogError {
            if error.code == .locked {
                throw BrokerError(
                    .dataDirectoryLocked(holder: error.holder),
                    "data folder '\(configuration.dataDirectory)' is in use"
                        + (error.holder.map { " by process \($0)" } ?? ""))
            }
            let code: BrokerError.Code =
                switch error.code {
                case .diskFull: .dataDirectoryFull
                case .corruptSegment: .dataDirectoryDamaged
                default: .dataDirectoryUnusable
                }
            // What a folder holds that is not ours is told with its name already.
            let reason = error.message + (error.cause.map { ": \($0)" } ?? "")
            throw BrokerError(
                code,
                error.code == .unsupportedVersion
                    ? reason : "data folder '\(configuration.dataDirectory)' cannot be used: \(reason)")
        }
    }

    private static func listen(
        _ configuration: BrokerConfiguration, _ node: BrokerNode, _ groups: EventLoops, _ pools: Pools,
        _ readiness: Readiness
    ) async throws -> BrokerServer {
        var loops: [NIOLoopBound<LoopConnections>] = []
        for loop in groups.connections.makeIterator() {
            let metrics = node.metrics.addLoop()
            let bound = try await loop.submit {
                NIOLoopBound(
                    LoopConnections(eventLoop: loop, gate: node.gate, metrics: metrics), eventLoop: loop)
            }.get()
            loops.append(bound)
        }
        let byLoop = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0) })
        var listeners: [Listener] = []
        for listener in configuration.effectiveListeners {
            let tls = listener.securityProtocol.usesTLS ? try ListenerTLS(listener, node.logger) : nil
            listeners.append(
                Listener(
                    listener, tls: tls, users: node.controller.users,
                    tokens: try listener.tokenValidator(configuration.tokenKeys, node.clock)))
        }
        var channels: [any Channel] = []
        do {
            for listener in listeners {
                channels.append(try await bind(listener, node, groups.connections, byLoop))
            }
            // Nobody is let in before the broker knows the addresses that it tells its clients.
            node.listeners = listeners
            node.passwordQueue.start()
            for channel in channels {
                do { try await channel.setOption(.autoRead, value: true).get() } catch {
                    throw BrokerError(.addressUnavailable, "cannot accept connections: \(error)")
                }
            }
        } catch {
            for channel in channels { try? await channel.close().get() }  // the first failure is what is told
            throw error
        }
        let first = listeners.first?.bound ?? Listener.Address()
        return BrokerServer(
            host: first.host, port: Int(first.port), node: node, groups: groups, pools: pools, channels: channels,
            loops: loops, readiness: readiness)
    }

    private static func bind(
        _ listener: Listener, _ node: BrokerNode, _ group: MultiThreadedEventLoopGroup,
        _ byLoop: [ObjectIdentifier: NIOLoopBound<LoopConnections>]
    ) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: 256 << 10)
            )
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
            .childChannelInitializer { channel in
                let remote = channel.remoteAddress?.ipAddress ?? "unknown"
                let rates = node.controller.connectionRates
                let verdict = rates.admit(remote, limit: node.controller.server.connectionRateMax)
                if case .refuse(let milliseconds) = verdict {
                    node.metrics.noteRefusedConnection(QuotaKind.connectionCreationRate.rawValue)
                    return rates.hold(channel, milliseconds, node.quotas)
                }
                if let bound = node.gate.enter(remote) {
                    node.metrics.noteRefusedConnection(bound)
                    node.logger.warning("refused a connection", metadata: ["remote": "\(remote)", "bound": "\(bound)"])
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                node.metrics.connectionsAccepted.add()
                let setUp: @Sendable () throws -> Void = {
                    guard let registry = byLoop[ObjectIdentifier(channel.eventLoop)]?.value else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    let tls = listener.tls?.handler()
                    if let tls { try channel.pipeline.syncOperations.addHandler(tls) }
                    try channel.pipeline.syncOperations.addHandler(
                        Connection(
                            node: node, registry: registry, remoteAddress: remote, listener: listener, tls: tls))
                }
                guard case .delay(let milliseconds) = verdict else {
                    return channel.eventLoop.makeCompletedFuture(withResultOf: setUp)
                }
                return rates.wait(channel, milliseconds, node.quotas).flatMapThrowing { try setUp() }
            }
        let (host, port) = (listener.configuration.host, listener.configuration.port)
        let channel: any Channel
        do {
            channel = try await bootstrap.bind(host: host, port: port).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw BrokerError(.addressInUse, "port \(port) on \(host) is already in use")
        } catch {
            throw BrokerError(
                .addressUnavailable,
                "cannot listen on \(host):\(port): "
                    + ((error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"))
        }
        listener.isBound(to: channel.localAddress?.ipAddress ?? host, channel.localAddress?.port ?? port)
        return channel
    }

    /// Who may come with a password, by whichever port: users of the listeners' configuration and those with SCRAM
    /// credentials.
    package var passwords: any PasswordCheck {
        UserCheck(
            node.controller.users, listed: node.listeners.compactMap { $0.configuration.sasl?.listedUsers })
    }

    /// The listeners that run, in the order of the configuration.
    package var listeners: [Listener] { node.listeners }

    private func begin() {
        readiness.hold("coordinators", because: "loading groups and transactions")
        node.coordination.start { [readiness] in readiness.release("coordinators") }
        node.onDrain(node.coordination.drainHook)
        node.controller.observeSettings { [pools, scheduler = node.syncScheduler] server in
            let ioThreads = Int(server.number("num.io.threads"))
            pools.disk.resize(to: ioThreads)
            scheduler.limit(threadCount: ioThreads)
            pools.compaction.resize(to: Int(server.number("log.cleaner.threads")))
        }
        compactor.registerMetrics(node.metrics.registry)
        maintenance.start(on: groups.first.any())
        compactor.start(on: groups.first.any())
        let idleMs = node.controller.server.number("connections.max.idle.ms")
        let idleMax: TimeAmount? = idleMs < 0 ? nil : .milliseconds(idleMs)
        // Often enough that a connection lives at most a little longer than it may.
        let interval = TimeAmount.milliseconds(min(10_000, max(100, idleMs < 0 ? 10_000 : idleMs / 4)))
        for loop in loops {
            let task = loop.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
                loop.value.closeStale(idleMax: idleMax)
            }
            staleTasks.withLock { $0.append(task) }
        }
    }

    /// Stops listening, answers what clients have sent, closes the connections and then the data folder, whose next start
    /// then has nothing to check (the order is told at `DrainHook`). Returns when all is closed, which takes less than
    /// five seconds while the disk works; a second call returns at once.
    ///
    /// - Returns: whether the data folder was closed well.
    @discardableResult
    package func stop() async -> Bool {
        guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return true }
        readiness.stop()
        // The channel may be closed already if the process ran out of something; there is nothing to do about it here.
        for channel in channels { try? await channel.close().get() }
        maintenance.stop()
        compactor.stop()
        for task in staleTasks.withLock({ $0 }) { task.cancel() }
        node.beginDrain()
        let hooks = node.drainHooks
        for hook in hooks { hook.begin() }
        await drain()
        for hook in hooks.reversed() { await hook.end() }
        let isClean = Self.closeData(node)
        do {
            try await node.passwordQueue.shutdown()
            try await pools.shutdown()
            try await groups.shutdown()
        } catch {
            node.logger.warning("threads did not end cleanly", metadata: ["error": "\(error)"])
        }
        return isClean
    }

    private func drain() async {
        let began = NIODeadline.now()
        let deadline = began + .seconds(Self.drainSecondsMax)
        var isWaitingEnded = false
        while true {
            if !isWaitingEnded, NIODeadline.now() - began > Self.waitingTimeMax {
                isWaitingEnded = true
                node.coordination.endWaiting()
            }
            var isEmpty = true
            for loop in loops {
                let isDone = try? await loop.eventLoop.submit {
                    loop.value.drain()
                    return loop.value.isEmpty
                }.get()
                if isDone == false { isEmpty = false }
            }
            if isEmpty || NIODeadline.now() > deadline { break }
            try? await Task.sleep(for: .milliseconds(10))
        }
        for loop in loops {
            _ = try? await loop.eventLoop.submit { loop.value.closeAll() }.get()
        }
    }

    @discardableResult
    private static func closeData(_ node: BrokerNode) -> Bool {
        defer { node.controller.close() }
        do throws(LogError) {
            try node.directory.close(clean: true)
            return true
        } catch {
            node.logger.error(
                "data folder cannot be closed cleanly; the next start checks it", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Every connection and segment needs a descriptor; the usual soft limit of 1024 is soon reached.
    private static func raiseFileLimit(_ logger: Logger) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else {
            return
        }
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            logger.warning("the limit of open files stays at \(limit.rlim_cur)")
        }
    }
}
