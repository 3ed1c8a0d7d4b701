import Cluster
import HTTPKit
import JSONFormat
import NIOHTTP1
import Testing

@testable import ConsoleService

/// Who may use the console, as a browser with somebody else's page in it would try.
@Suite struct GuardTests {
    @Test(
        arguments: [
            ("localhost:8080", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:8080", "::1"),
            ("Console.Example.com.", "console.example.com"), ("a:b", nil), ("[::1", nil), ("", nil), (":80", nil),
            ("evil.com:80@localhost", nil),
        ] as [(String, String?)])
    func `reads the host of an authority`(authority: String, host: String?) {
        #expect(HTTPAuthority.host(authority) == host)
    }

    @Test(
        arguments: [
            ("127.0.0.1", true), ("192.168.1.7", true), ("::1", true), ("127.0.0.1.evil.com", false), ("1.2.3", false),
            ("256.1.1.1", false), ("localhost.evil.com", false), ("+1.2.3.4", false),
        ])
    func `tells addresses in digits from names`(host: String, isAddress: Bool) {
        #expect(HTTPAuthority.isAddress(host) == isAddress)
    }

    @Test func `names that are not ours are refused`() async throws {
        try await TestConsole.with { console in
            for host in ["evil.example.com", "localhost.evil.com:8080", "127.0.0.1.nip.io"] {
                for path in ["/", "/api/about", "/api/topics"] {
                    let answer = try await console.ask(.GET, path, headers: [("Host", host)])
                    #expect(answer.status == 403, "\(host) \(path)")
                    #expect(answer.json["message"]?.text?.contains("--console-hosts") == true)
                }
            }
            for host in ["localhost", "localhost:9", "127.0.0.1:1", "[::1]", "console.example.com"] {
                let answer = try await console.ask(.GET, "/api/about", headers: [("Host", host)])
                #expect(answer.status == 200, "\(host)")
            }
        }
    }

    @Test func `other sites change nothing`() async throws {
        try await TestConsole.with { console in
            let topic = JSONValue.object([("name", .string("made"))]).bytes
            let own = ("X-Swiftwater-Console", "1")
            let address = "127.0.0.1:\(console.server.port)"
            // Without our header, with another origin, with what a browser says of another site.
            for headers in [
                [], [("X-Swiftwater-Console", "0")], [own, ("Origin", "http://evil.example.com")],
                [own, ("Origin", "null")],
                [own, ("Origin", "http://127.0.0.1:1")], [own, ("Sec-Fetch-Site", "cross-site")],
            ] {
                let answer = try await console.ask(.POST, "/api/topics", headers: headers, body: topic)
                #expect(answer.status == 403, "\(headers)")
                for path in ["/api/sql/ksql", "/api/connect/connectors", "/api/registry/subjects/s/versions"] {
                    #expect(try await console.ask(.POST, path, headers: headers, body: topic).status == 403)
                }
                #expect(try await console.ask(.DELETE, "/api/topics/made", headers: headers).status == 403)
            }
            #expect(try await console.cluster.topics().allSatisfy { $0.name != "made" })
            let answer = try await console.ask(
                .POST, "/api/topics", headers: [own, ("Origin", "http://\(address)")], body: topic)
            #expect(answer.status == 201)
            #expect(
                try await console.ask(.GET, "/api/topics", headers: [("Sec-Fetch-Site", "cross-site")]).status == 403)
        }
    }

    @Test func `every answer tells browsers to be careful`() async throws {
        try await TestConsole.with { console in
            for path in ["/", "/topics/a.b", "/api/about", "/api/nothing", "/js/nothing.js", "/api/topics/nothing"] {
                let answer = try await console.ask(.GET, path)
                let policy = try #require(answer.headers.first(name: "Content-Security-Policy"), "\(path)")
                #expect(policy.contains("frame-ancestors 'none'"))
                #expect(policy.hasPrefix("default-src 'self'") || policy.hasPrefix("default-src 'none'"))
                #expect(!policy.contains("unsafe"))
                #expect(answer.headers.first(name: "X-Content-Type-Options") == "nosniff")
                #expect(answer.headers.first(name: "X-Frame-Options") == "DENY")
                #expect(answer.headers.first(name: "Referrer-Policy") == "no-referrer")
                #expect(!answer.headers.contains(name: "Access-Control-Allow-Origin"))
            }
        }
    }
}
