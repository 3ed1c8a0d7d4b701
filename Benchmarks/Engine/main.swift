// State tables of the stream engine, and queries from JSON text to JSON text, each with its unit and a checksum.
//
//     EngineBench state
//     EngineBench restore              snapshot of one task into another one
//     EngineBench disk [FOLDER [ROWS]] state in files of the folder, /var/tmp without one; 10 million rows
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
func readModifyWrite(keys: Int, operations: Int, capturesChanges: Bool) throws {
    let table = SlabTable(capturesChanges: capturesChanges)
    var state: UInt64 = 42
    var sum = 0
    let spent = try seconds {
        for _ in 0..<operations {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let key = UInt64((state >> 33) % UInt64(keys))
            try withUnsafeBytes(of: key.bigEndian) { key in
                let hash = hashBytes(key)
                let place = table.find(key, hash: hash)
                if place == 0 {
                    try withUnsafeBytes(of: (1, 2)) { _ = try table.put(key, hash: hash, place: 0, value: $0) }
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

func rows(_ count: Int, bytes: Int) throws {
    let table = SlabTable()
    let value = [UInt8](repeating: 7, count: bytes)
    let spent = try seconds {
        for key in 0..<UInt64(count) {
            try withUnsafeBytes(of: key.bigEndian) { key in try value.withUnsafeBytes { try table.put(key, $0) } }
        }
    }
    print(
        "state of \(count) rows of \(bytes) bytes: \(table.byteCount >> 20) MiB, "
            + "\(Int(spent / Double(count) * 1e9)) ns each")
}

/// Counts by key with values of 100 bytes on disk, with no more than `residentMax` bytes of its files in memory, which is
/// looked at after every 1024 records, as tasks do.
func onDisk(keys: Int, operations: Int, residentMax: Int, folder: String) throws {
    let table = SlabTable(capturesChanges: true, place: .disk(folder: folder))
    let value = [UInt8](repeating: 0, count: 100)
    let empty = ResidentMemory.fileByteCount
    var state: UInt64 = 42
    var most = 0
    var sum = 0
    func bound() {
        let resident = ResidentMemory.fileByteCount - empty
        most = max(most, resident)
        guard resident > residentMax else { return }
        table.releasePages(.records)
        if ResidentMemory.fileByteCount - empty > residentMax / 4 * 3 { table.releasePages(.indexes) }
    }
    func run(_ name: String, _ count: Int, _ body: (Int) throws -> Void) rethrows {
        let (own, system) = cpuParts()
        let spent = try seconds {
            for operation in 0..<count {
                if operation & 1023 == 0 { bound() }
                try body(operation)
            }
        }
        func each(_ seconds: Double) -> Int { Int(seconds / Double(count) * 1e9) }
        let now = cpuParts()
        print(
            "    \(name): \(each(spent)) ns each; CPU \(each(now.own - own)) ns, "
                + "of the system \(each(now.system - system)) ns")
    }
    func randomKey() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % UInt64(keys)
    }
    func count(_ key: UInt64) throws {
        try withUnsafeBytes(of: key.bigEndian) { key in
            let hash = hashBytes(key)
            let place = table.find(key, hash: hash, willChange: true)
            if place == 0 {
                try value.withUnsafeBytes { _ = try table.put(key, hash: hash, place: 0, value: $0) }
            } else {
                table.touch(place)
                let value = table.value(at: place)
                value.storeBytes(of: value.loadUnaligned(as: Int.self) + 1, as: Int.self)
            }
        }
    }
    print(
        "state on disk, \(keys) rows of 100 bytes, "
            + (residentMax > 1 << 39 ? "without a limit:" : "its files in memory limited to \(residentMax >> 20) MiB:"))
    try run("put, changes drained every 65536", keys) { operation in
        try count(UInt64(operation))
        if operation & 0xFFFF == 0xFFFF { table.drainChanges { _, _ in } }
    }
    try run("read, change, write back at random, changes drained every 65536", operations) { operation in
        try count(randomKey())
        if operation & 0xFFFF == 0xFFFF { table.drainChanges { _, _ in } }
    }
    run("look up at random", operations / 10) { _ in
        withUnsafeBytes(of: randomKey().bigEndian) { key in
            let place = table.find(key, hash: hashBytes(key))
            sum += table.value(at: place).loadUnaligned(as: Int.self)
        }
    }
    bound()
    sum = 0
    let read = seconds { table.forEach { _, value in sum += value.loadUnaligned(as: Int.self) } }
    bound()
    print(
        "    all read in \(Int(read * 1000)) ms; \(table.byteCount >> 20) MiB of state, in process memory "
            + "\(table.memoryByteCount >> 20) MiB, files in memory at most \(most >> 20) MiB, sum \(sum)")
}

let arguments = CommandLine.arguments.dropFirst()
if arguments.first == "disk" {
    let folder = arguments.dropFirst().first ?? "/var/tmp"
    let rows = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 10_000_000
    for residentMax in [1 << 40, 256 << 20] {
        try onDisk(keys: rows, operations: rows, residentMax: residentMax, folder: folder)
    }
} else if arguments.first == "restore" {
    try restore(rows: 5_000_000)
} else if let folder = arguments.first, folder != "state" {
    try QueryBench(folder: folder).run(Set(arguments.dropFirst()))
} else {
    try readModifyWrite(keys: 1_000_000, operations: 10_000_000, capturesChanges: false)
    try readModifyWrite(keys: 1_000_000, operations: 10_000_000, capturesChanges: true)
    try readModifyWrite(keys: 6, operations: 10_000_000, capturesChanges: true)
    try rows(10_000_000, bytes: 100)
}
