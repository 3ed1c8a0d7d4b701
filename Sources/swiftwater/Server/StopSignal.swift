import Cluster
import Glibc

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
enum StopSignal {
    /// Returns when the first signal comes.
    ///
    /// - Throws: `CommandFailure` when the system gives no pipe.
    static func wait() async throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure("cannot wait for signals: \(String(cString: strerror(errno)))")
        }
        stopDescriptor = ends[1]
        for number in [SIGTERM, SIGINT] {
            signal(number) { _ in
                var byte: UInt8 = 1
                _ = write(stopDescriptor, &byte, 1)
            }
        }
        let reader = ends[0]
        try await onThread { readSignal(reader) }
        startForcing(reader)
    }

    private static func startForcing(_ reader: Int32) {
        // Ends with the process: it waits for a signal that may never come.
        Task {
            try await onThread { readSignal(reader) }
            Output.complain("swiftwater: stopped at once by a second signal; the next start checks the data")
            _exit(130)
        }
    }

    private static func readSignal(_ descriptor: Int32) {
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) < 0, errno == EINTR {}
    }
}

/// Where the signal handler writes a byte, which is about all that a handler may do. Set once, before the handler is.
private nonisolated(unsafe) var stopDescriptor: Int32 = -1
