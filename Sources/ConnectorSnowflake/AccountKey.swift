import Bytes
import ConnectCore
import Crypto
import HTTPCalls
import JSONFormat

/// The account at a URL: upstream's `SnowflakeURL`.
struct AccountURL: Sendable {
    /// `https://host:port`, without a slash at the end.
    let address: String
    let host: String
    /// The first part of the host's name, in upper case: locator, or organization and name with a `-`.
    let account: String

    /// - Throws: `.config` for anything but `account.region.snowflakecomputing.com`, with or without scheme and port.
    init(_ text: String, option: String) throws(ConnectError) {
        let wrong = ConnectError.config(
            option, HTTPCaller.shown(text),
            "Snowflake URL format: 'https://<account_name>.<region_name>.snowflakecomputing.com:443', 'https://' and "
                + "':443' are optional.")
        var rest = text.trimmed.lowercased()[...]
        var scheme = "https"
        for candidate in ["https", "http"] where rest.hasPrefix(candidate + "://") {
            scheme = candidate
            rest = rest.dropFirst(candidate.count + 3)
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, parts.count <= 2 else { throw wrong }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard let account = labels.first, labels.count >= 3,
            labels.allSatisfy({ label in
                !label.isEmpty
                    && label.utf8.allSatisfy { $0 == 0x2D || (Identifier.isPart($0) && $0 != 0x24) }
            })
        else { throw wrong }
        var port = scheme == "https" ? 443 : 80
        if parts.count == 2 {
            guard let given = Int(parts[1]), 1...65_535 ~= given else { throw wrong }
            port = given
        }
        address = "\(scheme)://\(host):\(port)"
        self.host = String(host)
        self.account = account.uppercased()
    }
}

/// A user's key pair: Snowflake's "Using key-pair authentication".
struct AccountKey: Sendable {
    private let key: SigningKey
    private let subject: String
    /// `SHA256:` and the fingerprint that `DESC USER` shows as RSA_PUBLIC_KEY_FP.
    let fingerprint: String

    /// - Parameter text: PEM with or without its first and last line, line breaks or not, as upstream takes it.
    /// - Throws: `.config`, without anything of the key.
    init(_ text: String, passphrase: String?, account: String, user: String) throws(ConnectError) {
        do throws(ConnectError) {
            key = try SigningKey(pem: Self.pem(text, isEncrypted: passphrase != nil), password: passphrase)
        } catch {
            throw .config(
                passphrase == nil ? "snowflake.private.key" : "snowflake.private.key.passphrase",
                "[hidden]", error.message)
        }
        subject = "\(account).\(user.uppercased())"
        fingerprint = "SHA256:" + Base64.encode(Array(SHA256.hash(data: key.publicKeyDER)))
    }

    /// A token with which a session may begin within the next minutes.
    ///
    /// - Parameter now: milliseconds since 1970.
    func token(now: Int64) throws(ConnectError) -> String {
        let seconds = now / 1000
        return try SignedToken.rs256(
            [
                ("iss", .string("\(subject).\(fingerprint)")), ("sub", .string(subject)), ("iat", .number(seconds)),
                ("exp", .number(seconds + 300)),
            ], key: key)
    }

    private static func pem(_ text: String, isEncrypted: Bool) -> String {
        let text = text.replacing("\\n", with: "\n")
        if text.contains("-----BEGIN"), text.contains("\n") { return text }
        var label = isEncrypted ? "ENCRYPTED PRIVATE KEY" : "PRIVATE KEY"
        var body = text[...]
        if let begin = text.firstRange(of: "-----BEGIN "),
            let close = text[begin.upperBound...].firstRange(of: "-----"),
            let end = text[close.upperBound...].firstRange(of: "-----END")
        {
            label = String(text[begin.upperBound..<close.lowerBound])
            body = text[close.upperBound..<end.lowerBound]
        }
        var lines = "-----BEGIN \(label)-----\n"
        var column = 0
        for character in body where !character.isWhitespace {
            lines.append(character)
            column += 1
            if column % 64 == 0 { lines.append("\n") }
        }
        if column % 64 != 0 { lines.append("\n") }
        return lines + "-----END \(label)-----\n"
    }
}

extension String {
    var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
