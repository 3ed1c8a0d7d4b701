package import Cluster
package import Logging
import NIOCore
import NIOPosix
package import Observability
import SchemaRules
import Synchronization

/// The schema registry: what its API asks, without HTTP.
///
/// State is the sum of the schemas topic, which every node reads. Questions are answered from there. Changes are made by
/// the leader of the group of registries, one after another, and answered once the leader has read back what it wrote.
package final class SchemaRegistry: Sendable {
    package let settings: RegistrySettings
    let cluster: any Cluster
    let holder = StateHolder()
    let log: SchemaLog
    let leadership: Leadership
    let writer: RegistryWriter
    let reader: SchemaReader
    let cache: DocumentCache
    /// Encryption keys of clients.
    let keys: KeyLog
    let logger: Logger
    /// Where schemas are read and compared, which takes as long as they are large.
    private let workers: NIOThreadPool
    private let reading = Mutex<Task<Void, Never>?>(nil)
    private let port = Atomic<Int>(0)
    private let impactSources = Mutex<[any ImpactSource]>([])
    let figures: RegistryFigures
    /// Of registrations, by subject.
    let turns = Turnstile<String>(limit: 1)
    /// Of requests with large bodies, which take memory while they are read.
    let largeBodies = Turnstile<Bool>(limit: 8)

    package init(_ cluster: any Cluster, _ settings: RegistrySettings, metrics: MetricRegistry, logger: Logger) {
        self.cluster = cluster
        self.settings = settings
        self.logger = logger
        log = SchemaLog(cluster, settings, holder, logger)
        leadership = Leadership(cluster, settings, logger)
        writer = RegistryWriter(cluster, log, settings, holder, leadership, logger)
        cache = DocumentCache(countMax: settings.cachedCountMax, byteCountMax: settings.cachedByteCountMax)
        keys = KeyLog(cluster, settings, leadership, logger)
        reader = SchemaReader(holder: holder, cache: cache)
        workers = NIOThreadPool(numberOfThreads: max(2, System.coreCount))
        workers.start()
        figures = RegistryFigures(metrics)
        figures.observe(metrics, holder, log, leadership, writer, cache)
    }

    /// Begins to read the topic, and, unless that is left to the first write, to take part in the group.
    ///
    /// - Parameter port: where the API of this node is to be found.
    /// - Returns: when everything that the topic held has been read.
    /// - Throws: `ClusterError` when the topic cannot be used, or not be reached within `startTimeout`.
    package func start(port: Int) async throws(ClusterError) {
        self.port.store(port, ordering: .relaxed)
        let clock = ContinuousClock()
        let deadline = clock.now + settings.startTimeout
        var exists = false
        while true {
            do throws(ClusterError) {
                exists = try await log.exists()
                break
            } catch {
                let isFinal = error.code == .invalidPartitions || error.code == .invalidConfig
                guard !isFinal, clock.now < deadline else { throw error }
                try? await Task.sleep(for: .milliseconds(200))  // a cancelled wait ends at the deadline
            }
        }
        reading.withLock { $0 = Task { await log.run() } }
        while !log.isReady {
            guard clock.now < deadline else {
                throw ClusterError(.requestTimedOut, "topic '\(settings.topic)' could not be read in time")
            }
            try? await Task.sleep(for: .milliseconds(2))  // see above
        }
        if exists || !settings.isLazy { leadership.start(port: port) }
    }

    /// Finishes what is being written, leaves the group, and gives everything back.
    package func stop() async {
        await writer.close()
        await keys.close()
        await leadership.stop()
        let task = reading.withLock { $0 }
        task?.cancel()
        await task?.value
        try? await workers.shutdownGracefully()  // it fails only when it was called before
    }

    /// Why questions are not answered yet; nil when they are.
    package var problem: String? { log.isReady ? nil : "reading the schemas topic" }

    /// Adds a part of the platform to those that are asked what a candidate schema would break.
    package func add(_ source: any ImpactSource) { impactSources.withLock { $0.append(source) } }

    var sources: [any ImpactSource] { impactSources.withLock { $0 } }

    /// Whether this node leads, and so knows every schema that there is.
    package var leads: Bool { leadership.epoch != nil }

    /// Who leads, as this node knows it; the first question makes it join the group.
    func role() async -> Leadership.Role {
        leadership.start(port: port.load(ordering: .relaxed))
        return await leadership.decided(limit: .seconds(15))
    }

    /// Runs `body`, which may take long, apart from the threads that requests are answered on.
    func work<Answer: Sendable>(
        _ body: @escaping @Sendable () throws(RegistryError) -> Answer
    ) async throws(RegistryError) -> Answer {
        let result: Result<Answer, RegistryError>
        do {
            result = try await workers.runIfActive {
                do throws(RegistryError) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch {
            throw .store("the registry is stopping")
        }
        return try result.get()
    }
}
