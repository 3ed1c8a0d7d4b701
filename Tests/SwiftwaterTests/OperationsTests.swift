import Broker
import Foundation
import HTTPKit
import Logging
import Observability
import Testing

@testable import swiftwater

@Suite struct OperationsTests {
    /// A server with all its parts, as `start` makes it.
    private func withProcess(_ body: (ServerProcess) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var sources = ServerSettings.Sources()
        sources.flags = [
            ("admin.listener", "--admin", "127.0.0.1:0"), ("registry.listener", "--registry", "127.0.0.1:0"),
        ]
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let process = try await ServerProcess.start(ServerSettings(sources), configuration, logger)
        do {
            try await body(process)
        } catch {
            _ = await process.stop()
            throw error
        }
        #expect(await process.stop())
    }

    /// `docs/operations.md` has a table of all metrics; its rows are made of what the program registers.
    @Test func `the documentation lists every metric`() async throws {
        try await withProcess { process in
            let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let text = try String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)
            let rows = text.split(separator: "\n").filter {
                $0.hasPrefix("| `swiftwater_") || $0.hasPrefix("| `process_") || $0.hasPrefix("| `kafka_")
            }
            let wanted = process.metrics.catalog.map {
                "| `\($0.name)` | \($0.kind.rawValue) | \($0.help) |"
            }
            #expect(rows.map(String.init) == wanted, "the table should be:\n\(wanted.joined(separator: "\n"))")
        }
    }

    @Test func `the admin port is the default one, another, or none`() throws {
        func admin(_ flag: String?) throws -> HostPort? {
            var sources = ServerSettings.Sources()
            if let flag { sources.flags = [("admin.listener", "--admin", flag)] }
            return try ServerSettings(sources).admin
        }
        #expect(try admin(nil) == HostPort(host: "127.0.0.1", port: 9464))
        #expect(try admin("9000") == HostPort(host: "127.0.0.1", port: 9000))
        #expect(try admin("none") == nil)
        #expect(throws: CommandFailure.self) { try admin("0.0.0.0:9464") }
        #expect(throws: CommandFailure.self) { try admin("everywhere") }
    }
}
