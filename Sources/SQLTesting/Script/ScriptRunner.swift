import SQLPlan
import SQLSyntax

/// Why a script's test ended before its end.
struct ScriptFailure: Error {
    enum Kind {
        /// A record is not as asserted: `java.lang.AssertionError` in the original.
        case record
        /// A statement was refused, or a source is not as asserted: `KsqlException` and those derived from it.
        case statement
    }

    var kind: Kind
    var message: String
    var details: [String] = []

    init(_ kind: Kind, _ message: String, details: [String] = []) {
        self.kind = kind
        self.message = message
        self.details = details
    }

    init(_ error: PipelineError) { self.init(.statement, error.message) }
}

extension CaseRunner {
    /// - Parameter script: gives the text of the file that `RUN SCRIPT` names; nil when there is none.
    package func run(_ test: ScriptCase, script: @escaping (String) -> String? = { _ in nil }) -> TestResult {
        let pipeline = TestPipeline(surroundings, mode: .immediate)
        var run = ScriptRun(pipeline: pipeline, script: script)
        var failure: ScriptFailure?
        do throws(ScriptFailure) { for step in test.steps { try run.perform(step) } } catch { failure = error }
        var result = TestResult(name: test.name, verdict: verdict(test, failure))
        result.note(pipeline)
        return result
    }

    private func verdict(_ test: ScriptCase, _ failure: ScriptFailure?) -> Verdict {
        guard test.expectedError != nil || test.expectedMessage != nil else {
            return failure.map { .failed(reason: $0.message.singleLine, details: $0.details) } ?? .passed
        }
        let wanted = test.expectedMessage ?? test.expectedError ?? ""
        guard let failure else { return .failed(reason: "did not fail as expected: \(wanted)") }
        if isLenient { return .passed }
        if let name = test.expectedError, (name == "java.lang.AssertionError") != (failure.kind == .record) {
            return .failed(reason: "expected \(name), got: \(failure.message.singleLine)", details: failure.details)
        }
        guard let message = test.expectedMessage, !failure.message.contains(message) else { return .passed }
        return .failed(
            reason: "failed with another message: \(failure.message.singleLine)",
            details: ["    expected: \(message)", "    actual:   \(failure.message)"])
    }
}

/// Performs the statements of one test.
private struct ScriptRun {
    let pipeline: TestPipeline
    let script: (String) -> String?
    /// How many records of each topic have been asserted.
    var cursors: [String: Int] = [:]
    private var depth = 0
    private static let depthMax = 16

    init(pipeline: TestPipeline, script: @escaping (String) -> String?) {
        self.pipeline = pipeline
        self.script = script
    }

    mutating func perform(_ step: ScriptCase.Step) throws(ScriptFailure) {
        let parsed: ParsedStatement
        switch step {
        case .unreadable(let error): throw ScriptFailure(.statement, error.message)
        case .statement(let statement):
            do throws(SQLSyntaxError) { parsed = try statement.substituting(pipeline.variables) } catch {
                throw ScriptFailure(.statement, error.message)
            }
        }
        switch parsed.statement {
        case .assertValues(let values): try SourceAssertions(pipeline).values(values, isTombstone: false, &cursors)
        case .assertTombstone(let values): try SourceAssertions(pipeline).values(values, isTombstone: true, &cursors)
        case .assertSource(let source): try SourceAssertions(pipeline).source(source)
        case .runScript(let file):
            guard depth < Self.depthMax else { throw ScriptFailure(.statement, "scripts run each other too deep") }
            guard let text = script(file) else {
                throw ScriptFailure(.statement, "the script '\(file)' cannot be read")
            }
            depth += 1
            for test in ScriptCase.cases(in: text, file: file) { for step in test.steps { try perform(step) } }
            depth -= 1
        default:
            if case .createSource(let create) = parsed.statement { pipeline.prepareTopic(of: create, partitions: 1) }
            do throws(PipelineError) { try pipeline.execute(parsed) } catch { throw ScriptFailure(error) }
        }
    }
}
