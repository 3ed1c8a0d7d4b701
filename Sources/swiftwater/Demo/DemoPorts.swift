import Glibc

/// The ports of the demonstration: the usual ones, or others where those are taken.
enum DemoPorts {
    /// - Returns: `wanted`, or the same host with port 0 when another program has the port.
    static func free(_ wanted: HostPort) -> HostPort {
        isFree(wanted) ? wanted : HostPort(host: wanted.host, port: 0)
    }

    /// Whether a server could listen there now. What is no address of IPv4 is taken to be free: the server itself will say
    /// what is wrong with it.
    static func isFree(_ address: HostPort) -> Bool {
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = in_port_t(truncatingIfNeeded: address.port).bigEndian
        guard inet_pton(AF_INET, host, &name.sin_addr) == 1 else { return true }
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return true }
        defer { close(socket) }
        // As servers do it: connections that ended a moment ago are not in the way.
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let outcome = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return outcome == 0 || errno != EADDRINUSE
    }
}
