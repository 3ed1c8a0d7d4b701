import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import Synchronization

/// A file system that speaks as much of WebHDFS as a sink needs, in memory, and fails where a test wants it.
final class HDFSServer: Sendable {
    /// What happens to a request instead of what it asks for.
    enum Fault: Sendable {
        /// Nothing is done.
        case refused(status: Int, exception: String)
        /// It is done, and the answer is an error.
        case lostAnswer
    }

    struct Request: Sendable {
        var method: String
        var operation: String
        var path: String
        var query: [String: String]
    }

    typealias Handler = @Sendable (_ request: Request, _ number: Int) -> Fault?

    private struct State {
        var files: [String: [UInt8]] = [:]
        var folders: Set<String> = [""]
        var requests: [Request] = []
        var handler: Handler
        var isGateway = false
    }

    private let state: Mutex<State>

    init(_ handler: @escaping Handler) { state = Mutex(State(handler: handler)) }

    var files: [String: [UInt8]] { state.withLock { $0.files } }
    var requests: [Request] { state.withLock { $0.requests } }
    func handle(_ handler: @escaping Handler) {
        state.withLock {
            $0.handler = handler
            $0.requests = []
        }
    }

    /// Whether renaming is done as HttpFS does it.
    var isGateway: Bool {
        get { state.withLock { $0.isGateway } }
        set { state.withLock { $0.isGateway = newValue } }
    }

    func remove(_ path: String) {
        state.withLock { state in
            state.files = state.files.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
            state.folders = state.folders.filter { $0 != path && !$0.hasPrefix(path + "/") }
        }
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    private static func refusal(_ status: Int, _ exception: String) -> (Int, String) {
        (
            status,
            "{\"RemoteException\":{\"exception\":\"\(exception)\",\"javaClassName\":\"x\",\"message\":\"\(exception)!\\nat x\"}}"
        )
    }

    /// - Returns: status and body.
    private func answer(_ request: Request, _ body: [UInt8], isDataNode: Bool) -> (Int, [UInt8]) {
        let (fault, number) = state.withLock { state in
            state.requests.append(request)
            return (state.handler, state.requests.count - 1)
        }
        let found = fault(request, number)
        if case .refused(let status, let exception) = found {
            let (status, text) = Self.refusal(status, exception)
            return (status, Array(text.utf8))
        }
        let needsBytes = ["CREATE", "APPEND", "OPEN"].contains(request.operation)
        if needsBytes, !isDataNode {
            if request.operation == "OPEN", files[request.path] == nil {
                let (status, text) = Self.refusal(404, "FileNotFoundException")
                return (status, Array(text.utf8))
            }
            return found == nil ? (307, []) : (500, [])
        }
        let done = state.withLock { state in Self.perform(request, body, &state) }
        if case .lostAnswer = found { return (500, []) }
        return done
    }

    private static func perform(_ request: Request, _ body: [UInt8], _ state: inout State) -> (Int, [UInt8]) {
        let path = request.path
        func answer(_ refusal: (Int, String)) -> (Int, [UInt8]) { (refusal.0, Array(refusal.1.utf8)) }
        let missing = answer(refusal(404, "FileNotFoundException"))
        switch request.operation {
        case "MKDIRS":
            var folder = path
            while !folder.isEmpty {
                state.folders.insert(folder)
                folder = parent(folder)
            }
            return (200, Array("{\"boolean\":true}".utf8))
        case "CREATE":
            guard state.folders.contains(parent(path)) else { return missing }
            state.files[path] = body
            return (201, [])
        case "APPEND":
            guard state.files[path] != nil else { return missing }
            state.files[path]? += body
            return (200, [])
        case "OPEN": return state.files[path].map { (200, $0) } ?? missing
        case "TRUNCATE":
            let length = request.query["newlength"].flatMap { Int($0) } ?? 0
            guard let bytes = state.files[path], bytes.count >= length else { return missing }
            state.files[path] = Array(bytes.prefix(length))
            return (200, Array("{\"boolean\":true}".utf8))
        case "GETFILESTATUS":
            guard let bytes = state.files[path] else { return missing }
            return (200, Array("{\"FileStatus\":{\"length\":\(bytes.count),\"type\":\"FILE\"}}".utf8))
        case "RENAME":
            let name = request.query["destination"] ?? ""
            if state.isGateway {
                guard let bytes = state.files[path], state.folders.contains(parent(name)), state.files[name] == nil
                else {
                    return (200, Array("{\"boolean\":false}".utf8))
                }
                state.files[path] = nil
                state.files[name] = bytes
                return (200, Array("{\"boolean\":true}".utf8))
            }
            guard let bytes = state.files[path], state.folders.contains(parent(name)) else { return missing }
            state.files[path] = nil
            state.files[name] = bytes
            return (200, [])
        case "DELETE":
            state.files = state.files.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
            state.folders = state.folders.filter { $0 != path && !$0.hasPrefix(path + "/") }
            return (200, Array("{\"boolean\":true}".utf8))
        default: return answer(refusal(400, "UnsupportedOperationException"))
        }
    }

    static func run(
        _ handler: @escaping Handler = { _, _ in nil }, _ body: (String, HDFSServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = HDFSServer(handler)
        let port = Mutex(0)
        var router = HTTPRouter(errors: .errorCode)
        for method in [HTTPRequest.Method.get, .put, .post, .delete] {
            for node in ["webhdfs", "data"] {
                router.on(method, "/\(node)/v1/{path*}") { call in
                    let bytes = method == .put || method == .post ? Array(try await call.bytes().readableBytesView) : []
                    var query: [String: String] = [:]
                    for pair in (call.rawQuery ?? "").split(separator: "&") {
                        let parts = pair.split(separator: "=", maxSplits: 1).map { decoded($0) }
                        query[parts[0]] = parts.count > 1 ? parts[1] : ""
                    }
                    let path = decoded(call.path.dropFirst("/\(node)/v1".count))
                    let request = Request(
                        method: "\(method)", operation: query["op"] ?? "", path: path, query: query)
                    let (status, answer) = server.answer(request, bytes, isDataNode: node == "data")
                    var headers: HTTPFields = [.contentType: "application/json"]
                    if status == 307 {
                        let place = call.path.dropFirst("/webhdfs".count)
                        headers[.location] =
                            "http://127.0.0.1:\(port.withLock { $0 })/data\(place)?\(call.rawQuery ?? "")"
                    }
                    return HTTPAnswer(
                        status: .init(code: status), headers: headers, body: .bytes(ByteBuffer(bytes: answer)))
                }
            }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.bodyByteCountMax = 64 << 20
        let running = try await HTTPServer.start(configuration, router: router, on: loops.group, logger: logger)
        port.withLock { $0 = running.port }
        var failure: (any Error)?
        do { try await body("http://127.0.0.1:\(running.port)", server) } catch { failure = error }
        await running.stop(within: .zero)
        await loops.shutdown()
        if let failure { throw failure }
    }

    private static func decoded(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
