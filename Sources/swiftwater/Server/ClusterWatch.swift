import Cluster
import Logging

/// Tells in the log that a cluster of other brokers cannot be reached, as long as that is so after the process has
/// started: the roles on it wait for it, and whoever looks on would see nothing.
enum ClusterWatch {
    /// Looks with a client of its own, so that it waits for none of the roles' requests and they not for it.
    static func start(_ configuration: RemoteConfiguration, _ logger: Logger) {
        // Ends when the cluster answers, or with the process.
        Task {
            guard let cluster = try? RemoteCluster(configuration) else { return }  // what is wrong, the roles say
            var pause = Duration.seconds(5)
            while true {
                do throws(ClusterError) {
                    return try await cluster.connect(timeout: .seconds(2))
                } catch {
                    logger.warning(
                        "cannot reach the cluster, trying again",
                        metadata: ["servers": "\(configuration.bootstrapServers)", "error": "\(error.message)"])
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(30))
            }
        }
    }
}
