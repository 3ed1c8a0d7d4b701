import SQLTypes
import Testing

@testable import SQLFunctions

/// Sketches of COUNT_DISTINCT that earlier versions stored, and those of today.
@Suite struct DistinctSketchTests {
    /// What the version before stored for 1...8, worked out by another program.
    private static let earlierEight: [UInt8] = [
        4, 5, 1, 17, 161, 1, 20, 93, 5, 22, 4, 3, 30, 187, 2, 33, 67, 1, 42, 46, 1, 56, 211, 5,
    ]

    private static func insert(_ values: some Sequence<Int>, _ sketch: inout [UInt8]) {
        for value in values { DistinctSketch.insert(.bigint(Int64(value)), .bigint, &sketch) }
    }

    /// All registers, as the version before kept them for many values: FNV-1a, mixed.
    private static func earlierDense(_ values: some Sequence<Int>) -> [UInt8] {
        var registers = [UInt8](repeating: 0, count: 1 << 14)
        for value in values {
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in String(value).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
            hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
            hash ^= hash >> 31
            let register = Int(hash >> 50)
            registers[register] = max(registers[register], UInt8((hash << 14 | 1 << 13).leadingZeroBitCount + 1))
        }
        return registers
    }

    @Test func `a sketch of an earlier version goes on as it began`() {
        var sketch = Self.earlierEight
        #expect(DistinctSketch.estimate(sketch) == 8)
        Self.insert(1...8, &sketch)
        #expect(sketch == Self.earlierEight)
        Self.insert(9...12, &sketch)
        #expect(DistinctSketch.estimate(sketch) == 12)

        let dense = Self.earlierDense(1...5000)
        sketch = dense
        Self.insert(1...5000, &sketch)
        #expect(sketch == dense)
        // From few registers to all of them.
        sketch = Self.earlierEight
        Self.insert(9...5000, &sketch)
        #expect(sketch == dense)
    }

    /// A state may come from a changelog that somebody else wrote to.
    @Test func `bytes that are no sketch are counted somehow`() {
        for count in [1, 2, 4, 7, 4500, 4501, 4504, 16_383, 16_386, 60_000, 60_001, 300_001] {
            for rank in [0, 1, 50, 255] as [UInt8] {
                var sketch = [UInt8](repeating: rank, count: count)
                sketch[0] = 1
                _ = DistinctSketch.estimate(sketch)
                Self.insert(1...3, &sketch)
                DistinctSketch.merge(&sketch, [UInt8](repeating: rank, count: count))
                _ = DistinctSketch.estimate(sketch)
            }
        }
    }

    @Test(arguments: [1, 1400, 1500, 1501, 1700, 5000])
    func `a sketch knows its own values again`(count: Int) {
        var sketch: [UInt8] = []
        Self.insert(1...count, &sketch)
        let estimate = DistinctSketch.estimate(sketch)
        #expect(abs(Double(estimate) - Double(count)) <= 0.03 * Double(count))
        let once = sketch
        Self.insert(1...count, &sketch)
        #expect(sketch == once)
        DistinctSketch.merge(&sketch, once)
        #expect(sketch == once)
        var merged: [UInt8] = []
        DistinctSketch.merge(&merged, once)
        DistinctSketch.merge(&merged, [])
        #expect(merged == once)
    }

    @Test func `merging sketches of the same version counts no value twice`() {
        var sketch = Self.earlierEight
        DistinctSketch.merge(&sketch, Self.earlierEight)
        #expect(sketch == Self.earlierEight)
        var dense = Self.earlierDense(1...5000)
        DistinctSketch.merge(&dense, Self.earlierEight)
        #expect(dense == Self.earlierDense(1...5000))
        DistinctSketch.merge(&sketch, dense)
        #expect(sketch == dense)
    }

    /// What both have counts twice, and nothing more often, whatever comes later.
    @Test func `sketches of two versions are merged as if they had nothing in common`() {
        var new: [UInt8] = []
        Self.insert(7...30, &new)
        for isOldFirst in [true, false] {
            var sketch = isOldFirst ? Self.earlierEight : new
            DistinctSketch.merge(&sketch, isOldFirst ? new : Self.earlierEight)
            #expect(DistinctSketch.estimate(sketch) == 32)
            Self.insert(7...30, &sketch)
            #expect(DistinctSketch.estimate(sketch) == 32)
            Self.insert(1...8, &sketch)
            #expect(DistinctSketch.estimate(sketch) == 38)
        }
    }
}
