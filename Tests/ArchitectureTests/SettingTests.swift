import Foundation
import Testing

/// A setting that is defined with an effect is named where it is read as well: one that no other code names keeps no
/// promise, and has to say so.
@Suite struct SettingTests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What documentation of settings without an effect says.
    private static let disclaimers = [
        "Taken and not used", "ithout effect", "Not available", "Kept for tools", "Chosen by the server",
        // There is one encoding only.
        "The encoding of texts: UTF-8",
    ]

    /// Settings whose names are put together where they are read, and the code that does it.
    private static let composed: [(prefix: String, file: String, code: String)] = [
        ("ksql.heartbeat.", "SQLService/Nodes/Heartbeats.swift", "\"ksql.heartbeat.\" + name"),
        ("ksql.query.pull.max.", "SQLService/Queries/PullLimits.swift", "\"ksql.query.pull.\" + name"),
        (
            "ksql.assert.", "SQLService/Statements/StatementRequest.swift",
            "\"ksql.assert.\\(what).default.timeout.ms\""
        ),
    ]

    private static func sources() throws -> [String: String] {
        let root = package.appending(path: "Sources")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".swift") }
        var texts: [String: String] = [:]
        for path in paths { texts[path] = try String(contentsOf: root.appending(path: path), encoding: .utf8) }
        return texts
    }

    /// Each definition of a file, from its name to the next one: `function("a.name", ... "documentation"`.
    private static func definitions(in text: String, by functions: String) -> [(name: String, rest: Substring)] {
        guard let start = try? Regex("(?:\(functions))\\(\\s*\"([a-z0-9_.]+)\"", as: (Substring, Substring).self)
        else { return [] }
        let found = text.matches(of: start)
        return found.enumerated().map { index, match in
            let end = index + 1 < found.count ? found[index + 1].range.lowerBound : text.endIndex
            return (String(match.output.1), text[match.range.upperBound..<end])
        }
    }

    @Test(arguments: [
        ("SQLService/Properties/PropertyCatalog.swift", "\\b(?:text|flag|number)", 60),
        ("ConnectService/Settings/WorkerSettings+Definition.swift", "definition\\.(?:text|flag|number|define)", 30),
        ("ConnectCore/Converters/ConverterOptions.swift", "definition\\.(?:text|flag|number|define)", 20),
    ])
    func `a setting is read, or says that it has no effect`(file: String, functions: String, least: Int) throws {
        var sources = try Self.sources()
        let text = try #require(sources[file])
        sources[file] = nil
        // Lists of names are no readers.
        for list in ["SQLService/Properties/ClientProperties.swift", "swiftwater/Server/KafkaProperties.swift"] {
            sources[list] = nil
        }
        // What stands between quotation marks, and what stands between those.
        var quoted: Set<Substring> = []
        for source in sources.values {
            for piece in source.utf8.split(separator: UInt8(ascii: "\"")) { quoted.insert(Substring(piece)) }
        }
        let definitions = Self.definitions(in: text, by: functions)
        #expect(definitions.count >= least)
        for (name, rest) in definitions where !Self.disclaimers.contains(where: { rest.contains($0) }) {
            // Where it is defined, it may be read as well.
            if quoted.contains(name[...]) || text.ranges(of: "\"\(name)\"").count > 1 { continue }
            if quoted.contains(where: { $0.hasSuffix("." + name) }) { continue }
            let isComposed = Self.composed.contains {
                name.hasPrefix($0.prefix) && sources[$0.file]?.contains($0.code) == true
            }
            #expect(isComposed, "nothing reads '\(name)', and its documentation does not say so")
        }
    }
}
