/// A file system as small as the log needs it, so that the same code runs on the real one and on a simulated one that
/// loses, tears and refuses writes. Paths are UTF-8 with `/`; all calls block; all are safe from any thread.
///
/// Durability is POSIX's: written bytes survive a crash of the machine only after `DiskFile.sync`, and a created, removed
/// or renamed name only after `syncDirectory` of the folder it stands in.
package protocol Disk: Sendable {
    /// Opens for reading and writing. A file that is missing is created empty if `create` is true, else `.notFound`.
    func open(_ path: String, create: Bool) throws(DiskError) -> any DiskFile
    /// Names in the folder, without `.` and `..`, in no particular order.
    func list(_ directory: String) throws(DiskError) -> [String]
    /// Makes the folder and its missing parents; nothing happens if it is there.
    func makeDirectory(_ path: String) throws(DiskError)
    func removeFile(_ path: String) throws(DiskError)
    /// Removes a file or a folder with all it holds; nothing happens if it is missing.
    func removeTree(_ path: String) throws(DiskError)
    /// Renames atomically; a file that has the new name already is replaced.
    func rename(_ path: String, to newPath: String) throws(DiskError)
    func exists(_ path: String) -> Bool
    /// Makes the folder's names durable.
    func syncDirectory(_ path: String) throws(DiskError)
    /// Size of the file system that holds `path`.
    func space(_ path: String) throws(DiskError) -> DiskSpace
    /// Takes an exclusive lock by the file `path` and writes this process's id into it. The lock ends with the returned
    /// object or with the process. Throws `.locked` when another holder has it.
    func lock(_ path: String) throws(DiskError) -> any DiskLock
}

/// Held as long as the object lives.
package protocol DiskLock: AnyObject, Sendable {
    /// Makes everything written so far on the file system of the lock file durable, files and names, whoever wrote it:
    /// one request to the device instead of one per file.
    ///
    /// It is the lock's call because a failed write is reported only to who had a file open when it failed.
    ///
    /// - Returns: false, having done nothing, where the system does not report failed writes that way.
    func syncFileSystem() throws(DiskError) -> Bool
}

/// An open file. It is closed when the last reference goes, so a reader's reference keeps a removed file readable.
package protocol DiskFile: AnyObject, Sendable {
    var path: String { get }
    /// Bytes in the file now.
    func byteCount() throws(DiskError) -> Int64
    /// Fills `buffer` from byte `position` on. - Returns: bytes read; fewer than asked for only at the end of the file.
    func read(at position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskError) -> Int
    /// Writes both buffers, one after the other, at byte `position`, in one system call if the system allows.
    ///
    /// When this throws, any part of them may have been written: the caller truncates.
    func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int64
    ) throws(DiskError)
    func truncate(to byteCount: Int64) throws(DiskError)
    /// Makes contents and size durable (fdatasync). A failure is final: the system may have dropped the pages, and a
    /// second call may succeed without having written them.
    func sync() throws(DiskError)
    /// The file descriptor for sendfile; nil on a simulated disk.
    var descriptor: Int32? { get }
}

extension DiskFile {
    /// Writes one array at byte `position`.
    package func write(_ bytes: [UInt8], at position: Int64) throws(DiskError) {
        // The closure is given a typed error by hand: `withUnsafeBytes` of Array rethrows untyped.
        let span = bytes.span.bytes
        try span.withUnsafeBytes { buffer throws(DiskError) in
            try write(buffer, UnsafeRawBufferPointer(start: nil, count: 0), at: position)
        }
    }

    /// The `count` bytes from `position` on, fewer at the end of the file.
    ///
    /// - Precondition: `count` is bounded by the caller by what the file really holds.
    package func read(at position: Int64, count: Int) throws(DiskError) -> [UInt8] {
        var failure: DiskError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(DiskError) {
                initialized = try read(at: position, into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

extension Disk {
    /// The whole file, or `.notFound`. For small files: checkpoints, snapshots, markers.
    package func contents(_ path: String) throws(DiskError) -> [UInt8] {
        let file = try open(path, create: false)
        return try file.read(at: 0, count: Int(clamping: file.byteCount()))
    }

    /// Replaces the file's contents so that a crash at any point leaves the old or the new contents, and the new ones are
    /// durable when this returns: temporary file, sync, rename, sync of the folder.
    package func replaceDurably(_ path: String, with bytes: [UInt8]) throws(DiskError) {
        let temporary = path + ".tmp"
        do throws(DiskError) {
            let file = try open(temporary, create: true)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
            try file.sync()
        } catch {
            // The first error is the one to tell; a temporary file left behind is overwritten by the next attempt.
            try? removeFile(temporary)
            throw error
        }
        try rename(temporary, to: path)
        try syncDirectory(Self.folder(of: path))
    }

    /// The folder a path stands in; "." for a bare name.
    package static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Size of a file system, in bytes.
package struct DiskSpace: Equatable, Sendable {
    package var total: Int64
    /// What this process may still use.
    package var free: Int64

    package init(total: Int64, free: Int64) {
        self.total = total
        self.free = free
    }
}
