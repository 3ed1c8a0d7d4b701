import Broker
import Glibc
import HTTPKit
import JSONFormat

/// An address that `start` would listen on.
struct Door {
    /// The role that answers there, as `--roles` has it, or `admin`.
    var role: String
    /// What answers there, in words.
    var service: String
    var address: HostPort
    /// Whether it speaks TLS.
    var isSecure = false
    /// What it shows to those without a password; nil where nobody is asked for one.
    var realm: String?
    /// Whether `start` does without it when another process has it.
    var isOptional: Bool
}

extension ServerSettings {
    /// What `start` would listen on, in the order of the roles.
    var doors: [Door] {
        var doors: [Door] = []
        func add(_ role: String, _ service: String, _ address: HostPort?, _ setting: String, isOptional: Bool = true) {
            guard let address else { return }
            let port = WebPort(rawValue: role)
            doors.append(
                Door(
                    role: role, service: service, address: address,
                    isSecure: port.map(securePorts.contains) ?? false,
                    realm: port.flatMap { try? accessRules($0).realm },  // settings were checked before
                    isOptional: isOptional && self[setting].origin == .byDefault))
        }
        for listener in listeners {
            let address = HostPort(host: listener.host, port: listener.port)
            add("kafka", "Kafka's protocol", address, "listeners", isOptional: false)
        }
        add("registry", "a schema registry", registry, "registry.listener")
        add("connect", "a Connect worker", connect, "connect.listener")
        add("sql", "a SQL server", sql, "sql.listener")
        add("console", "the console", console, "console.listener")
        add("admin", "the admin port", admin, "admin.listener")
        return doors
    }
}

/// Whether ports can be listened on, and who has those that cannot.
enum PortCheck {
    /// - Parameter holder: the process that has the data folder open: its ports are as they should be.
    static func findings(_ doors: [Door], holder: Int32?) -> [Finding] {
        doors.map { finding($0, holder: holder) }
    }

    private static func finding(_ door: Door, holder: Int32?) -> Finding {
        let check = "port \(door.role)"
        let flag = "--\(door.role) HOST:PORT"
        let facts: [(String, JSONValue)] = [("address", .string(door.address.description))]
        guard door.address.port != 0 else {
            return Finding(check, .ok, "\(door.address) takes any free port", facts: facts)
        }
        guard let error = bindError(door.address) else {
            return Finding(check, .ok, "\(door.address) is free", facts: facts + [("state", .string("free"))])
        }
        guard error == EADDRINUSE else {
            let reason = error == unresolved ? "the host has no address" : String(cString: strerror(error))
            return Finding(
                check, .problem, "\(door.address) cannot be listened on: \(reason)",
                hint: error == EACCES
                    ? "ports below 1024 need a privilege; choose another with \(flag)"
                    : "choose an address of this machine with \(flag)",
                facts: facts + [("state", .string("refused"))])
        }
        let owner = PortOwner.find(port: door.address.port)
        let answers = PortProbe.answers(door)
        let who = owner.map { "\($0.name) (process \($0.process))" } ?? "another process"
        let words = door.isSecure ? ", which speaks TLS" : ", which answers as \(door.service)"
        let what = answers ? words : ""
        let all =
            facts + [
                ("state", .string("used")), ("process", owner.map { JSONValue.number(Int64($0.process)) } ?? .null),
                ("program", .string(owner?.name)), ("answers", .bool(answers)),
            ]
        if let holder, owner?.process == holder, answers {
            return Finding(check, .ok, "\(door.address) is served by \(who)\(what)", facts: all)
        }
        return Finding(
            check, door.isOptional ? .warning : .problem, "\(door.address) is used by \(who)\(what)",
            hint: (door.isOptional ? "start would run without it; " : "")
                + "stop that process, or choose another with \(flag)",
            facts: all)
    }

    /// Not a code of the system.
    private static let unresolved: Int32 = -1

    /// nil when the address can be listened on.
    private static func bindError(_ address: HostPort) -> Int32? {
        SocketAddresses.first(address, passive: true) { family, socketAddress, length -> Int32? in
            let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { return errno }
            defer { close(descriptor) }
            // As servers do: connections that ended lately do not count.
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            return bind(descriptor, socketAddress, length) == 0 ? nil : errno
        } ?? unresolved
    }
}

/// Names of hosts into addresses.
enum SocketAddresses {
    /// What `body` makes of the first address of the host; nil when there is none.
    static func first<T>(
        _ address: HostPort, passive: Bool, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> T
    ) -> T? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        guard getaddrinfo(host, String(address.port), &hints, &list) == 0, let found = list else { return nil }
        defer { freeaddrinfo(list) }
        guard let socketAddress = found.pointee.ai_addr else { return nil }
        return body(found.pointee.ai_family, socketAddress, found.pointee.ai_addrlen)
    }
}

/// Which process listens on a port, by the kernel's tables. Processes of other users are seen by root only.
struct PortOwner {
    var process: Int32
    var name: String

    static func find(port: Int) -> PortOwner? {
        let inodes = Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listeners(at: port, in: $0) })
        guard !inodes.isEmpty else { return nil }
        let wanted = Set(inodes.map { "socket:[\($0)]" })
        for process in names(in: "/proc").compactMap({ Int32($0) }) {
            let folder = "/proc/\(process)/fd"
            for file in names(in: folder) where wanted.contains(target(of: "\(folder)/\(file)") ?? "") {
                let name = (try? PropertiesFile.text("/proc/\(process)/comm"))?.trimmed  // it may be gone by now
                return PortOwner(process: process, name: name ?? "a process")
            }
        }
        return nil
    }

    /// Inodes of the sockets that listen. Lines are `sl local remote state ... uid timeout inode`, state 0A listens.
    private static func listeners(at port: Int, in path: String) -> [String] {
        guard let table = try? PropertiesFile.text(path) else { return [] }  // no IPv6, for one
        let suffix = ":" + Hexadecimal4.text(port)
        return table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", fields[1].hasSuffix(suffix) else { return nil }
            return String(fields[9])
        }
    }

    private enum Hexadecimal4 {
        static func text(_ number: Int) -> String {
            let digits = String(number, radix: 16, uppercase: true)
            return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
    }

    private static func names(in folder: String) -> [String] {
        guard let open = opendir(folder) else { return [] }
        defer { closedir(open) }
        var names: [String] = []
        while let entry = readdir(open) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
