import Cluster
import Glibc

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
enum StopSignal {
    /// Returns when the first signal comes: its number.
    ///
    /// - Throws: `CommandFailure` when the system gives no pipe.
    static func wait() async throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure("cannot wait for signals: \(String(cString: strerror(errno)))")
        }
        stopDescriptor = ends[1]
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(stopDescriptor, &byte, 1)
            }
        }
        let reader = ends[0]
        let first = try await onThread { readSignal(reader) }
        startForcing(reader)
        return first
    }

    private static func startForcing(_ reader: Int32) {
        // Ends with the process: it waits for a signal that may never come.
        Task {
            _ = try await onThread { readSignal(reader) }
            Output.complain("swiftwater: stopped at once by a second signal; the next start checks the data")
            _exit(130)
        }
    }

    private static func readSignal(_ descriptor: Int32) -> Int32 {
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) < 0, errno == EINTR {}
        return Int32(byte)
    }
}

/// Where the signal handler writes a byte, which is about all that a handler may do. Set once, before the handler is.
private nonisolated(unsafe) var stopDescriptor: Int32 = -1
