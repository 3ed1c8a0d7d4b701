import Bytes
package import ConnectCore
import HTTPCalls

/// `io.swiftwater.connect.slack.SlackSinkConnector`: a message in a Slack channel for each record, by an incoming webhook.
///
/// Delivery: at least once, no faster than Slack allows. What was sent within the window of `dedupe.window.ms` is not sent
/// again by the same task.
package struct SlackSinkPlugin: SinkPlugin {
    package let classNames = ["io.swiftwater.connect.slack.SlackSinkConnector", "SlackSink"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef { Self.options }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try SlackSettings(Self.options.parse(properties), properties)
            return []
        } catch {
            return [ConfigProblem(HTTPSinkPlugin.option(in: error.message) ?? "slack.webhook.url", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        SlackSinkTask(try SlackSettings(Self.options.parse(properties), properties), context)
    }

    private static let options: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "slack.webhook.url", .password, .required, nil, .high,
            "The address of the incoming webhook. It is a secret: who has it can post.")
        definition.define(
            "message.template", .string, .null, nil, .high,
            "The message. ${field} and ${outer.inner} are fields of the value; ${key}, ${topic}, ${partition}, ${offset} "
                + "and ${timestamp} are the record's. Without it the whole value is sent as JSON.")
        definition.define("slack.channel", .string, .null, nil, .low, "Another channel, where the webhook allows it.")
        definition.define("slack.username", .string, .null, nil, .low, "Another name, where the webhook allows it.")
        definition.define("slack.icon.emoji", .string, .null, nil, .low, "Another icon, where the webhook allows it.")
        definition.define(
            "rate.limit.per.second", .double, .value(.double(1)),
            ConfigValidator { (name, value) throws(ConnectError) in
                guard case .double(let number) = value, number > 0, number <= 1000 else {
                    throw .config(name, value.text, "Value must be more than 0 and at most 1000")
                }
            }, .medium, "How many messages are sent in a second; Slack allows one for each webhook.")
        definition.define(
            "dedupe.window.ms", .long, .value(.integer(0)), .atLeast(0), .medium,
            "For how long the same message is not sent again, in milliseconds; 0 sends all.")
        definition.define(
            "dedupe.key", .string, .null, nil, .medium,
            "What makes messages the same, as a template like ${full_name}. Without it the whole message.")
        definition.define(
            "behavior.on.null.values", .string, .value(.string("ignore")),
            .oneOf(["ignore", "fail"], ignoresCase: true),
            .low, "What a record without a value does.")
        definition.define(
            "max.retries", .int, .value(.integer(10)), .atLeast(0), .medium, "How often a message is sent again.")
        definition.define(
            "retry.backoff.ms", .int, .value(.integer(1000)), .atLeast(0), .medium,
            "The first pause before that, in milliseconds; each is twice the one before, up to a minute.")
        definition.define(
            "http.request.timeout.ms", .int, .value(.integer(30_000)), .atLeast(1), .low,
            "How long an answer may take, in milliseconds.")
        return definition
    }()
}

struct SlackSettings: Sendable {
    var url: String
    var template: RecordTemplate?
    var more: [(name: String, value: String)] = []
    /// Between two messages.
    var interval: Duration
    var window: Int64
    var dedupeKey: RecordTemplate?
    var failsOnNull: Bool
    var retryCountMax: Int
    var schedule: RetrySchedule
    var exchange = HTTPCaller.Settings()

    init(_ values: ConfigValues, _ properties: [String: String]) throws(ConnectError) {
        url = values.string("slack.webhook.url") ?? ""
        let scheme = url.prefix { $0 != ":" }.lowercased()
        // The address is not shown, nor a part of it.
        guard scheme == "http" || scheme == "https", url.contains("://") else {
            throw .config(
                "slack.webhook.url", "[hidden]", "must be an address that begins with https://, as Slack shows it")
        }
        template = properties["message.template"].flatMap { $0.isEmpty ? nil : RecordTemplate($0, prefersFields: true) }
        for (option, name) in [
            ("slack.channel", "channel"), ("slack.username", "username"), ("slack.icon.emoji", "icon_emoji"),
        ] {
            if let value = values.text(option) { more.append((name, value)) }
        }
        if case .double(let rate) = values["rate.limit.per.second"] {
            interval = .milliseconds(Int64((1000 / rate).rounded(.up)))
        } else {
            interval = .seconds(1)
        }
        window = values.integer("dedupe.window.ms") ?? 0
        dedupeKey = values.text("dedupe.key").map { RecordTemplate($0, prefersFields: true) }
        failsOnNull = values.string("behavior.on.null.values")?.lowercased() == "fail"
        retryCountMax = Int(values.integer("max.retries") ?? 10)
        schedule = RetrySchedule(first: .milliseconds(values.integer("retry.backoff.ms") ?? 1000))
        exchange.timeout = .milliseconds(values.integer("http.request.timeout.ms") ?? 30_000)
        exchange.connectionCountMax = 1
    }
}
