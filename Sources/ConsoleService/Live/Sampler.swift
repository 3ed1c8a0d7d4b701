import Administration
package import Cluster
import Synchronization

/// Looks at a cluster once a second while somebody watches, and never otherwise.
///
/// Everything that the console shows of topics, rates and lags comes from these looks, however many pages are open. A look
/// that nobody waits for any more ends the looking after a short while.
package actor Sampler {
    private let cluster: any Cluster
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64
    private let clock = ContinuousClock()

    private var latest: (sample: Sample, at: ContinuousClock.Instant)?
    /// Something was changed since.
    private var isStale = false
    /// How often something was changed.
    private var changeCount = 0
    private var inFlight: Task<Result<Sample, ClusterError>, Never>?
    private var loop: Task<Void, Never>?
    private var watcherCount = 0
    private var wantedUntil: ContinuousClock.Instant

    private var topicRates = RateWindow<String>()
    private var groupRates = RateWindow<GroupTopic>()
    private var slow = Slow()
    private var history: [String: [(time: Int64, lag: Int64)]] = [:]

    /// How long the looking goes on after the last question.
    static let lingering = Duration.seconds(10)
    /// Points of lag that are kept for a group: ten minutes.
    static let historyCountMax = 300

    private struct GroupTopic: Hashable {
        var group: String
        var topic: String
    }

    /// What is looked at every few seconds only.
    private struct Slow {
        var at: ContinuousClock.Instant?
        var starts: [TopicPartition: Int64] = [:]
        var sizes: LogSizes?
        var byteRate: Double?
        var groups: [GroupOverview] = []
        var groupsAt: ContinuousClock.Instant?
    }

    package init(_ cluster: any Cluster, now: @escaping @Sendable () -> Int64) {
        self.cluster = cluster
        self.now = now
        wantedUntil = ContinuousClock().now
    }

    /// The cluster as it was less than about a second ago.
    package func sample() async throws(ClusterError) -> Sample {
        want()
        if let latest, !isStale, clock.now - latest.at < .milliseconds(1500) { return latest.sample }
        return try await look().get()
    }

    /// Looks at the cluster now: after something was changed.
    package func refresh() async {
        slow = Slow(sizes: slow.sizes, byteRate: slow.byteRate)
        isStale = true
        changeCount += 1
    }

    /// Lags of a group in the order of time, as far as somebody watched.
    package func history(of group: String) -> [(time: Int64, lag: Int64)] { history[group] ?? [] }

    /// Whether the looking goes on; for tests.
    package var isLooking: Bool { loop != nil }

    /// Somebody watches until `unwatch`.
    package func watch() {
        watcherCount += 1
        want()
    }

    package func unwatch() { watcherCount -= 1 }

    /// A look that is under way ends by itself: brokers that do not answer must not hold up the end of the process.
    package func stop() {
        loop?.cancel()
        inFlight?.cancel()
    }

    private func want() {
        wantedUntil = clock.now + Self.lingering
        guard loop == nil else { return }
        // Owned by this actor; ends by itself when nobody watches, or by `stop`.
        loop = Task { [weak self] in
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(1)) } catch { break }
                guard let self, await self.tick() else { break }
            }
        }
    }

    /// - Returns: whether there is a next time.
    private func tick() async -> Bool {
        guard watcherCount > 0 || clock.now < wantedUntil else {
            loop = nil
            return false
        }
        // A cluster that cannot be reached is told to those who ask.
        _ = await look()
        return true
    }

    private func look() async -> Result<Sample, ClusterError> {
        if let inFlight { return await inFlight.value }
        let task = Task { await self.measured() }
        inFlight = task
        let result = await task.value
        inFlight = nil
        return result
    }

    private func measured() async -> Result<Sample, ClusterError> {
        var attempt = 0
        while true {
            do throws(ClusterError) {
                isStale = false
                let changeCount = changeCount
                let sample = try await measure()
                if changeCount != self.changeCount, attempt < 4 {
                    // What was changed meanwhile may have been looked at before: nobody is told of that.
                    attempt += 1
                    slow = Slow(sizes: slow.sizes, byteRate: slow.byteRate)
                    continue
                }
                latest = (sample, clock.now)
                return .success(sample)
            } catch {
                // A topic may go away between the list and the question about its offsets; while many do, what was seen
                // last is better than nothing.
                attempt += 1
                guard error.code == .unknownTopicOrPartition else { return .failure(error) }
                guard attempt < 4, !Task.isCancelled else {
                    return latest.map { .success($0.sample) } ?? .failure(error)
                }
                try? await Task.sleep(for: .milliseconds(100))  // a cancelled wait ends at the look above
            }
        }
    }

    private func measure() async throws(ClusterError) -> Sample {
        var sample = Sample()
        sample.topics = try await cluster.topics()
        // A partition without a leader answers no question; the others are shown.
        let partitions = sample.topics.flatMap { topic in
            topic.partitions.filter { $0.leader != nil }.map { TopicPartition(topic.name, $0.partition) }
        }
        sample.ends = try await offsets(partitions, .end)
        let at = clock.now
        sample.time = now()
        if slow.groupsAt.map({ at - $0 > .milliseconds(1900) }) ?? true {
            slow.groups = try await cluster.surveyGroups()
            slow.groupsAt = at
        }
        if slow.at.map({ at - $0 > .milliseconds(4900) }) ?? true {
            slow.starts = try await offsets(partitions, .beginning)
            let sizes = try await cluster.logSizes()
            if let before = slow.at, let old = slow.sizes, let sizes {
                // What retention and compaction remove is nothing that came in.
                let grown = sizes.byteCounts.reduce(Int64(0)) { sum, entry in
                    entry.key.topic.hasPrefix("__")
                        ? sum : sum + max(0, entry.value - (old.byteCounts[entry.key] ?? entry.value))
                }
                slow.byteRate = Double(grown) / ((at - before) / .seconds(1))
            }
            slow.sizes = sizes
            slow.at = at
        }
        sample.starts = slow.starts
        sample.sizes = slow.sizes
        sample.byteRate = slow.byteRate
        count(&sample, at)
        return sample
    }

    private func offsets(
        _ partitions: [TopicPartition], _ position: LogPosition
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        guard !partitions.isEmpty else { return [:] }
        return try await cluster.offsets(
            Dictionary(partitions.map { ($0, position) }) { first, _ in first }, isolation: .readUncommitted)
    }

    /// Lags and rates.
    private func count(_ sample: inout Sample, _ at: ContinuousClock.Instant) {
        var committed: [GroupTopic: Int64] = [:]
        for group in slow.groups {
            var shown = Sample.Group(
                id: group.id, protocolType: group.protocolType, state: group.state, memberCount: group.memberCount,
                offsets: group.offsets)
            for (partition, offset) in group.offsets {
                committed[GroupTopic(group: group.id, topic: partition.topic), default: 0] += offset.offset
                guard let end = sample.ends[partition] else { continue }
                shown.lags[partition.topic, default: 0] += group.lags[partition] ?? max(0, end - offset.offset)
            }
            sample.groups[group.id] = shown
        }
        let ends = Dictionary(sample.topics.map { ($0.name, sample.end($0)) }) { first, _ in first }
        sample.rates = topicRates.add(ends, at: at)
        for (place, rate) in groupRates.add(committed, at: at) { sample.groups[place.group]?.rates[place.topic] = rate }
        for (id, group) in sample.groups {
            var points = history[id] ?? []
            if points.last.map({ sample.time - $0.time >= 1900 }) ?? true { points.append((sample.time, group.lag)) }
            if points.count > Self.historyCountMax { points.removeFirst(points.count - Self.historyCountMax) }
            history[id] = points
        }
        for id in history.keys where sample.groups[id] == nil { history[id] = nil }
    }
}
