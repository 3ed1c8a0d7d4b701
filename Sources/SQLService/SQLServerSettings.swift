package import HTTPKit
import NIOCore
package import SQLTypes

/// How an SQL server is to run.
package struct SQLServerSettings: Sendable {
    /// Properties by ksqlDB's names, those of `ksql-server.properties`: `ksql.service.id`, `ksql.streams.auto.offset.reset`.
    package var properties: [String: String] = [:]
    /// What `/info` tells.
    package var version = ""
    /// `ksql.advertised.listener`: what other nodes and clients reach this one by, "host:port"; where it listens when nil.
    package var advertised: String?
    /// `ksql.internal.listener`: where other nodes reach this one, apart from clients; where clients do when nil.
    package var internalListener: InternalListener?
    /// How nodes speak to each other.
    package var nodes = SQLNodeSecurity()
    /// `access.control.allow.origin`: origins whose pages may use the server; none when empty.
    package var allowedOrigins = ""
    /// `access.control.allow.methods`
    package var allowedMethods = ""
    /// `access.control.allow.headers`
    package var allowedHeaders = ""
    /// The largest body of a request.
    package var requestByteCountMax = 8 << 20
    /// How long the start may take to reach the command topic and to read it.
    package var startTimeout = Duration.seconds(60)
    /// How long a statement may take from its command to its execution.
    package var statementTimeout = Duration.seconds(30)
    package var zones = TimeZones.offsetsOnly
    /// The text of a file of statements, `ksql.queries.file`: they run instead of a command topic, and no statement that
    /// changes anything is taken.
    package var script: String?

    package init() {}

    /// `ksql.service.id`
    package var serviceID: String { properties["ksql.service.id"] ?? "default_" }
    /// `ksql.query.push.stall.timeout.ms`: how long a client may take none of the rows that come for it.
    var stallMilliseconds: Int64 {
        properties["ksql.query.push.stall.timeout.ms"].flatMap { Int64($0) } ?? 30_000
    }
    /// `ksql.idle.connection.timeout.seconds`
    var idleTimeout: TimeAmount {
        .seconds(properties["ksql.idle.connection.timeout.seconds"].flatMap { Int64($0) } ?? 600)
    }
    package var commandTopic: String { "_confluent-ksql-\(serviceID)_command_topic" }
}

/// Where a node listens for the others of its service alone.
package struct InternalListener: Sendable, Hashable {
    package var host: String
    package var port: Int
    /// https, where it has a certificate.
    package var isSecure: Bool

    package init(host: String, port: Int, isSecure: Bool = false) {
        self.host = host
        self.port = port
        self.isSecure = isSecure
    }
}

/// How the nodes of a service are protected from others, and speak to each other: the same on all of them.
package struct SQLNodeSecurity: Sendable {
    /// Of the port of `ksql.internal.listener`.
    package var port: HTTPSecurity
    /// How nodes are reached that speak TLS; nil for plain HTTP.
    package var peers: PeerTLS?
    /// The `Authorization` that nodes show each other; nil when they show none.
    package var authorization: String?

    package init(port: HTTPSecurity = .none, peers: PeerTLS? = nil, authorization: String? = nil) {
        self.port = port
        self.peers = peers
        self.authorization = authorization
    }
}
