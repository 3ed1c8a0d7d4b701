import Bytes
package import ConnectCore
import HTTPCalls

/// `io.confluent.connect.http.HttpSinkConnector`: values as bodies of HTTP requests, several in one where asked for.
///
/// Delivery: at least once. What is sent again after a failure carries nothing by which a server could know it, unless the
/// address holds the record's key.
package struct HTTPSinkPlugin: SinkPlugin {
    package let classNames = ["io.confluent.connect.http.HttpSinkConnector", "HttpSink"]
    package let version: String
    private let reporter: (any ResponseReporter)?

    /// - Parameter reporter: nil refuses configurations that ask for topics with answers.
    package init(version: String, reporter: (any ResponseReporter)?) {
        self.version = version
        self.reporter = reporter
    }

    package var definition: ConfigDef { Self.options }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        if reporter == nil, let option = Self.reporterOption(properties) {
            return [ConfigProblem(option, Self.noReporter)]
        }
        do throws(ConnectError) {
            _ = try settings(properties)
            return []
        } catch {
            return [ConfigProblem(Self.option(in: error.message) ?? "http.api.url", error.message)]
        }
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        if reporter == nil, Self.reporterOption(properties) != nil { throw .config(Self.noReporter) }
        return HTTPSinkTask(try settings(properties), context, reporter)
    }

    private static let noReporter =
        "Answers of servers are not written to topics here. Remove the options that begin with 'reporter.'; records that "
        + "fail go to errors.deadletterqueue.topic.name"

    /// Of the options that ask for topics, the first.
    private static func reporterOption(_ properties: [String: String]) -> String? {
        properties.keys.filter { $0.hasPrefix("reporter.") && !(properties[$0] ?? "").isEmpty }.min()
    }

    /// The option that a message begins with or names as Kafka does.
    static func option(in message: String) -> String? {
        if let found = message.firstRange(of: "for configuration ") {
            return String(message[found.upperBound...].prefix { $0 != ":" && $0 != " " })
        }
        let first = message.prefix { $0 != ":" }
        return first.contains(" ") ? nil : String(first)
    }

    private func settings(_ properties: [String: String]) throws(ConnectError) -> HTTPSinkSettings {
        let values = try definition.parse(properties)
        let url = values.string("http.api.url") ?? ""
        try checkAddress(url, option: "http.api.url")
        var settings = HTTPSinkSettings(
            url: RecordTemplate(url), shownURL: HTTPCaller.shown(url),
            retryCodes: try StatusCodes(values.string("retry.on.status.codes") ?? "", option: "retry.on.status.codes"))
        settings.method = (values.string("request.method") ?? "POST").uppercased()
        let separator = values.originals["header.separator"] ?? "|"
        settings.headers = try headerList(values.string("headers") ?? "", separator: separator, option: "headers")
        settings.headers += try headerList(
            values.string("sensitive.headers") ?? "", separator: separator, option: "sensitive.headers")
        settings.body = values.string("request.body.format")?.lowercased() == "json" ? .json : .string
        settings.batchCountMax = Int(values.integer("batch.max.size") ?? 1)
        // Spaces count: these are taken as they were written.
        settings.prefix = properties["batch.prefix"] ?? ""
        settings.suffix = properties["batch.suffix"] ?? ""
        settings.separator = properties["batch.separator"] ?? ","
        if settings.body == .json, values.flag("batch.json.as.array") {
            (settings.prefix, settings.suffix, settings.separator) = ("[", "]", ",")
        }
        settings.batchKey = RecordTemplate(values.string("batch.key.pattern") ?? "")
        settings.replacements = try replacements(properties)
        settings.retryCountMax = Int(values.integer("max.retries") ?? 10)
        settings.schedule = RetrySchedule(
            first: .milliseconds(values.integer("retry.backoff.ms") ?? 3000),
            isRandom: values.string("retry.backoff.policy")?.uppercased() != "CONSTANT_VALUE")
        settings.onError = .init(rawValue: values.string("behavior.on.error")?.lowercased() ?? "") ?? .fail
        settings.onNull = .init(rawValue: values.string("behavior.on.null.values")?.lowercased() ?? "") ?? .ignore
        settings.exchange.connectTimeout = .milliseconds(values.integer("http.connect.timeout.ms") ?? 30_000)
        settings.exchange.timeout = .milliseconds(values.integer("http.request.timeout.ms") ?? 30_000)
        settings.exchange.tls = try TLSSettings(values, prefix: "https.")
        if let host = values.text("http.proxy.host") {
            settings.exchange.proxy = .init(
                host: host, port: Int(values.integer("http.proxy.port") ?? 0), user: values.text("http.proxy.user"),
                password: values.text("http.proxy.password"))
        }
        settings.authorization = try authorization(values, separator)
        if reporter != nil, Self.reporterOption(properties) != nil {
            let name = properties["name"] ?? "connector"
            func topic(_ option: String) -> String {
                (values.text(option) ?? "").replacing("${connector}", with: name)
            }
            settings.reporter = ReporterTopics(
                success: topic("reporter.result.topic.name"), error: topic("reporter.error.topic.name"),
                errorsAreResponses: values.string("report.errors.as") == "http_response")
        }
        return settings
    }

    private func replacements(_ properties: [String: String]) throws(ConnectError) -> [TextReplacement] {
        guard let text = properties["regex.patterns"], !text.isEmpty else { return [] }
        let separator = properties["regex.separator"] ?? "~"
        func parts(_ text: String) -> [String] {
            separator.isEmpty
                ? [text] : text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
        }
        let patterns = parts(text)
        let replacements = parts(properties["regex.replacements"] ?? "")
        guard patterns.count == replacements.count else {
            throw .config(
                "regex.replacements: \(replacements.count) for \(patterns.count) of regex.patterns; each needs one")
        }
        var made: [TextReplacement] = []
        for (pattern, replacement) in zip(patterns, replacements) {
            made.append(try TextReplacement(pattern, replacement))
        }
        return made
    }

    private func authorization(
        _ values: ConfigValues, _ separator: String
    ) throws(ConnectError) -> HTTPSinkSettings.Authorization {
        func needed(_ option: String) throws(ConnectError) -> String {
            guard let text = values.text(option) else {
                throw .config(option, nil, "needed with auth.type \(values.string("auth.type") ?? "")")
            }
            return text
        }
        switch values.string("auth.type")?.uppercased() {
        case "BASIC":
            let header = HTTPCaller.basicAuthorization(
                try needed("connection.user"), values.string("connection.password") ?? "")
            return .header(name: header.name, value: header.value)
        case "BEARER": return .header(name: "authorization", value: "Bearer " + (try needed("bearer.token")))
        case "OAUTH2":
            var oauth = OAuthSettings(
                url: try needed("oauth2.token.url"), client: try needed("oauth2.client.id"),
                secret: try needed("oauth2.client.secret"))
            try checkAddress(oauth.url, option: "oauth2.token.url")
            oauth.scope = values.text("oauth2.client.scope")
            oauth.isInHeader = values.string("oauth2.client.auth.mode")?.lowercased() != "url"
            oauth.tokenProperty = values.text("oauth2.token.property") ?? "access_token"
            oauth.headers = try headerList(
                values.string("oauth2.client.headers") ?? "",
                separator: values.originals["oauth2.client.header.separator"] ?? separator,
                option: "oauth2.client.headers")
            return .oauth(oauth)
        default: return .none
        }
    }

    private static let options: ConfigDef = {
        var definition = ConfigDef()
        let connection = "Connection"
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ validator: ConfigValidator?,
            _ importance: ConfigDef.Importance, _ text: String, _ group: String
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        add(
            "http.api.url", .string, .required, .notEmpty, .high,
            "The address that requests go to. ${topic}, ${key} and fields of the value are put in.", connection)
        add(
            "request.method", .string, text("POST"), .oneOf(["POST", "PUT", "PATCH"], ignoresCase: true), .high,
            "POST, PUT or PATCH.", connection)
        add(
            "behavior.on.null.values", .string, text("ignore"),
            .oneOf(["fail", "log", "ignore", "delete"], ignoresCase: true), .low,
            "What a record without a value does: nothing, a line in the log, a failure, or a DELETE request.",
            connection)
        add(
            "behavior.on.error", .string, text("fail"), .oneOf(["fail", "ignore", "log"], ignoresCase: true), .low,
            "What a request does that failed for good: fail (the record goes to the dead letters where errors are "
                + "tolerated), ignore or log.", connection)
        add(
            "headers", .string, text(""), nil, .high, "Headers of each request: name:value, with separators.",
            connection)
        add("sensitive.headers", .password, .null, nil, .high, "Headers whose values are secret.", connection)
        add("header.separator", .string, text("|"), nil, .high, "What stands between headers.", connection)
        add("http.proxy.host", .string, text(""), nil, .high, "The host of a proxy.", connection)
        add("http.proxy.port", .int, .value(.integer(0)), .between(0, 65_535), .high, "Its port.", connection)
        add("http.proxy.user", .string, text(""), nil, .high, "The name for it.", connection)
        add("http.proxy.password", .password, .null, nil, .high, "The password for it.", connection)
        add(
            "http.connect.timeout.ms", .int, .value(.integer(30_000)), .atLeast(1), .low,
            "How long a connection may take, in milliseconds.", connection)
        add(
            "http.request.timeout.ms", .int, .value(.integer(30_000)), .atLeast(1), .low,
            "How long an answer may take, in milliseconds.", connection)
        add(
            "retry.on.status.codes", .string, text("400-"), nil, .medium,
            "Status codes after which a request is sent again: 429,500-599 or 400- for all from there.", connection)
        add(
            "max.retries", .int, .value(.integer(10)), .atLeast(0), .medium, "How often a request is sent again.",
            connection)
        add(
            "retry.backoff.ms", .int, .value(.integer(3000)), .atLeast(0), .medium,
            "The first pause before that, in milliseconds; each is twice the one before, up to a minute.", connection)
        add(
            "retry.backoff.policy", .string, text("EXPONENTIAL_WITH_JITTER"),
            .oneOf(["EXPONENTIAL_WITH_JITTER", "CONSTANT_VALUE"], ignoresCase: true), .medium,
            "Whether a random part is taken from pauses.", connection)
        TLSSettings.define(in: &definition, prefix: "https.", group: connection)
        let auth = "Authentication"
        add(
            "auth.type", .string, text("NONE"), .oneOf(["NONE", "BASIC", "BEARER", "OAUTH2"], ignoresCase: true), .high,
            "NONE, BASIC, BEARER or OAUTH2.", auth)
        add("connection.user", .string, text(""), nil, .high, "The name for BASIC.", auth)
        add("connection.password", .password, .null, nil, .high, "The password for BASIC.", auth)
        add("bearer.token", .password, .null, nil, .high, "The token for BEARER.", auth)
        add("oauth2.token.url", .string, text(""), nil, .high, "Where tokens are given out.", auth)
        add("oauth2.client.id", .string, text(""), nil, .high, "The client's name there.", auth)
        add("oauth2.client.secret", .password, .null, nil, .high, "The client's secret there.", auth)
        add(
            "oauth2.token.property", .string, text("access_token"), nil, .high, "The answer's member with the token.",
            auth)
        add(
            "oauth2.client.auth.mode", .string, text("header"), .oneOf(["header", "url"], ignoresCase: true), .low,
            "Where name and secret stand: in a header, or in the form.", auth)
        add("oauth2.client.scope", .string, text("any"), nil, .low, "What the token is asked for.", auth)
        add("oauth2.client.headers", .string, text(""), nil, .low, "More headers for that request.", auth)
        add("oauth2.client.header.separator", .string, text("|"), nil, .low, "What stands between them.", auth)
        let batch = "Batching"
        add(
            "request.body.format", .string, text("string"), .oneOf(["string", "json"], ignoresCase: true), .medium,
            "string: the value's text; json: the value as JSON.", batch)
        add("batch.max.size", .int, .value(.integer(1)), .atLeast(1), .high, "The most records of one request.", batch)
        add(
            "batch.key.pattern", .string, text("${key},${topic}"), nil, .high,
            "Records for which this text is the same may share a request.", batch)
        add("batch.prefix", .string, text(""), nil, .high, "What stands before the records of a request.", batch)
        add("batch.suffix", .string, text(""), nil, .high, "What stands behind them.", batch)
        add("batch.separator", .string, text(","), nil, .high, "What stands between them.", batch)
        add(
            "batch.json.as.array", .boolean, .value(.boolean(false)), nil, .high,
            "Whether the records of a request are a JSON array, with request.body.format=json.", batch)
        let regex = "Regex"
        add(
            "regex.patterns", .string, text(""), nil, .medium, "Expressions whose matches are replaced in texts.", regex
        )
        add("regex.replacements", .string, text(""), nil, .medium, "What stands in their place.", regex)
        add("regex.separator", .string, text("~"), nil, .medium, "What stands between expressions.", regex)
        let reporter = "Reporter"
        add(
            "reporter.bootstrap.servers", .list, .value(.list([])), nil, .low, "Taken; answers go to this cluster.",
            reporter)
        add(
            "reporter.result.topic.name", .string, text("${connector}-success"), nil, .low,
            "The topic for answers to requests that went well.", reporter)
        add(
            "reporter.error.topic.name", .string, text("${connector}-error"), nil, .low,
            "The topic for what failed.", reporter)
        add(
            "report.errors.as", .string, text("error_string"), .oneOf(["error_string", "http_response"]), .low,
            "Whether errors are reported in words or as the server's answer.", reporter)
        return definition
    }()
}

/// - Throws: `.config` for what is no address of a server.
func checkAddress(_ url: String, option: String) throws(ConnectError) {
    let scheme = url.prefix { $0 != ":" }.lowercased()
    guard scheme == "http" || scheme == "https", url.contains("://"), url.count > scheme.count + 3 else {
        throw .config(option, HTTPCaller.shown(url), "must be an address that begins with http:// or https://")
    }
}
