import Glibc
import NIOPosix

/// The names of addresses, asked of the system and kept for a while.
struct SenderNames {
    private static let countMax = 10_000
    private let age: Int64
    private var known: [String: (name: String, until: Int64)] = [:]

    /// - Parameter age: for how long a name is good, in milliseconds.
    init(age: Int64) { self.age = age }

    /// - Parameter now: milliseconds since 1970.
    /// - Returns: the name, or the address where it has none.
    mutating func name(of address: String, now: Int64) async -> String {
        if let known = known[address], known.until > now { return known.name }
        let name = (try? await NIOThreadPool.singleton.runIfActive { Self.lookUp(address) }) ?? nil
        if known.count >= Self.countMax { known = known.filter { $0.value.until > now } }
        if known.count >= Self.countMax { known = [:] }
        let found = name ?? address
        known[address] = (found, now + age)
        return found
    }

    private static func lookUp(_ address: String) -> String? {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, nil, &hints, &list) == 0, let found = list else { return nil }
        defer { freeaddrinfo(list) }
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = getnameinfo(
            found.pointee.ai_addr, found.pointee.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NAMEREQD)
        guard status == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
