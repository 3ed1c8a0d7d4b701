import Glibc

/// A file, a pipe or the standard input or output as a stream: for what is somebody else's, unlike the files of a `Disk`.
/// All calls block; one thread at a time. Closed with the object, but for the standard streams.
package final class StreamFile: Sendable {
    package let path: String
    private let descriptor: Int32
    private let isOwned: Bool

    private init(path: String, descriptor: Int32, isOwned: Bool) {
        self.path = path
        self.descriptor = descriptor
        self.isOwned = isOwned
    }

    deinit { if isOwned { close(descriptor) } }

    /// For reading only. A pipe that nobody has opened for writing yet is open as well, and at its end.
    ///
    /// - Throws: `.notFound`, `.denied`; `.io` for a folder.
    package static func reading(_ path: String) throws(DiskError) -> StreamFile {
        // Without O_NONBLOCK the call would wait for the writer of a pipe.
        let descriptor = retried { Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw failure("open", path) }
        let file = StreamFile(path: path, descriptor: descriptor, isOwned: true)
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw DiskError(code: .io, operation: "open", path: path, reason: "Is a directory")
        }
        return file
    }

    /// For writing behind what is in the file, which is created when it is missing; lines of several writers do not mix.
    package static func appending(_ path: String) throws(DiskError) -> StreamFile {
        let descriptor = retried { Glibc.open(path, O_WRONLY | O_CLOEXEC | O_APPEND | O_CREAT, 0o644) }
        guard descriptor >= 0 else { throw failure("open", path) }
        return StreamFile(path: path, descriptor: descriptor, isOwned: true)
    }

    package static var standardInput: StreamFile {
        StreamFile(path: "standard input", descriptor: STDIN_FILENO, isOwned: false)
    }

    package static var standardOutput: StreamFile {
        StreamFile(path: "standard output", descriptor: STDOUT_FILENO, isOwned: false)
    }

    /// Goes to a place in a file, which may lie behind its end. Nothing happens with what has no places, as a pipe.
    package func seek(to position: Int64) throws(DiskError) {
        guard lseek(descriptor, Int(clamping: position), SEEK_SET) < 0, errno != ESPIPE else { return }
        throw failure("seek", path)
    }

    /// What can be read now.
    package enum Chunk: Sendable { case bytes([UInt8]), end, nothingYet }

    /// - Parameters:
    ///   - byteCountMax: at most so many bytes.
    ///   - wait: how long to wait for something to be there, in milliseconds.
    package func read(_ byteCountMax: Int, wait: Int32 = 0) throws(DiskError) -> Chunk {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = retried { Glibc.poll(&poll, 1, wait) }
        guard ready >= 0 else { throw failure("read", path) }
        if ready == 0 { return .nothingYet }
        var error: Int32 = 0
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(1, byteCountMax)) { buffer, initialized in
            count = retried { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
            error = errno
            initialized = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        if count == 0 { return .end }
        if error == EAGAIN || error == EWOULDBLOCK { return .nothingYet }
        errno = error
        throw failure("read", path)
    }

    /// Writes all of it. When this throws, a part may have been written.
    package func write(_ bytes: [UInt8]) throws(DiskError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retried { Glibc.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done) }
            }
            guard count > 0 else { throw failure("write", path) }
            done += count
        }
    }

    /// Makes what was written durable; nothing happens with what has no disk, as a pipe.
    package func sync() throws(DiskError) {
        guard fdatasync(descriptor) != 0, errno != EINVAL, errno != EROFS else { return }
        throw failure("fdatasync", path)
    }

    /// All of a file that somebody wrote by hand, or of a pipe that a program writes to: whole, or not at all.
    ///
    /// - Throws: `.io` when it is longer than `byteCountMax`, and when nothing comes through a pipe for half a minute.
    package static func contents(_ path: String, byteCountMax: Int = 256 << 20) throws(DiskError) -> [UInt8] {
        let file = try reading(path)
        var bytes: [UInt8] = []
        while true {
            switch try file.read(1 << 20, wait: 30_000) {
            case .bytes(let chunk):
                bytes += chunk
                guard bytes.count <= byteCountMax else {
                    throw DiskError(
                        code: .io, operation: "read", path: path, reason: "longer than \(byteCountMax) bytes")
                }
            case .end: return bytes
            case .nothingYet:
                throw DiskError(
                    code: .io, operation: "read", path: path, reason: "nothing came through the pipe for 30 seconds")
            }
        }
    }
}
