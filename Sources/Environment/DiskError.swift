/// What a caller of a `Disk` can act on, with the operation, the path and the system's own words.
package struct DiskError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// No space or quota left (ENOSPC, EDQUOT): works again when space returns.
        case full
        case notFound
        case alreadyExists
        /// Somebody else holds the lock; `holder` has the process id if the lock file tells it.
        case locked
        /// No permission, or a read-only file system.
        case denied
        /// Out of file descriptors (EMFILE, ENFILE).
        case tooManyFiles
        /// Everything else: the device or the file system failed.
        case io
    }

    package var code: Code
    /// What was attempted: "write", "fdatasync", ...
    package var operation: String
    package var path: String
    /// "No space left on device", or why the simulated disk refused.
    package var reason: String
    /// Process id of the holder of a lock.
    package var holder: Int32?

    package init(code: Code, operation: String, path: String, reason: String, holder: Int32? = nil) {
        self.code = code
        self.operation = operation
        self.path = path
        self.reason = reason
        self.holder = holder
    }

    package var description: String { "\(operation) '\(path)': \(reason)" }
}
