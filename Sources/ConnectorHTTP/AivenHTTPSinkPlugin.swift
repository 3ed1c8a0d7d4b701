package import ConnectCore
import HTTPCalls

/// `io.aiven.kafka.connect.http.HttpSinkConnector`: values as bodies of POST requests.
///
/// Delivery: at least once.
package struct AivenHTTPSinkPlugin: SinkPlugin {
    package let classNames = ["io.aiven.kafka.connect.http.HttpSinkConnector"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef { Self.options }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try settings(properties)
            return []
        } catch {
            return [ConfigProblem(HTTPSinkPlugin.option(in: error.message) ?? "http.url", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        HTTPSinkTask(try settings(properties), context, nil)
    }

    private func settings(_ properties: [String: String]) throws(ConnectError) -> HTTPSinkSettings {
        let values = try definition.parse(properties)
        let url = values.string("http.url") ?? ""
        try checkAddress(url, option: "http.url")
        var settings = HTTPSinkSettings(
            url: RecordTemplate(url), shownURL: HTTPCaller.shown(url),
            retryCodes: try StatusCodes("400-", option: "http.url"))
        if let type = values.text("http.headers.content.type") { settings.headers.append(("content-type", type)) }
        for header in values.list("http.headers.additional") {
            settings.headers += try headerList(header, separator: "", option: "http.headers.additional")
        }
        settings.authorization = try authorization(values)
        settings.body = .plain
        if values.flag("batching.enabled") {
            settings.batchCountMax = Int(values.integer("batch.max.size") ?? 500)
            settings.prefix = properties["batch.prefix"] ?? ""
            settings.suffix = properties["batch.suffix"] ?? "\n"
            settings.separator = properties["batch.separator"] ?? "\n"
        }
        settings.retryCountMax = Int(values.integer("max.retries") ?? 1)
        let pause = Duration.milliseconds(values.integer("retry.backoff.ms") ?? 3000)
        settings.schedule = RetrySchedule(first: pause, longest: pause, isRandom: false)
        // A record without a value has nothing to send: it fails, and goes where failed records go.
        settings.onNull = .fail
        settings.exchange.timeout = .seconds(values.integer("http.timeout") ?? 30)
        settings.exchange.tls.verifiesCertificate = !values.flag("http.ssl.trust.all.certs")
        return settings
    }

    private func authorization(_ values: ConfigValues) throws(ConnectError) -> HTTPSinkSettings.Authorization {
        let type = values.string("http.authorization.type")?.lowercased() ?? ""
        func needed(_ option: String) throws(ConnectError) -> String {
            guard let text = values.text(option) else {
                throw .config(option, nil, "Must be present when http.authorization.type = \(type)")
            }
            return text
        }
        switch type {
        case "static", "apikey":
            return .header(name: "authorization", value: try needed("http.headers.authorization"))
        case "oauth2":
            var oauth = OAuthSettings(
                url: try needed("oauth2.access.token.url"), client: try needed("oauth2.client.id"),
                secret: try needed("oauth2.client.secret"))
            try checkAddress(oauth.url, option: "oauth2.access.token.url")
            oauth.scope = values.text("oauth2.client.scope")
            oauth.isInHeader = values.string("oauth2.client.authorization.mode")?.lowercased() != "url"
            oauth.tokenProperty = values.text("oauth2.response.token.property") ?? "access_token"
            return .oauth(oauth)
        default: return .none
        }
    }

    private static let options: ConfigDef = {
        var definition = ConfigDef()
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ validator: ConfigValidator?,
            _ importance: ConfigDef.Importance, _ text: String, _ group: String
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        let connection = "Connection"
        add("http.url", .string, .required, .notEmpty, .high, "The address that records go to.", connection)
        add(
            "http.authorization.type", .string, .required,
            .oneOf(["none", "oauth2", "static", "apikey"], ignoresCase: true), .high,
            "none, static, apikey or oauth2.", connection)
        add(
            "http.headers.authorization", .password, .null, nil, .medium, "The Authorization header for static.",
            connection)
        add("http.headers.content.type", .string, .null, nil, .low, "The Content-Type header.", connection)
        add(
            "http.headers.additional", .list, .value(.list([])), nil, .low, "More headers, each name:value.", connection
        )
        add(
            "http.ssl.trust.all.certs", .boolean, .value(.boolean(false)), nil, .low,
            "Whether any certificate will do.", connection)
        add("oauth2.access.token.url", .string, .null, nil, .high, "Where tokens are given out.", connection)
        add("oauth2.client.id", .string, .null, nil, .high, "The client's name there.", connection)
        add("oauth2.client.secret", .password, .null, nil, .high, "The client's secret there.", connection)
        add(
            "oauth2.client.authorization.mode", .string, .value(.string("HEADER")),
            .oneOf(["header", "url"], ignoresCase: true), .medium, "Where they stand: HEADER, or URL for the form.",
            connection)
        add("oauth2.client.scope", .string, .null, nil, .low, "What the token is asked for.", connection)
        add(
            "oauth2.response.token.property", .string, .value(.string("access_token")), nil, .low,
            "The answer's member with the token.", connection)
        let batching = "Batching"
        add(
            "batching.enabled", .boolean, .value(.boolean(false)), nil, .high, "Whether records share requests.",
            batching)
        add(
            "batch.max.size", .int, .value(.integer(500)), .between(1, 1_000_000), .medium, "The most records of one.",
            batching)
        add(
            "batch.prefix", .string, .value(.string("")), nil, .high, "What stands before the records of a request.",
            batching)
        add("batch.suffix", .string, .value(.string("\n")), nil, .high, "What stands behind them.", batching)
        add("batch.separator", .string, .value(.string("\n")), nil, .high, "What stands between them.", batching)
        let delivery = "Delivery"
        add(
            "max.retries", .int, .value(.integer(1)), .atLeast(0), .medium, "How often a request is sent again.",
            delivery)
        add(
            "retry.backoff.ms", .int, .value(.integer(3000)), .atLeast(0), .medium,
            "The pause before that, in milliseconds.", delivery)
        add(
            "max.outstanding.records", .int, .value(.integer(10_000)), .atLeast(0), .low,
            "Taken; no records are kept in memory behind a batch.", delivery)
        add(
            "http.timeout", .int, .value(.integer(30)), .atLeast(1), .low, "How long an answer may take, in seconds.",
            delivery)
        return definition
    }()
}
