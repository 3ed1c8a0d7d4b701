import Bytes

/// The server's side of SCRAM as Kafka speaks it: without channel binding, texts as they stand in UTF-8.
///
/// `begin`, `challenge`, `finish`, once each. A user that there is not is answered like one that there is, up to the end.
///
/// - SeeAlso: RFC 5802, RFC 7677; KIP-84; upstream `ScramSaslServer`, `ScramMessages`.
package struct ScramServer: Sendable {
    let mechanism: ScramMechanism
    /// Who the client says it is; nil before `begin`.
    private(set) var user: String?
    /// Whether that is the id of a delegation token (KIP-48).
    private(set) var isByToken = false

    private let serverNonce: String
    private var clientFirst = ""
    private var header = ""
    private var nonce = ""
    private var serverFirst = ""
    private var credential: ScramCredential?

    /// Longest message; names and nonces of honest clients come nowhere near.
    private static let byteCountMax = 16 << 10

    init(_ mechanism: ScramMechanism, nonce: String) {
        self.mechanism = mechanism
        serverNonce = nonce
    }

    /// 24 random bytes, printable and without commas.
    package static func nonce() -> String { Base64.encode(randomBytes(24)) }

    /// Takes `n,[a=NAME],n=NAME,r=NONCE[,EXTENSIONS]`.
    ///
    /// - Returns: the user's name.
    mutating func begin(_ message: String) throws(SaslFailure) -> String {
        guard message.utf8.count <= Self.byteCountMax else {
            throw SaslFailure("the client's first message is too long")
        }
        let parts = message.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw SaslFailure("the client's first message of SCRAM cannot be read") }
        guard parts[0] == "n" else {
            throw SaslFailure("the client asks for channel binding, which is not offered")
        }
        header = "\(parts[0]),\(parts[1]),"
        clientFirst = String(parts[2])
        let attributes = clientFirst.split(separator: ",", omittingEmptySubsequences: false)
        guard attributes.count >= 2, attributes[0].hasPrefix("n="), attributes[1].hasPrefix("r=") else {
            throw SaslFailure("the client's first message of SCRAM has no name and nonce in their places")
        }
        guard let name = Self.name(attributes[0].dropFirst(2)), !name.isEmpty else {
            throw SaslFailure("the client's name cannot be read")
        }
        let authorized = parts[1]
        if !authorized.isEmpty {
            guard authorized.hasPrefix("a="), Self.name(authorized.dropFirst(2)) == name else {
                throw SaslFailure(
                    "the client asks to act for another user",
                    words: "Authentication failed: Client requested an authorization id that is different from username"
                )
            }
        }
        isByToken = Self.isByToken(attributes.dropFirst(2))
        let clientNonce = attributes[1].dropFirst(2)
        guard !clientNonce.isEmpty, clientNonce.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw SaslFailure("the client's nonce cannot be used")
        }
        nonce = clientNonce + serverNonce
        user = name
        return name
    }

    /// What the server says first.
    mutating func challenge(_ credential: ScramCredential) -> String {
        self.credential = credential
        serverFirst = "r=\(nonce),s=\(Base64.encode(credential.salt)),i=\(credential.iterationCount)"
        return serverFirst
    }

    /// Takes `c=BINDING,r=NONCE[,EXTENSIONS],p=PROOF`.
    ///
    /// - Returns: the server's own proof.
    mutating func finish(_ message: String) throws(SaslFailure) -> String {
        guard let credential, message.utf8.count <= Self.byteCountMax, let end = Self.lastComma(in: message),
            message[end...].hasPrefix(",p=")
        else { throw SaslFailure("the client's last message of SCRAM cannot be read") }
        let withoutProof = message[..<end]
        let attributes = withoutProof.split(separator: ",", omittingEmptySubsequences: false)
        guard attributes.count >= 2, attributes[0] == "c=" + Base64.encode(header.utf8) else {
            throw SaslFailure("the client's last message has another channel binding than the first")
        }
        guard attributes[1] == "r=" + nonce else {
            throw SaslFailure(
                "the client's last message has another nonce than the server's; librdkafka before 2.6.1 does that")
        }
        guard let proof = Base64.decode(String(message[end...].dropFirst(3))),
            proof.count == credential.storedKey.count
        else { throw SaslFailure("the client's proof cannot be read") }
        let words = Array("\(clientFirst),\(serverFirst),\(withoutProof)".utf8)
        let signature = mechanism.code(words, key: credential.storedKey)
        let clientKey = zip(proof, signature).map { $0 ^ $1 }
        guard isSame(mechanism.digest(clientKey), credential.storedKey) else {
            throw SaslFailure("unknown user or wrong password")
        }
        return "v=" + Base64.encode(mechanism.code(words, key: credential.serverKey))
    }

    /// The key is as it is, the value in letters of any size, and the last one counts: upstream `ScramExtensions`.
    private static func isByToken(_ extensions: ArraySlice<Substring>) -> Bool {
        let key = "tokenauth="
        guard let last = extensions.last(where: { $0.hasPrefix(key) }) else { return false }
        return last.dropFirst(key.count).lowercased() == "true"
    }

    private static func lastComma(in text: String) -> String.Index? { text.utf8.lastIndex(of: UInt8(ascii: ",")) }

    /// `=2C` and `=3D` stand for a comma and an equals sign; nil when any other thing follows `=`.
    private static func name(_ text: Substring) -> String? {
        var name = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "=" else {
                name.append(character)
                continue
            }
            switch rest.prefix(2) {
            case "2C": name.append(",")
            case "3D": name.append("=")
            default: return nil
            }
            rest = rest.dropFirst(2)
        }
        return name
    }
}
