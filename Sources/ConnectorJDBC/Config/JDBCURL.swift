internal import Bytes
internal import ConnectCore

/// An address in JDBC's form.
struct JDBCURL: Sendable {
    struct Host: Sendable, Hashable {
        var name: String
        var port: Int?
    }

    /// `postgresql`, `mysql`, `mariadb`, `sqlite`.
    var product: String
    var hosts: [Host] = []
    /// The name of a database, or the path of a file; empty for none.
    var database = ""
    /// With names as they were given; without user and password.
    var parameters: [(name: String, value: String)] = []
    var user: String?
    var password: String?

    /// - Throws: `.connect` in the original's words; the message has neither user nor password.
    init(_ text: String) throws(ConnectError) {
        var rest = Substring(text)
        guard rest.hasPrefix("jdbc:") else { throw Self.invalid(text) }
        rest = rest.dropFirst(5)
        guard let colon = rest.firstIndex(of: ":"), colon > rest.startIndex else { throw Self.invalid(text) }
        product = rest[..<colon].lowercased()
        rest = rest[rest.index(after: colon)...]
        if let mark = rest.firstIndex(of: "?") {
            addParameters(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        if product == "sqlite" {
            database = String(rest)
            return
        }
        // MySQL's and MariaDB's words for how hosts are chosen: `jdbc:mysql:loadbalance://`.
        if !rest.hasPrefix("//"), let slashes = rest.range(of: "://") { rest = rest[rest.index(after: slashes)...] }
        guard rest.hasPrefix("//") else {
            // PostgreSQL's short form has a database only.
            database = PercentEncoding.decoded(rest.hasPrefix("/") ? rest.dropFirst() : rest)
            return
        }
        rest = rest.dropFirst(2)
        if let slash = rest.firstIndex(of: "/") {
            database = PercentEncoding.decoded(rest[rest.index(after: slash)...])
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let login = rest[..<at]
            rest = rest[rest.index(after: at)...]
            let colon = login.firstIndex(of: ":")
            user = PercentEncoding.decoded(login[..<(colon ?? login.endIndex)])
            if let colon { password = PercentEncoding.decoded(login[login.index(after: colon)...]) }
        }
        for part in rest.split(separator: ",") { hosts.append(try Self.host(part, text)) }
    }

    private static func host(_ part: Substring, _ text: String) throws(ConnectError) -> Host {
        var name = part
        var port: Substring?
        if part.hasPrefix("[") {
            guard let end = part.firstIndex(of: "]") else { throw invalid(text) }
            name = part[part.index(after: part.startIndex)..<end]
            let rest = part[part.index(after: end)...]
            if rest.hasPrefix(":") { port = rest.dropFirst() }
        } else if let colon = part.firstIndex(of: ":") {
            name = part[..<colon]
            port = part[part.index(after: colon)...]
        }
        guard let port, !port.isEmpty else { return Host(name: String(name), port: nil) }
        guard let number = Int(port), 1...65_535 ~= number else { throw invalid(text) }
        return Host(name: String(name), port: number)
    }

    private mutating func addParameters(_ text: Substring) {
        for pair in text.split(whereSeparator: { $0 == "&" || $0 == ";" }) {
            let equals = pair.firstIndex(of: "=") ?? pair.endIndex
            let name = PercentEncoding.decoded(pair[..<equals])
            let value = equals < pair.endIndex ? PercentEncoding.decoded(pair[pair.index(after: equals)...]) : ""
            set(name, value)
        }
    }

    mutating func set(_ name: String, _ value: String) {
        switch name.lowercased() {
        case "user": user = value
        case "password": password = value
        default: parameters.append((name, value))
        }
    }

    /// The last value of a parameter, whose name may be in any case.
    func parameter(_ name: String) -> String? {
        parameters.last { $0.name.lowercased() == name.lowercased() }?.value
    }

    private static func invalid(_ text: String) -> ConnectError {
        ConnectError(.connect, "Not a valid JDBC URL: " + shown(text))
    }

    /// An address for messages: what may be a password is left out.
    static func shown(_ text: String) -> String {
        var shown = text.prefix { $0 != "?" }
        if let at = shown.lastIndex(of: "@"), let slashes = shown.range(of: "//"), slashes < at {
            let start = shown.index(slashes, offsetBy: 2)
            shown.replaceSubrange(start..<at, with: "****")
        }
        return String(shown)
    }
}

extension StringProtocol {
    /// Where a text begins in this one for the first time.
    func range(of text: String) -> Index? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(text) { return at }
            at = index(after: at)
        }
        return nil
    }
}

extension JDBCURL {
    /// Parameters that are read, and those of which nothing but speed or looks depends; in small letters.
    static let knownParameters: Set<String> = [
        "ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslpassword", "sslfactory", "connecttimeout",
        "logintimeout", "sockettimeout", "applicationname", "currentschema", "options", "gssencmode",
        "targetservertype", "rewritebatchedinserts", "stringtype", "tcpkeepalive", "preparethreshold",
        "usessl", "requiressl", "verifyservercertificate", "serversslcert", "clientsslcert", "clientsslkey",
        "sessionvariables", "servertimezone", "characterencoding", "useunicode", "rewritebatchedstatements",
        "allowpublickeyretrieval", "nullcatalogmeanscurrent", "zerodatetimebehavior", "usejdbccomplianttimezoneshift",
        "uselegacydatetimecode", "autoreconnect", "useserverprepstmts", "cacheprepstmts", "busy_timeout",
        "journal_mode", "synchronous", "foreign_keys",
    ]
}
