/// `HOST:PORT`, with brackets around an IPv6 address.
struct HostPort: Equatable, CustomStringConvertible {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// - Parameter defaultPort: used when the text has no port; nil when it must.
    /// - Throws: `CommandFailure` (usage).
    init(_ text: String, defaultPort: Int? = nil) throws {
        func refused(_ why: String) -> CommandFailure { .usage("'\(text)' is not HOST:PORT: \(why)") }
        var rest = Substring(text)
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else { throw refused("no ] after the address") }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        } else if rest.filter({ $0 == ":" }).count > 1 {
            throw refused("write an IPv6 address in brackets, as in [::1]:9092")
        } else {
            host = String(rest.prefix { $0 != ":" })
            rest = rest[(rest.firstIndex(of: ":") ?? rest.endIndex)...]
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { throw refused("no host") }
        if rest.isEmpty, let defaultPort {
            port = defaultPort
        } else {
            guard rest.first == ":" else { throw refused("no port") }
            guard let number = Int(rest.dropFirst()), 0...65535 ~= number else {
                throw refused("a port is a number from 0 to 65535")
            }
            port = number
        }
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this machine can reach the host.
    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
