import Synchronization
import Testing

@testable import Security

@Suite struct ScramServerTests {
    private static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    private static let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    private static let final =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    /// `W22ZaJ0SNY7soEsUEjb6gQ==`
    private static let salt: [UInt8] = [
        0x5B, 0x6D, 0x99, 0x68, 0x9D, 0x12, 0x35, 0x8E, 0xEC, 0xA0, 0x4B, 0x14, 0x12, 0x36, 0xFA, 0x81,
    ]

    private func users(_ password: String = "pencil") -> UserDirectory {
        let directory = UserDirectory()
        let salted = ScramMechanism.sha256.salted(Array(password.utf8), Self.salt, 4096)
        directory.replace([
            ScramCredentialKey(user: "user", mechanism: .sha256): ScramCredential(
                saltedPassword: salted, salt: Self.salt, iterationCount: 4096, .sha256)
        ])
        return directory
    }

    private func text(_ step: SaslExchange.Step) -> String {
        switch step {
        case .challenge(let bytes), .accepted(_, let bytes): String(decoding: bytes, as: UTF8.self)
        case .check: "check"
        case .acceptedUntil, .acceptedByToken, .makeCredential, .refusing: "a step of tokens"
        }
    }

    /// Else asking before and after a restart would tell who there is: salts of users stay.
    @Test func `users that there are not have the same salt by the same secret`() {
        let secret = [UInt8](repeating: 7, count: UserDirectory.makerByteCount)
        for mechanism in ScramMechanism.allCases {
            func salt(_ maker: [UInt8]?) -> [UInt8] {
                UserDirectory(maker: maker).credential(of: "nobody", mechanism).salt
            }
            #expect(salt(secret) == salt(secret))
            #expect(salt(secret) != salt([UInt8](repeating: 8, count: UserDirectory.makerByteCount)))
            #expect(salt(nil) != salt(nil))
        }
    }

    /// RFC 7677, section 3.
    @Test func `the exchange of the RFC goes through`() throws {
        var exchange = SaslExchange(.scramSHA256, users(), nonce: Self.serverNonce)
        let challenge = try exchange.next(Array(Self.first.utf8))
        #expect(
            text(challenge)
                == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        let end = try exchange.next(Array(Self.final.utf8))
        #expect(
            end
                == .accepted(
                    Principal(name: "user"), last: Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8)))
        #expect(throws: SaslFailure.self) { try exchange.next(Array(Self.final.utf8)) }
    }

    @Test(arguments: [
        "", "n", "y,,n=user,r=abc", "p=tls-unique,,n=user,r=abc", "n,,r=abc,n=user", "n,,n=user", "n,,n=,r=abc",
        "n,,n=a=2Xb,r=abc", "n,,n=user,r=", "n,,n=user,r=a b", "n,,m=ext,n=user,r=abc", "n,a=other,n=user,r=abc",
        "n,other,n=user,r=abc", "n,,n=user,r=abc,tokenauth=true", "n,,n=\u{0},r=\u{7F}",
    ])
    func `what a client must not say first is refused`(first: String) {
        var exchange = SaslExchange(.scramSHA256, users())
        #expect(throws: SaslFailure.self) { try exchange.next(Array(first.utf8)) }
        // And it is over.
        #expect(throws: SaslFailure.self) { try exchange.next(Array(Self.first.utf8)) }
    }

    @Test(arguments: [
        "", "p=", "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ])
    func `a proof that is none is refused`(final: String) throws {
        var exchange = SaslExchange(.scramSHA256, users(), nonce: Self.serverNonce)
        _ = try exchange.next(Array(Self.first.utf8))
        #expect(throws: SaslFailure.self) { try exchange.next(Array(final.utf8)) }
    }

    @Test func `an unknown user is challenged like any other, the same each time, and refused in the same words`()
        throws
    {
        func failure(_ users: UserDirectory) throws -> (challenge: String, failure: SaslFailure?) {
            var exchange = SaslExchange(.scramSHA256, users, nonce: Self.serverNonce)
            let challenge = text(try exchange.next(Array(Self.first.utf8)))
            do {
                _ = try exchange.next(Array(Self.final.utf8))
                return (challenge, nil)
            } catch {
                return (challenge, error)
            }
        }
        let nobody = UserDirectory()
        let unknown = try failure(nobody)
        #expect(try failure(nobody).challenge == unknown.challenge)
        #expect(try failure(users("another")).failure == unknown.failure)
        #expect(unknown.failure != nil)
        #expect(unknown.failure?.words == nil)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `garbage is refused`(seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        let alphabet = Array("n,=r=c=biws,p=a\0\u{FF}é".utf8)
        let token = (0..<Int(random() % 60)).map { _ in alphabet[Int(random() % UInt64(alphabet.count))] }
        for mechanism in SaslMechanism.allCases {
            var exchange = SaslExchange(mechanism, users())
            var isAccepted = false
            for _ in 0..<3 { if case .accepted? = try? exchange.next(token) { isAccepted = true } }
            #expect(!isAccepted)
        }
    }
}

@Suite struct PlainTests {
    @Test func `a message is user and password`() throws {
        #expect(try PlainMessage("\0ann\0p").user == "ann")
        #expect(try PlainMessage("ann\0ann\0p=ä").password == "p=ä")
    }

    @Test(arguments: ["", "ann", "\0ann", "\0\0p", "\0ann\0", "bob\0ann\0p", "\0ann\0p\0"])
    func `others are refused`(message: String) {
        #expect(throws: SaslFailure.self) { try PlainMessage(message) }
    }

    @Test func `passwords are those of the file and of the list, and remembered for a while`() {
        let start = ContinuousClock.now
        let time = Mutex(start)
        let directory = UserDirectory(now: { time.withLock { $0 } })
        let key = ScramCredentialKey(user: "ann", mechanism: .sha512)
        func credential(_ password: String) -> ScramCredential {
            let salt = ScramCredential.randomSalt()
            return ScramCredential(
                saltedPassword: ScramMechanism.sha512.salted(Array(password.utf8), salt, 4096), salt: salt,
                iterationCount: 4096, .sha512)
        }
        directory.replace([key: credential("secret")])
        let users = UserCheck(directory, listed: [["bob": "builder"], ["bob": "other"]])
        #expect(users.principal(user: "bob", password: "builder") == Principal(name: "bob"))
        #expect(users.principal(user: "bob", password: "other") == Principal(name: "bob"))
        #expect(users.principal(user: "bob", password: "buil") == nil)
        #expect(users.principal(user: "nobody", password: "secret") == nil)
        #expect(users.principal(user: "", password: "") == nil)
        #expect(users.quickPrincipal(user: "ann", password: "secret") == nil)
        #expect(users.principal(user: "ann", password: "secret") == Principal(name: "ann"))
        #expect(users.quickPrincipal(user: "ann", password: "secret") == Principal(name: "ann"))
        #expect(users.quickPrincipal(user: "ann", password: "secre") == nil)
        time.withLock { $0 = start + .seconds(61) }
        #expect(users.quickPrincipal(user: "ann", password: "secret") == nil)
        #expect(users.principal(user: "ann", password: "secret") != nil)
        directory.replace([key: credential("changed")])
        #expect(users.principal(user: "ann", password: "secret") == nil)
        #expect(users.principal(user: "ann", password: "changed") != nil)
    }
}
