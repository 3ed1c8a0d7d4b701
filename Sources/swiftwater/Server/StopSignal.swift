import Cluster
import Glibc

/// Waits for SIGTERM, SIGINT, or SIGHUP of a terminal that is closed. A second one ends the process at once.
struct StopSignal {
    private let reader: Int32

    /// From here on the signals do not end the process by themselves.
    ///
    /// - Throws: `CommandFailure` when the system gives no pipe.
    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure("cannot wait for signals: \(String(cString: strerror(errno)))")
        }
        stopDescriptor = ends[1]
        for number in [SIGTERM, SIGINT] + Interruption.hangup {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(stopDescriptor, &byte, 1)
            }
        }
        reader = ends[0]
    }

    /// Returns when the first signal comes, or at once when it has come: its number.
    func wait() async throws -> Int32 {
        let reader = reader
        let first = try await onThread { Self.readSignal(reader) }
        startForcing()
        return first
    }

    private func startForcing() {
        let reader = reader
        // Ends with the process: it waits for a signal that may never come.
        Task {
            // A terminal that is closed may send SIGHUP more than once: from the system, and from the shell.
            while try await onThread({ Self.readSignal(reader) }) == SIGHUP {}
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
