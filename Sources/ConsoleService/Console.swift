package import Cluster
package import Logging
import RegistryClient

/// Everything behind the console's API.
package final class Console: Sendable {
    let cluster: any Cluster
    let settings: ConsoleSettings
    let pages: Pages
    let guardian: ConsoleGuard
    let logger: Logger
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    let startedAt: Int64
    /// nil for none.
    let registry: RegistryClient?
    let decoder: MessageDecoder
    let sampler: Sampler
    let policies = CleanupPolicies()
    let surroundings: SurroundingsSource
    let dashboards: DashboardStore
    let inbox = Inbox()
    /// Searches that run at a time, each with a thread of its own.
    let searches = Places(8)

    package init(
        _ cluster: any Cluster, _ settings: ConsoleSettings, now: @escaping @Sendable () -> Int64, logger: Logger
    ) {
        self.cluster = cluster
        self.settings = settings
        self.now = now
        self.logger = logger
        startedAt = now()
        pages = Pages(folder: settings.pagesFolder)
        guardian = ConsoleGuard(hosts: settings.hosts)
        registry = settings.registry.isEmpty ? nil : RegistryClient(settings.registry, timeout: .seconds(5))
        decoder = MessageDecoder(registry)
        sampler = Sampler(cluster, now: now)
        surroundings = SurroundingsSource(settings)
        dashboards = DashboardStore(cluster, topic: settings.dashboardsTopic)
    }

    package func stop() async {
        await inbox.stop()
        await sampler.stop()
    }
}
