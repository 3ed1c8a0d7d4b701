import HummingbirdCore
import Logging
import NIOCore

/// The places for connections of one server. Told when all of them are taken, as those who come then are waiting and nothing
/// else shows why; not more than once a minute.
struct ConnectionPlaces: AvailableConnectionsDelegate {
    static let tellingInterval = TimeAmount.seconds(60)

    private let countMax: Int
    private let address: String
    private let logger: Logger
    private var count = 0
    private var told: NIODeadline?

    init(_ configuration: HTTPServerConfiguration, logger: Logger) {
        countMax = configuration.connectionCountMax
        address = "\(configuration.host):\(configuration.port)"
        self.logger = logger
    }

    mutating func connectionOpened() { opened(at: .now()) }

    mutating func opened(at now: NIODeadline) {
        count += 1
        guard count >= countMax, told.map({ now - $0 >= Self.tellingInterval }) ?? true else { return }
        told = now
        logger.warning(
            "all places for connections are taken: who connects now waits until one ends",
            metadata: ["connections": "\(count)", "listener": "\(address)"])
    }

    mutating func connectionClosed() { count -= 1 }

    func isAcceptingNewConnections() -> Bool { count < countMax }
}
