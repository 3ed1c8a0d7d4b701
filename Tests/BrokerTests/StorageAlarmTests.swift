import Environment
import LogStorage
import Logging
import Synchronization
import Testing

@testable import Broker

@Suite struct StorageAlarmTests {
    /// Keeps what is logged.
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { lines.all.withLock { $0.append("\(event.message)") } }
    }

    @Test func `tells each kind of failure at once and then not at every request`() {
        let lines = Lines()
        let clock = ManualClock()
        let alarm = StorageAlarm(logger: Logger(label: "test") { _ in Handler(lines: lines) }, clock: clock)
        for _ in 0..<100 {
            alarm.note(LogError(.diskFull, "append"))
            alarm.note(LogError(.failed, "sync"))
            alarm.note(LogError(.outOfOrderSequence, "a client's affair"))
        }
        #expect(lines.all.withLock { $0.count } == 2)
        clock.advance(by: 11_000_000_000)
        alarm.note(LogError(.diskFull, "append"))
        #expect(lines.all.withLock { $0.count } == 3)
        #expect(lines.all.withLock { $0.last?.contains("the disk is full") } == true)
    }
}
