package import HTTPTypes

/// Keeps pages of others that are open in somebody's browser from using a server, which asks nobody for a password.
///
/// A browser tells of a page's request where the page is from: `Origin` with all that changes something and with
/// WebSockets, to any server; `Sec-Fetch-Site` only by https or to a loopback address (W3C, Fetch Metadata). What has
/// neither is no page's request that could change anything, and passes, as does what a user typed.
///
/// | the request of a page | |
/// |---|---|
/// | its origin is allowed (CORS) | passes |
/// | it asks by a name that is not the server's, which its owner may have led here (DNS rebinding) | is refused |
/// | it changes something or opens a WebSocket, and is not from the server's own origin | is refused |
/// | any other | passes; the browser keeps the answer from pages of other origins |
package struct PageGuard: Sendable {
    /// What lets more in, for messages.
    package enum Option: Sendable, Equatable {
        /// `access.control.allow.origin`, which names origins and so the names in them.
        case origins
        /// A flag that names names.
        case names(String)
        case none
    }

    /// In lower case.
    private let names: Set<String>
    private let crossOrigin: CrossOriginRules?
    private let option: Option
    private static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")

    /// - Parameter names: those of the server, besides `localhost`, addresses in digits and the machine's own.
    package init(names: [String], crossOrigin: CrossOriginRules? = nil, option: Option = .none) {
        self.names = Set((names + [HTTPAuthority.machine].compactMap { $0 }).map { $0.lowercased() })
        self.crossOrigin = crossOrigin
        self.option = option
    }

    /// - Parameter opensSocket: whether the request is one for a WebSocket, which is GET and can be read from anywhere.
    /// - Throws: 403 for what is refused.
    package func check(_ request: HTTPRequest, opensSocket: Bool = false) throws(HTTPFailure) {
        // A preflight is a question; the request behind it is checked.
        guard request.method != .options, Self.isOfPage(request), crossOrigin?.allowedOrigin(request) == nil else {
            return
        }
        let authority = request.authority ?? ""
        guard isKnown(authority) else { throw refusal(ofName: authority) }
        guard opensSocket || Self.changes(request.method) else { return }
        if let origin = request.headerFields[.origin], !Self.isSame(origin, authority) {
            throw refusal(of: "the origin '\(origin)'")
        }
        switch Self.site(request) {
        case "cross-site", "same-site": throw refusal(of: "another origin")
        default: break
        }
    }

    /// Whether the server has the name of an authority, `HOST` or `HOST:PORT`. An address in digits cannot be made to mean
    /// another machine later, as a name can.
    package func isKnown(_ authority: String) -> Bool {
        guard let host = HTTPAuthority.host(authority) else { return false }
        return host == "localhost" || names.contains(host) || HTTPAuthority.isAddress(host)
            || crossOrigin?.names(authority) == true
    }

    /// Whether a page's origin is the one that it asks. A proxy in front may add TLS, so the scheme does not count.
    package static func isSame(_ origin: String, _ authority: String) -> Bool {
        let origin = origin.lowercased()
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")] where origin.hasPrefix(scheme) {
            func short(_ text: Substring) -> Substring { text.hasSuffix(port) ? text.dropLast(port.utf8.count) : text }
            return short(origin.dropFirst(scheme.utf8.count)) == short(authority.lowercased()[...])
        }
        return false
    }

    package static func changes(_ method: HTTPRequest.Method) -> Bool {
        method != .get && method != .head && method != .options
    }

    /// What a browser says of where the page is from; nil where it says nothing.
    package static func site(_ request: HTTPRequest) -> String? { secFetchSite.flatMap { request.headerFields[$0] } }

    /// Some clients that are no browsers send `Sec-Fetch-Mode`, so that tells nothing.
    private static func isOfPage(_ request: HTTPRequest) -> Bool {
        request.headerFields[.origin] != nil || (site(request) ?? "none") != "none"
    }

    private func refusal(ofName authority: String) -> HTTPFailure {
        let more =
            switch option {
            case .origins: ", or let access.control.allow.origin name http://\(authority)"
            case .names(let flag): ", or allow the name with \(flag)"
            case .none: ""
            }
        return HTTPFailure(
            .forbidden,
            "pages do not reach this server by the name '\(authority)', which is not known to be its own: use localhost, "
                + "an address in digits or the name of its machine" + more)
    }

    private func refusal(of origin: String) -> HTTPFailure {
        HTTPFailure(
            .forbidden,
            "requests of pages of \(origin) are refused"
                + (option == .origins ? "; access.control.allow.origin names the origins that may" : ""))
    }
}
