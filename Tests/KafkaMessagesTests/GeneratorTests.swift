import Foundation
import Testing

/// The committed Swift is what the generator prints today.
@Suite struct GeneratorTests {
    static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Kafka's definitions are not part of this repository: `SWIFTWATER_SHARED` or the folder `shared` beside it.
    static var definitions: URL {
        let shared = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
        return (shared ?? package.deletingLastPathComponent().appending(path: "shared"))
            .appending(path: "kafka-messages")
    }

    static let folders = ["Sources/KafkaMessages/Generated", "Sources/RandomMessages/Generated"]

    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: definitions.path),
            "needs Kafka's message definitions: SWIFTWATER_SHARED=FOLDER, with them in FOLDER/kafka-messages"))
    func `generating again changes nothing`() throws {
        let output = FileManager.default.temporaryDirectory.appending(path: "generated-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }  // a leftover in the temporary folder harms nobody

        let process = Process()
        process.executableURL = Self.generator
        process.arguments = [Self.definitions.path, output.path]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)

        for folder in Self.folders {
            let committed = try files(in: Self.package.appending(path: folder))
            let generated = try files(in: output.appending(path: folder))
            #expect(committed.keys.sorted() == generated.keys.sorted())
            for (name, text) in generated {
                #expect(committed[name] == text, "\(folder)/\(name) differs: swift run MessageGenerator DEFINITIONS .")
            }
        }
    }

    /// Tests and executables are built into one folder.
    private static var generator: URL {
        let test = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(filePath: test).deletingLastPathComponent().appending(path: "MessageGenerator")
    }

    private func files(in folder: URL) throws -> [String: String] {
        var texts: [String: String] = [:]
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            texts[file.lastPathComponent] = try String(contentsOf: file, encoding: .utf8)
        }
        return texts
    }
}
