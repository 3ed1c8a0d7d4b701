import Cluster
import StreamEngine
import Synchronization

/// Where rows of a query's table are on a node that runs all of the query.
struct Routing: Sendable {
    /// The tasks of the last part, by partition.
    var owners: [TaskRun]
    var keyRouter: KeyRouter?

    /// Those that may have rows of a read.
    func owners(for read: TableRead) -> [TaskRun] {
        guard case .keys(let keys) = read.keys, owners.count > 1, let keyRouter else { return owners }
        let count = Int32(clamping: owners.count)
        if keys.count == 1 {
            guard let partition = keyRouter.partition(of: keys[0], count: count) else { return owners }
            return owners.filter { $0.place.partition == partition }
        }
        let partitions = Set(keys.map { keyRouter.partition(of: $0, count: count) })
        return partitions.contains(nil) ? owners : owners.filter { partitions.contains($0.place.partition) }
    }
}

/// Reads of the query's table. Readers do not wait for the query's other business.
extension PersistentQuery {
    nonisolated func read(_ read: TableRead) async throws(RunError) -> [TableRow] {
        if settings.sharing != nil { return try await readOwn(read) }
        guard let routing = routing.withLock({ $0 }) else { throw await notReady }
        let owners = routing.owners(for: read)
        var rows: [TableRow] = []
        if owners.count == 1 {
            rows = try await owners[0].read(read).get()
        } else {
            for result in await Self.read(read, of: owners) { rows += try result.get() }
        }
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    /// Rows of keys without waiting for anything; nil when they are not at hand.
    nonisolated func readAtHand(_ read: TableRead, rowCountMax: Int) -> [TableRow]? {
        guard case .keys(let keys) = read.keys, keys.count <= rowCountMax, let owners = ownersAtHand(read) else {
            return nil
        }
        var bounded = read
        bounded.limit = min(read.limit ?? .max, rowCountMax + 1)
        var rows: [TableRow] = []
        for owner in owners {
            guard let some = owner.readAtHand(bounded) else { return nil }
            if rows.isEmpty { rows = some } else { rows += some }
            if rows.count > rowCountMax { return nil }
        }
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    /// nil when they are not all on this node, or on their way.
    private nonisolated func ownersAtHand(_ read: TableRead) -> [TaskRun]? {
        guard settings.sharing != nil else { return routing.withLock { $0 }?.owners(for: read) }
        guard let placement = placed.withLock({ $0 }) else { return nil }
        var owners: [TaskRun] = []
        for partition in placement.partitions(for: read) {
            guard let owner = placement.local[partition] else { return nil }
            owners.append(owner)
        }
        return owners
    }

    static func read(_ read: TableRead, of owners: [TaskRun]) async -> [Result<[TableRow], RunError>] {
        await withTaskGroup(of: (Int, Result<[TableRow], RunError>).self) { group in
            for (index, owner) in owners.enumerated() {
                group.addTask { (index, await owner.read(read)) }
            }
            var results: [(Int, Result<[TableRow], RunError>)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    var notReady: RunError {
        guard state == .error else { return RunError(.notReady, "the state of query \(id) is being read back") }
        return RunError(.failed, "query \(id) is in state ERROR: \(errors.last?.message ?? "it was stopped")")
    }
}
