import Environment
import Synchronization

/// Queries of clients that are running, for SHOW QUERIES, TERMINATE and `/close-query`.
package final class TransientQueries: Sendable {
    package struct Entry: Sendable {
        package var id: String
        package var statement: String
        /// When it began, in milliseconds since 1970.
        package var start: Int64
        fileprivate var cancel: @Sendable () async -> Void
    }

    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// - Parameter cancel: ends the query; its client is told.
    package func add(_ id: String, statement: String, cancel: @escaping @Sendable () async -> Void) {
        let entry = Entry(id: id, statement: statement, start: SystemWallClock().now(), cancel: cancel)
        entries.withLock { $0[id] = entry }
    }

    package func remove(_ id: String) { _ = entries.withLock { $0.removeValue(forKey: id) } }

    package var count: Int { entries.withLock { $0.count } }

    /// In the order of their ids.
    package var all: [Entry] { entries.withLock { $0.values.sorted { $0.id < $1.id } } }

    /// - Parameter id: in any case, as ids are the same whatever their case: statements have it in capitals.
    /// - Returns: the id; nil when there is no such query.
    package func cancel(_ id: String) async -> String? {
        let found = entries.withLock { entries in
            entries.removeValue(forKey: id)
                ?? entries.keys.first { $0.uppercased() == id.uppercased() }.flatMap { entries.removeValue(forKey: $0) }
        }
        guard let found else { return nil }
        await found.cancel()
        return found.id
    }

    func cancelAll() async { for entry in all { _ = await cancel(entry.id) } }
}
