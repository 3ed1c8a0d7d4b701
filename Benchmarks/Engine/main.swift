// State tables of the stream engine, and queries from JSON text to JSON text, each with its unit and a checksum.
//
//     EngineBench state
//     EngineBench FOLDER [Q1 ...]      FOLDER has ratings.jsonl and so on, as made by the bench kit's generator
import SQLPlan
import StreamEngine

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    try body()
    let spent = clock.now - start
    return Double(spent.components.seconds) + Double(spent.components.attoseconds) * 1e-18
}

/// Counts by key: read, add, write back.
func readModifyWrite(keys: Int, operations: Int, capturesChanges: Bool) {
    let table = SlabTable(capturesChanges: capturesChanges)
    var state: UInt64 = 42
    var sum = 0
    let spent = seconds {
        for _ in 0..<operations {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let key = UInt64((state >> 33) % UInt64(keys))
            withUnsafeBytes(of: key.bigEndian) { key in
                let hash = hashBytes(key)
                let place = table.find(key, hash: hash)
                if place == 0 {
                    withUnsafeBytes(of: (1, 2)) { _ = table.put(key, hash: hash, place: 0, value: $0) }
                } else {
                    table.touch(place)
                    let value = table.value(at: place)
                    value.storeBytes(of: value.loadUnaligned(as: Int.self) + 1, as: Int.self)
                }
            }
        }
        table.forEach { _, value in sum += value.loadUnaligned(as: Int.self) }
    }
    print(
        "state read-modify-write, \(keys) keys, capture \(capturesChanges): "
            + "\(Int(spent / Double(operations) * 1e9)) ns, \(table.byteCount / max(1, table.count)) B/key, sum \(sum)")
}

func rows(_ count: Int, bytes: Int) {
    let table = SlabTable()
    let value = [UInt8](repeating: 7, count: bytes)
    let spent = seconds {
        for key in 0..<UInt64(count) {
            withUnsafeBytes(of: key.bigEndian) { key in value.withUnsafeBytes { table.put(key, $0) } }
        }
    }
    print(
        "state of \(count) rows of \(bytes) bytes: \(table.byteCount >> 20) MiB, "
            + "\(Int(spent / Double(count) * 1e9)) ns each")
}

let arguments = CommandLine.arguments.dropFirst()
if let folder = arguments.first, folder != "state" {
    try QueryBench(folder: folder).run(Set(arguments.dropFirst()))
} else {
    readModifyWrite(keys: 1_000_000, operations: 10_000_000, capturesChanges: false)
    readModifyWrite(keys: 1_000_000, operations: 10_000_000, capturesChanges: true)
    readModifyWrite(keys: 6, operations: 10_000_000, capturesChanges: true)
    rows(10_000_000, bytes: 100)
}
