package import Security

/// How a broker is to run.
package struct BrokerConfiguration: Sendable {
    /// The data folder; made when it is not there.
    package var dataDirectory = "swiftwater-data"
    /// Address to listen on, as an IP address or a name of this machine.
    package var listenHost = "127.0.0.1"
    /// 0 takes any free port.
    package var listenPort = 9092
    /// What clients are told to connect to; by default where the broker listens.
    package var advertisedHost: String?
    package var advertisedPort: Int?
    /// All listeners; when there are none, one that everybody may use, where the four above say.
    package var listeners: [ListenerConfiguration] = []
    package var properties = ServerProperties()
    /// The keys that tokens are signed with, for the sources that listeners with OAUTHBEARER name.
    package var tokenKeys: [TokenKeySource: TokenKeys] = [:]

    package init() {}

    var effectiveListeners: [ListenerConfiguration] {
        guard listeners.isEmpty else { return listeners }
        var only = ListenerConfiguration(host: listenHost, port: listenPort)
        only.advertisedHost = advertisedHost
        only.advertisedPort = advertisedPort
        return [only]
    }
}

/// Why a broker cannot start.
package struct BrokerError: Error, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Another program listens on the port.
        case addressInUse
        /// The address is none of this machine's, or binding it is not permitted.
        case addressUnavailable
        /// Another process, with this id, uses the data folder.
        case dataDirectoryLocked(holder: Int32?)
        /// The data folder cannot be read or written, or is from a newer program.
        case dataDirectoryUnusable
        /// There is no space for the few bytes that a start writes.
        case dataDirectoryFull
        /// Files that say what there is are damaged or gone.
        case dataDirectoryDamaged
        case invalidConfiguration
    }
    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
