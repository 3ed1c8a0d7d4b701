import Glibc
import Synchronization

/// The reader of our output went away.
struct OutputClosed: Error {}

/// Standard output, buffered: records go through here, so it is bytes all the way.
final class Output: Sendable {
    static let standard = Output(STDOUT_FILENO)

    private let descriptor: Int32
    private let buffer = Mutex<[UInt8]>([])
    private static let byteCountMax = 64 << 10

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Whether a person sees it.
    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// - Throws: `OutputClosed`, `CommandFailure` when the disk is full and the like.
    func write(_ bytes: some Sequence<UInt8>) throws {
        try buffer.withLock { buffer in
            buffer.append(contentsOf: bytes)
            if buffer.count >= Self.byteCountMax { try drain(&buffer) }
        }
    }

    func line(_ text: String) throws { try write((text + "\n").utf8) }

    func flush() throws { try buffer.withLock { try drain(&$0) } }

    private func drain(_ buffer: inout [UInt8]) throws {
        defer { buffer.removeAll(keepingCapacity: true) }
        var at = 0
        while at < buffer.count {
            let count = buffer.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + at, $0.count - at) }
            if count > 0 {
                at += count
            } else if errno == EPIPE {
                throw OutputClosed()
            } else if errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if errno != EINTR {
                throw CommandFailure("cannot write the output: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Writes a line to standard error, for people; a failure to do so has nobody to be told.
    static func complain(_ text: String) { complain(Array((text + "\n").utf8)) }

    /// As `complain`, for whole lines with their ends.
    static func complain(_ lines: [UInt8]) {
        lines.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count, let base = bytes.baseAddress {
                let count = Glibc.write(STDERR_FILENO, base + at, bytes.count - at)
                if count > 0 { at += count } else if errno != EINTR { return }
            }
        }
    }
}
