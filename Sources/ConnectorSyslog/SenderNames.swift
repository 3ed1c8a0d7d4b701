import Glibc
import NIOPosix
import Synchronization

/// The names of addresses, asked of the system and kept for a while. Asking may take long where nobody answers, so it has
/// threads of its own.
final class SenderNames: Sendable {
    private static let countMax = 10_000
    private static let threadCount = 8
    /// For how long it is known that an address has no name, in milliseconds, at least.
    private static let missAge: Int64 = 600_000

    private let age: Int64
    private let known = Mutex<[String: (name: String, until: Int64)]>([:])
    private let threads = Mutex<NIOThreadPool?>(nil)

    /// - Parameter age: for how long a name is good, in milliseconds.
    init(age: Int64) { self.age = age }

    /// - Parameter now: milliseconds since 1970.
    /// - Returns: the names of those that have one.
    func names(of addresses: Set<String>, now: Int64) async -> [String: String] {
        var found: [String: String] = [:]
        var missing: [String] = []
        known.withLock { known in
            for address in addresses {
                if let entry = known[address], entry.until > now {
                    found[address] = entry.name
                } else {
                    missing.append(address)
                }
            }
        }
        guard !missing.isEmpty else { return found }
        let pool = threads.withLock { threads in
            if let threads { return threads }
            let made = NIOThreadPool(numberOfThreads: Self.threadCount)
            made.start()
            threads = made
            return made
        }
        await withTaskGroup(of: (String, String?).self) { group in
            for address in missing {
                // Stopped: the address will do.
                group.addTask { (address, (try? await pool.runIfActive { Self.lookUp(address) }) ?? nil) }
            }
            for await (address, name) in group {
                found[address] = name ?? address
                let until = now + (name == nil ? max(age, Self.missAge) : age)
                known.withLock { known in
                    if known.count >= Self.countMax { known = known.filter { $0.value.until > now } }
                    if known.count >= Self.countMax { known = [:] }
                    known[address] = (name ?? address, until)
                }
            }
        }
        return found
    }

    func close() async {
        let pool = threads.withLock { threads in
            defer { threads = nil }
            return threads
        }
        // Threads that still ask end with their answer.
        pool?.shutdownGracefully { _ in }
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
