import ConnectCore
import HTTPCalls

/// Google Cloud Storage.
extension ObjectStoreSettings {
    private static let gcsTLSPrefix = "gcs."

    static func defineGCS(_ definition: inout ConfigDef, _ group: String) {
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        add("gcs.bucket.name", .string, .required, .high, "The bucket.", .notEmpty)
        add(
            "gcs.part.size", .int, number(26_214_400), .high, "Bytes of an object that are sent at once.",
            .between(5_242_880, 2_147_483_647))
        add(
            "gcs.credentials.path", .string, text(""), .high,
            "The file with a service account's key. Without it and gcs.credentials.json the worker's own credentials: the file "
                + "of GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, or Google's metadata server.")
        add("gcs.credentials.json", .password, .null, .high, "The key itself; it comes before the file.")
        add(
            "gcs.compression.type", .string, text("none"), .low, "How JSON and bytes are compressed: none or gzip.",
            .oneOf(["none", "gzip"], ignoresCase: true))
        add("gcs.compression.level", .int, number(-1), .low, "gzip's level; -1 is its own choice.", .between(-1, 9))
        add("gcs.part.retries", .int, number(3), .medium, "How often a failed request is sent again.", .atLeast(0))
        add("gcs.retry.backoff.ms", .long, number(200), .low, "The first pause before that.", .atLeast(0))
        add("gcs.proxy.url", .string, text(""), .low, "A proxy: http://host:port.")
        add("gcs.proxy.user", .string, .null, .low, "The name for it.")
        add("gcs.proxy.password", .password, .null, .low, "The password for it.")
        TLSSettings.define(in: &definition, prefix: gcsTLSPrefix, group: group)
    }

    static func gcs(
        _ values: ConfigValues, _ surroundings: Surroundings
    ) throws(ConnectError) -> GCSClient.Settings {
        let variable = surroundings.variable("STORAGE_EMULATOR_HOST").flatMap { $0.isEmpty ? nil : $0 }
        let given =
            values.text("store.url") ?? variable.map { $0.contains("://") ? $0 : "http://" + $0 }
        var settings = GCSClient.Settings(
            bucket: values.text("gcs.bucket.name") ?? "", endpoint: try gcsEndpoint(given),
            credentials: try gcsCredentials(values, isOptional: given != nil, surroundings),
            partByteCount: Int(values.integer("gcs.part.size") ?? 26_214_400),
            retryCountMax: Int(values.integer("gcs.part.retries") ?? 3),
            schedule: RetrySchedule(
                first: .milliseconds(values.integer("gcs.retry.backoff.ms") ?? 200), longest: .seconds(32)))
        if let url = settings.credentials?.tokenURL, !url.lowercased().hasPrefix("https://"),
            !settings.endpoint.hasPrefix("http://")
        {
            throw .config(
                "gcs.credentials.path", "[hidden]",
                "its token_uri '\(HTTPCaller.shown(url))' is no address that begins with https://")
        }
        settings.caller.proxy = try proxy("gcs.", values)
        settings.caller.timeout = .seconds(300)
        settings.caller.tls = try TLSSettings(values, prefix: gcsTLSPrefix)
        return settings
    }

    private static func gcsEndpoint(_ given: String?) throws(ConnectError) -> String {
        guard let given else { return GCSClient.serviceURL }
        guard let end = given.firstRange(of: "://"), ["http", "https"].contains(given[..<end.lowerBound].lowercased())
        else { throw .config("store.url", HTTPCaller.shown(given), "is no address of the form https://host:port") }
        var host = String(given[end.upperBound...])
        while host.hasSuffix("/") { host.removeLast() }
        guard !host.isEmpty, !host.contains(where: { "/?#@ ".contains($0) }) else {
            throw .config("store.url", HTTPCaller.shown(given), "has to be scheme, host and port only")
        }
        return given[..<end.lowerBound].lowercased() + "://" + host
    }

    private static func gcsCredentials(
        _ values: ConfigValues, isOptional: Bool, _ surroundings: Surroundings
    ) throws(ConnectError) -> GoogleCredentials? {
        if let key = values.text("gcs.credentials.json") {
            return try GoogleCredentials(json: Array(key.utf8), place: "gcs.credentials.json")
        }
        if let file = values.text("gcs.credentials.path") {
            return try GoogleCredentials(file: file, option: "gcs.credentials.path")
        }
        // Emulators ask nobody who they are.
        return isOptional ? nil : try GoogleCredentials.applicationDefault(surroundings.variable)
    }
}
