import Synchronization

/// A disk in memory that keeps apart what programs see and what a crash leaves, and that fails on request. Everything it
/// does by chance follows from its seed and the order of the calls.
///
/// - A write is durable after `sync` of its file; a name after `syncDirectory` of its folder. Until then a crash keeps any
///   part of it: none, all, a prefix cut at any byte, or any set of 512-byte sectors; with bits flipped if asked for.
/// - A full disk writes a part and refuses the rest.
/// - A failed sync drops what it should have written, and the next one succeeds without it, as on Linux.
/// - Power can go away in the middle of any operation: it and all that follow fail until `crash`.
package final class SimulatedDisk: Disk {
    let state: Mutex<SimulatedDiskState>

    package init(seed: UInt64) { state = Mutex(SimulatedDiskState(seed: seed)) }

    // MARK: Faults

    /// Ends what runs on the disk: unsynced changes survive in part, open files and locks are gone.
    ///
    /// - Parameter flippingBits: whether surviving unsynced bytes may also be changed.
    package func crash(flippingBits: Bool = false) {
        state.withLock { $0.crash(flippingBits: flippingBits) }
    }

    /// Lets the power fail at the `count`-th change from now, counted from 1; nil takes that back.
    package func losePower(afterChanges count: Int?) { state.withLock { $0.changesUntilPowerLoss = count } }

    /// Whether the power is gone, so that nothing works until `crash`.
    package var hasLostPower: Bool { state.withLock { $0.hasLostPower } }

    /// Bytes that all files together may have; nil is without limit.
    package func limit(byteCount: Int64?) { state.withLock { $0.byteCountMax = byteCount } }

    /// Lets the `count`-th sync of a file or folder from now fail, counted from 1; nil takes that back.
    package func failSync(after count: Int?) { state.withLock { $0.syncsUntilFailure = count } }

    /// Syncs of files and folders so far.
    package var syncCount: Int { state.withLock { $0.syncCount } }

    /// Whether the bytes are limited now.
    package var hasLimit: Bool { state.withLock { $0.byteCountMax != nil } }

    /// Bytes of all files that have a name.
    package var byteCount: Int64 { state.withLock { $0.byteCount } }

    // MARK: Disk

    package func open(_ path: String, create: Bool) throws(DiskError) -> any DiskFile {
        try state.withLock { state throws(DiskError) in
            let (inode, generation) = try state.open(path, create: create)
            return SimulatedFile(disk: self, path: path, inode: inode, generation: generation)
        }
    }

    package func list(_ directory: String) throws(DiskError) -> [String] {
        try state.withLock { state throws(DiskError) in try state.list(directory) }
    }

    package func makeDirectory(_ path: String) throws(DiskError) {
        try state.withLock { state throws(DiskError) in try state.makeDirectory(path) }
    }

    package func removeFile(_ path: String) throws(DiskError) {
        try state.withLock { state throws(DiskError) in try state.removeFile(path) }
    }

    package func removeTree(_ path: String) throws(DiskError) {
        try state.withLock { state throws(DiskError) in try state.removeTree(path) }
    }

    package func rename(_ path: String, to newPath: String) throws(DiskError) {
        try state.withLock { state throws(DiskError) in try state.rename(path, to: newPath) }
    }

    package func exists(_ path: String) -> Bool { state.withLock { $0.exists(path) } }

    package func syncDirectory(_ path: String) throws(DiskError) {
        try state.withLock { state throws(DiskError) in try state.syncDirectory(path) }
    }

    package func space(_ path: String) throws(DiskError) -> DiskSpace {
        state.withLock { state in
            let total = Int64(state.byteCountMax ?? 1 << 40)
            return DiskSpace(total: total, free: max(0, total - Int64(state.byteCount)))
        }
    }

    package func lock(_ path: String) throws(DiskError) -> any DiskLock {
        try state.withLock { state throws(DiskError) in
            guard !state.locks.contains(path) else {
                throw DiskError(
                    code: .locked, operation: "lock", path: path, reason: "held by process 1", holder: 1)
            }
            _ = try state.open(path, create: true)
            state.locks.insert(path)
            return SimulatedLock(disk: self, path: path, generation: state.generation)
        }
    }
}

private final class SimulatedLock: DiskLock {
    private let disk: SimulatedDisk
    private let path: String
    private let generation: Int

    init(disk: SimulatedDisk, path: String, generation: Int) {
        self.disk = disk
        self.path = path
        self.generation = generation
    }

    func syncFileSystem() throws(DiskError) -> Bool {
        try disk.state.withLock { state throws(DiskError) in
            guard state.generation == generation, !state.hasLostPower else {
                throw DiskError(code: .io, operation: "syncfs", path: path, reason: "the simulated machine is down")
            }
            try state.syncAll(path)
        }
        return true
    }

    deinit {
        disk.state.withLock { state in
            // A lock from before a crash must not end one taken since.
            if state.generation == generation { state.locks.remove(path) }
        }
    }
}

private final class SimulatedFile: DiskFile {
    let path: String
    private let disk: SimulatedDisk
    private let inode: Int
    private let generation: Int
    var descriptor: Int32? { nil }

    init(disk: SimulatedDisk, path: String, inode: Int, generation: Int) {
        self.disk = disk
        self.path = path
        self.inode = inode
        self.generation = generation
    }

    private func withFile<Result>(
        _ operation: String,
        _ body: (inout sending SimulatedDiskState) throws(DiskError) -> Result
    ) throws(DiskError) -> Result where Result: Sendable {
        try disk.state.withLock { state throws(DiskError) in
            guard state.generation == generation, !state.hasLostPower else {
                throw DiskError(code: .io, operation: operation, path: path, reason: "the simulated machine is down")
            }
            return try body(&state)
        }
    }

    func byteCount() throws(DiskError) -> Int64 {
        try withFile("ask size of") { state throws(DiskError) in Int64(state.files[inode].live.count) }
    }

    func read(at position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskError) -> Int {
        try withFile("read") { state throws(DiskError) in
            let start = Int(clamping: position)
            let count = max(0, min(buffer.count, state.files[inode].live.count - start))
            guard count > 0 else { return 0 }
            state.files[inode].live.withUnsafeBytes { live in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: live[start..<(start + count)]))
            }
            return count
        }
    }

    func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int64
    ) throws(DiskError) {
        try withFile("write") { state throws(DiskError) in
            try state.write([UInt8](first) + [UInt8](second), to: inode, at: Int(clamping: position), path)
        }
    }

    func truncate(to byteCount: Int64) throws(DiskError) {
        try withFile("truncate") { state throws(DiskError) in
            try state.truncate(inode, to: Int(clamping: byteCount), path)
        }
    }

    func sync() throws(DiskError) {
        try withFile("fdatasync") { state throws(DiskError) in try state.sync(inode, path) }
    }
}
