import Synchronization

/// Lets so many through at a time, the others in the order they came, each key for itself.
final class Turnstile<Key: Hashable & Sendable>: Sendable {
    private struct Line {
        var inside = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let limit: Int
    private let lines = Mutex<[Key: Line]>([:])

    init(limit: Int) { self.limit = limit }

    /// Runs `body` when its turn has come.
    func pass<Answer, Failure: Error>(
        _ key: Key, _ body: () async throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        await enter(key)
        defer { leave(key) }
        return try await body()
    }

    private func enter(_ key: Key) async {
        await withCheckedContinuation { continuation in
            let isFree = lines.withLock { lines -> Bool in
                var line = lines[key] ?? Line()
                defer { lines[key] = line }
                guard line.inside < limit else {
                    line.waiting.append(continuation)
                    return false
                }
                line.inside += 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func leave(_ key: Key) {
        let next = lines.withLock { lines -> CheckedContinuation<Void, Never>? in
            guard var line = lines[key] else { return nil }
            // Whoever waits takes the place of who leaves.
            if !line.waiting.isEmpty {
                let next = line.waiting.removeFirst()
                lines[key] = line
                return next
            }
            line.inside -= 1
            lines[key] = line.inside == 0 ? nil : line
            return nil
        }
        next?.resume()
    }
}
