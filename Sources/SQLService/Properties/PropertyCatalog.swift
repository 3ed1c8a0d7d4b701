import Bytes
import SQLPlan

/// The properties of the SQL server by ksqlDB's names: which there are, what they hold, who may set them.
///
/// Names of Kafka's clients and of Kafka Streams, bare or behind `ksql.streams.`, are taken as they are: what does not
/// matter here does no harm, and configurations of the original stay usable.
package enum PropertyCatalog {
    package enum Kind: Sendable, Hashable {
        case text, flag
        case number(ClosedRange<Int64>)
        /// One of a few words, in any case.
        case choice([String])
    }

    package struct Definition: Sendable, Hashable {
        package var name: String
        package var defaultValue: String
        package var kind: Kind
        /// Whether SET may change it.
        package var isEditable: Bool
        package var documentation: String
    }

    private static func text(_ name: String, _ value: String, _ text: String, set: Bool = false) -> Definition {
        Definition(name: name, defaultValue: value, kind: .text, isEditable: set, documentation: text)
    }
    private static func flag(_ name: String, _ value: Bool, _ text: String, set: Bool = false) -> Definition {
        Definition(
            name: name, defaultValue: value ? "true" : "false", kind: .flag, isEditable: set, documentation: text)
    }
    private static func number(
        _ name: String, _ value: Int64?, _ range: ClosedRange<Int64>, _ text: String, set: Bool = false
    ) -> Definition {
        Definition(
            name: name, defaultValue: value.map { String($0) } ?? "", kind: .number(range), isEditable: set,
            documentation: text)
    }

    private static let positive: ClosedRange<Int64> = 1...Int64(Int32.max)
    private static let count: ClosedRange<Int64> = 0...Int64(Int32.max)

    /// What concerns the server, its names begin with `ksql.`.
    package static let server: [Definition] = [
        text(
            "ksql.service.id", "default_",
            "The name of the cluster of SQL servers, and part of the names of its topics."),
        text("ksql.schema.registry.url", "", "The schema registry; the one of this process when empty."),
        text("ksql.connect.url", "", "The Connect worker of connector statements; the one of this process when empty."),
        text("ksql.connect.basic.auth.credentials.source", "NONE", "NONE or FILE."),
        text("ksql.connect.basic.auth.credentials.file", "", "The file with username and password for Connect."),
        number("ksql.connect.request.timeout.ms", 5000, positive, "Milliseconds that a request to Connect may take."),
        text("ksql.connect.worker.config", "", "Taken and not used: the Connect worker is part of this program."),
        text("ksql.queries.file", "", "A file of statements to run in place of the command topic (headless mode)."),
        text("ksql.extension.dir", "ext", "Taken and not used: functions are part of this program."),
        text("ksql.persistence.default.format.key", "KAFKA", "The key format where a statement gives none.", set: true),
        text("ksql.persistence.default.format.value", "", "The value format where a statement gives none.", set: true),
        text(
            "ksql.persistence.wrap.single.values", "", "Whether single columns are wrapped in an object.", set: true),
        text("ksql.output.topic.name.prefix", "", "What names of topics made for results begin with."),
        number("ksql.internal.topic.replicas", 1, 1...32767, "Replicas of the command topic and internal topics."),
        number(
            "ksql.internal.topic.min.insync.replicas", 1, 1...32767,
            "min.insync.replicas of the command topic, at most its replicas."),
        number("ksql.sink.partitions", nil, positive, "Taken and not used, as in the original."),
        number("ksql.sink.replicas", nil, 1...32767, "Taken and not used, as in the original."),
        flag(
            "ksql.fail.on.deserialization.error", false, "Whether a record that cannot be read ends its query.",
            set: true),
        flag(
            "ksql.fail.on.production.error", true,
            "Whether a result that is larger than its topic takes ends the query; else it is left out, and the processing "
                + "log tells of it.", set: true),
        flag(
            "ksql.timestamp.throw.on.invalid", false, "Whether a timestamp that cannot be read ends its query.",
            set: true),
        flag("ksql.functions.substring.legacy.args", false, "SUBSTRING counts from 0.", set: true),
        flag("ksql.insert.into.values.enabled", true, "Whether INSERT INTO ... VALUES is allowed."),
        flag("ksql.pull.queries.enable", true, "Whether pull queries are answered."),
        flag("ksql.suppress.enabled", true, "Whether new queries may have EMIT FINAL.", set: true),
        flag("ksql.lambdas.enabled", true, "Whether new queries may have lambdas.", set: true),
        flag("ksql.headers.columns.enabled", true, "Whether new streams and tables may have columns of headers."),
        flag(
            "ksql.create.or.replace.enabled", true,
            "Whether CREATE OR REPLACE ... AS SELECT replaces a query that is there; else it is refused.", set: true),
        flag("ksql.variable.substitution.enable", true, "Whether variables are replaced.", set: true),
        flag(
            SQLConfiguration.sourceTables, true,
            "Whether source tables are kept for pull queries. When false, CREATE SOURCE is refused, and source tables that "
                + "were made before are not kept from the next start on."),
        flag("ksql.udfs.enabled", true, "Taken and not used."),
        flag("ksql.query.pull.table.scan.enabled", true, "Whether pull queries may scan a table.", set: true),
        flag("ksql.query.pull.range.scan.enabled", true, "Whether pull queries may scan a range of keys.", set: true),
        flag("ksql.query.pull.limit.clause.enabled", true, "Whether pull queries may have LIMIT.", set: true),
        flag("ksql.query.pull.stream.enabled", true, "Whether pull queries may read streams.", set: true),
        flag("ksql.query.pull.interpreter.enabled", true, "Taken and not used.", set: true),
        flag(standbyReads, false, "Only false: there are no standbys that could answer pull queries.", set: true),
        number("ksql.query.pull.max.qps", nil, count, "Pull queries per second; more are answered 429."),
        number("ksql.query.pull.max.concurrent.requests", nil, count, "Pull queries at a time; more are answered 429."),
        number(
            "ksql.query.pull.max.hourly.bandwidth.megabytes", -1, -1...Int64(Int32.max),
            "Megabytes an hour that pull queries may answer; -1: no bound."),
        number(
            "ksql.query.pull.max.allowed.offset.lag", .max, 0...Int64.max,
            "Taken and not used: state answers when it has been read back, and lags behind nothing.", set: true),
        number("ksql.query.pull.thread.pool.size", 50, positive, "Taken and not used."),
        number("ksql.query.pull.router.thread.pool.size", 50, positive, "Taken and not used."),
        flag(
            "ksql.query.push.v2.enabled", false, "Whether push queries join the results of a running query.", set: true),
        flag(
            "ksql.query.push.v2.registry.installed", false,
            "Taken and not used: every query can give its results to push queries."),
        number("ksql.query.push.v2.new.latest.delay.ms", 5000, 0...Int64.max, "Taken and not used."),
        number("ksql.max.push.queries", 100, count, "Push queries at a time; more are refused."),
        number("ksql.query.persistent.active.limit", nil, count, "Persistent queries; more are refused."),
        number(
            "ksql.query.state.max.bytes", -1, -1...Int64.max,
            "Bytes of state that one persistent query may keep; beyond it the query fails. -1: any number."),
        number(
            "ksql.state.max.bytes", -1, -1...Int64.max,
            "Bytes of state of all persistent queries; beyond it the one with the most fails. -1: any number."),
        number(
            "ksql.query.push.stall.timeout.ms", 30_000, 100...Int64(86_400_000),
            "How long a client may take none of the rows that come; then its query ends, and it is told why."),
        number(
            "ksql.suppress.buffer.size.bytes", -1, -1...Int64.max,
            "Bytes that EMIT FINAL may hold back for a partition; beyond it the query fails. -1: any number.", set: true
        ),
        number(
            "ksql.fetch.remote.hosts.timeout.seconds", 10, 1...Int64(3600),
            "How long SHOW QUERIES, EXPLAIN and DESCRIBE wait for another node."),
        number("ksql.query.error.max.queue.size", 10, positive, "Errors of a query that are kept."),
        number(
            "ksql.query.retry.backoff.initial.ms", 15_000, 0...Int64.max, "The first pause before a query restarts.",
            set: true),
        number(
            "ksql.query.retry.backoff.max.ms", 900_000, 0...Int64.max, "The longest pause before a query restarts.",
            set: true),
        text(
            "ksql.hidden.topics",
            "_confluent.*,__confluent.*,_schemas,__consumer_offsets,__transaction_state,connect-configs,connect-offsets,"
                + "connect-status,connect-statuses",
            "Topics that SHOW TOPICS leaves out."),
        text(
            "ksql.readonly.topics",
            "_confluent.*,__confluent.*,_schemas,__consumer_offsets,__transaction_state,connect-configs,connect-offsets,"
                + "connect-status,connect-statuses",
            "Topics that statements do not write to."),
        text("ksql.properties.overrides.denylist", "", "Properties that sessions may not set."),
        text("ksql.properties.overrides.allowlist", "", "The only properties that sessions may set; all when empty."),
        flag("ksql.heartbeat.enable", false, "Whether nodes tell each other that they live."),
        number("ksql.heartbeat.send.interval.ms", 100, positive, "Milliseconds between heartbeats."),
        number(
            "ksql.heartbeat.check.interval.ms", 200, positive,
            "Taken and not used: heartbeats are looked at when somebody asks."),
        number(
            "ksql.heartbeat.window.ms", 2000, positive,
            "A node that was heard of longer ago counts as dead, in milliseconds."),
        number(
            "ksql.heartbeat.missed.threshold.ms", 3, positive,
            "Heartbeats missed in a row until a node counts as dead: a number, whatever the name says."),
        number(
            "ksql.heartbeat.discover.interval.ms", 2000, positive,
            "Taken and not used: other nodes are known by the groups of their queries."),
        flag("ksql.lag.reporting.enable", false, "Whether nodes tell each other how far they are."),
        number("ksql.lag.reporting.send.interval.ms", 5000, positive, "Milliseconds between such reports."),
        text("ksql.advertised.listener", "", "What other nodes and clients reach this server by."),
        text(
            "ksql.internal.listener", "",
            "A port of its own for other nodes, as http://HOST:PORT or https://HOST:PORT; they use that of clients without it."
        ),
        text(
            "ksql.internal.ssl.client.authentication", "",
            "Whether other nodes show certificates to that port: NONE, REQUESTED or REQUIRED; as ssl.client.authentication when "
                + "empty."),
        number(
            "ksql.idle.connection.timeout.seconds", 600, positive,
            "Seconds until a connection without a request ends."
        ),
        number("ksql.server.command.response.timeout.ms", 5000, positive, "Milliseconds that a command may take."),
        number("ksql.assert.topic.default.timeout.ms", 1000, 0...Int64.max, "How long ASSERT TOPIC waits.", set: true),
        number(
            "ksql.assert.schema.default.timeout.ms", 1000, 0...Int64.max, "How long ASSERT SCHEMA waits.", set: true),
        flag("ksql.logging.processing.topic.auto.create", false, "Whether the topic of the processing log is made."),
        text(
            "ksql.logging.processing.topic.name", "",
            "The topic of the processing log; `<service id>ksql_processing_log` when empty."),
        number("ksql.logging.processing.topic.partitions", 1, positive, "Partitions of that topic."),
        number("ksql.logging.processing.topic.replication.factor", 1, 1...32767, "Replicas of that topic."),
        flag("ksql.logging.processing.stream.auto.create", false, "Whether the stream of the processing log is made."),
        text("ksql.logging.processing.stream.name", "KSQL_PROCESSING_LOG", "The name of that stream."),
        flag("ksql.logging.processing.rows.include", false, "Whether the processing log shows what records hold."),
        text("ksql.metrics.tags.custom", "", "Taken and not used."),
        flag(
            "ksql.cast.strings.preserve.nulls", true,
            "Whether CAST of a null to STRING is null; else it is the text null, as in old versions of the original.",
            set: true),
        flag(
            "ksql.nested.error.set.null", true,
            "Whether a failing CAST, array item, map entry, field or inner call is null on its own.", set: true),
        flag("ksql.json_sr.converter.deserializer.enabled", true, "Taken and not used."),
        text("ksql.runtime.feature.shared.enabled", "false", "Taken and not used: queries always share their threads."),
        flag("ksql.new.query.planner.enabled", false, "Taken and not used.", set: true),
        number("ksql.query.cleanup.shutdown.timeout.ms", 30_000, count, "Taken and not used."),
        flag("ksql.rowpartition.rowoffset.enabled", true, "Taken and not used."),
        flag("ksql.transient.query.cleanup.service.enable", true, "Taken and not used."),
        text("ksql.access.validator.enable", "auto", "Taken and not used."),

        text("ksql.security.extension.class", "", "Taken and not used."),
    ]

    /// What the engine heeds of Kafka's clients and Kafka Streams, in front of them `ksql.streams.`.
    package static let streams: [Definition] = [
        Definition(
            name: "auto.offset.reset", defaultValue: "latest", kind: .choice(["earliest", "latest"]), isEditable: true,
            documentation: "Where a new query begins."),
        Definition(
            name: "processing.guarantee", defaultValue: "exactly_once_v2",
            kind: .choice(["at_least_once", "exactly_once", "exactly_once_beta", "exactly_once_v2"]),
            isEditable: true, documentation: "Whether results and places are committed together."),
        number(
            "commit.interval.ms", 2000, 0...Int64.max,
            "Milliseconds between commits at most; as long as nobody sets it, 100.", set: true),
        number(
            "cache.max.bytes.buffering", 10_000_000, 0...Int64.max,
            "Taken and not used: every change of a table is put out.", set: true),
        number("num.stream.threads", 4, positive, "Taken and not used.", set: true),
        number("num.standby.replicas", 0, count, "Taken and not used.", set: true),
        number("replication.factor", 1, -1...32767, "Replicas of internal topics.", set: true),
        text("state.dir", "", "Where state lies that does not fit into memory; in the data folder when empty."),
        number(
            "max.task.idle.ms", 0, -1...Int64.max,
            "Taken and not used: records are taken by their times, and a side without records holds up nothing.",
            set: true),
        number(
            "buffered.records.per.partition", 1000, positive,
            "Taken and not used: what waits for a partition is bounded in bytes.", set: true),
        number(
            "task.timeout.ms", 300_000, 0...Int64.max,
            "Taken and not used: queries are tried again as ksql.query.retry.backoff says.", set: true),
        text("topology.optimization", "all", "Taken and not used.", set: true),
        text("bootstrap.servers", "", "The cluster; the broker of this process when empty."),
        text("application.id", "", "Chosen by the server."),
    ]

    /// Prefixes whose names are free.
    private static let freePrefixes = [
        "ksql.functions.", "ksql.error.classifier.regex.", "ksql.endpoint.logging.", "ksql.logging.server.",
        "ksql.schema.registry.", "ksql.connect.", "ksql.metrics.", "ksql.security.",
    ]

    package static let names: [String] = server.map(\.name) + streams.map { "ksql.streams." + $0.name }

    /// nil for names that are not known here.
    package static func definition(_ name: String) -> Definition? {
        let bare = bare(name)
        return server.first { $0.name == name } ?? streams.first { $0.name == bare }
    }

    /// Without `ksql.streams.` and the client that it is for.
    package static func bare(_ name: String) -> String {
        var rest = name[...]
        if rest.hasPrefix("ksql.streams.") { rest = rest.dropFirst("ksql.streams.".count) }
        for client in ["consumer.", "producer.", "main.consumer."] where rest.hasPrefix(client) {
            rest = rest.dropFirst(client.count)
        }
        return String(rest)
    }

    /// Whether a name may be in the server's configuration.
    package static func isKnown(_ name: String) -> Bool {
        guard name.hasPrefix("ksql.") else { return streams.contains { $0.name == name } }
        return name.hasPrefix("ksql.streams.") || server.contains { $0.name == name }
            || freePrefixes.contains { name.hasPrefix($0) }
    }

    package static let standbyReads = "ksql.query.pull.enable.standby.reads"

    /// What is wrong with a value; nil when it is right.
    package static func problem(_ name: String, _ value: String) -> String? {
        if name == standbyReads, value.lowercased() == "true" {
            return "there are no standby copies of state: other nodes read it back from its changelog and answer then"
        }
        guard let definition = definition(name), !(value.isEmpty && definition.defaultValue.isEmpty) else { return nil }
        switch definition.kind {
        case .text: return nil
        case .flag:
            return ["true", "false"].contains(value.lowercased())
                ? nil : "Expected value to be either true or false"
        case .number(let range):
            guard let number = Int64(value) else { return "Not a number of type LONG" }
            return range.contains(number) ? nil : "Value must be from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let words):
            return words.contains(value.lowercased())
                ? nil : "String must be one of: \(words.joined(separator: ", "))"
        }
    }

    /// Whether SET and UNSET may name it.
    ///
    /// - Throws: 40001 in the original's words, with the nearest name.
    static func checkName(_ name: String, text: String) throws(KsqlFailure) {
        if isSettable(name) { return }
        throw .badStatement("Unknown property: \(name)" + (hint(name).map { ". \($0)" } ?? ""), text)
    }

    /// Whether it is a name of the server's, of Kafka Streams or of Kafka's clients: what sessions and requests may name.
    private static func isSettable(_ name: String) -> Bool {
        isServers(name) ? isKnown(name) : name.hasPrefix("request.ksql.") || ClientProperties.contain(bare(name))
    }

    private static func isServers(_ name: String) -> Bool {
        name.hasPrefix("ksql.") && !name.hasPrefix("ksql.streams.")
    }

    private static func hint(_ name: String) -> String? {
        let found =
            isServers(name)
            ? nearestName(to: name, among: names) : nearestName(to: bare(name), among: ClientProperties.names)
        return found.map { "Did you mean '\($0)'?" }
    }

    /// A property of SET, checked.
    ///
    /// - Throws: 40001 in the original's words, with the nearest name for an unknown one.
    static func checked(
        _ name: String, _ value: String, _ settings: SQLServerSettings, text: String
    ) throws(KsqlFailure) -> String {
        do throws(Refusal) { return try checked(name, value, settings) } catch {
            throw .badStatement(error.message, text)
        }
    }

    /// The properties of a request.
    ///
    /// - Throws: 40000: what is wrong with the first that cannot be set.
    static func check(_ properties: [String: String], _ settings: SQLServerSettings) throws(KsqlFailure) {
        for name in properties.keys.sorted() {
            let value = properties[name] ?? ""
            do throws(Refusal) { _ = try checked(name, value, settings) } catch {
                throw .badRequest(error.message)
            }
            // The original's sentence, and behind it what is wrong.
            guard isSettable(name) else {
                throw .badRequest(
                    "Failed to set '\(name)' to '\(value)'\nCaused by: Not recognizable as ksql, streams, consumer, or "
                        + "producer property: '\(name)'" + (hint(name).map { ". \($0)" } ?? ""))
            }
        }
    }

    struct Refusal: Error { var message: String }

    static func checked(_ name: String, _ value: String, _ settings: SQLServerSettings) throws(Refusal) -> String {
        try checkOverridable(name, settings)
        if let problem = problem(name, value) {
            throw Refusal(message: "Invalid value \(value) for configuration \(name): \(problem)")
        }
        return value
    }

    /// Whether sessions may set it.
    static func checkOverridable(_ name: String, _ settings: SQLServerSettings) throws(Refusal) {
        func list(_ key: String) -> [String] {
            (settings.properties[key] ?? "").split(separator: ",").map { $0.filter { $0 != " " } }
        }
        let bare = bare(name)
        let denied = list("ksql.properties.overrides.denylist")
        let allowed = list("ksql.properties.overrides.allowlist")
        if denied.contains(name) || denied.contains(bare) || denied.contains("ksql.streams." + bare)
            || !allowed.isEmpty && !allowed.contains(name) && !allowed.contains(bare)
        {
            throw Refusal(
                message: "Property '\(name)' cannot be overridden: the server's administrator does not allow it")
        }
        if name.hasPrefix("ksql."), !isKnown(name) {
            throw Refusal(
                message: "Not recognizable as ksql, streams, consumer, or producer property: '\(name)'."
                    + (hint(name).map { " \($0)" } ?? ""))
        }
        if let definition = definition(name), !definition.isEditable {
            throw Refusal(message: "Cannot override property '\(name)'")
        }
    }

    /// Whether a property holds what nobody is to see.
    package static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["password", "secret", "credentials", "sasl.jaas.config", "user.info", "token", "ssl.key"].contains {
            name.contains($0)
        }
    }

    static func withoutSecrets(_ properties: [String: String]) -> [String: String] {
        properties.filter { !isSecret($0.key) }.mapValues(HTTPAddress.hidingPasswords)
    }
}
