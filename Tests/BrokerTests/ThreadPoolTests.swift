import Cluster
import NIOPosix
import Synchronization
import Testing

@testable import Broker

@Suite struct ThreadPoolTests {
    /// Work that waits until it is let go.
    private final class Works: Sendable {
        let threads: [BlockedThread]
        let begun: AsyncStream<(index: Int, running: Int)>
        private let beginnings: AsyncStream<(index: Int, running: Int)>.Continuation
        private let running = Atomic<Int>(0)
        let cancelled = Mutex<[Int]>([])

        init(count: Int) {
            threads = (0..<count).map { _ in BlockedThread() }
            (begun, beginnings) = AsyncStream.makeStream()
        }

        func submit(_ index: Int, to pool: ThreadPool) {
            pool.submit { [self] state in
                guard case .active = state else { return cancelled.withLock { $0.append(index) } }
                beginnings.yield((index, running.add(1, ordering: .sequentiallyConsistent).newValue))
                threads[index].wait()
                running.subtract(1, ordering: .sequentiallyConsistent)
            }
        }
    }

    @Test func `it grows and shrinks while it works, and keeps the order`() async throws {
        let pool = ThreadPool(threadCount: 1)
        let works = Works(count: 8)
        for index in 0..<8 { works.submit(index, to: pool) }
        var begun = works.begun.makeAsyncIterator()
        #expect(await begun.next()?.index == 0)
        pool.resize(to: 3)
        var next: Set<Int> = []
        for _ in 0..<2 { if let index = await begun.next()?.index { next.insert(index) } }
        #expect(next == [1, 2])
        pool.resize(to: 1)
        for index in 0..<3 { works.threads[index].wake() }
        for index in 3..<5 {
            let alone = await begun.next()
            #expect(alone?.index == index && alone?.running == 1)
            works.threads[index].wake()
        }
        // Threads that it had before are used again.
        pool.resize(to: 3)
        next = []
        for _ in 0..<3 { if let index = await begun.next()?.index { next.insert(index) } }
        #expect(next == [5, 6, 7])
        for index in 5..<8 { works.threads[index].wake() }
        try await pool.shutdownGracefully()
        #expect(works.cancelled.withLock { $0 } == [])
    }

    @Test func `an end cancels what has not begun and waits for the rest`() async throws {
        let pool = ThreadPool(threadCount: 1)
        let works = Works(count: 3)
        for index in 0..<2 { works.submit(index, to: pool) }
        var begun = works.begun.makeAsyncIterator()
        #expect(await begun.next()?.index == 0)
        let end = Task { try await pool.shutdownGracefully() }
        while works.cancelled.withLock({ $0.isEmpty }) { await Task.yield() }
        #expect(works.cancelled.withLock { $0 } == [1])
        works.submit(2, to: pool)
        #expect(works.cancelled.withLock { $0 } == [1, 2])
        works.threads[0].wake()
        try await end.value
        pool.resize(to: 4)
    }
}
