import Bytes
package import HTTPKit
import HTTPTypes

/// Who may use the console, and what its answers allow a browser.
///
/// There is no login, so a page of somebody else that is open in the same browser must be kept from using it. `PageGuard`
/// does so for every server; here whoever asks must know the console by one of its names, what changes something needs a
/// header that only our pages send, and no frame is allowed.
package struct ConsoleGuard: Sendable {
    /// What requests that change something carry.
    package static let header = "X-Swiftwater-Console"
    private static let headerName = HTTPField.Name("X-Swiftwater-Console")
    static let pageOption = PageGuard.Option.names("--console-hosts")

    private let pages: PageGuard

    /// - Parameter hosts: names besides loopback names, the machine's and addresses in digits.
    package init(hosts: [String]) { pages = PageGuard(names: hosts, option: Self.pageOption) }

    /// Refuses what does not come from our own pages.
    ///
    /// - Parameter isHook: whether other programs send it, which know nothing of our header.
    package func check(_ call: HTTPCall, isHook: Bool = false) throws(HTTPFailure) {
        guard let authority = call.authority, pages.isKnown(authority) else {
            throw HTTPFailure(
                .forbidden,
                "the console is not known by the name '\(call.authority ?? "")': "
                    + "use 127.0.0.1 or localhost, or allow the name with --console-hosts", code: 40301)
        }
        if PageGuard.site(call.head) == "cross-site", call.path.hasPrefix("/api") {
            throw HTTPFailure(.forbidden, "requests of other sites are refused", code: 40302)
        }
        guard PageGuard.changes(call.method) else { return }
        guard isHook || Self.headerName.flatMap({ call.headers[$0] }) == "1" else {
            throw HTTPFailure(
                .forbidden, "requests that change something need the header \(Self.header): 1", code: 40303)
        }
    }

    /// As `check`, for a WebSocket: any page may open one and send no header of ours, but browsers tell where it is from.
    package func checkSocket(_ call: HTTPCall) throws(HTTPFailure) {
        try check(call)
        try pages.check(call.head, opensSocket: true)
        guard call.headers[.origin] == nil else { return }
        guard Self.headerName.flatMap({ call.headers[$0] }) == "1" else {
            throw HTTPFailure(
                .forbidden, "WebSockets without an Origin need the header \(Self.header): 1", code: 40303)
        }
    }

    // MARK: Answers

    /// What our own pages may do: load what we serve, run no script that stands in the text, be in no frame.
    package static let pagePolicy =
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    /// What an answer of the API may do should somebody open it as a page: nothing.
    package static let dataPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

    private static let policyName = HTTPField.Name("Content-Security-Policy")
    private static let others: [(HTTPField.Name?, String)] = [
        (HTTPField.Name("X-Content-Type-Options"), "nosniff"),
        (HTTPField.Name("X-Frame-Options"), "DENY"),
        (HTTPField.Name("Referrer-Policy"), "no-referrer"),
        (HTTPField.Name("Cross-Origin-Opener-Policy"), "same-origin"),
        (HTTPField.Name("Cross-Origin-Resource-Policy"), "same-origin"),
    ]

    /// Puts the headers on an answer that every answer has.
    static func harden(_ answer: inout HTTPAnswer, isPage: Bool) {
        if let policyName { answer.headers[policyName] = isPage ? pagePolicy : dataPolicy }
        for (name, value) in others { if let name { answer.headers[name] = value } }
        if !isPage, answer.headers[.cacheControl] == nil { answer.headers[.cacheControl] = "no-store" }
    }

    /// Errors of the console: `{"error_code": 404, "message": "..."}`.
    static let errors = ErrorBody { failure in
        var answer = ErrorBody.errorCode.write(failure)
        harden(&answer, isPage: false)
        return answer
    }
}
