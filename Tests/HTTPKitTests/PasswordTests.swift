import Glibc
import Logging
import NIOCore
import Security
import Synchronization
import TestKit
import Testing

@testable import HTTPKit

/// Headers, stored passwords, files of users, and how often wrong ones may be tried.
@Suite struct PasswordTests {
    /// RFC 7617, 2 and 2.1: the two examples are the RFC's own.
    @Test(
        arguments: [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            ("basic  dGVzdDoxMjPCow==", "test", "123\u{A3}"),
            ("BASIC YTo=", "a", ""), ("Basic YTpiOmM=", "a", "b:c"), ("Basic OmI=", "", "b"),
        ])
    func `reads user and password`(header: String, user: String, password: String) {
        #expect(BasicCredentials(header) == BasicCredentials(user: user, password: password))
    }

    @Test(
        arguments: [
            "", "Basic", "Basic ", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxh*", "Basic YWI=", "Basic /w==",
            "Basic YToKYg==", "Basic " + String(repeating: "YWFh", count: 2000),
        ])
    func `takes nothing else for credentials`(header: String) { #expect(BasicCredentials(header) == nil) }

    /// RFC 7914, 11 (PBKDF2 with HMAC-SHA-256, the first half), and one of Python's hashlib.
    @Test(
        arguments: [
            ("passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            ("geheim", "01234567", 1000, "9abd856b27a23878f21ab9d9bcf461f6ddddbd96d9dada0caeb096ca5afe0e33"),
        ])
    func `derives keys`(password: String, salt: String, iterations: Int, hash: String) {
        let derived = StoredPassword.derive(Array(password.utf8), salt: Array(salt.utf8), iterations: iterations)
        #expect(derived.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == hash)
    }

    /// MD5 by md5sum; the text behind OBF is the one of Jetty's documentation.
    @Test(
        arguments: [
            ("secret", "secret"), ("MD5:5ebe2294ecd0e0f08eab7690d2a6ee69", "secret"),
            ("OBF:1v2j1uum1xtv1zej1zer1xtn1uvk1v1v", "password"),
            (StoredPassword.derived(from: "p\u{E4}ss,wort", iterations: 1000), "p\u{E4}ss,wort"),
        ])
    func `knows a password however it is stored`(stored: String, password: String) throws {
        let stored = try StoredPassword(stored)
        #expect(stored.matches(password))
        for other in ["", password + " ", password.uppercased(), String(password.dropLast())] {
            #expect(!stored.matches(other), "\(other)")
        }
    }

    @Test(
        arguments: [
            "PBKDF2:", "PBKDF2:10:c2FsdHNhbHQ=:AAAA", "PBKDF2:99999999999:c2FsdHNhbHQ=:AAAA", "PBKDF2:1000:*:AAAA",
            "PBKDF2:1000:c2FsdHNhbHQ=:AAAA", "MD5:5ebe", "MD5:zebe2294ecd0e0f08eab7690d2a6ee69", "OBF:1v", "OBF:zzzz!",
            "CRYPT:abJnggxhB/yWI",
        ])
    func `refuses what is stored in no form that there is`(stored: String) {
        #expect(throws: StoredPassword.Malformed.self) { try StoredPassword(stored) }
    }

    private func quiet() -> Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path + ".new", "w"))
        fputs(text, file)
        fclose(file)
        chmod(path + ".new", 0o600)
        #expect(rename(path + ".new", path) == 0)
    }

    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        let path = "/tmp/users-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try write(text, to: path)
        defer { unlink(path) }
        try await body(path)
    }

    @Test func `reads users and their roles, and reads them again`() async throws {
        try await withFile(
            "# users\n\nann: secret, admin , dev\nbob=MD5:5ebe2294ecd0e0f08eab7690d2a6ee69\r\n  c.d : x\n"
        ) {
            path in
            let file = try UserFile(path, logger: quiet())
            #expect(file.principal(user: "ann", password: "secret") == Principal(name: "ann"))
            #expect(file.principal(user: "bob", password: "secret") == Principal(name: "bob"))
            #expect(file.principal(user: "c.d", password: "x") != nil)
            #expect(file.principal(user: "ann", password: "Secret") == nil)
            #expect(file.principal(user: "eve", password: "") == nil)
            #expect(file.roles(of: "ann") == ["admin", "dev"])
            #expect(file.roles(of: "bob").isEmpty)
            let version = file.refresh()
            #expect(file.refresh() == version)
            try write("ann: other secret\n", to: path)
            #expect(file.refresh() != version)
            #expect(file.principal(user: "ann", password: "secret") == nil)
            #expect(file.principal(user: "ann", password: "other secret") != nil)
            // What cannot be used leaves the users as they are.
            try write("nonsense\n", to: path)
            _ = file.refresh()
            #expect(file.principal(user: "ann", password: "other secret") != nil)
        }
    }

    @Test(
        arguments: [
            ("", "has no users"), ("# none\n", "has no users"), ("ann\n", "line 1: a user is written as"),
            ("a: b\n: c\n", "line 2: a user"), ("a:\n", "line 1: a user"), ("a: ,admin\n", "line 1: a user"),
            ("a: b\na: c\n", "line 2: the user a is there twice"), ("a: CRYPT:xy\n", "line 1: CRYPT:"),
            ("swiftwater-process: x\n", "the program's own"),
        ])
    func `tells what is wrong with a file of users`(text: String, words: String) async throws {
        try await withFile(text) { path in
            let error = #expect(throws: UserFile.Malformed.self) { try UserFile(path, logger: quiet()) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            #expect(error?.description.contains(path) == true)
        }
    }

    /// A reference, for expectations change nothing.
    private final class Throttle {
        var value = FailureThrottle()
        var addressCount: Int { value.addressCount }
        func take(_ address: String, at now: NIODeadline) -> Bool { value.take(address, at: now) }
        func giveBack(_ address: String, at now: NIODeadline) { value.giveBack(address, at: now) }
    }

    @Test func `an address may be wrong so often, and again after a while`() {
        let throttle = Throttle()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for _ in 0..<Int(FailureThrottle.burst) { #expect(throttle.take("1.2.3.4", at: start)) }
        #expect(!throttle.take("1.2.3.4", at: start))
        #expect(throttle.take("1.2.3.5", at: start))
        throttle.giveBack("1.2.3.4", at: start)
        #expect(throttle.take("1.2.3.4", at: start))
        #expect(!throttle.take("1.2.3.4", at: start + .milliseconds(400)))
        #expect(throttle.take("1.2.3.4", at: start + .milliseconds(600)))
        #expect(throttle.take("1.2.3.4", at: start + .hours(1)))
    }

    @Test func `who has a network of IPv6 is one address`() {
        let throttle = Throttle()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for count in 0..<Int(FailureThrottle.burst) {
            #expect(throttle.take("2001:db8:1:2::\(String(count + 1, radix: 16))", at: start))
        }
        #expect(!throttle.take("2001:db8:1:2:ffff::1", at: start))
        #expect(throttle.take("2001:db8:1:3::1", at: start))
    }

    @Test(arguments: [
        ("1.2.3.4", "1.2.3.4"), ("::ffff:1.2.3.4", "1.2.3.4"), ("0:0:0:0:0:FFFF:0102:0304", "1.2.3.4"), ("::1", "::1"),
        ("2001:DB8:0::1", "2001:db8::1"), ("unknown", "unknown"), ("", ""),
    ])
    func `an address of IPv4 is one in IPv6 as well`(address: String, plain: String) {
        #expect(ClientAddress.plain(address) == plain)
    }

    @Test func `who comes by IPv4 has a bucket of his own on a socket of IPv6`() {
        let throttle = Throttle()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for _ in 0..<Int(FailureThrottle.burst) { #expect(throttle.take("::ffff:1.2.3.4", at: start)) }
        #expect(!throttle.take("1.2.3.4", at: start))
        #expect(throttle.take("::ffff:1.2.3.5", at: start))
    }

    @Test(
        arguments: [
            ("127.0.0.1", nil, true), ("127.1.2.3", "127.0.0.1", true), ("::1", nil, true),
            ("::ffff:127.0.0.1", nil, true),
            ("10.0.0.1", "10.0.0.1", true), ("::ffff:10.0.0.1", "10.0.0.1", true), ("10.0.0.2", "10.0.0.1", false),
            ("10.0.0.2", nil, false), ("127::1", nil, false), ("unknown", "10.0.0.1", false),
        ] as [(String, String?, Bool)])
    func `knows what comes from this machine`(remote: String, local: String?, isNear: Bool) {
        #expect(ClientAddress.isNear(remote: remote, local: local) == isNear)
    }

    @Test func `remembers a bounded number of addresses`() {
        let throttle = Throttle()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for _ in 0..<Int(FailureThrottle.burst) { #expect(throttle.take("9.9.9.9", at: start)) }
        for count in 0..<FailureThrottle.addressCountMax + 100 {
            _ = throttle.take("10.0.\(count >> 8).\(count & 255)", at: start)
        }
        #expect(throttle.addressCount == FailureThrottle.addressCountMax)
        #expect(!throttle.take("9.9.9.9", at: start))
    }

    /// Knows `ann` with "secret", and counts.
    private final class Counting: PasswordCheck {
        let count = Atomic<Int>(0)
        func principal(user: String, password: String) -> Principal? {
            count.add(1, ordering: .relaxed)
            return user == "ann" && password == "secret" ? Principal(name: "ann") : nil
        }
    }

    @Test func `a password that was right is known for a while`() async throws {
        let time = Mutex(NIODeadline.uptimeNanoseconds(1_000_000_000_000))
        let counting = Counting()
        let users = HTTPUsers(file: nil, process: ProcessCredentials(), now: { time.withLock { $0 } })
        users.add(counting)
        let right = BasicCredentials(user: "ann", password: "secret")
        let wrong = BasicCredentials(user: "ann", password: "Secret")
        let ann = HTTPUser(Principal(name: "ann"))
        #expect(users.atHand(right, isNear: false) == nil)
        for _ in 0..<3 { #expect(await users.check(right, from: "1.1.1.1", isNear: false) == .right(ann)) }
        #expect(users.atHand(right, isNear: false) == ann)
        #expect(users.atHand(wrong, isNear: false) == nil)
        #expect(counting.count.load(ordering: .relaxed) == 1)
        time.withLock { $0 = $0 + HTTPUsers.knownTime }
        #expect(users.atHand(right, isNear: false) == nil)
        // It is let in while it is tried again.
        #expect(await users.check(right, from: "1.1.1.1", isNear: false) == .right(ann))
        while users.atHand(right, isNear: false) == nil { await Task.yield() }
        #expect(counting.count.load(ordering: .relaxed) == 2)
        // An address whose others are wrong too often: who was right before is still let in.
        for _ in 0..<Int(FailureThrottle.burst) {
            #expect(await users.check(wrong, from: "1.1.1.1", isNear: false) == .wrong)
        }
        #expect(await users.check(wrong, from: "1.1.1.1", isNear: false) == .throttled)
        time.withLock { $0 = $0 + .milliseconds(1) }
        #expect(await users.check(right, from: "1.1.1.1", isNear: false) == .right(ann))
        #expect(await users.check(wrong, from: "2.2.2.2", isNear: false) == .wrong)
        await users.shutdown()
    }

    /// More at once than there are places and tries.
    @Test(arguments: [true, false])
    func `equal passwords are tried once at a time`(isRight: Bool) async {
        let counting = Counting()
        let users = HTTPUsers(file: nil, process: ProcessCredentials())
        users.add(counting)
        let credentials = BasicCredentials(user: "ann", password: isRight ? "secret" : "Secret")
        let verdicts = await withTaskGroup(of: HTTPUsers.Verdict.self) { group in
            for _ in 0..<200 {
                group.addTask { await users.check(credentials, from: "1.1.1.1", isNear: false) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        if isRight {
            #expect(verdicts.allSatisfy { $0 == .right(HTTPUser(Principal(name: "ann"))) })
            #expect(counting.count.load(ordering: .relaxed) == 1)
        } else {
            #expect(verdicts.allSatisfy { $0 == .wrong || $0 == .throttled })
        }
        await users.shutdown()
        // The process stops: there is no verdict, which is not to say that it is wrong.
        let other = BasicCredentials(user: "bob", password: "x")
        #expect(await users.check(other, from: "1.1.1.2", isNear: false) == .busy)
    }

    /// A list of users that changes while a password is tried.
    private final class Changing: PasswordCheck {
        let during: @Sendable () -> Void
        init(_ during: @escaping @Sendable () -> Void) { self.during = during }
        func principal(user: String, password: String) -> Principal? {
            during()
            return Principal(name: user)
        }
    }

    @Test func `what was found before users changed is not remembered`() async throws {
        try await withFile("ann: secret\n") { path in
            let round = Atomic<Int>(0)
            let users = HTTPUsers(file: try UserFile(path, logger: quiet()), process: ProcessCredentials())
            users.add(
                Changing {
                    let round = round.add(1, ordering: .relaxed).newValue
                    try? self.write("ann: \(String(repeating: "x", count: round))\n", to: path)
                })
            let bob = BasicCredentials(user: "bob", password: "b")
            #expect(await users.check(bob, from: "1.1.1.1", isNear: false) == .right(HTTPUser(Principal(name: "bob"))))
            #expect(round.load(ordering: .relaxed) == 3)
            #expect(users.atHand(bob, isNear: false) == nil)
            await users.shutdown()
        }
    }

    @Test func `a part of the process is known without a try`() async {
        let process = ProcessCredentials()
        let counting = Counting()
        let users = HTTPUsers(file: nil, process: process)
        users.add(counting)
        #expect(
            users.atHand(BasicCredentials(user: ProcessCredentials.user, password: process.password), isNear: true)?
                .isProcess == true)
        #expect(
            users.atHand(BasicCredentials(user: ProcessCredentials.user, password: process.password), isNear: false)
                == nil)
        let wrong = BasicCredentials(user: ProcessCredentials.user, password: ProcessCredentials().password)
        #expect(await users.check(wrong, from: "1.1.1.1", isNear: false) == .wrong)
        #expect(counting.count.load(ordering: .relaxed) == 0)
        await users.shutdown()
    }

    @Test(arguments: [
        ("/a", true), ("/a/*", true), ("/", true), ("a", false), ("*", false), ("/*.js", false), ("/%zz", false),
    ])
    func `paths without users are paths`(path: String, isRight: Bool) {
        #expect((HTTPAccessRules.problem(withPath: path) == nil) == isRight)
    }
}
