import Glibc

/// A TCP connection to a server under test on this machine, whose calls block; for clients that do what well-behaved ones
/// would not.
///
/// A value without state but its descriptor, which is closed with the last reference.
package final class BlockingSocket: Sendable {
    /// What the system said, or that the server closed the connection.
    package struct Failure: Error {
        package var message: String
        package var isClosedByPeer = false
    }

    private let descriptor: Int32

    /// Connects to 127.0.0.1.
    ///
    /// - Parameter patience: how long a receive waits for bytes, in seconds.
    package init(port: Int, patience: Int = 20) throws(Failure) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(message: "connect: errno \(errno)") }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all of the bytes.
    package func send(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(message: "send: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Nothing more is sent; answers can still come.
    package func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What comes next: at least one byte, at most `countMax`.
    package func receive(_ countMax: Int = 64 << 10) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: countMax)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else {
            throw count == 0
                ? Failure(message: "closed by the server", isClosedByPeer: true)
                : Failure(message: "recv: errno \(errno)")
        }
        return Array(bytes[..<count])
    }
}
