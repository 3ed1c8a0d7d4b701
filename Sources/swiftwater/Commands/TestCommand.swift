import ArgumentParser
import Environment
import Patterns
import SQLTesting
import SQLTypes

/// Tests pipelines of streaming SQL in this process: no server, no network, a clock that stands still.
struct TestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Test pipelines of streaming SQL, without a server.",
        discussion: """
            A file ends in .json (cases: statements, records in, records out) or .sql (scripts with --@test and ASSERT). \
            A folder is searched for both; one with statements.sql and output.json is a test by itself. \
            Every test has topics, a registry and an engine of its own.

            The last line is "N passed, M failed"; the exit code is 0 if nothing failed.

            EXAMPLES
              swiftwater test tests/
              swiftwater test ratings.sql --filter 'late' --verbose
              swiftwater test cases/ --junit results.xml
            """)

    @Argument(help: ArgumentHelp("Files and folders with tests.", valueName: "file|folder"), completion: .file())
    var files: [String]
    @Option(help: ArgumentHelp("Run only tests whose name matches.", valueName: "regex")) var filter: String?
    @Option(
        help: ArgumentHelp(
            "Skip tests that require one of these; those that require what is not here, such as functions in Java, "
                + "are skipped anyway.", valueName: "names"))
    var skipRequires: String?
    @Flag(help: "Of errors that tests expect, only the stage counts, not the text.") var lenientErrors = false
    @Option(help: ArgumentHelp("Write the results as JUnit's XML.", valueName: "file"), completion: .file())
    var junit: String?
    @Option(help: ArgumentHelp("Write the results as JSON.", valueName: "file"), completion: .file())
    var json: String?
    @Flag(name: .shortAndLong, help: "Of tests that fail: plans, and records that could not be processed.")
    var verbose = false
    @Flag(help: "Plans and counters of every step, of all tests.") var explain = false
    @Flag(help: "Report differences from the end state that a case has as 'observed'.") var checkObserved = false

    func run() throws {
        var runner = CaseRunner(TestSurroundings(zones: TimeZones { TimeZoneFiles.read($0) }))
        runner.isLenient = lenientErrors
        runner.checksObserved = checkObserved
        var pattern: JavaPattern?
        if let filter {
            do throws(PatternError) { pattern = try JavaPattern(filter) } catch {
                throw CommandFailure.usage("--filter: \(error.message)")
            }
        }
        let skipped = Set((skipRequires ?? "").split(separator: ",").map { $0.trimmed })
        var counts = (passed: 0, failed: 0, skipped: 0)
        var suites: [(file: String, results: [TestResult])] = []
        for entry in try TestFiles.find(files) {
            var results: [TestResult] = []
            for result in try self.results(of: entry, runner, pattern, skipped) {
                try show(result)
                switch result.verdict {
                case .passed: counts.passed += 1
                case .failed: counts.failed += 1
                case .skipped: counts.skipped += 1
                }
                results.append(result)
            }
            suites.append((entry.path, results))
        }
        if let junit { try TestFiles.write(Array(TestReport.junit(suites).utf8), to: junit) }
        if let json { try TestFiles.write(TestReport.json(suites), to: json) }
        if counts.skipped > 0 { try Output.standard.line("\(counts.skipped) skipped") }
        try Output.standard.line("\(counts.passed) passed, \(counts.failed) failed")
        if counts.passed + counts.failed + counts.skipped == 0 {
            try Output.standard.flush()
            // No failure, as a folder may be meant to be empty; but 0 passed is not what one looks for.
            Output.complain(
                "swiftwater: there are no tests in \(files.joined(separator: ", "))"
                    + (filter.map { " whose name matches '\($0)'" } ?? ""))
        }
        if counts.failed > 0 {
            try Output.standard.flush()
            throw ExitCode.failure
        }
    }

    private func results(
        of entry: TestFiles.Entry, _ runner: CaseRunner, _ pattern: JavaPattern?, _ skipped: Set<String>
    ) throws -> [TestResult] {
        let suite: TestSuite
        do {
            suite = try entry.suite()
        } catch let error as CaseFileError {
            return [TestResult(name: entry.path, verdict: .failed(reason: error.message))]
        }
        var results: [TestResult] = []
        for (index, test) in suite.tests.enumerated() {
            if let pattern {
                do throws(PatternError) {
                    guard try pattern.firstMatch(in: Array(test.name.utf8)) != nil else { continue }
                } catch { throw CommandFailure("--filter: \(error.message)") }
            }
            let missing = test.requirements.first { skipped.contains($0) || !TestSurroundings.provided.contains($0) }
            if let reason = missing {
                results.append(TestResult(name: test.name, verdict: .skipped(reason: "requires \(reason)")))
                continue
            }
            results.append(runner.run(suite, at: index) { entry.script($0) })
        }
        return results
    }

    private func show(_ result: TestResult) throws {
        let output = Output.standard
        var isFailure = false
        switch result.verdict {
        case .passed: try output.line("ok \(result.name)")
        case .skipped(let reason): try output.line("skip \(result.name): \(reason)")
        case .failed(let reason, let details):
            isFailure = true
            try output.line("FAIL \(result.name): \(reason)")
            for line in details { try output.line(line) }
        }
        if explain || verbose && isFailure {
            for plan in result.plans { try output.line(plan) }
            for line in result.log { try output.line("  log: \(line)") }
        }
        if explain { for line in result.counters { try output.line("  \(line)") } }
        for remark in result.remarks { try output.line("  differs: \(remark)") }
    }
}
