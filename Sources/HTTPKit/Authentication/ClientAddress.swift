import NIOCore

/// What the address of a client tells.
enum ClientAddress {
    /// The IPv4 address in an IPv4-mapped IPv6 address (`::ffff:1.2.3.4`, RFC 4291, 2.5.5.2), as sockets for both kinds
    /// show clients of IPv4; anything else as it is, addresses of IPv6 in their shortest form.
    static func plain(_ address: String) -> String {
        guard address.contains(":"), let short = (try? SocketAddress(ipAddress: address, port: 0))?.ipAddress else {
            return address
        }
        let mapped = "::ffff:"
        return short.hasPrefix(mapped) && short.contains(".") ? String(short.dropFirst(mapped.count)) : short
    }

    /// Whether a connection comes from this machine: over loopback, or from the very address that it goes to.
    static func isNear(_ channel: any Channel) -> Bool {
        guard let remote = channel.remoteAddress?.ipAddress else { return false }
        return isNear(remote: remote, local: channel.localAddress?.ipAddress)
    }

    static func isNear(remote: String, local: String?) -> Bool {
        let remote = plain(remote)
        // 127.0.0.0/8 and ::1 (RFC 6890).
        if remote.hasPrefix("127.") && !remote.contains(":") || remote == "::1" { return true }
        return local.map(plain) == remote
    }
}
