import HTTPTypes
import Testing

@testable import HTTPKit

/// Which requests of web pages pass, as browsers send them (Fetch standard, 3.1 and 4.5; W3C, Fetch Metadata).
@Suite struct PageGuardTests {
    private struct Page: CustomTestStringConvertible {
        var method: HTTPRequest.Method = .post
        var host: String
        var origin: String?
        var site: String?
        var allowed = ""
        var opensSocket = false
        /// nil where the request passes, else a part of what is said.
        var refusal: String?

        var testDescription: String {
            "\(method) \(host) of \(origin ?? "-") \(site ?? "-")\(opensSocket ? " socket" : "") allowed: \(allowed)"
        }
    }

    private static let name = "by the name"
    private static let other = "are refused"

    private static let pages: [Page] = [
        // Programs, whatever they call the server.
        Page(host: "localhost:8083"), Page(host: "connect:8083"), Page(host: "evil.example.com"), Page(host: ""),
        Page(method: .delete, host: "connect"), Page(method: .get, host: "connect", opensSocket: true),
        // Pages of others, from a server that browsers give Fetch Metadata, and from one that they do not.
        Page(host: "localhost:8083", origin: "http://evil.example.com", site: "cross-site", refusal: other),
        Page(host: "192.168.1.7:8083", origin: "http://evil.example.com", refusal: other),
        Page(method: .put, host: "192.168.1.7:8083", origin: "http://evil.example.com", refusal: other),
        Page(method: .delete, host: "192.168.1.7:8083", origin: "http://evil.example.com", refusal: other),
        Page(method: .patch, host: "192.168.1.7:8083", origin: "null", refusal: other),
        Page(host: "localhost:8083", origin: "null", site: "cross-site", refusal: other),
        Page(host: "localhost:8083", site: "cross-site", refusal: other),
        // Another port of this machine, another name of it, another place with the same beginning.
        Page(host: "localhost:8083", origin: "http://localhost:3000", site: "same-site", refusal: other),
        Page(host: "localhost:8083", site: "same-site", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "http://localhost:8083", site: "cross-site", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "http://127.0.0.1:80831", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "http://127.0.0.1", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "ftp://127.0.0.1:8083", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "http://127.0.0.1:8083, http://evil.example.com", refusal: other),
        Page(host: "127.0.0.1:8083", origin: "http://127.0.0.1:8083", site: "cross-site", refusal: other),
        // A name of somebody else that leads here.
        Page(host: "evil.example.com:8083", origin: "http://evil.example.com:8083", site: "same-origin", refusal: name),
        Page(host: "evil.example.com:8083", origin: "http://evil.example.com:8083", refusal: name),
        Page(method: .get, host: "evil.example.com:8083", site: "same-origin", refusal: name),
        Page(method: .head, host: "127.0.0.1.evil.example.com", origin: "http://x", refusal: name),
        Page(host: "", origin: "http://evil.example.com", refusal: name),
        // Our own pages, by every name of the server, with a proxy's TLS or without.
        Page(host: "localhost:8083", origin: "http://localhost:8083", site: "same-origin"),
        Page(host: "127.0.0.1:8083", origin: "http://127.0.0.1:8083"),
        Page(host: "[::1]:8083", origin: "http://[::1]:8083"),
        Page(host: "Connect.Example.com", origin: "https://connect.example.com", site: "same-origin"),
        Page(host: "connect.example.com:443", origin: "https://connect.example.com"),
        Page(host: "connect.example.com", origin: "http://connect.example.com:80"),
        Page(host: "connect.example.com:443", origin: "http://connect.example.com", refusal: other),
        Page(method: .get, host: "localhost:8083", site: "same-origin"),
        // What a user typed; what only looks; questions.
        Page(method: .get, host: "my.alias:8083", site: "none"),
        Page(method: .get, host: "localhost", site: "cross-site"),
        Page(method: .get, host: "localhost", origin: "http://evil.example.com", site: "cross-site"),
        Page(method: .options, host: "localhost", origin: "http://evil.example.com", site: "cross-site"),
        // Origins that are allowed, and with them their names.
        Page(host: "localhost:8083", origin: "https://ui.example", site: "cross-site", allowed: "https://ui.example"),
        Page(host: "connect", origin: "https://ui.example", allowed: "https://ui.example"),
        Page(host: "localhost", origin: "https://other.example", allowed: "https://ui.example", refusal: other),
        Page(host: "ui.example", site: "same-origin", allowed: "https://ui.example"),
        Page(host: "UI.example:8083", site: "same-origin", allowed: "http://ui.example:8083"),
        Page(host: "ui.example:8083", site: "same-origin", allowed: "http://ui.example", refusal: name),
        Page(host: "a.b.example", site: "same-origin", allowed: "https://*.b.example"),
        Page(host: "evil.example.com", origin: "http://evil.example.com", allowed: "*"),
        Page(host: "evil.example.com", site: "same-origin", allowed: "*"),
        // WebSockets are GET, and any page may read from them.
        Page(method: .get, host: "localhost", origin: "http://localhost", opensSocket: true),
        Page(method: .get, host: "localhost:8088", origin: "http://localhost:3000", opensSocket: true, refusal: other),
        Page(method: .get, host: "127.0.0.1", origin: "http://evil.example.com", opensSocket: true, refusal: other),
        Page(method: .get, host: "127.0.0.1:8088", origin: "null", opensSocket: true, refusal: other),
        Page(method: .get, host: "evil.com", origin: "http://evil.com", opensSocket: true, refusal: name),
        Page(
            method: .get, host: "localhost", origin: "https://ui.example", allowed: "https://ui.example",
            opensSocket: true),
    ]

    @Test(arguments: pages)
    private func `pages pass or are refused`(page: Page) {
        let pages = PageGuard(
            names: ["connect.example.com", "0.0.0.0"], crossOrigin: CrossOriginRules(origins: page.allowed),
            option: .origins)
        var request = HTTPRequest(method: page.method, scheme: "http", authority: page.host, path: "/connectors")
        request.headerFields[.origin] = page.origin
        if let name = HTTPField.Name("Sec-Fetch-Site") { request.headerFields[name] = page.site }
        // Node's fetch sends this, and is no browser.
        if let name = HTTPField.Name("Sec-Fetch-Mode") { request.headerFields[name] = "cors" }
        do throws(HTTPFailure) {
            try pages.check(request, opensSocket: page.opensSocket)
            #expect(page.refusal == nil)
        } catch {
            #expect(error.status == .forbidden)
            #expect(error.message.contains(page.refusal ?? "-"), "\(error.message)")
            #expect(error.message.contains("access.control.allow.origin"))
        }
    }

    @Test func `the machine is known by its own name`() throws {
        let machine = try #require(HTTPAuthority.machine)
        #expect(PageGuard(names: []).isKnown("\(machine.uppercased()):8083"))
        #expect(!PageGuard(names: []).isKnown("not-\(machine)"))
    }
}
