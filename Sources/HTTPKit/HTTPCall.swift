import Bytes
package import HTTPTypes
import HummingbirdCore
package import JSONFormat
package import NIOCore
package import Security
import Synchronization

/// One request on its way through a handler.
package struct HTTPCall: Sendable {
    /// The request as it came.
    package let head: HTTPRequest
    package let method: HTTPRequest.Method
    /// As it was sent, without the query.
    package let path: String
    /// As it was sent, without the question mark; nil when there is none.
    package let rawQuery: String?
    package let headers: HTTPFields
    /// Host and perhaps port that the client meant: the header Host, which is not among `headers`; nil without one.
    package let authority: String?
    /// IP address of the client.
    package let remoteAddress: String
    /// Who the client is; nil where nobody has to say.
    package let principal: Principal?
    /// Whether a part of this process asks. What it shows to prove that is for this process alone: never pass it on.
    package let isProcess: Bool
    /// What goes along to other nodes for a part of this process.
    private let nodeAuthorization: String?
    /// What stands for the names in braces of the route, decoded.
    package let parameters: [String: String]
    /// The most bytes that `bytes()` takes.
    package let bodyByteCountMax: Int
    /// Whether the request came over HTTP/2, where an answer may begin while the body still comes.
    package let isHTTP2: Bool
    private let query: [(name: String, value: String)]
    private let body: OnceBody

    init(
        _ request: Request, _ target: RequestTarget, remoteAddress: String, user: HTTPUser? = nil,
        parameters: [String: String],
        bodyByteCountMax: Int, isHTTP2: Bool
    ) {
        self.isHTTP2 = isHTTP2
        head = request.head
        method = request.method
        path = target.path
        rawQuery = target.rawQuery
        headers = request.headers
        authority = request.head.authority
        query = target.query
        body = OnceBody(request.body)
        self.remoteAddress = remoteAddress
        principal = user?.principal
        isProcess = user?.isProcess ?? false
        nodeAuthorization = user?.nodeAuthorization
        self.parameters = parameters
        self.bodyByteCountMax = bodyByteCountMax
    }

    /// What of `Authorization` goes along when another node is to do what is asked here: who may here may there. What a part of
    /// this process has shown is known to nobody else, and is to stay so: then it is the secret of the nodes, nil without one.
    /// For nodes that the service's own group names, and for no other host.
    package var authorizationToHandOn: String? { isProcess ? nodeAuthorization : headers[.authorization] }

    /// The value of a parameter of the route.
    ///
    /// - Precondition: the route has it.
    package func parameter(_ name: String) -> String {
        guard let value = parameters[name] else { preconditionFailure("the route has no parameter \(name)") }
        return value
    }

    /// The first value of a query parameter; nil when it is not there, empty when it has no value.
    package func query(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// All values of a query parameter, in the order they were given.
    package func queries(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    /// A query parameter that is true or false, in the forms that the JVM's surfaces take.
    ///
    /// - Throws: `HTTPFailure` 400 when it is anything else.
    package func flag(_ name: String, default defaultValue: Bool = false) throws(HTTPFailure) -> Bool {
        switch query(name)?.lowercased() {
        case nil: return defaultValue
        case "true": return true
        case "false": return false
        default: throw HTTPFailure(.badRequest, "query parameter \"\(name)\" is true or false")
        }
    }

    /// A query parameter that is a whole number.
    ///
    /// - Throws: `HTTPFailure` 400 when it is anything else.
    package func number(_ name: String, default defaultValue: Int64) throws(HTTPFailure) -> Int64 {
        guard let text = query(name) else { return defaultValue }
        guard let number = Int64(text) else {
            throw HTTPFailure(.badRequest, "query parameter \"\(name)\" is a whole number")
        }
        return number
    }

    /// The whole body. A body is read once, by this or one of the following.
    ///
    /// - Throws: `HTTPFailure` 413 when it is longer than `bodyByteCountMax`; what the connection failed with.
    package func bytes() async throws -> ByteBuffer {
        let tooLong = HTTPFailure(
            .contentTooLarge, "the body is longer than \(bodyByteCountMax) bytes", closesConnection: true)
        if let announced = headers[.contentLength].flatMap(Int.init), announced > bodyByteCountMax { throw tooLong }
        var whole: ByteBuffer?
        try await parts { part in
            guard (whole?.readableBytes ?? 0) + part.readableBytes <= bodyByteCountMax else { throw tooLong }
            if whole == nil { whole = part } else { whole?.writeImmutableBuffer(part) }
        }
        return whole ?? ByteBuffer()
    }

    /// The body's parts to be asked for one by one, while the answer is under way; the sum of their lengths has no bound.
    package func bodyParts() -> HTTPBodyParts { HTTPBodyParts(body.take()) }

    /// The body's parts as they arrive, for bodies without end; the sum of their lengths has no bound.
    package func parts(_ part: (ByteBuffer) async throws -> Void) async throws {
        var iterator = body.take().makeAsyncIterator()
        while true {
            let next: ByteBuffer?
            do { next = try await iterator.next() } catch { throw ConnectionFailure(cause: error) }
            guard let next else { return }
            try await part(next)
        }
    }

    /// The body as JSON.
    ///
    /// - Throws: `HTTPFailure` 400 when it is none; as `bytes()`.
    package func json() async throws -> JSONValue {
        let bytes = try await bytes()
        guard let value = JSONValue.parse(Array(bytes.readableBytesView)) else {
            throw HTTPFailure(.badRequest, bytes.readableBytes == 0 ? "the body is empty" : "the body is not JSON")
        }
        return value
    }
}

/// The parts of a body.
///
/// Unchecked: the iterator is used by the one task that calls `next`, calls never overlap.
package final class HTTPBodyParts: @unchecked Sendable {
    private var iterator: RequestBody.AsyncIterator

    init(_ body: RequestBody) { iterator = body.makeAsyncIterator() }

    /// The next part; nil at the end. One caller at a time.
    ///
    /// - Throws: what the connection failed with.
    package func next() async throws -> ByteBuffer? {
        do { return try await iterator.next() } catch { throw ConnectionFailure(cause: error) }
    }
}

/// The connection failed while a handler used it, which is nobody's mistake and needs no answer.
struct ConnectionFailure: Error {
    var cause: any Error
}

/// A body that is read at most once, as the framework has no second look at what has gone by.
private final class OnceBody: Sendable {
    private let body: RequestBody
    private let isTaken = Atomic<Bool>(false)

    init(_ body: RequestBody) { self.body = body }

    func take() -> RequestBody {
        precondition(!isTaken.exchange(true, ordering: .relaxed), "the body of a request is read once")
        return body
    }
}

/// The target of a request line, taken apart (RFC 9112, 3.2): origin form, or absolute form as proxies send it.
struct RequestTarget {
    var path: String
    /// The path's parts, decoded; without the empty one that a slash at the end makes.
    var segments: [String]
    var query: [(name: String, value: String)]
    var rawQuery: String?

    /// nil when an escape is broken or what it means is not UTF-8.
    init?(_ target: String) {
        var rest = target[...]
        if !rest.hasPrefix("/"), let scheme = rest.firstRange(of: "://") {
            rest = rest[scheme.upperBound...]
            rest = rest.firstIndex { $0 == "/" || $0 == "?" }.map { rest[$0...] } ?? ""
        }
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = parts.first.map(String.init) ?? ""
        if path.isEmpty { path = "/" }
        var segments: [String] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            guard let segment = Self.decode(part, plusIsSpace: false) else { return nil }
            segments.append(segment)
        }
        if segments.last == "" { segments.removeLast() }
        self.segments = segments
        query = []
        guard parts.count == 2 else { return }
        rawQuery = String(parts[1])
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(sides[0], plusIsSpace: true),
                let value = Self.decode(sides.count == 2 ? sides[1] : "", plusIsSpace: true)
            else { return nil }
            query.append((name, value))
        }
    }

    private static func decode(_ text: Substring, plusIsSpace: Bool) -> String? {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(text)
        }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(Hexadecimal.value),
                    let low = rest.popFirst().flatMap(Hexadecimal.value)
                else {
                    return nil
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
