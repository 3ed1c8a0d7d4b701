import Environment
import Foundation
import SQLTesting
import SQLTypes

/// Folders with tests: the product's own, and the conformance cases of the workspace where they are.
enum CaseFiles {
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent()

    static let shared: URL? = {
        let shared =
            ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
            ?? root.appending(path: "../shared").standardized
        return FileManager.default.fileExists(atPath: shared.appending(path: "sql-cases").path) ? shared : nil
    }()

    static let runner = CaseRunner(TestSurroundings(zones: TimeZones { TimeZoneFiles.read($0) }))

    /// All tests below a folder.
    static func suites(in folder: URL) throws -> [TestSuite] {
        var suites: [TestSuite] = []
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        if names.contains("statements.sql") {
            func text(_ name: String) throws -> String? {
                names.contains(name)
                    ? try String(contentsOf: folder.appending(path: name), encoding: .utf8) : nil
            }
            return [
                .threeFiles(
                    ThreeFileCase(
                        name: folder.lastPathComponent, statements: try text("statements.sql") ?? "",
                        input: try text("input.json"), output: try text("output.json") ?? "",
                        expectation: try text("expect.json")))
            ]
        }
        for name in names where name != "INDEX.json" {
            let path = folder.appending(path: name)
            if path.hasDirectoryPath || (try? path.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true {
                suites += try self.suites(in: path)
            } else if name.hasSuffix(".json") || name.hasSuffix(".sql") {
                suites.append(try TestSuite(file: name, text: try String(contentsOf: path, encoding: .utf8)))
            }
        }
        return suites
    }

    struct Counts {
        var passed = 0
        var skipped = 0
        var failures: [String] = []

        var share: Double { Double(passed) / Double(max(1, passed + failures.count)) }
    }

    /// Runs tests but those that need functions which exist as Java code only.
    static func run(_ suites: [TestSuite]) -> Counts {
        var counts = Counts()
        for suite in suites {
            for (index, test) in suite.tests.enumerated() {
                if test.requirements.contains("test-udf") || test.requirements.contains("java-class") {
                    counts.skipped += 1
                    continue
                }
                switch runner.run(suite, at: index).verdict {
                case .passed: counts.passed += 1
                case .failed(let reason, _): counts.failures.append("\(test.name): \(reason)")
                case .skipped: counts.skipped += 1
                }
            }
        }
        return counts
    }
}
