import Administration
import Cluster

/// How the topics of a cluster are cleaned, as the list of topics shows it: asked for all at once, and kept for a while.
actor CleanupPolicies {
    private var known: [String: String] = [:]
    private var at: ContinuousClock.Instant?
    private let clock = ContinuousClock()

    func forget() { at = nil }

    /// - Returns: empty where the cluster does not tell.
    func of(_ topics: [String], in cluster: any Cluster) async -> [String: String] {
        if let at, clock.now - at < .seconds(30), topics.allSatisfy({ known[$0] != nil }) { return known }
        do throws(ClusterError) {
            known = try await cluster.config("cleanup.policy", ofTopics: topics)
            // A topic that does not tell is not asked about again and again.
            for topic in topics where known[topic] == nil { known[topic] = "" }
            at = clock.now
        } catch {
            return known  // the list is shown without them
        }
        return known
    }
}
