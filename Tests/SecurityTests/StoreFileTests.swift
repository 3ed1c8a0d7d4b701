import NIOSSL
import TestKit
import Testing

@testable import Security

/// Key stores and trust stores of all formats. A file from outside is read or refused in words; the program goes on.
@Suite struct StoreFileTests {
    struct Store: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var keyPassword: String?
        /// Of the authorities that Java would trust by it.
        var trusted: [String]
        var testDescription: String { name }
    }

    static let withKeys = [
        Store(name: "PKCS12 of today", bytes: StoreFixtures.modern, trusted: [StoreFixtures.certificate]),
        Store(name: "PKCS12 of old", bytes: StoreFixtures.legacy, trusted: [StoreFixtures.certificate]),
        Store(name: "PKCS12 without encryption", bytes: StoreFixtures.plain, trusted: [StoreFixtures.certificate]),
        Store(name: "JKS", bytes: StoreFixtures.java, trusted: [StoreFixtures.certificate]),
        Store(
            name: "JKS with two passwords", bytes: StoreFixtures.javaOtherKeyPassword, keyPassword: "another",
            trusted: [StoreFixtures.certificate]),
    ]
    static let withAuthorities = [
        Store(name: "JKS", bytes: StoreFixtures.javaTrust, trusted: [StoreFixtures.authority]),
        Store(name: "PKCS12 of Java", bytes: StoreFixtures.trust, trusted: [StoreFixtures.authority]),
        Store(name: "PEM", bytes: Array(StoreFixtures.authority.utf8), trusted: [StoreFixtures.authority]),
    ]

    private func certificates(_ texts: [String]) throws -> [NIOSSLCertificate] {
        try texts.map { try NIOSSLCertificate(bytes: Array($0.utf8), format: .pem) }
    }

    @Test(arguments: withKeys)
    func `reads the key, its certificate and the authority`(store: Store) throws {
        let identity = try TLSIdentity(
            store.bytes, password: "secret", keyPassword: store.keyPassword, named: "'x'")
        #expect(identity.chain == (try certificates([StoreFixtures.certificate, StoreFixtures.authority])))
        // What libraries get that take texts.
        let pem = try #require(try identity.pem)
        let again = try TLSIdentity(chain: Array(pem.chain.utf8), key: Array(pem.key.utf8), nil, named: "'y'")
        #expect(again.chain == identity.chain)
    }

    @Test(arguments: withKeys + withAuthorities)
    func `trusts whom Java trusts`(store: Store) throws {
        let trusted = try StoreFile.trusted(store.bytes, password: "secret", named: "'x'")
        #expect(trusted == (try certificates(store.trusted)))
    }

    @Test func `JKS gives its authorities without a password, PKCS12 says that it needs one`() throws {
        #expect(try StoreFile.trusted(StoreFixtures.javaTrust, password: nil, named: "'x'").count == 1)
        let error = #expect(throws: KeyStoreError.self) {
            try StoreFile.trusted(StoreFixtures.trust, password: nil, named: "'x'")
        }
        #expect(error?.hint == "set ssl.truststore.password")
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var password: String? = "secret"
        var words: String
        var testDescription: String { name }
    }

    /// The first of these ended the program.
    @Test(arguments: [
        Refusal(name: "another's key", bytes: StoreFixtures.crossed, words: "no certificate of that key"),
        Refusal(name: "wrong password", bytes: StoreFixtures.modern, password: "Secret", words: "password is another"),
        Refusal(name: "wrong password, old", bytes: StoreFixtures.legacy, password: "x", words: "password is another"),
        Refusal(name: "wrong password, JKS", bytes: StoreFixtures.java, password: "x", words: "password is another"),
        Refusal(name: "no password", bytes: StoreFixtures.modern, password: nil, words: "password is another"),
        Refusal(name: "another of the key", bytes: StoreFixtures.javaOtherKeyPassword, words: "ssl.key.password"),
        Refusal(name: "no key", bytes: StoreFixtures.trust, words: "no key store with a private key"),
        Refusal(name: "no key, JKS", bytes: StoreFixtures.javaTrust, words: "no key store with a private key"),
        Refusal(name: "nothing", bytes: [], words: "no key store"),
        Refusal(name: "a sequence", bytes: [0x30, 0], words: "no key store"),
        Refusal(name: "JCEKS", bytes: [0xCE, 0xCE, 0xCE, 0xCE, 0, 0, 0, 2], words: "JCEKS"),
        Refusal(name: "the first bytes", bytes: Array(StoreFixtures.java.prefix(40)), words: "password is another"),
    ])
    func `refuses in words what is no key with its certificate`(refusal: Refusal) {
        let error = #expect(throws: KeyStoreError.self) {
            try TLSIdentity(refusal.bytes, password: refusal.password, keyPassword: nil, named: "'FILE'")
        }
        let text = error?.description ?? ""
        #expect(text.contains(refusal.words), "\(text)")
        #expect(text.contains("FILE"))
        #expect(!text.contains("Secret"))
    }

    /// Chains and keys of PEM, and a word of the refusal. The keys of `KeyStoreTests` are of other certificates.
    @Test(arguments: [
        ([StoreFixtures.certificate], "does not belong to its certificate"),
        ([StoreFixtures.certificate, StoreFixtures.authority], "does not belong to its first certificate"),
        ([StoreFixtures.authority, KeyStoreTests.certificate], "before the others"),
    ])
    func `refuses a key in PEM that is another's`(chain: [String], words: String) {
        let error = #expect(throws: KeyStoreError.self) {
            try TLSIdentity(
                chain: Array(chain.joined(separator: "\n").utf8), key: Array(KeyStoreTests.key.utf8), nil, named: "'x'")
        }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func `an empty key in PEM is refused`() {
        #expect(throws: KeyStoreError.self) {
            try TLSIdentity(chain: Array(StoreFixtures.certificate.utf8), key: [], nil, named: "'x'")
        }
    }

    /// Several certificates: the one of the key is found, and the chain goes as far as the issuers are there.
    @Test func `finds the certificate of the key among others`() throws {
        var contents = try PKCS12.read(StoreFixtures.modern, password: "secret")
        let key = try #require(contents.keys.first)
        let other = try NIOSSLCertificate(bytes: Array(StoreFixtures.other.utf8), format: .pem).toDERBytes()
        contents.certificates.insert(.init(bytes: other, identifier: key.identifier), at: 0)
        let own = try NIOSSLCertificate(bytes: Array(StoreFixtures.certificate.utf8), format: .pem).toDERBytes()
        let chain = StoreContents.chain(from: own, among: contents.certificates.map(\.bytes))
        #expect(chain.count == 2)
        #expect(!chain.contains(other))
    }

    @Test func `reads BER`() throws {
        // The outermost sequence without a length, and its octet string in two parts.
        var outer = DER(StoreFixtures.plain[...])
        guard var file = outer.next(tag: DER.sequence), let version = file.element(),
            var safe = file.next(tag: DER.sequence), let type = safe.element(), var explicit = safe.next(tag: 0xA0),
            let content = explicit.octets()
        else {
            Issue.record("the store is no PKCS#12")
            return
        }
        let parts = BER.encoded(0x04, Array(content.prefix(10))) + BER.encoded(0x04, Array(content.dropFirst(10)))
        var written: [UInt8] = [0x30, 0x80]
        written += version.whole
        written += [0x30, 0x80] as [UInt8]
        written += type.whole
        written += [0xA0, 0x80, 0x24, 0x80] as [UInt8]
        written += parts
        written += [UInt8](repeating: 0, count: 8)
        #expect(try PKCS12.read(written, password: nil) == PKCS12.read(StoreFixtures.plain, password: nil))
        #expect(BER.definite([0x30, 0x80, 0x04]) == nil)
        #expect(BER.definite([UInt8](repeating: 0x30, count: 1000).flatMap { [$0, 0x80] }[...]) == nil)
    }

    /// Vectors of RFC 2268, 5, where all bits of the key count; of NIST SP 800-67 for triple DES.
    @Test(arguments: [
        ("88bca90e90875a7f0f79c384627bafb2", "2269552ab0f85ca6", "0000000000000000"),
        ("ffffffffffffffff", "278b27e42e2f0d49", "ffffffffffffffff"),
        ("3000000000000000", "30649edf9be7d2c2", "1000000000000001"),
    ])
    func `RC2 is that of its specification`(key: String, cipher: String, plain: String) throws {
        let number = try #require(UInt64(cipher, radix: 16))
        let rc2 = try #require(RC2(bytes(ofHex: key)))
        #expect(rc2.decrypted(number) == UInt64(plain, radix: 16))
    }

    @Test func `triple DES is that of its specification`() throws {
        let des = try #require(TripleDES(bytes(ofHex: "0123456789abcdef23456789abcdef01456789abcdef0123")))
        #expect(des.decrypted(0xA826_FD8C_E53B_855F) == 0x5468_6520_7175_6663)
    }

    @Test func `a key or a block of another length is none`() {
        #expect(TripleDES([1, 2, 3]) == nil)
        #expect(RC2([]) == nil)
        #expect(RC2([1, 2, 3, 4, 5])?.decrypted([1, 2, 3], from: [UInt8](repeating: 0, count: 8)) == nil)
        #expect(RC2([1, 2, 3, 4, 5])?.decrypted([], from: [UInt8](repeating: 0, count: 8)) == nil)
    }
}
