import Glibc
import JSONFormat

/// Limits of the process and of the machine.
enum MachineCheck {
    static var findings: [Finding] { [openFiles] + [memory].compactMap { $0 } + [processors] }

    /// The program raises the soft limit to the hard one by itself.
    private static var openFiles: Finding {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return Finding("open files", .warning, "the limit cannot be read: \(String(cString: strerror(errno)))")
        }
        return judged(openFilesMax: limit.rlim_max == rlim_t.max ? .max : Int64(clamping: limit.rlim_max))
    }

    static func judged(openFilesMax count: Int64) -> Finding {
        let verdict: Finding.Verdict = count < 1024 ? .problem : count < 65_536 ? .warning : .ok
        return Finding(
            "open files", verdict,
            count == .max ? "no limit" : "\(count) may be open at a time",
            hint: verdict == .ok
                ? nil
                : "each connection and each open segment takes one; raise the hard limit (LimitNOFILE= in a unit)",
            facts: [("limit", count == .max ? .null : .number(count))])
    }

    private static var memory: Finding? {
        guard let table = try? PropertiesFile.text("/proc/meminfo") else { return nil }
        func bytes(_ name: String) -> Int64? {
            let line = table.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map { $0 << 10 }
        }
        guard let total = bytes("MemTotal") else { return nil }
        return judged(total: total, available: bytes("MemAvailable"), limit: ControlGroup.memoryMax)
    }

    static func judged(total: Int64, available: Int64?, limit: Int64?) -> Finding {
        let bound = min(total, limit ?? total)
        let free = min(bound, available ?? bound)
        let verdict: Finding.Verdict = free < 128 << 20 ? .problem : free < 512 << 20 ? .warning : .ok
        let limited = limit.flatMap { $0 < total ? "; this control group may have \(readableSize($0))" : nil } ?? ""
        return Finding(
            "memory", verdict,
            (available.map { "\(readableSize($0)) of \(readableSize(total)) available" } ?? readableSize(total))
                + limited,
            hint: verdict == .ok
                ? nil : "the program itself is small, but the page cache makes reading fast; give it 1 GiB or more",
            facts: [
                ("total_bytes", .number(total)), ("available_bytes", available.map { .number($0) } ?? .null),
                ("group_limit_bytes", limit.map { .number($0) } ?? .null),
            ])
    }

    private static var processors: Finding {
        let count = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let share = ControlGroup.processorsMax
        let limited = share.map { "; this control group may use \(oneDigit($0))" } ?? ""
        let isScarce = (share ?? Double(count)) < 1
        return Finding(
            "processors", isScarce ? .warning : .ok, "\(count)" + limited,
            hint: isScarce ? "less than one processor makes answers late" : nil,
            facts: [("count", .number(Int64(count)))])
    }
}

/// The limits of the control group that the process is in, version 2 or 1; the strictest of those above it counts.
enum ControlGroup {
    /// nil without a limit.
    static var memoryMax: Int64? {
        let limits =
            folders("memory").compactMap { read($0 + "/memory.max") ?? read($0 + "/memory.limit_in_bytes") }
            .compactMap { Int64($0) }
        // Version 1 tells a number near the largest where there is none.
        return limits.filter { $0 < Int64.max >> 1 }.min()
    }

    /// In processors; nil without a limit.
    static var processorsMax: Double? {
        folders("cpu").compactMap { read($0 + "/cpu.max") }.compactMap { text -> Double? in
            let parts = text.split(separator: " ").compactMap { Double($0) }
            return parts.count == 2 && parts[1] > 0 ? parts[0] / parts[1] : nil
        }.min()
    }

    private static func read(_ path: String) -> String? {
        (try? PropertiesFile.text(path))?.trimmed  // not every folder has the file
    }

    /// The group's folder and those above it. Lines of the table are `number:controllers:path`.
    private static func folders(_ controller: String) -> [String] {
        guard let table = try? PropertiesFile.text("/proc/self/cgroup") else { return [] }
        var folders: [String] = []
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let root: String
            if fields[1].isEmpty {
                root = "/sys/fs/cgroup"
            } else if fields[1].split(separator: ",").contains(Substring(controller)) {
                root = "/sys/fs/cgroup/\(controller)"
            } else {
                continue
            }
            var path = String(fields[2])
            while true {
                folders.append(root + (path == "/" ? "" : path))
                guard path != "/", let slash = path.lastIndex(of: "/") else { break }
                path = slash == path.startIndex ? "/" : String(path[..<slash])
            }
        }
        return folders
    }
}
