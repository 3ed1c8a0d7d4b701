import Environment
import LogStorage
import TestKit
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

    @Test func `tells of a partition that cannot be read once a minute, and what to do`() {
        let log = RecordedLog()
        let clock = ManualClock()
        let alarm = StorageAlarm(logger: log.logger, clock: clock)
        for _ in 0..<100 {
            for partition in ["a-0", "a-1"] {
                alarm.note(LogError(.corruptSegment, "batch at byte 78"), reading: partition, folder: "/d/\(partition)")
            }
        }
        #expect(log.lines.count == 2)
        clock.advance(by: 61_000_000_000)
        alarm.note(LogError(.corruptSegment, "batch at byte 78"), reading: "a-0", folder: "/d/a-0")
        #expect(log.lines.count == 3)
        #expect(log.lines.last?.contains("restore '/d/a-0' from a backup") == true, "\(log.lines)")
    }
}
