import ConnectCore
import Synchronization
import Testing

@testable import ConnectService

/// What a source hears of what is stored: it lets go of it then.
@Suite(.serialized) struct CommittedTests {
    /// A source of lines that come after pauses, and asks at each `committed` how many there are.
    private struct PausingSource: SourcePlugin {
        var lineCount = 9
        var pause = Duration.milliseconds(100)
        /// How many lines come without a pause at first.
        var fastCount = 0
        let stored: @Sendable () async -> Int
        let calls: Calls

        let classNames = ["test.PausingSourceConnector"]
        let version = "1.0"
        var definition: ConfigDef { ConfigDef() }

        func supportsExactlyOnce(_ properties: [String: String]) -> Bool { true }

        func taskConfigs(
            _ properties: [String: String], countMax: Int
        ) async throws(ConnectError) -> [[String: String]] { [properties] }

        func makeTask(
            _ properties: [String: String], _ context: any SourceTaskContext
        ) throws(ConnectError) -> any SourceTask { PausingTask(source: self) }
    }

    private final class Calls: Sendable {
        let polledAndStored = Mutex<[(polled: Int, stored: Int)]>([])
    }

    private final class PausingTask: SourceTask {
        private let source: PausingSource
        private let polled = Mutex(0)

        init(source: PausingSource) { self.source = source }

        func start() async throws(ConnectError) {}
        func stop() async {}

        func poll() async throws(ConnectError) -> SourcePoll {
            if polled.withLock({ $0 >= source.fastCount }) { try? await Task.sleep(for: source.pause) }
            let number = polled.withLock { polled in
                if polled <= source.lineCount { polled += 1 }
                return polled
            }
            guard number <= source.lineCount else { return SourcePoll() }
            return SourcePoll([
                ConnectRecord(
                    topic: "lines", value: SchemaAndValue(.string, .string("line \(number)")),
                    origin: .source(
                        partition: ConnectMap([("task", .string("0"))]),
                        offset: ConnectMap([("next", .int64(Int64(number)))])))
            ])
        }

        func committed() async throws(ConnectError) {
            let polled = min(polled.withLock { $0 }, source.lineCount)
            let stored = await source.stored()
            source.calls.polledAndStored.withLock { $0.append((polled, stored)) }
        }
    }

    @Test(arguments: [true, false]) func `everything that was polled is stored by then`(isExact: Bool) async throws {
        var properties = ["offset.flush.interval.ms": "50"]
        if !isExact { properties["exactly.once.source.support"] = "disabled" }
        try await TestPlatform.with { platform in
            let calls = Calls()
            let source = PausingSource(
                stored: { (try? await platform.records("lines").count) ?? 0 }, calls: calls)
            try await platform.withWorker(properties, plugins: [source]) { worker in
                _ = try await worker.create("s", ["connector.class": "PausingSource"])
                try await eventually("all told") {
                    calls.polledAndStored.withLock { $0.contains { $0.polled == 9 } }
                }
            }
            let early = calls.polledAndStored.withLock { $0.filter { $0.stored < $0.polled } }
            #expect(early.isEmpty, "\(early)")
        }
    }

    /// However the polls before it shared a transaction: a poll that does not return keeps nothing back.
    @Test(arguments: [1, 2, 300]) func `what came before a long poll is there for readers`(count: Int) async throws {
        try await TestPlatform.with { platform in
            let source = PausingSource(
                lineCount: count, pause: .seconds(3600), fastCount: count, stored: { 0 }, calls: Calls())
            try await platform.withWorker(plugins: [source]) { worker in
                _ = try await worker.create("s", ["connector.class": "PausingSource"])
                try await eventually("all readable") {
                    ((try? await platform.records("lines").count) ?? 0) == count
                }
            }
        }
    }

    /// Commits that the pace puts off fall into polls, when nobody may be told.
    @Test func `one that never rests is told, too`() async throws {
        try await TestPlatform.with { platform in
            let calls = Calls()
            let source = PausingSource(lineCount: 500, pause: .milliseconds(10), stored: { 0 }, calls: calls)
            try await platform.withWorker(plugins: [source]) { worker in
                _ = try await worker.create("s", ["connector.class": "PausingSource"])
                try await eventually("all told", within: .seconds(60)) {
                    calls.polledAndStored.withLock { $0.contains { $0.polled == 500 } }
                }
            }
            let between = calls.polledAndStored.withLock { $0.filter { (150..<490).contains($0.polled) } }
            #expect(!between.isEmpty)
        }
    }
}
