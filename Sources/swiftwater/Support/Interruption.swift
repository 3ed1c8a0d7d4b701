import Cluster
import Glibc

/// Ctrl-C, SIGTERM and the end of the terminal for commands that have something to bring to an end. A second signal ends the
/// process at once, unless it is asked to keep handling Ctrl-C.
struct Interruption {
    /// Becomes readable with the first signal, and stays so.
    let descriptor: Int32

    /// Takes over the signals for the rest of the process.
    ///
    /// - Parameter keepsHandling: every Ctrl-C is one to be awaited by `next`; SIGTERM is left as it is.
    /// - Throws: `CommandFailure` when the system gives no pipe.
    init(keepsHandling: Bool = false) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure("cannot wait for signals: \(String(cString: strerror(errno)))")
        }
        descriptor = ends[0]
        interruptionDescriptor = ends[1]
        if keepsHandling {
            signal(SIGINT) { _ in
                var byte: UInt8 = 1
                _ = write(interruptionDescriptor, &byte, 1)
            }
            return
        }
        for number in [SIGTERM, SIGINT] + Self.hangup {
            signal(number) { number in
                var byte: UInt8 = 1
                _ = write(interruptionDescriptor, &byte, 1)
                // A terminal that is closed may send SIGHUP more than once: from the system, and from the shell.
                signal(number, number == SIGHUP ? SIG_IGN : SIG_DFL)
            }
        }
    }

    /// SIGHUP, unless whoever started the process wants it to outlive its terminal (`nohup`).
    static var hangup: [Int32] {
        var action = sigaction()
        guard sigaction(SIGHUP, nil, &action) == 0 else { return [] }
        // SIG_IGN is no function, but the address 1.
        let isIgnored = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
        return isIgnored ? [] : [SIGHUP]
    }

    /// Returns when the first signal comes.
    func wait() async {
        let descriptor = descriptor
        // Ends with the process when no signal comes.
        try? await onThread {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while poll(&waiting, 1, -1) < 0, errno == EINTR {}
        }
    }

    /// Returns when another signal comes.
    func next() async {
        await wait()
        var byte: UInt8 = 0
        _ = read(descriptor, &byte, 1)
    }

    /// Whether a signal came.
    var hasCome: Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, 0) > 0
    }
}

/// Where the signal handler writes a byte, which is about all that a handler may do. Set once, before the handler is.
private nonisolated(unsafe) var interruptionDescriptor: Int32 = -1
