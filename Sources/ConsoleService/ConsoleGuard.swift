import Bytes
package import HTTPKit
import HTTPTypes

/// Who may use the console, and what its answers allow a browser.
///
/// There is no login, so a page of somebody else that is open in the same browser must be kept from using it: by a name
/// of its own that resolves to this machine (the header Host must be one of ours), by forms and scripts (what changes
/// something needs a header that only our pages send, and an Origin that is ours), in a frame (none is allowed).
package struct ConsoleGuard: Sendable {
    /// What requests that change something carry.
    package static let header = "X-Swiftwater-Console"
    private static let headerName = HTTPField.Name("X-Swiftwater-Console")
    private static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")

    /// In lower case.
    private let hosts: Set<String>

    /// - Parameter hosts: names besides loopback names and addresses in digits.
    package init(hosts: [String]) { self.hosts = Set(hosts.map { $0.lowercased() }) }

    /// Refuses what does not come from our own pages.
    ///
    /// - Parameter isHook: whether other programs send it, which know nothing of our header.
    package func check(_ call: HTTPCall, isHook: Bool = false) throws(HTTPFailure) {
        guard let authority = call.authority, let host = HTTPAuthority.host(authority), isOurs(host) else {
            throw HTTPFailure(
                .forbidden,
                "the console is not known by the name '\(call.authority ?? "")': "
                    + "use 127.0.0.1 or localhost, or allow the name with --console-hosts", code: 40301)
        }
        let changes = call.method != .get && call.method != .head
        if let site = Self.secFetchSite.flatMap({ call.headers[$0] }), site == "cross-site",
            changes || call.path.hasPrefix("/api")
        {
            throw HTTPFailure(.forbidden, "requests of other sites are refused", code: 40302)
        }
        guard changes else { return }
        if let origin = call.headers[.origin], !isSame(origin, authority) {
            throw HTTPFailure(.forbidden, "requests of the origin '\(origin)' are refused", code: 40302)
        }
        guard isHook || Self.headerName.flatMap({ call.headers[$0] }) == "1" else {
            throw HTTPFailure(
                .forbidden, "requests that change something need the header \(Self.header): 1", code: 40303)
        }
    }

    /// As `check`, for a WebSocket: any page may open one and send no header of ours, but browsers tell where it is from.
    package func checkSocket(_ call: HTTPCall) throws(HTTPFailure) {
        try check(call)
        guard let origin = call.headers[.origin] else {
            guard Self.headerName.flatMap({ call.headers[$0] }) == "1" else {
                throw HTTPFailure(
                    .forbidden, "WebSockets without an Origin need the header \(Self.header): 1", code: 40303)
            }
            return
        }
        guard isSame(origin, call.authority ?? "") else {
            throw HTTPFailure(.forbidden, "WebSockets of the origin '\(origin)' are refused", code: 40302)
        }
    }

    /// An address in digits cannot be made to mean another machine later, as a name can.
    private func isOurs(_ host: String) -> Bool {
        host == "localhost" || hosts.contains(host) || Self.isAddress(host)
    }

    static func isAddress(_ host: String) -> Bool {
        if host.contains(":") {
            return host.utf8.allSatisfy { $0 == 0x3A || $0 == 0x2E || Hexadecimal.value($0) != nil }
        }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
    }

    /// A proxy in front may add TLS, so the scheme does not count.
    private func isSame(_ origin: String, _ authority: String) -> Bool {
        guard let scheme = origin.firstRange(of: "://") else { return false }
        return origin[scheme.upperBound...].lowercased() == authority.lowercased()
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
