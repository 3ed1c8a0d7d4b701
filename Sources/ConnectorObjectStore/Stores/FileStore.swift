import ConnectCore
import Environment
import NIOPosix
import Synchronization

/// A folder. An object is written beside its place under a name that begins with a dot, forced to disk and renamed: whoever
/// lists the folder sees whole objects only, and what a crash leaves behind is overwritten by the next attempt.
struct FileStore: ObjectStore {
    let folder: String
    let disk: any Disk
    private let folders: DurableFolders

    init(folder: String, disk: any Disk) {
        self.folder = folder
        self.disk = disk
        folders = DurableFolders(folder, disk)
    }

    func check() async throws(ConnectError) {
        try await Self.blocking { [folder, disk] () throws(DiskError) in
            try Self.makeFolder(folder, disk)
            // Rights show only when something is written.
            let probe = folder + "/.writable"
            _ = try disk.open(probe, create: true)
            try disk.removeFile(probe)
        }
    }

    func upload(_ key: String, contentType: String, of partition: SinkPartition) -> any ObjectUpload {
        FileUpload(key, folder + "/" + Self.path(key), disk, folders)
    }

    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError) {}

    func close() async {}

    /// Parts of a name never lead out of the folder, nor do they hide.
    static func path(_ key: String) -> String {
        key.split(separator: "/").map { part in
            part == "." || part == ".." ? part.replacing(".", with: "%2E") : part.replacing("\0", with: "%00")
        }.joined(separator: "/")
    }

    /// Makes the store's folder so that it is there after a crash as well.
    static func makeFolder(_ path: String, _ disk: any Disk) throws(DiskError) {
        guard !path.isEmpty, !disk.exists(path) else { return }
        let parent = RealDisk.folder(of: path)
        if parent != path { try makeFolder(parent, disk) }
        try disk.makeDirectory(path)
        try disk.syncDirectory(parent)
    }

    /// Runs what blocks on threads for it.
    static func blocking(_ body: @escaping @Sendable () throws(DiskError) -> Void) async throws(ConnectError) {
        do {
            try await NIOThreadPool.singleton.runIfActive { try body() }
        } catch let error as DiskError {
            // Space may return.
            throw ConnectError(error.code == .full || error.code == .tooManyFiles ? .retriable : .connect, "\(error)")
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
    }
}

/// The folders below the store's that this process has seen to: a folder that is there may still be lost with the power, when
/// the process that made it ended before it was forced to disk.
final class DurableFolders: Sendable {
    private let base: String
    private let disk: any Disk
    private let known = Mutex<Set<String>>([])

    init(_ base: String, _ disk: any Disk) {
        self.base = base
        self.disk = disk
    }

    /// Makes a folder below the base, if it is missing, so that it is there after a crash as well.
    func make(_ path: String) throws(DiskError) {
        guard path != base, path.count > base.count, !known.withLock({ $0.contains(path) }) else { return }
        let parent = RealDisk.folder(of: path)
        try make(parent)
        try disk.makeDirectory(path)
        try disk.syncDirectory(parent)
        known.withLock { _ = $0.insert(path) }
    }
}

/// `@unchecked Sendable`: the contract has one caller at a time, and the caller waits for the thread that does the work.
final class FileUpload: ObjectUpload, @unchecked Sendable {
    let key: String
    private let path: String
    private let temporary: String
    private let disk: any Disk
    private let folders: DurableFolders
    private var file: (any DiskFile)?
    private var written: Int64 = 0
    private var pending: [UInt8] = []
    private var isRenamed = false
    private var isComplete = false

    private static let stepByteCount = 1 << 20

    init(_ key: String, _ path: String, _ disk: any Disk, _ folders: DurableFolders) {
        self.key = key
        self.path = path
        self.disk = disk
        self.folders = folders
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        temporary = RealDisk.folder(of: path) + "/." + name + ".tmp"
    }

    var pendingByteCount: Int { pending.count }

    func append(_ bytes: [UInt8]) { pending += bytes }

    func send(early: Bool) async throws(ConnectError) {
        guard pending.count >= Self.stepByteCount || (early && !pending.isEmpty) else { return }
        try await FileStore.blocking { () throws(DiskError) in try self.write() }
    }

    private func write() throws(DiskError) {
        let file: any DiskFile
        if let open = self.file {
            file = open
        } else {
            try folders.make(RealDisk.folder(of: path))
            file = try disk.open(temporary, create: true)
            try file.truncate(to: 0)
            self.file = file
        }
        try file.write(pending, at: written)
        written += Int64(pending.count)
        pending = []
    }

    func complete() async throws(ConnectError) {
        guard !isComplete else { return }
        try await FileStore.blocking { () throws(DiskError) in
            if !self.isRenamed {
                try self.write()
                try self.file?.sync()
                try self.disk.rename(self.temporary, to: self.path)
                self.isRenamed = true
            }
            // Only then the name survives a crash.
            try self.disk.syncDirectory(RealDisk.folder(of: self.path))
        }
        file = nil
        isComplete = true
    }

    func abort() async {
        guard !isRenamed, file != nil else { return }
        file = nil
        // What stays behind is overwritten by the next attempt.
        try? await FileStore.blocking { [disk, temporary] () throws(DiskError) in try disk.removeFile(temporary) }
    }
}
