/// JDBC's address and parameters of PostgreSQL in libpq's words.
struct PostgreSQLOptions: Sendable {
    private(set) var values: [(name: String, value: String)] = []

    init(_ url: JDBCURL) {
        func set(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { values.append((name, value)) }
        }
        let hosts = url.hosts.isEmpty ? [JDBCURL.Host(name: "localhost", port: nil)] : url.hosts
        set("host", hosts.map { $0.name.isEmpty ? "localhost" : $0.name }.joined(separator: ","))
        set("port", hosts.map { String($0.port ?? 5432) }.joined(separator: ","))
        set("dbname", url.database)
        set("user", url.user)
        set("password", url.password)
        set("client_encoding", "UTF8")
        set("application_name", url.parameter("ApplicationName") ?? "swiftwater")
        let seconds = url.parameter("connectTimeout") ?? url.parameter("loginTimeout")
        set("connect_timeout", seconds.flatMap { Int($0) }.flatMap { $0 > 0 ? String($0) : nil } ?? "30")
        set("keepalives", "1")
        set("keepalives_idle", "60")
        // So that a server that vanished is noticed.
        set(
            "tcp_user_timeout",
            url.parameter("socketTimeout").flatMap { Int($0) }.flatMap {
                $0 > 0 ? String(min($0, 2_000_000) * 1000) : nil
            } ?? "120000")
        set("sslmode", Self.sslMode(url))
        for name in ["sslcert", "sslkey", "sslrootcert", "sslpassword"] { set(name, url.parameter(name)) }
        set("gssencmode", url.parameter("gssEncMode")?.lowercased() ?? "disable")
        switch url.parameter("targetServerType")?.lowercased() {
        case "primary", "master": set("target_session_attrs", "read-write")
        case "preferprimary": set("target_session_attrs", "any")
        default: break
        }
        set("options", Self.options(url))
    }

    private static func sslMode(_ url: JDBCURL) -> String? {
        if let mode = url.parameter("sslmode") { return mode.lowercased() }
        // The driver's plain `ssl` checks the certificate unless its factory is the one that checks nothing.
        guard let ssl = url.parameter("ssl"), ssl.isEmpty || ssl.lowercased() == "true" else { return nil }
        return url.parameter("sslfactory")?.hasSuffix("NonValidatingFactory") == true ? "require" : "verify-full"
    }

    /// Settings of the session, in the form of the server's command line.
    private static func options(_ url: JDBCURL) -> String? {
        var options = url.parameter("options").map { [$0] } ?? []
        // As `SHOW` prints them: dates that are read here never depend on the server's settings.
        if let schemas = url.parameter("currentSchema") {
            var escaped = ""
            for character in schemas {
                if character == " " || character == "\\" { escaped.append("\\") }
                escaped.append(character)
            }
            options.append("-c search_path=" + escaped)
        }
        options.append("-c datestyle=ISO,YMD -c standard_conforming_strings=on")
        return options.joined(separator: " ")
    }
}
