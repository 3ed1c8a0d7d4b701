import Environment
import LogStorage
import Testing

@testable import Broker

@Suite struct StorageAlarmTests {
    @Test func `tells each kind of failure at once and then not at every request`() {
        let log = RecordedLog()
        let clock = ManualClock()
        let alarm = StorageAlarm(logger: log.logger, clock: clock)
        for _ in 0..<100 {
            alarm.note(LogError(.diskFull, "append"))
            alarm.note(LogError(.failed, "sync"))
            alarm.note(LogError(.outOfOrderSequence, "a client's affair"))
        }
        #expect(log.lines.count == 2)
        clock.advance(by: 11_000_000_000)
        alarm.note(LogError(.diskFull, "append"))
        #expect(log.lines.count == 3)
        #expect(log.lines.last?.contains("the disk is full") == true)
    }
}
