import Broker
import HTTPKit
import Security

/// The listeners of Kafka's protocol among the settings: `listeners`, `advertised.listeners`,
/// `listener.security.protocol.map` and what `ListenerProperties` has.
///
/// - SeeAlso: KIP-103; upstream `SocketServerConfigs`.
struct KafkaListeners {
    let configurations: [ListenerConfiguration]
    /// As they are written.
    let first: HostPort
    let firstAdvertised: HostPort?

    private struct Entry {
        /// nil for an address without a name, as flags have it.
        var name: String?
        var address: HostPort
    }

    /// - Parameters:
    ///   - settings: all, by name.
    ///   - runsBroker: without a broker nothing listens, and only the first address is read.
    ///   - controllers: names of listeners that controllers use among themselves; they are passed over.
    ///   - address: reads an address, with or without a scheme.
    /// - Throws: `CommandFailure` (usage).
    init(
        _ settings: [String: String], runsBroker: Bool, controllers: Set<String>,
        _ address: (String) throws -> HostPort
    ) throws {
        func entries(_ text: String) throws -> [Entry] {
            try ServerSettings.items(text).compactMap { part in
                let name = part.firstRange(of: "://").map { String(part[..<$0.lowerBound]) }
                if let name, controllers.contains(name) { return nil }
                return Entry(name: name, address: try address(part))
            }
        }
        let given = settings["listeners"] ?? ""
        let found = try entries(given.isEmpty ? "127.0.0.1:9092" : given)
        guard let first = found.first else {
            throw CommandFailure.usage("listeners is '\(given)', which has no place for clients")
        }
        guard found.count == 1 || found.allSatisfy({ $0.name != nil }) else {
            throw CommandFailure.usage(
                "of several listeners in '\(given)' one has no name", hint: "names are as in PLAINTEXT://HOST:PORT")
        }
        self.first = first.address
        let protocols = try runsBroker ? Self.protocols(settings["listener.security.protocol.map"] ?? "") : [:]
        for name in found.compactMap(\.name) where protocols[name] == nil && (runsBroker || found.count > 1) {
            guard !["https", "http"].contains(name.lowercased()) else {
                throw CommandFailure.usage(
                    "'\(given)' names several listeners of what speaks HTTP: one is possible for each part",
                    hint: "name it by the part, as in registry.listener=http://HOST:PORT")
            }
        }
        guard runsBroker else {
            firstAdvertised = nil
            configurations = []
            return
        }
        let advertised = try Self.advertised(entries(settings["advertised.listeners"] ?? ""), found.map(\.name))
        firstAdvertised = advertised[first.name]

        var made: [ListenerConfiguration] = []
        for entry in found {
            let name = entry.name ?? SecurityProtocol.plaintext.rawValue
            guard !made.contains(where: { $0.name == name }) else {
                throw CommandFailure.usage("two listeners in '\(given)' are called \(name)")
            }
            guard let spoken = protocols[name] ?? SecurityProtocol(rawValue: name) else {
                throw CommandFailure.usage(
                    "nothing says what listener '\(name)' speaks",
                    hint: "add it to listener.security.protocol.map, as in \(name):SASL_SSL")
            }
            let host = entry.address.host
            do throws(BrokerError) {
                var listener = try ListenerConfiguration(
                    name: name, spoken, host: host == "localhost" ? "127.0.0.1" : host, port: entry.address.port,
                    properties: settings)
                if let told = advertised[entry.name] {
                    listener.advertisedHost = told.host
                    listener.advertisedPort = told.port
                } else if ["0.0.0.0", "::"].contains(host) {
                    // "all addresses" is nothing that a client can connect to
                    listener.advertisedHost = HTTPAuthority.machine
                } else if host != "localhost" || spoken.usesTLS {
                    // A name stays a name, as in Kafka, and certificates have names. Where none is compared, `localhost` is
                    // the address that is listened on, which it need not be to a client.
                    listener.advertisedHost = host
                }
                made.append(listener)
            } catch {
                throw CommandFailure.usage(error.message)
            }
        }
        // A misspelled name must not leave a listener without what was to protect it.
        let known = Set(made.map { $0.name.lowercased() } + controllers.map { $0.lowercased() })
        for name in settings.keys.sorted() {
            guard let listener = ListenerProperties.listener(of: name), !known.contains(listener),
                ListenerProperties.definition(name) != nil
            else { continue }
            throw CommandFailure.usage(
                "'\(name)' is for a listener that there is not",
                hint: "listeners are \(made.map { $0.name.lowercased() }.joined(separator: ", ")), in small letters")
        }
        configurations = made
    }

    /// `NAME:PROTOCOL,...`
    private static func protocols(_ text: String) throws -> [String: SecurityProtocol] {
        var protocols: [String: SecurityProtocol] = [:]
        for entry in ServerSettings.items(text) {
            let parts = entry.split(separator: ":").map(\.trimmed)
            guard parts.count == 2, let spoken = SecurityProtocol(rawValue: parts[1]) else {
                throw CommandFailure.usage(
                    "listener.security.protocol.map has '\(entry)'",
                    hint: "entries are NAME:PROTOCOL; protocols are "
                        + SecurityProtocol.allCases.map(\.rawValue).joined(separator: ", "))
            }
            protocols[parts[0]] = spoken
        }
        return protocols
    }

    /// What clients are told, by the names of listeners.
    private static func advertised(_ entries: [Entry], _ names: [String?]) throws -> [String?: HostPort] {
        var advertised: [String?: HostPort] = [:]
        for entry in entries {
            guard !["0.0.0.0", "::"].contains(entry.address.host), entry.address.port != 0 else {
                throw CommandFailure.usage(
                    "advertised.listeners has '\(entry.address)', which no client can connect to",
                    hint: "name the address and port by which clients reach this broker, with --advertised HOST:PORT")
            }
            // With one listener there is no doubt which one is meant.
            let only = names.count == 1 && (entry.name == nil || names[0] == nil) ? names.first : nil
            guard let name = only ?? names.first(where: { $0 == entry.name }) else {
                throw CommandFailure.usage(
                    "advertised.listeners has '\(entry.name ?? entry.address.description)', which is no listener",
                    hint: "its names are those of listeners: \(names.compactMap { $0 }.joined(separator: ", "))")
            }
            advertised[name] = entry.address
        }
        return advertised
    }
}
