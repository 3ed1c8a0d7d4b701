import Bytes
import Synchronization
import Testing

@testable import Security

@Suite struct DelegationTokenTests {
    private final class Moment: Sendable {
        let value = Mutex<Int64>(1000)
    }

    private let moment = Moment()
    private let tokens: DelegationTokens
    private let users: UserDirectory
    private static let token = DelegationToken(
        id: "t1", owner: Principal(name: "ann"), requester: Principal(name: "rita"), renewers: [Principal(name: "bob")],
        issuedAt: 1000, expiresAt: 2000, endsAt: 9000)

    init() {
        let moment = moment
        tokens = DelegationTokens(secret: "Jefe") { moment.value.withLock { $0 } }
        users = UserDirectory(delegationTokens: tokens)
        tokens.replace([Self.token])
    }

    /// What a client says last, by upstream `ScramFormatter`.
    private func proof(
        _ mechanism: ScramMechanism, _ password: String, bare: String, _ serverFirst: String
    ) throws -> String {
        let parts = serverFirst.split(separator: ",").map { String($0.dropFirst(2)) }
        let salted = mechanism.salted(
            Array(password.utf8), try #require(Base64.decode(parts[1])), try #require(Int(parts[2])))
        let clientKey = mechanism.code(Array("Client Key".utf8), key: salted)
        let without = "c=biws,r=\(parts[0])"
        let signature = mechanism.code(
            Array("\(bare),\(serverFirst),\(without)".utf8), key: mechanism.digest(clientKey))
        return without + ",p=" + Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
    }

    private func login(
        _ mechanism: SaslMechanism, id: String = "t1", password: String? = nil, tail: String = ",tokenauth=true",
        meanwhile: () -> Void = {}
    ) throws -> SaslExchange.Step {
        var exchange = SaslExchange(mechanism, users)
        let bare = "n=\(id),r=abc" + tail
        var first = try exchange.next(Array("n,,\(bare)".utf8))
        if case .makeCredential(ofToken: id, let mechanism) = first {
            first = try exchange.resume(tokens.credential(of: id, mechanism))
        }
        guard case .challenge(let challenge) = first else {
            throw SaslFailure("no challenge")
        }
        meanwhile()
        let last = try proof(
            try #require(mechanism.scram), password ?? Base64.encode(tokens.hmac(of: id)), bare: bare,
            String(decoding: challenge, as: UTF8.self))
        return try exchange.next(Array(last.utf8))
    }

    /// RFC 4231, test case 2: the key is the secret and the text the id, as in upstream's `createHmac`.
    @Test func `the HMAC of an id is Kafka's`() {
        let expected: [UInt8] = [
            0x16, 0x4B, 0x7A, 0x7B, 0xFC, 0xF8, 0x19, 0xE2, 0xE3, 0x95, 0xFB, 0xE7, 0x3B, 0x56, 0xE0, 0xA3, 0x87, 0xBD,
            0x64, 0x22, 0x2E, 0x83, 0x1F, 0xD6, 0x10, 0x27, 0x0C, 0xD7, 0xEA, 0x25, 0x05, 0x54, 0x97, 0x58, 0xBF, 0x75,
            0xC0, 0x5A, 0x99, 0x4A, 0x6D, 0x03, 0x4F, 0x65, 0xF8, 0xF0, 0xE6, 0xFD, 0xCA, 0xEA, 0xB1, 0xA3, 0x4D, 0x4A,
            0x6B, 0x4B, 0x63, 0x6E, 0x07, 0x0A, 0x38, 0xBC, 0xE7, 0x37,
        ]
        #expect(tokens.hmac(of: "what do ya want for nothing?") == expected)
    }

    @Test(arguments: [SaslMechanism.scramSHA256, .scramSHA512])
    func `who has a token is its owner for as long as it counts`(mechanism: SaslMechanism) throws {
        for tail in [",tokenauth=true", ",ext=1,tokenauth=TRUE", ",tokenauth=x,tokenauth=True"] {
            guard case .acceptedByToken(let principal, let last, let lifetimeMs) = try login(mechanism, tail: tail)
            else {
                Issue.record("not accepted")
                return
            }
            #expect(principal == Principal(name: "ann"))
            #expect(last.starts(with: Array("v=".utf8)))
            #expect(lifetimeMs == 1000)
        }
        moment.value.withLock { $0 = 1999 }
        guard case .acceptedByToken(_, _, 1) = try login(mechanism) else {
            Issue.record("another lifetime than the token's")
            return
        }
    }

    @Test func `who has none is refused`() throws {
        #expect(throws: SaslFailure.self) { try login(.scramSHA256, password: "wrong") }
        #expect(throws: SaslFailure.self) { try login(.scramSHA256, id: "t2") }
        // The id is no user's name.
        #expect(throws: SaslFailure.self) { try login(.scramSHA256, tail: "") }
        for tail in [",tokenauth=false", ",TokenAuth=true", ",tokenauth=true,tokenauth=", ",xtokenauth=true"] {
            #expect(throws: SaslFailure.self) { try login(.scramSHA256, tail: tail) }
        }
        moment.value.withLock { $0 = 2001 }
        #expect(throws: SaslFailure.self) { try login(.scramSHA256) }
        // A user is no token.
        let salted = ScramMechanism.sha256.salted(Array("pencil".utf8), [1], 4096)
        users.replace([
            ScramCredentialKey(user: "user", mechanism: .sha256): ScramCredential(
                saltedPassword: salted, salt: [1], iterationCount: 4096, .sha256)
        ])
        #expect(throws: SaslFailure.self) { try login(.scramSHA256, id: "user", password: "pencil") }
        guard case .accepted = try login(.scramSHA256, id: "user", password: "pencil", tail: "") else {
            Issue.record("the user is not accepted")
            return
        }
    }

    @Test func `a token that is ended during the exchange lets nobody in`() throws {
        #expect(throws: SaslFailure.self) { try login(.scramSHA256) { tokens.remove(["t1"]) } }
        #expect(tokens.token(hmac: tokens.hmac(of: "t1")) == nil)
    }

    @Test func `the credential is made once, and only when it is asked for`() throws {
        let first = Array("n,,n=t1,r=abc,tokenauth=true".utf8)
        var exchange = SaslExchange(.scramSHA256, users)
        #expect(try exchange.next(first) == .makeCredential(ofToken: "t1", .sha256))
        let made = tokens.credential(of: "t1", .sha256)
        guard case .challenge = try exchange.resume(made), case .challenge = try exchangeOf(first) else {
            Issue.record("no challenge")
            return
        }
        var other = SaslExchange(.scramSHA512, users)
        #expect(try other.next(first) == .makeCredential(ofToken: "t1", .sha512))
        // Who goes on before it is made is refused.
        #expect(throws: SaslFailure.self) { try other.next(Array("c=biws,r=abc,p=AAAA".utf8)) }
        #expect(throws: SaslFailure.self) { try other.resume(made) }
        var plain = SaslExchange(.scramSHA256, users)
        #expect(throws: SaslFailure.self) { try plain.resume(made) }
        _ = try plain.next(Array("n,,n=ann,r=abc".utf8))
        #expect(throws: SaslFailure.self) { try plain.resume(made) }
    }

    private func exchangeOf(_ first: [UInt8]) throws -> SaslExchange.Step {
        var exchange = SaslExchange(.scramSHA256, users)
        return try exchange.next(first)
    }

    @Test func `without a secret nobody comes by a token`() {
        var exchange = SaslExchange(.scramSHA256, UserDirectory())
        #expect(throws: SaslFailure.self) { try exchange.next(Array("n,,n=t1,r=abc,tokenauth=true".utf8)) }
    }

    @Test func `a renewed token goes on, by the same credential`() throws {
        let before = tokens.credential(of: "t1", .sha256)
        var renewed = Self.token
        renewed.expiresAt = 5000
        tokens.set(renewed)
        #expect(tokens.credential(of: "t1", .sha256) == before)
        #expect(tokens.valid("t1")?.remainingMs == 4000)
        #expect(tokens.token(hmac: tokens.hmac(of: "t1")) == renewed)
        #expect(tokens.token(hmac: [1]) == nil)
        #expect(tokens.token(hmac: []) == nil)
    }

    /// The first is upstream `TokenInformation.ownerOrRenewer`, the second `allowedToRenew`.
    @Test(arguments: [("ann", true, true), ("bob", true, true), ("rita", true, false), ("eve", false, false)])
    func `owner, renewers and requester have their rights`(name: String, sees: Bool, renews: Bool) {
        #expect(Self.token.concerns(Principal(name: name)) == sees)
        #expect(Self.token.isRenewable(by: Principal(name: name)) == renews)
        #expect(!Self.token.concerns(Principal(type: "Group", name: name)))
    }
}
