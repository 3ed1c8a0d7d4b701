import TestKit
import Testing

@testable import StreamEngine

/// A task takes over the state of one that was restored and has processed nothing.
@Suite struct AdoptTests {
    private static var settings: EngineSettings {
        var settings = EngineSettings()
        settings.capturesChanges = true
        return settings
    }

    @Test(
        arguments: [.group, .groupOfList, .tumbling, .hopping, .session, .sessionOfList] as [RestoreTests.Kind],
        1...4 as ClosedRange<UInt64>)
    func `a task goes on as the one that was restored would`(kind: RestoreTests.Kind, seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 17)
        let plan = RestoreTests.plan(kind, &random)
        let records = RestoreTests.records(kind, &random, count: 120)
        let original = try Plans.task(plan, Self.settings)
        _ = Plans.feed(original, records[..<60])
        var changes: [StateChange] = []
        original.drainChanges { changes.append($0) }
        let expected = Plans.feed(original, records[60...]).output

        let restored = try Plans.task(plan, Self.settings)
        for change in changes { try restored.apply(change) }
        let task = try Plans.task(plan, Self.settings)
        task.adoptState(of: restored)
        RestoreTests.expectEqual(Plans.feed(task, records[60...]).output, expected, "\(kind)")
    }

    /// As earlier versions told sessions: all of a key in one record.
    private static func whole(_ changes: [StateChange]) -> [StateChange] {
        var result: [StateChange] = []
        var sessions: [[UInt8]: (store: String, count: Int32, bytes: [UInt8])] = [:]
        func number(_ value: Int32) -> [UInt8] { withUnsafeBytes(of: value) { [UInt8]($0) } }
        for change in changes {
            guard let value = change.value, change.key.first == 0, value.count > 20 else {
                result.append(change)
                continue
            }
            let key = Array(change.key.dropLast(8))
            var all = sessions[key] ?? (change.store, 0, [])
            all.count += 1
            all.bytes += value[4..<20] + number(Int32(value.count - 20)) + value[20...]
            sessions[key] = all
        }
        for (key, all) in sessions {
            result.append(StateChange(store: all.store, key: key, value: number(all.count) + all.bytes))
        }
        return result
    }

    @Test func `records that are gone by then are told when all state is written anew`() throws {
        var random = SeededRandom(seed: 5)
        let plan = RestoreTests.plan(.session, &random)
        let records = RestoreTests.records(.session, &random, count: 60)
        let original = try Plans.task(plan, Self.settings)
        _ = Plans.feed(original, records[..<30])
        var snapshot: [StateChange] = []
        try original.writeSnapshot { snapshot.append($0) }
        let earlier = Self.whole(snapshot)
        #expect(earlier != snapshot)
        let expected = Plans.feed(original, records[30...]).output

        let restored = try Plans.task(plan, Self.settings)
        for change in earlier { try restored.apply(change) }
        let task = try Plans.task(plan, Self.settings)
        task.adoptState(of: restored)
        var log = earlier
        try task.relog { log.append($0) }
        task.drainChanges { Issue.record("told twice: \($0)") }
        let later = try Plans.task(plan, Self.settings)
        // With the old records still there, sessions would be there twice.
        for change in log { try later.apply(change) }
        RestoreTests.expectEqual(Plans.feed(later, records[30...]).output, expected, "after both")
    }
}
