package import Bytes

/// What a console shows and who may use it.
package struct ConsoleSettings: Sendable {
    /// Of the program, for the page "about".
    package var version = ""
    /// What the program was built from, in the words of its option `--version`.
    package var build = ""
    /// Where the brokers are, for people.
    package var kafkaAddress = ""
    /// Whether the broker is in this process: its memory and disk are told then.
    package var isEmbedded = false
    /// Nodes of one schema registry; empty for none.
    package var registry: [HTTPAddress] = []
    /// Workers of one Connect cluster; empty for none.
    package var connect: [HTTPAddress] = []
    /// Servers of one SQL cluster; empty for none.
    package var sql: [HTTPAddress] = []
    /// Names that browsers may reach the console by, besides loopback names, addresses in digits and where it listens.
    package var hosts: [String] = []
    /// Whether webhooks are taken at /hooks/NAME and shown.
    package var hasInbox = false
    /// A folder to serve the pages from instead of those inside the program, for those who write them.
    package var pagesFolder: String?
    /// How long a page may take none of its queries' rows.
    package var querySocketStall = Duration.seconds(15)
    /// Where dashboards are kept.
    package var dashboardsTopic = "_swiftwater_dashboards"

    package init() {}
}

/// The services that the console passes requests on to.
package enum ConsoleUpstream: String, Sendable, CaseIterable {
    case registry, connect, sql

    /// What people call it.
    var title: String {
        switch self {
        case .registry: "schema registry"
        case .connect: "Connect worker"
        case .sql: "SQL server"
        }
    }

    /// The options of the program that name it.
    var hint: String {
        switch self {
        case .registry: "run the role registry, or name one with --registry-url URL"
        case .connect: "run the role connect, or name one with --connect-url URL"
        case .sql: "run the role sql, or name one with --ksql-url URL"
        }
    }
}

extension ConsoleSettings {
    package func addresses(_ upstream: ConsoleUpstream) -> [HTTPAddress] {
        switch upstream {
        case .registry: registry
        case .connect: connect
        case .sql: sql
        }
    }
}
