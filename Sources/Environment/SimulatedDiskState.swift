/// What a simulated disk holds: every file and folder twice, as programs see it and as a crash would leave it, with the
/// changes that lie between.
struct SimulatedDiskState {
    struct File {
        enum Change {
            case write(position: Int, bytes: [UInt8])
            case truncate(byteCount: Int)
        }
        var live: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Change] = []
    }

    enum Entry: Equatable {
        case file(Int)
        case directory(Int)
    }

    struct Directory {
        /// One change of a folder happens as a whole or not at all.
        enum Change {
            case link(String, Entry)
            case unlink(String)
            case rename(String, to: String, Entry)
        }
        var live: [String: Entry] = [:]
        var durable: [String: Entry] = [:]
        var pending: [Change] = []
    }

    var files: [File] = []
    var directories = [Directory()]  // the first is the root
    var locks: Set<String> = []
    /// Raised by a crash: files opened before are dead.
    var generation = 0
    var hasLostPower = false
    var changesUntilPowerLoss: Int?
    var syncsUntilFailure: Int?
    var syncCount = 0
    var byteCountMax: Int64?
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    /// Bytes of all files that can be reached by a name.
    var byteCount: Int64 {
        var total: Int64 = 0
        var rest = [0]
        while let directory = rest.popLast() {
            for entry in directories[directory].live.values {
                switch entry {
                case .file(let inode): total += Int64(files[inode].live.count)
                case .directory(let inode): rest.append(inode)
                }
            }
        }
        return total
    }

    // MARK: Names

    mutating func open(_ path: String, create: Bool) throws(DiskError) -> (inode: Int, generation: Int) {
        try requirePower("open", path)
        let (parent, name) = try parent(of: path, "open")
        switch directories[parent].live[name] {
        case .file(let inode): return (inode, generation)
        case .directory: throw failure(.io, "open", path, "is a directory")
        case nil: break
        }
        guard create else { throw failure(.notFound, "open", path, "no such file or directory") }
        if let byteCountMax, byteCount >= byteCountMax {
            throw failure(.full, "open", path, "no space left on device")
        }
        try countChange("open", path)
        files.append(File())
        change(parent, .link(name, .file(files.count - 1)))
        return (files.count - 1, generation)
    }

    func list(_ path: String) throws(DiskError) -> [String] {
        try requirePower("list", path)
        return try directories[directory(path, "list")].live.keys.sorted()
    }

    mutating func makeDirectory(_ path: String) throws(DiskError) {
        try requirePower("make folder", path)
        var parent = 0
        for name in components(path) {
            switch directories[parent].live[name] {
            case .directory(let inode): parent = inode
            case .file: throw failure(.alreadyExists, "make folder", path, "file exists")
            case nil:
                try countChange("make folder", path)
                directories.append(Directory())
                change(parent, .link(name, .directory(directories.count - 1)))
                parent = directories.count - 1
            }
        }
    }

    mutating func removeFile(_ path: String) throws(DiskError) {
        try requirePower("remove", path)
        let (parent, name) = try parent(of: path, "remove")
        switch directories[parent].live[name] {
        case nil: throw failure(.notFound, "remove", path, "no such file or directory")
        case .directory: throw failure(.io, "remove", path, "is a directory")
        case .file:
            try countChange("remove", path)
            change(parent, .unlink(name))
        }
    }

    mutating func removeTree(_ path: String) throws(DiskError) {
        try requirePower("remove", path)
        let (parent, name) = try parent(of: path, "remove")
        guard let entry = directories[parent].live[name] else { return }
        if case .directory(let inode) = entry {
            for child in directories[inode].live.keys.sorted() { try removeTree(path + "/" + child) }
        }
        try countChange("remove", path)
        change(parent, .unlink(name))
    }

    mutating func rename(_ path: String, to newPath: String) throws(DiskError) {
        try requirePower("rename", path)
        let (parent, name) = try parent(of: path, "rename")
        let (newParent, newName) = try self.parent(of: newPath, "rename")
        guard let entry = directories[parent].live[name] else {
            throw failure(.notFound, "rename", path, "no such file or directory")
        }
        try countChange("rename", path)
        if parent == newParent {
            change(parent, .rename(name, to: newName, entry))
        } else {
            change(newParent, .link(newName, entry))
            change(parent, .unlink(name))
        }
    }

    func exists(_ path: String) -> Bool {
        guard !hasLostPower, let (parent, name) = try? parent(of: path, "find") else { return path == "/" }
        return directories[parent].live[name] != nil
    }

    mutating func syncDirectory(_ path: String) throws(DiskError) {
        try requirePower("sync folder", path)
        let inode = try directory(path, "sync folder")
        try countChange("sync folder", path)
        let isFailure = countSync()
        for change in directories[inode].pending where !isFailure || random.flip() {
            Self.apply(change, to: &directories[inode].durable)
        }
        directories[inode].pending = []
        if isFailure { throw failure(.io, "sync folder", path, "simulated failure") }
    }

    // MARK: Contents

    mutating func write(_ bytes: [UInt8], to inode: Int, at position: Int, _ path: String) throws(DiskError) {
        var fitting = bytes.count
        if let byteCountMax {
            let growth = max(0, position + bytes.count - files[inode].live.count)
            let missing = growth - max(0, Int(clamping: byteCountMax - byteCount))
            if missing > 0 { fitting = random.below(max(0, bytes.count - missing) + 1) }
        }
        let losesPower = changesUntilPowerLoss == 1
        // A part of a write that the power loss interrupts reaches the page cache, and so perhaps the disk.
        if losesPower { fitting = min(fitting, random.below(bytes.count + 1)) }
        if fitting > 0 {
            let written = fitting == bytes.count ? bytes : Array(bytes[..<fitting])
            let change = File.Change.write(position: position, bytes: written)
            Self.apply(change, to: &files[inode].live)
            files[inode].pending.append(change)
        }
        try countChange("write", path)
        if fitting < bytes.count { throw failure(.full, "write", path, "no space left on device") }
    }

    mutating func truncate(_ inode: Int, to byteCount: Int, _ path: String) throws(DiskError) {
        try countChange("truncate", path)
        if files[inode].live.count == byteCount { return }
        let change = File.Change.truncate(byteCount: byteCount)
        Self.apply(change, to: &files[inode].live)
        files[inode].pending.append(change)
    }

    mutating func sync(_ inode: Int, _ path: String) throws(DiskError) {
        try countChange("fdatasync", path)
        let isFailure = countSync()
        if isFailure {
            files[inode].durable = survivors(files[inode], flippingBits: false)
        } else {
            for change in files[inode].pending { Self.apply(change, to: &files[inode].durable) }
        }
        files[inode].pending = []
        if isFailure { throw failure(.io, "fdatasync", path, "simulated failure") }
    }

    /// Syncs all files and folders; one failure drops what each of them should have written.
    mutating func syncAll(_ path: String) throws(DiskError) {
        try countChange("syncfs", path)
        let isFailure = countSync()
        for inode in files.indices where !files[inode].pending.isEmpty {
            if isFailure {
                files[inode].durable = survivors(files[inode], flippingBits: false)
            } else {
                for change in files[inode].pending { Self.apply(change, to: &files[inode].durable) }
            }
            files[inode].pending = []
        }
        for inode in directories.indices {
            for change in directories[inode].pending where !isFailure || random.flip() {
                Self.apply(change, to: &directories[inode].durable)
            }
            directories[inode].pending = []
        }
        if isFailure { throw failure(.io, "syncfs", path, "simulated failure") }
    }

    // MARK: Crash

    mutating func crash(flippingBits: Bool) {
        for inode in files.indices {
            if !files[inode].pending.isEmpty {
                files[inode].durable = survivors(files[inode], flippingBits: flippingBits)
                files[inode].pending = []
            }
            files[inode].live = files[inode].durable
        }
        for inode in directories.indices {
            if !directories[inode].pending.isEmpty {
                let kept = survivingChanges(directories[inode].pending)
                for change in kept { Self.apply(change, to: &directories[inode].durable) }
                directories[inode].pending = []
            }
            directories[inode].live = directories[inode].durable
        }
        generation += 1
        locks = []
        hasLostPower = false
        changesUntilPowerLoss = nil
        syncsUntilFailure = nil
    }

    private mutating func survivingChanges<Change>(_ changes: [Change]) -> [Change] {
        switch random.below(4) {
        case 0: []
        case 1: changes
        case 2: Array(changes.prefix(random.below(changes.count + 1)))
        default: changes.filter { _ in random.flip() }
        }
    }

    /// The contents of a file after a crash.
    private mutating func survivors(_ file: File, flippingBits: Bool) -> [UInt8] {
        var contents = file.durable
        var touched: [Range<Int>] = []
        func keep(_ position: Int, _ bytes: ArraySlice<UInt8>) {
            guard !bytes.isEmpty else { return }
            Self.apply(.write(position: position, bytes: Array(bytes)), to: &contents)
            touched.append(position..<(position + bytes.count))
        }
        let mode = random.below(4)
        let whole = mode == 2 ? random.below(file.pending.count + 1) : 0
        for (index, change) in file.pending.enumerated() {
            switch (mode, change) {
            case (0, _): break
            case (2, _) where index > whole: break
            case (2, .write(let position, let bytes)) where index == whole:
                keep(position, bytes[..<random.below(bytes.count + 1)])
            case (3, .write(let position, let bytes)):
                var at = 0
                while at < bytes.count {
                    // Sectors are of the device, not of the write.
                    let end = min(bytes.count, at + 512 - (position + at) % 512)
                    switch random.below(4) {
                    case 0: break
                    case 1: keep(position + at, bytes[at..<(at + random.below(end - at + 1))])
                    default: keep(position + at, bytes[at..<end])
                    }
                    at = end
                }
            case (3, .truncate) where random.flip(): break
            case (_, .write(let position, let bytes)): keep(position, bytes[...])
            case (_, .truncate): Self.apply(change, to: &contents)
            }
        }
        if flippingBits, let range = touched.last, random.flip(), range.upperBound <= contents.count {
            for _ in 0...random.below(3) {
                contents[range.lowerBound + random.below(range.count)] ^= 1 << UInt8(random.below(8))
            }
        }
        return contents
    }

    // MARK: Helpers

    private static func apply(_ change: File.Change, to contents: inout [UInt8]) {
        switch change {
        case .write(let position, let bytes):
            if contents.count < position + bytes.count {
                contents.append(contentsOf: repeatElement(0, count: position + bytes.count - contents.count))
            }
            contents.replaceSubrange(position..<(position + bytes.count), with: bytes)
        case .truncate(let byteCount):
            if byteCount < contents.count {
                contents.removeSubrange(byteCount...)
            } else {
                contents.append(contentsOf: repeatElement(0, count: byteCount - contents.count))
            }
        }
    }

    private static func apply(_ change: Directory.Change, to names: inout [String: Entry]) {
        switch change {
        case .link(let name, let entry): names[name] = entry
        case .unlink(let name): names[name] = nil
        case .rename(let name, let newName, let entry):
            names[name] = nil
            names[newName] = entry
        }
    }

    private mutating func change(_ directory: Int, _ change: Directory.Change) {
        Self.apply(change, to: &directories[directory].live)
        directories[directory].pending.append(change)
    }

    private func requirePower(_ operation: String, _ path: String) throws(DiskError) {
        if hasLostPower { throw failure(.io, operation, path, "the simulated machine is down") }
    }

    /// Counts one change; when the power goes with it, the change may or may not have happened.
    private mutating func countChange(_ operation: String, _ path: String) throws(DiskError) {
        guard let left = changesUntilPowerLoss else { return }
        changesUntilPowerLoss = left - 1
        guard left <= 1 else { return }
        hasLostPower = true
        throw failure(.io, operation, path, "the simulated machine lost power")
    }

    /// Counts one sync. - Returns: whether it is the one to fail.
    private mutating func countSync() -> Bool {
        syncCount += 1
        guard let left = syncsUntilFailure else { return false }
        syncsUntilFailure = left <= 1 ? nil : left - 1
        return left <= 1
    }

    private func failure(_ code: DiskError.Code, _ operation: String, _ path: String, _ reason: String) -> DiskError {
        DiskError(code: code, operation: operation, path: path, reason: reason)
    }

    private func components(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

    private func directory(_ path: String, _ operation: String) throws(DiskError) -> Int {
        var inode = 0
        for name in components(path) {
            guard case .directory(let next) = directories[inode].live[name] else {
                throw failure(.notFound, operation, path, "no such file or directory")
            }
            inode = next
        }
        return inode
    }

    private func parent(of path: String, _ operation: String) throws(DiskError) -> (inode: Int, name: String) {
        var names = components(path)
        guard let name = names.popLast() else { throw failure(.io, operation, path, "is the root") }
        return (try directory(names.joined(separator: "/"), operation), name)
    }
}

/// The disk's own dice (SplitMix64): the test kit's generator is not of this layer.
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }

    /// 0..<bound; 0 for a bound of 0.
    mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }
    mutating func flip() -> Bool { next() & 1 == 0 }
}
