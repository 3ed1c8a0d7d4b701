import Environment
import Glibc
import JSONFormat
import LogStorage

/// Whether the data folder can be used, and by whom it is.
struct DataFolderCheck {
    /// The folder, or the nearest one above it that is there; nil when a file stands in the way.
    private(set) var existing: String?
    private(set) var isWritable = false
    /// The process that has the folder open.
    private(set) var holder: Int32?
    private(set) var findings: [Finding] = []

    init(_ path: String) {
        let check = "data folder"
        let isThere = Self.isFolder(path)
        existing = Self.nearestFolder(path)
        guard let existing else {
            findings = [
                Finding(
                    check, .problem, "\(path) cannot be made: a file stands in its place or above it",
                    hint: "name another with --data-dir FOLDER")
            ]
            return
        }
        isWritable = access(existing, W_OK | X_OK) == 0
        let isReadOnly = !isWritable && errno == EROFS
        let facts: [(String, JSONValue)] = [("path", .string(path)), ("exists", .bool(isThere))]
        guard isThere else {
            // Permission is not all: file systems such as /proc have no folders but their own.
            if isWritable, let reason = Self.whyNoFolder(in: existing) {
                isWritable = false
                findings = [
                    Finding(
                        check, .problem, "\(path) is not there and cannot be made in \(existing): \(reason)",
                        hint: "name another with --data-dir FOLDER", facts: facts)
                ]
                return
            }
            findings = [
                isWritable
                    ? Finding(check, .ok, "\(path) is not there yet and can be made", facts: facts)
                    : Finding(
                        check, .problem, "\(path) is not there and may not be made in \(existing)",
                        hint: "run as a user who may write there, or name another with --data-dir FOLDER", facts: facts)
            ]
            return
        }
        do {
            let content = try DataFolder.content(of: path, on: RealDisk())
            let isLocked: Bool
            (isLocked, holder) = Self.lockHolder(path + "/lock")
            let who = isLocked ? ", in use by process \(holder.map { "\($0)" } ?? "unknown")" : ""
            let what = content == .new ? "is empty" : "holds data of this program"
            findings = [
                isWritable
                    ? Finding(check, .ok, "\(path) \(what)\(who)", facts: facts + [("in_use", .bool(isLocked))])
                    : Finding(
                        check, .problem,
                        "\(path) \(what) and may not be written"
                            + (isReadOnly ? ": its file system is read-only" : " by this user"),
                        hint: isReadOnly
                            ? "mount it for writing, or name another with --data-dir FOLDER"
                            : "run as the user that owns it: \(Self.owner(path))", facts: facts)
            ]
        } catch {
            findings = [
                Finding(check, .problem, error.message, hint: "name another with --data-dir FOLDER", facts: facts)
            ]
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a folder and takes it away again.
    ///
    /// - Returns: why none can be made; nil when one can.
    private static func whyNoFolder(in folder: String) -> String? {
        let path = "\(folder)/.swiftwater-doctor-\(getpid())"
        guard mkdir(path, 0o700) == 0 else { return String(cString: strerror(errno)) }
        rmdir(path)
        return nil
    }

    private static func nearestFolder(_ path: String) -> String? {
        var path = path
        while true {
            if isFolder(path) { return path }
            if access(path, F_OK) == 0 || path == "." || path == "/" { return nil }
            guard let slash = path.lastIndex(of: "/") else { return "." }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
    }

    /// Whether a process has the lock, and which. The lock that is tried is shared and given back at once.
    private static func lockHolder(_ path: String) -> (isLocked: Bool, process: Int32?) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return (false, nil) }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return (false, nil) }
        let text = (try? PropertiesFile.text(path)) ?? ""  // only to tell who it is
        return (true, Int32(text.prefix { $0.isNumber }))
    }

    private static func owner(_ path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "its owner" }
        guard let entry = getpwuid(status.st_uid), let name = entry.pointee.pw_name else {
            return "user id \(status.st_uid)"
        }
        return String(cString: name)
    }
}
