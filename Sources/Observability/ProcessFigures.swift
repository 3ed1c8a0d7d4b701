import Glibc
import Synchronization

/// What the system knows about this process: memory, processor time, descriptors.
package struct ProcessFigures: Sendable {
    package var residentByteCount: Int64 = 0
    package var virtualByteCount: Int64 = 0
    package var cpuSeconds: Double = 0
    package var threadCount: Int64 = 0
    package var openDescriptorCount: Int64 = 0
    package var descriptorCountMax: Int64 = 0
    /// Seconds since 1970, UTC.
    package var startSeconds: Double = 0

    /// The process now. What the system does not tell is 0.
    package static func now() -> ProcessFigures {
        var figures = ProcessFigures()
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            for time in [usage.ru_utime, usage.ru_stime] {
                figures.cpuSeconds += Double(time.tv_sec) + Double(time.tv_usec) / 1e6
            }
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            figures.descriptorCountMax = Int64(clamping: limit.rlim_cur)
        }
        figures.openDescriptorCount = countOfDescriptors()
        let stat = ProcStat(contents(of: "/proc/self/stat"))
        figures.threadCount = stat.threadCount
        figures.virtualByteCount = stat.virtualByteCount
        figures.residentByteCount = stat.residentPageCount &* Int64(sysconf(Int32(_SC_PAGESIZE)))
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        var sinceBoot = timespec()
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        clock_gettime(CLOCK_REALTIME, &now)
        let bootSeconds = seconds(now) - seconds(sinceBoot)
        if ticksPerSecond > 0 { figures.startSeconds = bootSeconds + Double(stat.startTicks) / ticksPerSecond }
        return figures
    }

    private static func seconds(_ time: timespec) -> Double { Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 }

    private static func countOfDescriptors() -> Int64 {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count: Int64 = 0
        while readdir(folder) != nil { count += 1 }
        return max(0, count - 3)  // ".", ".." and the descriptor of this listing
    }

    /// The beginning of a file of `/proc`, which is made at the moment it is read; empty when it cannot be.
    private static func contents(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : ""
    }
}

/// Fields of `/proc/PID/stat` (proc_pid_stat(5)); 0 where a field is missing.
struct ProcStat: Equatable {
    var threadCount: Int64
    var startTicks: Int64
    var virtualByteCount: Int64
    var residentPageCount: Int64

    init(_ text: String) {
        // The name of the program, the second field, may hold spaces and brackets itself.
        let rest = text.lastIndex(of: ")").map { text[text.index(after: $0)...] } ?? ""
        let fields = rest.split(separator: " ")
        func number(_ field: Int) -> Int64 { field - 3 < fields.count ? Int64(fields[field - 3]) ?? 0 : 0 }
        threadCount = number(20)
        startTicks = number(22)
        virtualByteCount = number(23)
        residentPageCount = number(24)
    }
}

extension MetricRegistry {
    /// Registers the process's own figures under the names that every Prometheus client library uses.
    package func addProcess() {
        let latest = Latest()
        beforeEachLook { latest.value.withLock { $0 = .now() } }
        func value(_ figure: @escaping @Sendable (ProcessFigures) -> Double) -> @Sendable () -> Double {
            { figure(latest.value.withLock { $0 }) }
        }
        counter(
            "process_cpu_seconds_total", "Processor time used, user and system, in seconds.", [],
            value { $0.cpuSeconds })
        gauge(
            "process_resident_memory_bytes", "Memory that is in use and not swapped out, in bytes.", [],
            value { Double($0.residentByteCount) })
        gauge(
            "process_virtual_memory_bytes", "Address space that is taken, in bytes.", [],
            value { Double($0.virtualByteCount) })
        gauge("process_open_fds", "Open file descriptors.", [], value { Double($0.openDescriptorCount) })
        gauge(
            "process_max_fds", "File descriptors that may be open at a time.", [],
            value { Double($0.descriptorCountMax) })
        gauge("process_threads", "Threads of the operating system.", [], value { Double($0.threadCount) })
        gauge(
            "process_start_time_seconds", "When the process started, in seconds since 1970.", [],
            value { $0.startSeconds })
    }

    private final class Latest: Sendable {
        let value = Mutex(ProcessFigures())
    }
}
