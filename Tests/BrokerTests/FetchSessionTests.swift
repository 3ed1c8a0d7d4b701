import Environment
import KafkaMessages
import Testing

@testable import Broker

/// Rules of KIP-227, "Incremental Fetch Sessions".
@Suite struct FetchSessionTests {
    private static func target(_ partition: Int32, offset: Int64 = 0) -> FetchTarget {
        var topic = FetchRequest.FetchTopic()
        topic.topic = "t"
        var entry = FetchRequest.FetchPartition()
        entry.partition = partition
        entry.fetchOffset = offset
        return FetchTarget(topic, entry)
    }

    private static func part(_ partition: Int32, end: Int64, error: ErrorCode = .none) -> FetchedPartition {
        var part = FetchedPartition(key: target(partition).key)
        part.error = error
        part.highWatermark = end
        part.logStart = 0
        return part
    }

    @Test func `tells a client only what changed since it was told`() throws {
        let sessions = FetchSessions(countMax: 10)
        let session = try #require(sessions.open([Self.target(0), Self.target(1)], version: 12))
        #expect(session.id != 0)
        let first = session.changes(in: [Self.part(0, end: 5), Self.part(1, end: 7)], isFull: true)
        #expect(first.map(\.key.partition) == [0, 1])
        let second = session.changes(in: [Self.part(0, end: 5), Self.part(1, end: 8)], isFull: false)
        #expect(second.map(\.key.partition) == [1])
        #expect(session.changes(in: [Self.part(0, end: 5), Self.part(1, end: 8)], isFull: false).isEmpty)
    }

    @Test func `tells everything again after an error`() throws {
        let session = try #require(FetchSessions(countMax: 1).open([Self.target(0)], version: 12))
        _ = session.changes(in: [Self.part(0, end: 5)], isFull: true)
        #expect(session.changes(in: [Self.part(0, end: -1, error: .kafkaStorageError)], isFull: false).count == 1)
        #expect(session.changes(in: [Self.part(0, end: 5)], isFull: false).count == 1)
    }

    @Test func `follows epochs and refuses others`() throws {
        let sessions = FetchSessions(countMax: 10)
        let session = try #require(sessions.open([Self.target(0)], version: 12))
        let id = session.id
        func resume(_ id: Int32, _ epoch: Int32, version: Int16 = 12) throws(ControlError) -> FetchSession {
            try sessions.resume(id, epoch: epoch, version: version, changed: [], forgotten: [])
        }
        #expect(throws: ControlError.self) { try resume(id, 2) }
        #expect(try resume(id, 1).id == id)
        do throws(ControlError) { _ = try resume(id, 1) } catch { #expect(error.code == .invalidFetchSessionEpoch) }
        do throws(ControlError) { _ = try resume(id ^ 1, 2) } catch { #expect(error.code == .fetchSessionIdNotFound) }
        do throws(ControlError) { _ = try resume(id, 2, version: 13) } catch {
            #expect(error.code == .fetchSessionTopicIdError)
        }
        sessions.close(id)
        do throws(ControlError) { _ = try resume(id, 2) } catch { #expect(error.code == .fetchSessionIdNotFound) }
    }

    @Test func `adds, changes and forgets partitions`() throws {
        let sessions = FetchSessions(countMax: 10)
        let session = try #require(sessions.open([Self.target(0), Self.target(1)], version: 12))
        _ = try sessions.resume(
            session.id, epoch: 1, version: 12, changed: [Self.target(1, offset: 9), Self.target(2)],
            forgotten: [Self.target(0).key])
        #expect(session.targets.map(\.key.partition) == [1, 2])
        #expect(session.targets.map(\.fetchOffset) == [9, 0])
    }

    /// Upstream's `FetchSessionCacheShard.tryEvict`: two minutes without a request.
    @Test func `gives up the session that was used least recently when there are too many, if it is idle`() throws {
        let clock = ManualClock()
        let sessions = FetchSessions(countMax: 2, clock: clock)
        let a = try #require(sessions.open([Self.target(0)], version: 12))
        clock.advance(by: 1_000_000_000)
        let b = try #require(sessions.open([Self.target(0)], version: 12))
        clock.advance(by: 60_000_000_000)
        _ = try sessions.resume(a.id, epoch: 1, version: 12, changed: [], forgotten: [])
        clock.advance(by: 60_000_000_000)
        // Who comes now does without; else many clients would take each other's sessions for ever.
        #expect(sessions.open([Self.target(0)], version: 12) == nil)
        clock.advance(by: 1)
        #expect(sessions.open([Self.target(0)], version: 12) != nil)
        #expect(sessions.open([Self.target(0)], version: 12) == nil)
        #expect(sessions.count == 2)
        _ = try sessions.resume(a.id, epoch: 2, version: 12, changed: [], forgotten: [])
        #expect(throws: ControlError.self) {
            try sessions.resume(b.id, epoch: 1, version: 12, changed: [], forgotten: [])
        }
        #expect(FetchSessions(countMax: 0).open([Self.target(0)], version: 12) == nil)
    }
}
