import TestKit
import Testing

@testable import StreamEngine

@Suite struct SlabTableTests {
    /// A dictionary is the model.
    @Test(arguments: [1, 2, 3, 4] as [UInt64], [false, true])
    func `a table is a dictionary of bytes`(seed: UInt64, isOnDisk: Bool) throws {
        var random = SeededRandom(seed: seed)
        let disk = StatePlace.disk(folder: "/tmp", fileByteCountMin: 2000)
        let table = SlabTable(capturesChanges: true, place: isOnDisk && seed % 2 == 0 ? disk : .memory)
        var model: [[UInt8]: [UInt8]] = [:]
        var told: [[UInt8]: [UInt8]] = [:]
        for step in 0..<20_000 {
            let key = (0..<Int.random(in: 0...3, using: &random)).map { _ in UInt8.random(in: 0...9, using: &random) }
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let size = Int.random(in: 0..<10, using: &random) == 0 ? 3000 : 40
                let value = (0..<Int.random(in: 0...size, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
                try key.withUnsafeBytes { key in try value.withUnsafeBytes { try table.put(key, $0) } }
                model[key] = value
            case 6..<9:
                key.withUnsafeBytes { table.remove($0) }
                model[key] = nil
            default:
                #expect(key.withUnsafeBytes { table.value($0).map { [UInt8]($0) } } == model[key])
            }
            if step == 1500, isOnDisk { try table.move(to: disk) }
            if step % 1000 == 999 {
                table.releasePages(.records)
                table.releasePages(.indexes)
                table.drainChanges { key, value in told[[UInt8](key)] = value.map { [UInt8]($0) } }
                #expect(told == model)
            }
        }
        #expect(table.count == model.count)
        var seen: [[UInt8]: [UInt8]] = [:]
        table.forEach { seen[[UInt8]($0)] = [UInt8]($1) }
        #expect(seen == model)
    }

    /// Values that change their size by less than a power of two use each other's room.
    @Test func `room of large values is used again`() throws {
        let table = SlabTable()
        var random = SeededRandom(seed: 1)
        for _ in 0..<20_000 {
            let value = [UInt8](repeating: 1, count: Int.random(in: 1100...4000, using: &random))
            try withUnsafeBytes(of: UInt64.random(in: 0..<20, using: &random)) { key in
                table.remove(key)
                try value.withUnsafeBytes { try table.put(key, $0) }
            }
        }
        #expect(table.heldByteCount < 20 * 4000 * 3)
    }
}
