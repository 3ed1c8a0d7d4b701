package import HTTPTypes

/// Finds the handler of a request.
///
/// A route is a path whose parts may be names in braces: `/subjects/{subject}/versions/{version}`. Such a part stands for
/// exactly one part of the path, whose escapes are decoded afterwards, so that a name may hold a slash (`%2F`). A last
/// part `{name*}` stands for all that is left. Literal parts win over names. A slash at the end of a path is ignored.
///
/// HEAD is answered by the handler of GET, OPTIONS by the list of methods; a path without a handler is 404, one without a
/// handler for the method 405 with `Allow`.
package struct HTTPRouter: Sendable {
    package typealias Handler = @Sendable (HTTPCall) async throws -> HTTPAnswer

    struct Route: Sendable {
        var pattern: String
        var bodyByteCountMax: Int?
        var traits: Traits
        var handler: Handler
    }

    /// What a server must know of a handler.
    package struct Traits: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// It computes for microseconds between its waits, and so may run on the event loop of the connection, which spares two
        /// changes of threads. All other handlers run on the threads of Swift's tasks.
        package static let isShort = Traits(rawValue: 1)
        /// The body of its requests has no end that could be waited for.
        package static let hasEndlessBody = Traits(rawValue: 2)
    }

    package typealias WebSocketHandler = @Sendable (HTTPCall, WebSocket) async -> WebSocketClosing

    struct WebSocketRoute: Sendable {
        var messageCountMax: Int
        var accepts: @Sendable (HTTPCall) -> Bool
        var handler: WebSocketHandler
    }

    private final class Node: Sendable {
        let literals: [String: Node]
        /// The part's name, and what follows it.
        let names: [(name: String, node: Node)]
        let rest: (name: String, routes: [HTTPRequest.Method: Route])?
        let routes: [HTTPRequest.Method: Route]

        init(
            literals: [String: Node] = [:], names: [(name: String, node: Node)] = [],
            rest: (name: String, routes: [HTTPRequest.Method: Route])? = nil,
            routes: [HTTPRequest.Method: Route] = [:]
        ) {
            self.literals = literals
            self.names = names
            self.rest = rest
            self.routes = routes
        }
    }

    private var root = Node()
    private(set) var quickRoutes: [QuickRoutes.Route] = []
    /// By path.
    private var webSockets: [String: WebSocketRoute] = [:]
    /// How errors of this surface are written.
    package let errors: ErrorBody

    package init(errors: ErrorBody) { self.errors = errors }

    package mutating func get(_ pattern: String, _ handler: @escaping Handler) { on(.get, pattern, handler) }
    package mutating func delete(_ pattern: String, _ handler: @escaping Handler) { on(.delete, pattern, handler) }
    package mutating func post(
        _ pattern: String, bodyByteCountMax: Int? = nil, traits: Traits = [], _ handler: @escaping Handler
    ) {
        on(.post, pattern, bodyByteCountMax: bodyByteCountMax, traits: traits, handler)
    }
    package mutating func put(_ pattern: String, bodyByteCountMax: Int? = nil, _ handler: @escaping Handler) {
        on(.put, pattern, bodyByteCountMax: bodyByteCountMax, handler)
    }

    /// - Parameter bodyByteCountMax: instead of the server's.
    /// - Precondition: there is no handler of that method and pattern.
    package mutating func on(
        _ method: HTTPRequest.Method, _ pattern: String, bodyByteCountMax: Int? = nil, traits: Traits = [],
        _ handler: @escaping Handler
    ) {
        precondition(pattern.hasPrefix("/"), "a route begins with a slash: \(pattern)")
        let parts = pattern.split(separator: "/").map(String.init)
        let route = Route(pattern: pattern, bodyByteCountMax: bodyByteCountMax, traits: traits, handler: handler)
        root = Self.adding(route, method, parts[...], to: root)
    }

    /// Adds the short way to the answers of a POST of `path`, without names, that has a handler as well. It is taken for plain
    /// requests over HTTP/1.1.
    ///
    /// - Parameter bodyByteCountMax: longer bodies go the other way.
    package mutating func quick(_ path: String, bodyByteCountMax: Int, _ handler: @escaping QuickHandler) {
        quickRoutes.append(QuickRoutes.Route(path, bodyByteCountMax: bodyByteCountMax, handler))
    }

    /// Serves WebSockets at a path, without names. Its task is cancelled when the client is gone. A GET of the path that asks
    /// for no WebSocket is answered with 426, unless there is a handler for it.
    ///
    /// - Parameters:
    ///   - messageCountMax: messages of the client that may wait until the handler takes them; one more ends the
    ///     connection. 0 for handlers that take none: they are passed over.
    ///   - accepts: looks at the request before it is taken up; one that is not accepted goes to the handler of GET.
    package mutating func webSocket(
        _ path: String, messageCountMax: Int = 0, accepts: @escaping @Sendable (HTTPCall) -> Bool = { _ in true },
        _ handler: @escaping WebSocketHandler
    ) {
        webSockets[path] = WebSocketRoute(messageCountMax: messageCountMax, accepts: accepts, handler: handler)
        guard case .nothing = find(.get, path.split(separator: "/").map(String.init)) else { return }
        get(path) { _ in
            throw HTTPFailure(
                HTTPResponse.Status(code: 426, reasonPhrase: "Upgrade Required"), "\(path) is a WebSocket",
                headers: [.upgrade: "websocket", .connection: "upgrade"])
        }
    }

    func webSocketRoute(_ path: String) -> WebSocketRoute? { webSockets[path] }

    private static func adding(
        _ route: Route, _ method: HTTPRequest.Method, _ parts: ArraySlice<String>, to node: Node
    ) -> Node {
        var literals = node.literals
        var names = node.names
        var rest = node.rest
        var routes = node.routes
        if let part = parts.first {
            let following = parts.dropFirst()
            if part.hasPrefix("{"), part.hasSuffix("*}") {
                precondition(following.isEmpty, "a rest is the last part of a route: \(route.pattern)")
                var all = rest?.routes ?? [:]
                precondition(all.updateValue(route, forKey: method) == nil, "\(method) \(route.pattern) is there twice")
                rest = (String(part.dropFirst().dropLast(2)), all)
            } else if part.hasPrefix("{"), part.hasSuffix("}") {
                let name = String(part.dropFirst().dropLast())
                if let index = names.firstIndex(where: { $0.name == name }) {
                    names[index].node = adding(route, method, following, to: names[index].node)
                } else {
                    names.append((name, adding(route, method, following, to: Node())))
                }
            } else {
                literals[part] = adding(route, method, following, to: literals[part] ?? Node())
            }
        } else {
            precondition(routes.updateValue(route, forKey: method) == nil, "\(method) \(route.pattern) is there twice")
        }
        return Node(literals: literals, names: names, rest: rest, routes: routes)
    }

    enum Found {
        case route(Route, parameters: [String: String])
        /// The path exists, for other methods.
        case otherMethods([HTTPRequest.Method])
        case nothing
    }

    func find(_ method: HTTPRequest.Method, _ segments: [String]) -> Found {
        var others: Set<HTTPRequest.Method> = []
        if let (route, parameters) = Self.find(method, segments[...], [:], in: root, &others) {
            return .route(route, parameters: parameters)
        }
        return others.isEmpty ? .nothing : .otherMethods(Self.offered(others))
    }

    /// All methods of a path, or of all paths for `*`.
    func methods(_ segments: [String]) -> [HTTPRequest.Method] {
        var others: Set<HTTPRequest.Method> = []
        _ = Self.find(nil, segments[...], [:], in: root, &others)
        return others.isEmpty ? [] : Self.offered(others)
    }

    private static func offered(_ methods: Set<HTTPRequest.Method>) -> [HTTPRequest.Method] {
        var all = methods.union([.options])
        if methods.contains(.get) { all.insert(.head) }
        return all.sorted { $0.rawValue < $1.rawValue }
    }

    /// Tries literal parts first, then names, then a rest; the first path through the tree with the method wins.
    private static func find(
        _ method: HTTPRequest.Method?, _ segments: ArraySlice<String>, _ parameters: [String: String], in node: Node,
        _ others: inout Set<HTTPRequest.Method>
    ) -> (Route, [String: String])? {
        func take(_ routes: [HTTPRequest.Method: Route], _ parameters: [String: String]) -> (Route, [String: String])? {
            if let method, let route = routes[method] ?? (method == .head ? routes[.get] : nil) {
                return (route, parameters)
            }
            others.formUnion(routes.keys)
            return nil
        }
        if let segment = segments.first {
            let following = segments.dropFirst()
            if let next = node.literals[segment],
                let found = find(method, following, parameters, in: next, &others)
            {
                return found
            }
            if !segment.isEmpty {
                for (name, next) in node.names {
                    let more = parameters.merging([name: segment]) { $1 }
                    if let found = find(method, following, more, in: next, &others) { return found }
                }
            }
        } else if let found = take(node.routes, parameters) {
            return found
        }
        guard let rest = node.rest else { return nil }
        return take(rest.routes, parameters.merging([rest.name: segments.joined(separator: "/")]) { $1 })
    }
}
