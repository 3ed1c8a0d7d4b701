import TestKit
import Testing

@testable import StreamEngine

@Suite struct TimeOrderedBufferTests {
    /// What the buffer has to do, without care for what it costs.
    private struct Model {
        var values: [Int64: [[UInt8]: [[UInt8]]]] = [:]

        var times: [Int64] { values.keys.sorted() }

        mutating func put(_ time: Int64, _ order: [UInt8], _ value: [UInt8], replacing: Bool) {
            var list = replacing ? [] : values[time]?[order] ?? []
            list.append(value)
            values[time, default: [:]][order] = list
        }

        mutating func remove(_ time: Int64, _ order: [UInt8]) {
            values[time]?[order] = nil
            if values[time]?.isEmpty == true { values[time] = nil }
        }

        mutating func popFirst() -> [[UInt8]] {
            guard let first = times.first, let orders = values.removeValue(forKey: first) else { return [] }
            return orders.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap { key, list in
                list.map { key + $0 }
            }
        }
    }

    private static func put(
        _ buffer: TimeOrderedBuffer, _ time: Int64, _ order: [UInt8], _ value: [UInt8], replacing: Bool = false
    ) throws {
        try order.withUnsafeBytes { order in
            try value.withUnsafeBytes { value in
                try buffer.put(time: time, order: order, timestamp: time, value: value, replacing: replacing)
            }
        }
    }

    private static func remove(_ buffer: TimeOrderedBuffer, _ time: Int64, _ order: [UInt8]) {
        order.withUnsafeBytes { buffer.remove(time: time, order: $0) }
    }

    private static func check(_ buffer: TimeOrderedBuffer, _ model: Model, _ random: inout SeededRandom) {
        let times = model.times
        #expect(buffer.firstTime == times.first)
        #expect(buffer.lastTime == times.last)
        for _ in 0..<3 {
            let time = Int64.random(in: -5...400, using: &random)
            #expect(buffer.firstTime(after: time) == times.first { $0 > time })
            #expect(buffer.hasEntries(time: time) == (model.values[time] != nil))
            let count = model.values[time]?.values.reduce(0) { $0 + $1.count } ?? 0
            #expect(buffer.hasSeveralEntries(time: time) == (count > 1))
        }
        #expect(buffer.firstTime(after: .max) == nil)
        #expect(buffer.firstTime(after: .min) == times.first)
    }

    /// Times that come in order, late, all at once, and again when they are gone.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `entries come out by time and order, whatever the order in which they were put`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let buffer = TimeOrderedBuffer(capturesChanges: true)
        var model = Model()
        let lateness = [0, 3, 60, 300].randomElement(using: &random) ?? 0
        let looksSeldom = Bool.random(using: &random)
        for step in 0..<1500 {
            let time = max(0, Int64(step / 4) - Int64.random(in: 0...Int64(lateness), using: &random))
            let order = [UInt8.random(in: 0..<4, using: &random)]
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<11:
                let value = [UInt8.random(in: 0...9, using: &random)]
                let replacing = Bool.random(using: &random)
                try Self.put(buffer, time, order, value, replacing: replacing)
                model.put(time, order, value, replacing: replacing)
            case 11..<18:
                Self.remove(buffer, time, order)
                model.remove(time, order)
            case 18 where step % 40 > 30: #expect(buffer.popFirst().map { $0.order + $0.value } == model.popFirst())
            // All but the first and the last of a long run go.
            case 19 where step % 400 > 380:
                for time in model.times.dropFirst().dropLast() {
                    for order in 0..<4 as Range<UInt8> {
                        Self.remove(buffer, time, [order])
                        model.remove(time, [order])
                    }
                }
            default: break
            }
            if !looksSeldom || step % 97 == 0 { Self.check(buffer, model, &random) }
        }
        // What is read back comes in another order.
        var changes: [(key: [UInt8], value: [UInt8])] = []
        try buffer.forEachRecord { changes.append(([UInt8]($0), [UInt8]($1))) }
        let copy = TimeOrderedBuffer()
        for (key, value) in changes.shuffled(using: &random) {
            try key.withUnsafeBytes { key in try value.withUnsafeBytes { try copy.restore(key, $0) } }
        }
        Self.check(copy, model, &random)
        while !model.values.isEmpty {
            let expected = model.popFirst()
            #expect(buffer.popFirst().map { $0.order + $0.value } == expected)
            #expect(copy.popFirst().map { $0.order + $0.value } == expected)
        }
        #expect(buffer.firstTime == nil && buffer.lastTime == nil && copy.popFirst().isEmpty)
    }

    @Test func `times that are put and removed again and again leave nothing behind`() throws {
        let buffer = TimeOrderedBuffer()
        try Self.put(buffer, 0, [1], [1])
        try Self.put(buffer, 1000, [1], [1])
        let before = buffer.lookCount
        for round in 0..<2000 {
            let time = 1 + Int64(round * 7 % 900)
            try Self.put(buffer, time, [1], [1])
            Self.remove(buffer, time, [1])
        }
        #expect(buffer.lastTime == 1000)
        #expect(buffer.firstTime(after: 0) == 1000)
        #expect(buffer.lookCount - before < 2000 * 20)
    }

    @Test func `a look behind a long run of times that are gone costs as little as any other`() throws {
        let buffer = TimeOrderedBuffer()
        for time in 0..<5000 as Range<Int64> { try Self.put(buffer, time, [1], [1]) }
        for time in 1..<2500 as Range<Int64> { Self.remove(buffer, time, [1]) }
        let before = buffer.lookCount
        for _ in 0..<1000 {
            #expect(buffer.firstTime(after: 0) == 2500)
            #expect(buffer.firstTime == 0)
            #expect(buffer.lastTime == 4999)
        }
        #expect(buffer.lookCount - before < 2500 + 1000 * 40)
    }
}
