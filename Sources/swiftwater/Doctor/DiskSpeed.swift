import Environment
import Glibc
import JSONFormat

/// Measures what `acks=all` waits for: small appends forced to the disk, and how fast much data gets there.
enum DiskSpeed {
    private static let nanosecondsMax: Int64 = 1_000_000_000
    private static let chunkByteCount = 1 << 20
    private static let chunkCountMax = 64
    private static let appendCountMax = 200

    struct Figures {
        var bytesPerSecond: Double
        /// Milliseconds of each forced append, ascending.
        var appends: [Double]
    }

    /// - Parameter folder: one that is there and may be written.
    static func finding(_ folder: String) -> Finding {
        do {
            return judged(try measure(folder))
        } catch {
            return Finding("disk speed", .problem, error.message, hint: error.hint)
        }
    }

    static func judged(_ figures: Figures) -> Finding {
        func part(_ share: Double) -> Double {
            let appends = figures.appends
            return appends.isEmpty ? 0 : appends[min(appends.count - 1, Int(Double(appends.count) * share))]
        }
        let (median, slow) = (part(0.5), part(0.99))
        let verdict: Finding.Verdict =
            slow > 100 || median > 25 || figures.bytesPerSecond < 20e6 ? .warning : .ok
        return Finding(
            "disk speed", verdict,
            "a forced append takes \(oneDigit(median)) ms, 99 of 100 at most \(oneDigit(slow)) ms; "
                + "\(Int(figures.bytesPerSecond / 1e6)) MB/s forced",
            hint: verdict == .ok
                ? nil
                : "producers with acks=all wait for this: a faster disk, or --set log.flush=os, which may lose the last "
                    + "seconds when the power goes",
            facts: [
                ("append_ms_median", .raw(Array(oneDigit(median).utf8))),
                ("append_ms_p99", .raw(Array(oneDigit(slow).utf8))),
                ("bytes_per_second", .number(Int64(figures.bytesPerSecond))),
            ])
    }

    private static func measure(_ folder: String) throws(CommandFailure) -> Figures {
        var template = Array((folder + "/.swiftwater-doctor-XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw failure("make a file in \(folder)") }
        defer { close(descriptor) }
        // Without a name from now on: it is gone with this process, whatever ends it.
        guard unlink(template) == 0 else { throw failure("remove a file in \(folder)") }

        let clock = SystemMonotonicClock()
        let chunk = [UInt8](repeating: 0x5A, count: chunkByteCount)
        var began = clock.now()
        var written = 0
        while written < chunkCountMax * chunkByteCount, clock.now() - began < nanosecondsMax {
            try write(descriptor, chunk, folder)
            written += chunk.count
            if written % (16 * chunkByteCount) == 0 { try force(descriptor, folder) }
        }
        try force(descriptor, folder)
        let seconds = Double(max(1, clock.now() - began)) / 1e9
        let speed = Double(written) / seconds

        var appends: [Double] = []
        began = clock.now()
        let batch = Array(chunk[..<4096])
        while appends.count < appendCountMax, clock.now() - began < nanosecondsMax {
            let start = clock.now()
            try write(descriptor, batch, folder)
            try force(descriptor, folder)
            appends.append(Double(clock.now() - start) / 1e6)
        }
        return Figures(bytesPerSecond: speed, appends: appends.sorted())
    }

    private static func write(_ descriptor: Int32, _ bytes: [UInt8], _ folder: String) throws(CommandFailure) {
        var at = 0
        while at < bytes.count {
            let count = bytes[at...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { at += count } else if errno != EINTR { throw failure("write in \(folder)") }
        }
    }

    private static func force(_ descriptor: Int32, _ folder: String) throws(CommandFailure) {
        guard fdatasync(descriptor) == 0 else { throw failure("force a file in \(folder) to the disk") }
    }

    private static func failure(_ what: String) -> CommandFailure {
        let code = errno
        return CommandFailure(
            "cannot \(what): \(String(cString: strerror(code)))",
            hint: code == ENOSPC ? "make room on the disk" : nil)
    }
}
