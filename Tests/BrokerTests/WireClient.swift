import Foundation
import KafkaMessages
import Logging
import NIOCore

@testable import Broker

#if canImport(Glibc)
import Glibc
#endif

/// A plain blocking client of the wire protocol for tests.
final class WireClient {
    struct Failure: Error { var message: String }

    private let descriptor: Int32
    private var correlationId: Int32 = 0

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(message: "connect: errno \(errno)") }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends a request and reads its answer to the last byte.
    func ask<Request: KafkaRequest>(_ request: Request, version: Int16) throws -> Request.Response {
        try send(request, version: version)
        return try receive(Request.self, version: version)
    }

    func send<Request: KafkaRequest>(_ request: Request, version: Int16) throws {
        correlationId += 1
        var header = RequestHeader()
        header.requestApiKey = Request.apiKey.rawValue
        header.requestApiVersion = version
        header.correlationId = correlationId
        header.clientId = "wire-client"
        var writer = WireWriter()
        try header.encode(to: &writer, version: Request.apiKey.requestHeaderVersion(version))
        try request.encode(to: &writer, version: version)
        var frame = ByteBuffer(integer: Int32(writer.buffer.readableBytes))
        frame.writeImmutableBuffer(writer.buffer)
        try write(Array(frame.readableBytesView))
    }

    func receive<Request: KafkaRequest>(_ request: Request.Type, version: Int16) throws -> Request.Response {
        var reader = WireReader(try readFrame())
        let header = try ResponseHeader(from: &reader, version: Request.apiKey.responseHeaderVersion(version))
        guard header.correlationId <= correlationId else { throw Failure(message: "answer to \(header.correlationId)") }
        let response = try Request.Response(from: &reader, version: version)
        guard reader.readableByteCount == 0 else {
            throw Failure(message: "\(reader.readableByteCount) bytes behind the answer")
        }
        return response
    }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(message: "send: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    func readFrame() throws -> ByteBuffer {
        var prefix = try read(4)
        guard let byteCount = prefix.readInteger(as: Int32.self), byteCount >= 0 else {
            throw Failure(message: "no frame length")
        }
        return try read(Int(byteCount))
    }

    /// Whether the broker has closed the connection.
    func isClosedByBroker() -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, 0) <= 0
    }

    private func read(_ byteCount: Int) throws -> ByteBuffer {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        var at = 0
        while at < byteCount {
            let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + at, byteCount - at, 0) }
            guard count > 0 else {
                throw Failure(message: count == 0 ? "closed by the broker" : "recv: errno \(errno)")
            }
            at += count
        }
        return ByteBuffer(bytes: bytes)
    }
}

/// Runs `body` with a broker on a free port and a data folder of its own.
func withBroker<T>(
    _ properties: [String: String] = [:], _ body: (BrokerServer) async throws -> T
) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await withBroker(in: folder, properties, body)
}

func withBroker<T>(
    in folder: String, _ properties: [String: String] = [:], _ body: (BrokerServer) async throws -> T
) async throws -> T {
    var configuration = BrokerConfiguration()
    configuration.dataDirectory = folder
    configuration.listenPort = 0
    configuration.properties = try ServerProperties(properties)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = try await BrokerServer.start(configuration, logger: logger)
    do {
        let result = try await body(server)
        await server.stop()
        return result
    } catch {
        await server.stop()
        throw error
    }
}
