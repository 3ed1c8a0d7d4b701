import Bytes
import Security

/// The client's side of SCRAM as Kafka speaks it: without channel binding, texts as they stand in UTF-8.
///
/// - SeeAlso: RFC 5802, RFC 7677; KIP-84.
struct ScramExchange {
    /// What the client says first.
    let first: String
    private let mechanism: ScramMechanism
    private let password: [UInt8]
    private let nonce: String
    /// What a server that knows the password says last; empty before `proof`.
    private(set) var serverSignature: [UInt8] = []

    /// Of what a server may ask for: Kafka's own bound is 16384.
    private static let iterationCountMax = 1_000_000
    /// `n,,` in Base64: there is no channel binding.
    private static let binding = "biws"

    /// - Parameters:
    ///   - isByToken: user and password are id and HMAC of a delegation token (KIP-48).
    ///   - nonce: printable, without commas; another one for each exchange.
    init(_ mechanism: ScramMechanism, user: String, password: String, isByToken: Bool = false, nonce: String) {
        self.mechanism = mechanism
        self.password = Array(password.utf8)
        self.nonce = nonce
        let name = user.replacing("=", with: "=3D").replacing(",", with: "=2C")
        first = "n,,n=\(name),r=\(nonce)" + (isByToken ? ",tokenauth=true" : "")
    }

    /// A nonce of 24 random bytes.
    static func nonce() -> String {
        var random = SystemRandomNumberGenerator()
        return Base64.encode((0..<24).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }

    /// The proof that the client knows the password, for what the server said first.
    mutating func proof(for serverFirst: String) throws(ClusterError) -> String {
        let attributes = try Self.attributes(serverFirst)
        guard let serverNonce = attributes["r"], serverNonce.hasPrefix(nonce), serverNonce != nonce else {
            throw Self.failure("the broker's nonce does not go on from the client's")
        }
        guard let salt = attributes["s"].flatMap({ Base64.decode($0) }), !salt.isEmpty,
            let count = attributes["i"].flatMap({ Int($0) }), 1...Self.iterationCountMax ~= count
        else { throw Self.failure("the broker's salt or number of iterations cannot be used") }
        let salted = mechanism.salted(password, salt, count)
        let clientKey = code("Client Key", salted)
        let withoutProof = "c=\(Self.binding),r=\(serverNonce)"
        let words = "\(first.dropFirst(3)),\(serverFirst),\(withoutProof)"
        let signature = code(words, mechanism.digest(clientKey))
        serverSignature = code(words, code("Server Key", salted))
        return withoutProof + ",p=" + Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
    }

    /// Whether the server knows the password, too, by what it says last.
    func check(_ serverFinal: String) throws(ClusterError) {
        let attributes = try Self.attributes(serverFinal)
        if let error = attributes["e"] { throw Self.failure(error) }
        guard let signature = attributes["v"].flatMap({ Base64.decode($0) }), signature == serverSignature else {
            throw Self.failure("the broker did not prove that it knows the password")
        }
    }

    private static func failure(_ words: String) -> ClusterError { ClusterError(.saslAuthenticationFailed, words) }

    /// `a=...,b=...`
    private static func attributes(_ message: String) throws(ClusterError) -> [Character: String] {
        var found: [Character: String] = [:]
        for part in message.split(separator: ",") {
            guard let name = part.first, part.dropFirst().first == "=" else {
                throw failure("the broker's message of SCRAM cannot be read")
            }
            found[name] = String(part.dropFirst(2))
        }
        return found
    }

    private func code(_ text: String, _ key: [UInt8]) -> [UInt8] { mechanism.code(Array(text.utf8), key: key) }
}
