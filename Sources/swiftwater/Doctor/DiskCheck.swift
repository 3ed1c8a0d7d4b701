import Environment
import Glibc
import JSONFormat

/// How much room the disk of the data folder has.
enum DiskCheck {
    private static let gibibyte: Int64 = 1 << 30

    /// - Parameter folder: one that is there.
    static func space(_ folder: String) -> [Finding] {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            return [Finding("disk space", .problem, "the file system of \(folder) does not answer: \(reason)")]
        }
        var findings: [Finding] = []
        do {
            let space = try RealDisk().space(folder)
            let verdict: Finding.Verdict =
                space.free < gibibyte / 8 ? .problem : space.free < 2 * gibibyte ? .warning : .ok
            findings.append(
                Finding(
                    "disk space", verdict,
                    "\(readableSize(space.free)) of \(readableSize(space.total)) free for \(folder)",
                    hint: verdict == .ok
                        ? nil : "make room, bound topics with retention.bytes, or choose another disk with --data-dir",
                    facts: [("free_bytes", .number(space.free)), ("total_bytes", .number(space.total))]))
        } catch {
            findings.append(Finding("disk space", .problem, "\(error)"))
        }
        // Some file systems make inodes as they go, and tell 0.
        if status.f_files > 0 {
            let free = Int64(clamping: status.f_favail)
            let isScarce = free < 100_000
            findings.append(
                Finding(
                    "disk inodes", isScarce ? .warning : .ok, "\(free) more files can be made",
                    hint: isScarce ? "each partition has three files for every segment and more" : nil,
                    facts: [("free_inodes", .number(free))]))
        }
        if let kind = Mounts.kind(of: folder) {
            findings.append(judged(kind))
        }
        return findings
    }

    private static func judged(_ kind: String) -> Finding {
        let facts: [(String, JSONValue)] = [("file_system", .string(kind))]
        switch kind {
        case "tmpfs", "ramfs":
            return Finding(
                "file system", .warning, "\(kind): its files are in memory, and gone after a reboot",
                hint: "choose a folder on a disk with --data-dir", facts: facts)
        case "nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs":
            return Finding(
                "file system", .warning, "\(kind): a file system of the network may not keep what it says it has",
                hint: "choose a folder on a local disk with --data-dir", facts: facts)
        case "overlay":
            return Finding(
                "file system", .warning, "overlay: the folder is part of a container, and goes with it",
                hint: "put the data folder on a volume", facts: facts)
        default: return Finding("file system", .ok, kind, facts: facts)
        }
    }
}

/// File systems by the kernel's list of mounts.
enum Mounts {
    /// The kind of file system that a folder is on; nil where the kernel does not tell.
    static func kind(of folder: String) -> String? {
        guard let resolved = realpath(folder, nil) else { return nil }
        defer { free(resolved) }
        guard let table = try? PropertiesFile.text("/proc/self/mounts") else { return nil }
        return kind(of: String(cString: resolved), in: table)
    }

    /// - Parameters:
    ///   - path: without links.
    ///   - table: lines of device, mount point, kind, and more.
    static func kind(of path: String, in table: String) -> String? {
        var found: (length: Int, kind: String)?
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2 else { continue }
            // Spaces in names are written as octal digits.
            let point = fields[1].replacing("\\040", with: " ")
            let holds = point == "/" || path == point || path.hasPrefix(point + "/")
            // Of two mounts at one place the later one is seen.
            if holds, point.count >= found?.length ?? 0 { found = (point.count, String(fields[2])) }
        }
        return found?.kind
    }
}
