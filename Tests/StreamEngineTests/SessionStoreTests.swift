import TestKit
import Testing

@testable import StreamEngine

@Suite struct SessionStoreTests {
    private static func bytes<Value>(
        _ text: String, _ body: (UnsafeRawBufferPointer) throws(EngineError) -> Value
    ) throws(EngineError) -> Value { try Array(text.utf8).withRawBytes(body) }

    private static func text(_ session: SessionStore.Session) -> String {
        "\(session.start)-\(session.end) \(String(decoding: session.value, as: UTF8.self))"
    }

    private static func texts(_ store: SessionStore, _ key: String) throws(EngineError) -> [String] {
        try bytes(key) { (key) throws(EngineError) in store.sessions(key).map(text) }
    }

    private struct Change { var key: [UInt8], value: [UInt8]? }

    private static func changes(_ store: SessionStore) -> [Change] {
        var changes: [Change] = []
        store.drainChanges { changes.append(Change(key: [UInt8]($0), value: $1.map { [UInt8]($0) })) }
        return changes
    }

    private static func apply(_ changes: [Change], to store: SessionStore) throws(EngineError) {
        for change in changes {
            try change.key.withRawBytes { (key) throws(EngineError) in
                guard let value = change.value else { return try store.restore(key, nil) }
                try value.withRawBytes { (value) throws(EngineError) in try store.restore(key, value) }
            }
        }
        try store.didRestore()
    }

    /// A row at a time: what it meets becomes one session with it.
    private static func add(_ store: SessionStore, _ key: String, _ time: Int64, gap: Int64) throws(EngineError) {
        try bytes(key) { (key) throws(EngineError) in
            let merged = store.sessions(key, meeting: max(0, time - gap)...(time + gap))
            let start = min(time, merged.first?.start ?? time)
            let end = max(time, merged.last?.end ?? time)
            let value = merged.flatMap(\.value) + [UInt8(ascii: "x")]
            try store.replace(key, merged, with: .init(start: start, end: end, value: value))
            try store.observe(key, end: end, previousEnd: merged.last?.end)
        }
    }

    /// Topics do not take records of a megabyte, and a key may have any number of sessions.
    @Test func `a change of a session tells that session alone`() throws {
        let store = SessionStore(retentionMillis: 1_000_000, capturesChanges: true)
        for number in 0..<20_000 { try Self.add(store, "k", Int64(number) * 10, gap: 5) }
        #expect(store.count == 20_000)
        let all = Self.changes(store)
        #expect(all.count == 20_000)
        #expect(all.allSatisfy { $0.key.count + ($0.value?.count ?? 0) < 64 })
        try Self.add(store, "k", 100_005, gap: 5)
        // Two sessions became one: it has the number of the later one.
        let changes = Self.changes(store)
        #expect(changes.count == 2)
        #expect(changes.filter { $0.value == nil }.count == 1)
        #expect(try Self.texts(store, "k").contains("100000-100010 xxx"))
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `sessions are those of a plain list, also after changes came back`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (gap, retention) = (10 as Int64, 400 as Int64)
        var store = SessionStore(retentionMillis: retention, capturesChanges: true)
        var log: [Change] = []
        var model: [String: [(start: Int64, end: Int64, count: Int)]] = [:]
        var time: Int64 = 500
        var latest = Int64.min
        for step in 0..<600 {
            time = max(0, time + Int64.random(in: -60...70, using: &random))
            let key = ["", "a", "b", "ab"].randomElement(using: &random) ?? ""
            try Self.add(store, key, time, gap: gap)
            var sessions = model[key] ?? []
            let live = sessions.filter { latest == .min || $0.end > latest - retention }
            let met = live.filter { $0.end >= max(0, time - gap) && $0.start <= time + gap }
            sessions = live.filter { item in !met.contains { $0 == item } }
            let new = (
                start: min(time, met.map(\.start).min() ?? time), end: max(time, met.map(\.end).max() ?? time),
                count: met.reduce(1) { $0 + $1.count }
            )
            sessions.append(new)
            latest = max(latest, new.end)
            model[key] = sessions.sorted { ($0.end, $0.start) < ($1.end, $1.start) }
            if step % 37 == 0 {
                log += Self.changes(store)
                let other = SessionStore(retentionMillis: retention, capturesChanges: true)
                other.restoreObservedTime(store.observedTime)
                try Self.apply(log, to: other)
                store = other
            }
            for (key, sessions) in model {
                let expected = sessions.filter { $0.end > latest - retention }
                    .map { "\($0.start)-\($0.end) " + String(repeating: "x", count: $0.count) }
                #expect(try Self.texts(store, key) == expected, "\(step) \(key)")
            }
        }
        var count = 0
        store.forEach { _, _ in count += 1 }
        #expect(count == model.values.reduce(0) { $0 + $1.filter { $0.end > latest - retention }.count })
    }

    /// Earlier versions told all sessions of a key in one record.
    @Test func `records with all sessions of a key are taken over and told as gone`() throws {
        func number<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
            withUnsafeBytes(of: value) { [UInt8]($0) }
        }
        let first = number(10 as Int64) + number(20 as Int64) + number(1 as Int32) + Array("x".utf8)
        let second = number(40 as Int64) + number(40 as Int64) + number(2 as Int32) + Array("yz".utf8)
        let whole = Change(key: Array("k".utf8), value: number(2 as Int32) + first + second)
        let store = SessionStore(retentionMillis: 1000, capturesChanges: true)
        try Self.apply([whole], to: store)
        #expect(try Self.texts(store, "k") == ["10-20 x", "40-40 yz"])
        let changes = Self.changes(store)
        #expect(changes.filter { $0.value == nil }.map(\.key) == [Array("k".utf8)])
        let again = SessionStore(retentionMillis: 1000, capturesChanges: true)
        try Self.apply([whole] + changes, to: again)
        #expect(try Self.texts(again, "k") == ["10-20 x", "40-40 yz"])
        #expect(Self.changes(again).isEmpty)
        #expect(throws: EngineError.self) {
            try Self.apply([Change(key: Array("k".utf8), value: number(2 as Int32) + first)], to: store)
        }
    }
}
