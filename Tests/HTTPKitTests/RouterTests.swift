import HTTPTypes
import TestKit
import Testing

@testable import HTTPKit

@Suite struct RouterTests {
    private func router() -> HTTPRouter {
        var router = HTTPRouter(errors: .plain)
        for pattern in [
            "/", "/subjects", "/subjects/{subject}/versions", "/subjects/{subject}/versions/{version}",
            "/subjects/all/versions/latest", "/files/{path*}",
        ] { router.get(pattern) { _ in .empty() } }
        router.post("/subjects/{name}") { _ in .empty() }
        router.delete("/subjects/{subject}") { _ in .empty() }
        return router
    }

    private func found(_ method: HTTPRequest.Method, _ path: String) -> String {
        guard let target = RequestTarget(path) else { return "broken" }
        switch router().find(method, target.segments) {
        case .route(let route, let parameters):
            let values = parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return ([route.pattern] + values).joined(separator: " ")
        case .otherMethods(let methods): return "405 " + methods.map(\.rawValue).joined(separator: ",")
        case .nothing: return "404"
        }
    }

    @Test(
        arguments: [
            (.get, "/", "/"), (.get, "/subjects", "/subjects"), (.get, "/subjects/", "/subjects"),
            (.get, "/subjects/a%2Fb/versions/1?x=y", "/subjects/{subject}/versions/{version} subject=a/b version=1"),
            (.get, "/subjects/all/versions/latest", "/subjects/all/versions/latest"),
            (.get, "/subjects/all/versions/2", "/subjects/{subject}/versions/{version} subject=all version=2"),
            (.head, "/subjects", "/subjects"), (.post, "/subjects/a", "/subjects/{name} name=a"),
            (.delete, "/subjects/%C3%A9+1", "/subjects/{subject} subject=é+1"),
            (.get, "/files/a/b%20c", "/files/{path*} path=a/b c"), (.get, "/files", "/files/{path*} path="),
            (.get, "/subjects/a", "405 DELETE,OPTIONS,POST"), (.put, "/subjects", "405 GET,HEAD,OPTIONS"),
            (.get, "/nothing", "404"), (.get, "//", "404"), (.get, "/subjects//versions", "404"),
            (.get, "/SUBJECTS", "404"), (.get, "http://host:80/subjects", "/subjects"), (.get, "/%zz", "broken"),
            (.get, "/%C3", "broken"), (.get, "/subjects?%4", "broken"),
        ] as [(HTTPRequest.Method, String, String)])
    func `finds the route of a request`(method: HTTPRequest.Method, path: String, expected: String) {
        #expect(found(method, path) == expected)
    }

    @Test func `tells the methods of a path`() {
        #expect(router().methods(["subjects", "x"]).map(\.rawValue) == ["DELETE", "OPTIONS", "POST"])
        #expect(router().methods(["nowhere"]).isEmpty)
    }

    @Test(
        arguments: [
            ("/p?a=1&b=two+words&a=2", [("a", "1"), ("b", "two words"), ("a", "2")]),
            ("/p?flag&empty=&x=%3D%26", [("flag", ""), ("empty", ""), ("x", "=&")]), ("/p?", []), ("/p?&&", []),
            ("/p#f?a=1", []),
        ] as [(String, [(String, String)])])
    func `reads the query`(target: String, query: [(String, String)]) {
        let read = RequestTarget(target)?.query ?? []
        #expect(read.map(\.name) == query.map(\.0))
        #expect(read.map(\.value) == query.map(\.1))
    }

    @Test(arguments: Array(1...5) as [UInt64])
    func `takes any target without a trap`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("/%?&=+#.:@ az09é{}*")
        for _ in 0..<2000 {
            let text = String(
                (0..<Int.random(in: 0..<24, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                })
            if let target = RequestTarget(text) { _ = router().find(.get, target.segments) }
        }
    }

    /// The example of RFC 9110, 5.6.7.
    @Test func `writes dates as HTTP does`() {
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
    }
}
