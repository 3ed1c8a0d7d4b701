import ConnectCore
import HTTPCalls

extension ObjectStoreSettings {
    private static let hdfsTLSPrefix = "hdfs.https."

    static func defineHDFS(_ definition: inout ConfigDef, _ group: String) {
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text, group: group) }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        let no = ConfigDef.Default.value(.boolean(false))
        add(
            "hdfs.url", .string, .null, .high,
            "The address of WebHDFS: webhdfs://host:9870, swebhdfs://host:9871 with TLS, or http://host:14000 of HttpFS. With "
                + "several name nodes: all of them, with commas.")
        add("store.url", .string, .null, .high, "The same; hdfs.url comes first.")
        add(
            "webhdfs.url", .string, .null, .high,
            "The address of WebHDFS where hdfs.url is one of Hadoop's own protocol, hdfs://host:8020, which is not spoken "
                + "here.")
        add(
            "hdfs.user", .string, .null, .medium,
            "Who writes. Without it HADOOP_USER_NAME or USER of the server, or hdfs.")
        add("logs.dir", .string, .value(.string("logs")), .high, "The folder of notes about what is being published.")
        add("hdfs.retries", .int, number(3), .low, "How often a failed request is sent again.", .atLeast(0))
        add(
            "hdfs.authentication.kerberos", .boolean, no, .high, "Only false: Kerberos is not there.")
        add("hive.integration", .boolean, no, .high, "Only false: tables of Hive are not made.")
        for name in ["hadoop.conf.dir", "hadoop.home"] { add(name, .string, .null, .low, "Taken; not needed.") }
        TLSSettings.define(in: &definition, prefix: hdfsTLSPrefix, group: group)
    }

    static func hdfs(
        _ values: ConfigValues, _ surroundings: Surroundings
    ) throws(ConnectError) -> WebHDFSClient.Settings {
        for (option, words) in [
            (
                "hdfs.authentication.kerberos",
                "Kerberos is not there: use a gateway (Knox, HttpFS) that the worker may reach"
            ),
            ("hive.integration", "tables of Hive are not made: make an external table over the topic's folder"),
        ] where values.flag(option) {
            throw .config(option, "true", words)
        }
        _ = try hdfsFolder("topics.dir", values)
        let option = ["webhdfs.url", "hdfs.url", "store.url"].first { values.text($0) != nil } ?? "hdfs.url"
        guard let text = values.text(option) else {
            throw .config("hdfs.url", "", "the address of WebHDFS has to be named: webhdfs://host:9870")
        }
        var addresses: [String] = []
        for address in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            addresses.append(try hdfsAddress(String(address), option))
        }
        guard !addresses.isEmpty else { throw .config(option, text, "no address is named") }
        let user =
            values.text("hdfs.user")
            ?? ["HADOOP_USER_NAME", "USER"].compactMap(surroundings.variable).first { !$0.isEmpty }
        var settings = WebHDFSClient.Settings(
            addresses: addresses, user: user ?? "hdfs", retryCountMax: Int(values.integer("hdfs.retries") ?? 3),
            schedule: RetrySchedule(
                first: min(.milliseconds(values.integer("retry.backoff.ms") ?? 5000), .seconds(1)),
                longest: .seconds(10)))
        settings.caller.timeout = .seconds(300)
        settings.caller.tls = try TLSSettings(values, prefix: hdfsTLSPrefix)
        return settings
    }

    private static func hdfsAddress(_ address: String, _ option: String) throws(ConnectError) -> String {
        let schemes = [("webhdfs", "http"), ("http", "http"), ("swebhdfs", "https"), ("https", "https")]
        guard let end = address.firstRange(of: "://") else {
            throw .config(option, address, "is no address of the form webhdfs://host:9870")
        }
        let scheme = address[..<end.lowerBound].lowercased()
        var host = String(address[end.upperBound...])
        while host.hasSuffix("/") { host = String(host.dropLast()) }
        if host.hasSuffix("/webhdfs/v1") { host = String(host.dropLast("/webhdfs/v1".count)) }
        guard scheme != "hdfs" else {
            let name = host.prefix { $0 != ":" && $0 != "/" }
            throw .config(
                option, address,
                "Hadoop's own protocol is not spoken here: add webhdfs.url=http://\(name):9870 (50070 in Hadoop 2)")
        }
        guard let known = schemes.first(where: { $0.0 == scheme }), !host.isEmpty,
            !host.contains(where: { "/?#@ ".contains($0) })
        else {
            throw .config(option, HTTPCaller.shown(address), "has to be scheme, host and port: webhdfs://host:9870")
        }
        return "\(known.1)://\(host)"
    }

    /// A folder from the root, without delimiters at its ends.
    static func hdfsFolder(_ option: String, _ values: ConfigValues) throws(ConnectError) -> String {
        let text = values.string(option) ?? ""
        let parts = text.split(separator: "/")
        guard !parts.isEmpty, !parts.contains(where: { $0 == "." || $0 == ".." }), !text.contains(":") else {
            throw .config(option, text, "has to be a folder such as topics or data/topics, without . and ..")
        }
        return parts.joined(separator: "/")
    }
}
