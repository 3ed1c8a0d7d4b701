import Foundation
import KafkaMessages
import Logging
import NIOCore
import TestKit

@testable import Broker

/// A plain blocking client of the wire protocol for tests.
final class WireClient {
    struct Failure: Error { var message: String }

    private let socket: BlockingSocket
    private var correlationId: Int32 = 0

    init(port: Int) throws { socket = try BlockingSocket(port: port) }

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

    func write(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    func readFrame() throws -> ByteBuffer {
        var prefix = try read(4)
        guard let byteCount = prefix.readInteger(as: Int32.self), byteCount >= 0 else {
            throw Failure(message: "no frame length")
        }
        return try read(Int(byteCount))
    }

    /// Whether the broker has closed the connection.
    func isClosedByBroker() -> Bool { (try? socket.receive(1)) == nil }

    private func read(_ byteCount: Int) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        while bytes.readableBytes < byteCount {
            bytes.writeBytes(try socket.receive(byteCount - bytes.readableBytes))
        }
        return bytes
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
