import Foundation

/// The conformance cases of the workspace, read where they are; nil without them.
enum SharedCases {
    static let folder: URL? = {
        let environment = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"]
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shared = environment.map { URL(filePath: $0) } ?? root.appending(path: "../shared").standardized
        return FileManager.default.fileExists(atPath: shared.path) ? shared : nil
    }()

    struct Failure: Error { var message: String }

    struct Topic {
        var name: String
        var partitions: Int
        var replicas: Int
        var object: [String: Any]
    }

    struct Case {
        var name: String
        var statements: [String]
        var properties: [String: String]
        var topics: [Topic]
        var exception: [String: Any]?
        var sources: [[String: Any]]
        var observed: [String: Any]
        var requirements: [String]
        var inputTopics: [String]
    }

    static func cases() throws -> [Case] {
        guard let folder else { return [] }
        let files = try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: "sql-cases"), includingPropertiesForKeys: nil)
        var cases: [Case] = []
        for file in files.sorted(by: { $0.path < $1.path })
        where file.pathExtension == "json" && file.lastPathComponent != "INDEX.json" {
            let data = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
            for test in data?["tests"] as? [[String: Any]] ?? [] {
                let properties = test["properties"] as? [String: Any] ?? [:]
                let topics = (test["topics"] as? [[String: Any]] ?? []).map { topic in
                    Topic(
                        name: topic["name"] as? String ?? "", partitions: topic["partitions"] as? Int ?? 1,
                        replicas: topic["replicas"] as? Int ?? 1, object: topic)
                }
                let records = (test["inputs"] as? [[String: Any]] ?? []) + (test["outputs"] as? [[String: Any]] ?? [])
                cases.append(
                    Case(
                        name: test["name"] as? String ?? "", statements: test["statements"] as? [String] ?? [],
                        properties: properties.mapValues { value in
                            (value as? NSNumber).map { CFGetBoolean($0) ?? $0.stringValue } ?? "\(value)"
                        }, topics: topics, exception: test["expectedException"] as? [String: Any],
                        sources: (test["post"] as? [String: Any])?["sources"] as? [[String: Any]] ?? [],
                        observed: test["observed"] as? [String: Any] ?? [:],
                        requirements: test["requires"] as? [String] ?? [],
                        inputTopics: records.compactMap { $0["topic"] as? String }))
            }
        }
        return cases
    }

    private static func CFGetBoolean(_ number: NSNumber) -> String? {
        String(cString: number.objCType) == "c" ? (number.boolValue ? "true" : "false") : nil
    }
}
