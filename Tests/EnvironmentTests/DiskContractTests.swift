import Glibc
import Testing

@testable import Environment

/// What every disk does, run against both.
@Suite struct DiskContractTests {
    enum Kind: String, CaseIterable, Sendable { case real, simulated }

    private func withDisk(_ kind: Kind, _ body: (any Disk, String) throws -> Void) throws {
        switch kind {
        case .simulated: try body(SimulatedDisk(seed: 1), "/root")
        case .real:
            let root = "/tmp/swiftwater-disk-\(getpid())-\(UInt64.random(in: 0 ... .max))"
            defer { try? RealDisk().removeTree(root) }
            try body(RealDisk(), root)
        }
    }

    @Test(arguments: Kind.allCases)
    func `reads what was written, across gaps and ends`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            try disk.makeDirectory(root + "/a/b")
            let file = try disk.open(root + "/a/b/f", create: true)
            let (first, second): ([UInt8], [UInt8]) = ([1, 2, 3], [4, 5])
            try first.withUnsafeBytes { first in
                try second.withUnsafeBytes { second in try file.write(first, second, at: 2) }
            }
            #expect(try file.byteCount() == 7)
            #expect(try file.read(at: 0, count: 100) == [0, 0, 1, 2, 3, 4, 5])
            #expect(try file.read(at: 6, count: 100) == [5])
            #expect(try file.read(at: 7, count: 100) == [])
            #expect(try file.read(at: 700, count: 100) == [])
            try file.truncate(to: 4)
            #expect(try file.read(at: 0, count: 100) == [0, 0, 1, 2])
            try file.truncate(to: 6)
            #expect(try disk.contents(root + "/a/b/f") == [0, 0, 1, 2, 0, 0])
            try file.sync()
            try disk.syncDirectory(root + "/a/b")
        }
    }

    @Test(arguments: Kind.allCases)
    func `lists, renames and removes`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            try disk.makeDirectory(root)
            try disk.makeDirectory(root)
            for name in ["x", "y", "z"] {
                try disk.open(root + "/" + name, create: true).write([UInt8](name.utf8), at: 0)
            }
            #expect(try disk.list(root).sorted() == ["x", "y", "z"])
            try disk.rename(root + "/x", to: root + "/y")
            #expect(try disk.contents(root + "/y") == [UInt8(ascii: "x")])
            try disk.removeFile(root + "/z")
            #expect(try disk.list(root) == ["y"])
            #expect(disk.exists(root + "/y") && !disk.exists(root + "/z"))
            try disk.makeDirectory(root + "/d/e")
            _ = try disk.open(root + "/d/e/f", create: true)
            try disk.removeTree(root + "/d")
            try disk.removeTree(root + "/d")
            #expect(try disk.list(root) == ["y"])
        }
    }

    @Test(arguments: Kind.allCases)
    func `says what is missing`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            let calls: [(String, (any Disk) throws -> Void)] = [
                ("open", { _ = try $0.open(root + "/none", create: false) }),
                ("list", { _ = try $0.list(root + "/none") }),
                ("remove", { try $0.removeFile(root + "/none") }),
                ("rename", { try $0.rename(root + "/none", to: root + "/new") }),
            ]
            try disk.makeDirectory(root)
            for (operation, call) in calls {
                let error = #expect(throws: DiskError.self) { try call(disk) }
                #expect(error?.code == .notFound && error?.operation == operation)
                #expect(error?.path.hasPrefix(root + "/none") == true)
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func `keeps a removed file readable for who has it open`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            try disk.makeDirectory(root)
            let file = try disk.open(root + "/f", create: true)
            try file.write([7, 8], at: 0)
            try disk.removeFile(root + "/f")
            #expect(try file.read(at: 0, count: 9) == [7, 8])
        }
    }

    @Test(arguments: Kind.allCases)
    func `replaces a file as a whole`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            try disk.makeDirectory(root)
            try disk.replaceDurably(root + "/f", with: [1, 2, 3])
            try disk.replaceDurably(root + "/f", with: [4])
            #expect(try disk.contents(root + "/f") == [4])
            #expect(try disk.list(root) == ["f"])
        }
    }

    @Test(arguments: Kind.allCases)
    func `gives a lock to one holder, and tells who has it`(kind: Kind) throws {
        try withDisk(kind) { disk, root in
            try disk.makeDirectory(root)
            var held: (any DiskLock)? = try disk.lock(root + "/lock")
            let error = #expect(throws: DiskError.self) { try disk.lock(root + "/lock") }
            #expect(error?.code == .locked)
            #expect(error?.holder == (kind == .real ? getpid() : 1))
            _ = held
            held = nil
            _ = try disk.lock(root + "/lock")
        }
    }

    /// The kernel's device that is always full.
    @Test func `calls a full disk full`() throws {
        let file = try RealDisk().open("/dev/full", create: false)
        let error = #expect(throws: DiskError.self) { try file.write([1], at: 0) }
        #expect(error?.code == .full)
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b/c", "a/b")])
    func `finds the folder of a path`(path: String, folder: String) {
        #expect(RealDisk.folder(of: path) == folder)
    }

    @Test func `tells the time`() {
        #expect(SystemWallClock().now() > 1_700_000_000_000)
        let monotonic = SystemMonotonicClock()
        let first = monotonic.now()
        #expect(monotonic.now() >= first)
        let manual = ManualClock(5)
        manual.advance(by: 7)
        #expect(manual.now() == 12)
        manual.set(3)
        #expect(manual.now() == 3)
    }
}
