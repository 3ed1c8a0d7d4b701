import ConnectCore
import Testing

@testable import HTTPCalls

@Suite struct HTTPCallsTests {
    @Test(arguments: [
        ("http://user:secret@host:1/p?token=x#f", "http://host:1/p"), ("https://host/a@b?c", "https://host/a@b"),
        ("host:9200", "host:9200"), ("http://a:b@c", "http://c"),
    ])
    func `shows addresses without secrets`(url: String, shown: String) { #expect(HTTPCaller.shown(url) == shown) }

    @Test(
        arguments: [
            ("400-", [400, 599], [399, 200]), ("429,500-503", [429, 500, 503], [428, 504]),
            ("-399", [200, 399], [400]),
            ("", [], [500]), (" 404 , 5 ", [404, 5], [405]),
        ] as [(String, [Int], [Int])])
    func `status codes`(text: String, inside: [Int], outside: [Int]) throws {
        let codes = try StatusCodes(text, option: "o")
        #expect(inside.allSatisfy(codes.contains) && !outside.contains(where: codes.contains))
    }

    @Test(arguments: ["x", "500-400", "1-2-3", "-", "99999"])
    func `no status codes`(text: String) { #expect(throws: ConnectError.self) { try StatusCodes(text, option: "o") } }

    @Test func `pauses double up to the longest`() {
        let schedule = RetrySchedule(first: .milliseconds(100), longest: .seconds(1), isRandom: false)
        #expect((0..<6).map(schedule.pause) == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        let random = RetrySchedule(first: .milliseconds(100))
        #expect((0..<50).allSatisfy { _ in (.milliseconds(50) ... .milliseconds(100)).contains(random.pause(0)) })
        #expect(random.pause(.max) <= .seconds(60))
    }

    @Test func `a server that is not there`() async throws {
        let exchange = try HTTPCaller(HTTPCaller.Settings())
        let failure = await #expect(throws: ConnectError.self) {
            try await exchange.send(.init("GET", "http://user:secret@127.0.0.1:1/x"))
        }
        #expect(failure?.isRetriable == true)
        #expect(failure?.message.contains("http://127.0.0.1:1/x") == true)
        #expect(failure?.message.contains("secret") == false)
        let bad = await #expect(throws: ConnectError.self) { try await exchange.send(.init("GET", "nonsense")) }
        #expect(bad?.message.contains("nonsense") == true)
        await exchange.close()
    }

    @Test(arguments: [
        ["ssl.keystore.type": "BKS"], ["ssl.truststore.location": "/x", "ssl.truststore.type": "JCEKS"],
    ])
    func `kinds of key stores that cannot be read`(properties: [String: String]) throws {
        var definition = ConfigDef()
        TLSSettings.define(in: &definition, prefix: "")
        let values = try definition.parse(properties)
        #expect(throws: ConnectError.self) { try TLSSettings(values, prefix: "") }
    }

    @Test func `a file of certificates that is not there`() throws {
        var settings = HTTPCaller.Settings()
        settings.tls.trustFile = "/no/such.pem"
        let failure = #expect(throws: ConnectError.self) { try HTTPCaller(settings) }
        #expect(failure?.message.contains("/no/such.pem") == true)
    }
}
