import Testing

@testable import SQLService

@Suite struct ClientPaceTests {
    @Test func `a client that takes nothing ends its query, and one that takes rows does not`() async throws {
        let pace = ClientPace(timeout: .zero)
        try await pace.send {}
        #expect(!pace.isStalled)
        // The client takes the rows when its query has been ended for it.
        let (ended, end) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await pace.watch { end.finish() } }
            try await pace.send { for await _ in ended {} }
            try await group.waitForAll()
        }
        #expect(pace.isStalled)
        #expect(pace.reason.contains("ksql.query.push.stall.timeout.ms"))
    }
}
