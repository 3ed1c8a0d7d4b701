import Glibc

/// What of some files tells that they are others now: times, lengths and nodes. A file that is not there has a stamp, too.
package struct FileStamps: Equatable, Sendable {
    private struct Stamp: Equatable {
        var seconds = 0
        var nanoseconds = 0
        var byteCount: Int64 = 0
        var inode: UInt64 = 0
    }

    private let stamps: [Stamp]

    /// Looks at the files as they are now, which may take a moment of the disk's.
    package init(_ paths: [String]) {
        stamps = paths.map { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return Stamp() }
            return Stamp(
                seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, byteCount: Int64(status.st_size),
                inode: UInt64(status.st_ino))
        }
    }
}
