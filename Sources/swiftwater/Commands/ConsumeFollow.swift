import Cluster

extension Consume {
    private enum Arrival: Sendable {
        case records(any PartitionReader, FetchedBatches)
        case failure(any PartitionReader, ClusterError)
        case more([any PartitionReader], gone: [TopicPartition])
    }

    /// Reads all partitions at the same time and hands their records over one batch at a time, so that a slow reader of
    /// our output slows down the fetching.
    ///
    /// - Parameters:
    ///   - idleMax: how long to wait for records before giving up; nil for ever.
    ///   - watch: looks for partitions that come to be later; nil where none are to be looked for.
    ///   - mayVanish: whether a topic that is deleted meanwhile only ends the reading of itself.
    /// - Returns: whether it was given up.
    @discardableResult
    static func follow(
        _ readers: [any PartitionReader], until ends: [TopicPartition: Int64]?, countMax: Int,
        idleMax: Duration? = nil, watch: TopicWatch? = nil, mayVanish: Bool = false,
        _ prepare: @escaping @Sendable (FetchedBatches) async throws -> Void,
        _ handle: ([ConsumerRecord]) throws -> Void
    ) async throws -> Bool {
        var left = countMax
        let clock = ContinuousClock()
        var last = clock.now
        let patience = min(idleMax ?? .seconds(10), .seconds(10))
        return try await withThrowingTaskGroup(of: Arrival.self) { group in
            func read(_ reader: any PartitionReader) {
                if let ends, reader.position >= ends[reader.partition] ?? 0 { return }
                group.addTask {
                    let batches: FetchedBatches
                    do throws(ClusterError) {
                        batches = try await reader.next(maxBytes: 1 << 20, timeout: patience)
                    } catch { return .failure(reader, error) }
                    try await prepare(batches)
                    return .records(reader, batches)
                }
            }
            func look() {
                guard let watch else { return }
                group.addTask {
                    let (new, gone) = try await watch.next()
                    return .more(new, gone: gone)
                }
            }
            var open = Dictionary(readers.map { ($0.partition, $0) }) { first, _ in first }
            for reader in readers { read(reader) }
            look()
            while left > 0, let arrival = try await group.next() {
                switch arrival {
                case .more(let readers, let gone):
                    for partition in gone { open.removeValue(forKey: partition)?.close() }
                    for reader in readers {
                        open[reader.partition] = reader
                        read(reader)
                    }
                    look()
                case .failure(let reader, let error):
                    guard open[reader.partition] === reader else { continue }
                    // Also of one that was made anew and has fewer records than were read of the old one.
                    let isGone =
                        error.code == .unknownTopicOrPartition || watch != nil && error.code == .offsetOutOfRange
                    guard mayVanish, isGone else { throw error }
                    let position = error.code == .offsetOutOfRange ? nil : reader.position
                    open.removeValue(forKey: reader.partition)?.close()
                    await watch?.lost(reader.partition, at: position)
                case .records(let reader, let batches):
                    guard open[reader.partition] === reader else { continue }
                    var records = try batches.records()
                    if let end = ends?[reader.partition] { records.removeAll { $0.offset >= end } }
                    let shown = records.prefix(left)
                    left -= shown.count
                    if !shown.isEmpty {
                        try handle(Array(shown))
                        last = clock.now
                    } else if let idleMax, clock.now - last >= idleMax {
                        group.cancelAll()
                        return true
                    }
                    read(reader)
                }
            }
            group.cancelAll()
            return false
        }
    }
}
