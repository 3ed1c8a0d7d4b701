import Testing

@testable import Environment

@Suite struct SimulatedDiskTests {
    /// A disk with the durable file "/d/f" of 1000 ones.
    private func disk(seed: UInt64) throws -> SimulatedDisk {
        let disk = SimulatedDisk(seed: seed)
        try disk.makeDirectory("/d")
        try disk.syncDirectory("/")
        let file = try disk.open("/d/f", create: true)
        try file.write([UInt8](repeating: 1, count: 1000), at: 0)
        try file.sync()
        try disk.syncDirectory("/d")
        return disk
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `keeps what was synced`(seed: UInt64) throws {
        let disk = try disk(seed: seed)
        try disk.open("/d/f", create: false).write([UInt8](repeating: 2, count: 3000), at: 1000)
        disk.crash(flippingBits: true)
        let bytes = try disk.contents("/d/f")
        #expect(bytes.count <= 4000)
        #expect(bytes.prefix(1000) == [UInt8](repeating: 1, count: 1000)[...])
    }

    @Test func `loses unsynced writes in every way`() throws {
        var kinds: Set<String> = []
        for seed in 0..<200 as Range<UInt64> {
            let disk = try disk(seed: seed)
            let file = try disk.open("/d/f", create: false)
            try file.write([UInt8](repeating: 2, count: 3000), at: 1000)
            try file.write([UInt8](repeating: 3, count: 3000), at: 4000)
            disk.crash(flippingBits: false)
            let tail = try disk.contents("/d/f").dropFirst(1000)
            if tail.isEmpty { kinds.insert("none") }
            if tail.count == 6000, !tail.contains(0), tail.contains(2) { kinds.insert("all") }
            if tail.count % 512 != 0, tail.count < 6000, !tail.contains(0) { kinds.insert("cut") }
            if tail.contains(0) { kinds.insert("hole") }
            if tail.contains(3), tail.prefix(100).contains(0) { kinds.insert("reordered") }
        }
        #expect(kinds == ["none", "all", "cut", "hole", "reordered"])
    }

    @Test func `loses unsynced names, each change as a whole`() throws {
        var found: Set<[String]> = []
        for seed in 0..<100 as Range<UInt64> {
            let disk = try disk(seed: seed)
            let file = try disk.open("/d/g.tmp", create: true)
            try file.write([9], at: 0)
            try file.sync()
            try disk.rename("/d/g.tmp", to: "/d/g")
            try disk.removeFile("/d/f")
            disk.crash()
            let names = try disk.list("/d")
            found.insert(names)
            if names.contains("g") { #expect(try disk.contents("/d/g") == [9]) }
        }
        #expect(found.isSuperset(of: [["f"], ["g"], ["f", "g"], ["f", "g.tmp"], []]))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `is durable after sync of file and folder`(seed: UInt64) throws {
        let disk = try disk(seed: seed)
        try disk.replaceDurably("/d/g", with: [5])
        disk.crash()
        #expect(try disk.list("/d") == ["f", "g"])
        #expect(try disk.contents("/d/g") == [5])
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `writes a part when it is full`(seed: UInt64) throws {
        let disk = try disk(seed: seed)
        disk.limit(byteCount: 1100)
        let file = try disk.open("/d/f", create: false)
        let error = #expect(throws: DiskError.self) { try file.write([UInt8](repeating: 2, count: 300), at: 1000) }
        #expect(error?.code == .full)
        #expect(try 1000...1100 ~= file.byteCount())
        #expect(try disk.space("/d") == DiskSpace(total: 1100, free: 1100 - file.byteCount()))
        try file.truncate(to: 1000)
        disk.limit(byteCount: nil)
        try file.write([3], at: 1000)
    }

    @Test func `drops what a failed sync should have written, and says so once`() throws {
        var lost = 0
        for seed in 0..<50 as Range<UInt64> {
            let disk = try disk(seed: seed)
            let file = try disk.open("/d/f", create: false)
            try file.write([UInt8](repeating: 2, count: 100), at: 1000)
            disk.failSync(after: 1)
            #expect(throws: DiskError.self) { try file.sync() }
            #expect(try file.byteCount() == 1100)
            try file.sync()
            disk.crash()
            if try disk.contents("/d/f").count < 1100 { lost += 1 }
        }
        #expect(lost > 0)
    }

    @Test func `does nothing without power until the crash`() throws {
        let disk = try disk(seed: 3)
        let file = try disk.open("/d/f", create: false)
        disk.losePower(afterChanges: 2)
        try file.write([2], at: 0)
        #expect(throws: DiskError.self) { try file.write([3], at: 1) }
        #expect(disk.hasLostPower)
        #expect(throws: DiskError.self) { try file.read(at: 0, count: 1) }
        #expect(throws: DiskError.self) { try disk.list("/d") }
        disk.crash()
        #expect(throws: DiskError.self) { try file.read(at: 0, count: 1) }
        #expect(try disk.contents("/d/f").count >= 1000)
    }

    @Test func `does the same for the same seed`() throws {
        func run() throws -> [UInt8] {
            let disk = try disk(seed: 11)
            try disk.open("/d/f", create: false).write([UInt8](0..<200), at: 900)
            disk.crash(flippingBits: true)
            return try disk.contents("/d/f")
        }
        #expect(try run() == run())
    }
}
