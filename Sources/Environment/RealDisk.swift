import CLinux
import Glibc

/// The machine's file system.
package struct RealDisk: Disk {
    package init() {}

    /// The path from the root, without `.` and `..` being resolved; the path itself where the current folder is unknown.
    package static func absolutePath(_ path: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return path }
        let current = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return "\(current)/\(path.hasPrefix("./") ? String(path.dropFirst(2)) : path)"
    }

    package func open(_ path: String, create: Bool) throws(DiskError) -> any DiskFile {
        let flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0)
        let descriptor = retried { Glibc.open(path, flags, 0o644) }
        guard descriptor >= 0 else { throw failure("open", path) }
        return RealDiskFile(path: path, descriptor: descriptor)
    }

    package func list(_ directory: String) throws(DiskError) -> [String] {
        guard let stream = opendir(directory) else { throw failure("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw failure("list", directory) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    package func makeDirectory(_ path: String) throws(DiskError) {
        if mkdir(path, 0o755) == 0 || (errno == EEXIST && isDirectory(path)) { return }
        let parent = Self.folder(of: path)
        guard errno == ENOENT, parent != path else { throw failure("make folder", path) }
        try makeDirectory(parent)
        guard mkdir(path, 0o755) == 0 || (errno == EEXIST && isDirectory(path)) else {
            throw failure("make folder", path)
        }
    }

    package func removeFile(_ path: String) throws(DiskError) {
        guard unlink(path) == 0 else { throw failure("remove", path) }
    }

    package func removeTree(_ path: String) throws(DiskError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw failure("remove", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try removeFile(path) }
        for name in try list(path) { try removeTree(path + "/" + name) }
        guard rmdir(path) == 0 else { throw failure("remove folder", path) }
    }

    package func rename(_ path: String, to newPath: String) throws(DiskError) {
        guard Glibc.rename(path, newPath) == 0 else { throw failure("rename", path) }
    }

    package func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package func syncDirectory(_ path: String) throws(DiskError) {
        let descriptor = retried { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open folder", path) }
        defer { close(descriptor) }
        guard retried({ fsync(descriptor) }) == 0 else { throw failure("sync folder", path) }
    }

    package func space(_ path: String) throws(DiskError) -> DiskSpace {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw failure("ask free space of", path) }
        func bytes(_ blocks: UInt) -> Int64 {
            let (bytes, overflow) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize))
            return overflow ? .max : Int64(clamping: bytes)
        }
        return DiskSpace(total: bytes(status.f_blocks), free: bytes(status.f_bavail))
    }

    package func lock(_ path: String) throws(DiskError) -> any DiskLock {
        let descriptor = retried { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else { throw failure("open lock file", path) }
        let file = RealDiskFile(path: path, descriptor: descriptor)
        guard retried({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw failure("lock", path) }
            let text = String(decoding: (try? file.read(at: 0, count: 32)) ?? [], as: UTF8.self)  // only a hint
            let holder = Int32(text.prefix { $0.isNumber })
            throw DiskError(
                code: .locked, operation: "lock", path: path,
                reason: holder.map { "held by process \($0)" } ?? "held by another process", holder: holder)
        }
        try file.truncate(to: 0)
        try file.write([UInt8]("\(getpid())\n".utf8), at: 0)
        return file
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

/// One open descriptor, closed with the object.
private final class RealDiskFile: DiskFile, DiskLock {
    let path: String
    private let openDescriptor: Int32
    var descriptor: Int32? { openDescriptor }

    init(path: String, descriptor: Int32) {
        self.path = path
        openDescriptor = descriptor
    }

    // Written data is judged by `sync`; close of a descriptor has nothing to add on a local file system.
    deinit { close(openDescriptor) }

    func byteCount() throws(DiskError) -> Int64 {
        var status = stat()
        guard fstat(openDescriptor, &status) == 0 else { throw failure("ask size of", path) }
        return Int64(status.st_size)
    }

    func read(at position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskError) -> Int {
        guard let start = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = retried {
                pread(openDescriptor, start + done, buffer.count - done, off_t(position) + off_t(done))
            }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int64
    ) throws(DiskError) {
        let total = first.count + second.count
        var done = 0
        while done < total {
            let skipFirst = min(done, first.count)
            let skipSecond = done - skipFirst
            let count = withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors -> Int in
                var used = 0
                for part in [(first, skipFirst), (second, skipSecond)] where part.0.count > part.1 {
                    let base = UnsafeMutableRawPointer(mutating: part.0.baseAddress.map { $0 + part.1 })
                    vectors[used] = iovec(iov_base: base, iov_len: part.0.count - part.1)
                    used += 1
                }
                return retried {
                    pwritev(openDescriptor, vectors.baseAddress, Int32(used), off_t(position) + off_t(done))
                }
            }
            guard count >= 0 else { throw failure("write", path) }
            // A write of nothing without an error does not happen on regular files; never loop on it.
            guard count > 0 else {
                throw DiskError(code: .io, operation: "write", path: path, reason: "the system wrote nothing")
            }
            done += count
        }
    }

    func truncate(to byteCount: Int64) throws(DiskError) {
        guard retried({ ftruncate(openDescriptor, off_t(byteCount)) }) == 0 else { throw failure("truncate", path) }
    }

    func sync() throws(DiskError) {
        // An interrupted call has not reported a failed write, so it may be repeated.
        guard retried({ fdatasync(openDescriptor) }) == 0 else { throw failure("fdatasync", path) }
    }
}

extension RealDiskFile {
    func syncFileSystem() throws(DiskError) -> Bool {
        guard Self.reportsFailedWritesOfFileSystems else { return false }
        var status = statfs()
        guard fstatfs(openDescriptor, &status) == 0 else { throw failure("ask the type of", path) }
        guard Self.fileSystemTypes.contains(Int(status.f_type)) else { return false }
        guard retried({ syncfs(openDescriptor) }) == 0 else { throw failure("sync file system", path) }
        return true
    }

    /// ext2 to 4, XFS, Btrfs, tmpfs (statfs(2)).
    private static let fileSystemTypes: Set<Int> = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994]

    /// syncfs(2): since Linux 5.8 it returns the errors of writes that failed before.
    private static let reportsFailedWritesOfFileSystems: Bool = {
        var system = utsname()
        guard uname(&system) == 0 else { return false }
        let release = withUnsafeBytes(of: system.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split(separator: ".").prefix(2).compactMap { Int($0.prefix { $0.isNumber }) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (5, 8)
    }()
}

/// The error of the call that just failed, from `errno`.
func failure(_ operation: String, _ path: String) -> DiskError {
    let number = errno
    let code: DiskError.Code =
        switch number {
        case ENOSPC, EDQUOT: .full
        case ENOENT: .notFound
        case EEXIST, ENOTEMPTY: .alreadyExists
        case EACCES, EPERM, EROFS: .denied
        case EMFILE, ENFILE: .tooManyFiles
        default: .io
        }
    return DiskError(code: code, operation: operation, path: path, reason: String(cString: strerror(number)))
}

/// Repeats a system call that a signal interrupted.
func retried<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
