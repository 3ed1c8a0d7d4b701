import JSONFormat
import SQLPlan
import StreamEngine

/// Runs cases and judges them.
package struct CaseRunner: Sendable {
    package var surroundings: TestSurroundings
    /// Of an expected failure only the stage counts.
    package var isLenient = false
    /// Whether differences from `observed` are reported.
    package var checksObserved = false

    package init(_ surroundings: TestSurroundings) { self.surroundings = surroundings }

    package func run(_ test: TestCase) -> TestResult {
        let pipeline = TestPipeline(surroundings, properties: test.properties)
        var failure: PipelineError?
        do throws(PipelineError) { try pipeline.run(test) } catch { failure = error }
        var result = TestResult(name: test.name, verdict: verdict(test, pipeline, failure))
        result.note(pipeline)
        if checksObserved, let observed = test.observed, failure == nil {
            let checks = PostChecks(pipeline)
            for source in observed["sources"]?.elements ?? [] {
                if let difference = checks.difference(source: source) { result.remarks.append(difference) }
            }
            for topic in observed["topics"]?.elements ?? [] {
                if let difference = checks.difference(topic: topic) { result.remarks.append(difference) }
            }
        }
        return result
    }

    private func verdict(_ test: TestCase, _ pipeline: TestPipeline, _ failure: PipelineError?) -> Verdict {
        if let expected = test.expectedFailure { return verdict(expected, failure, test) }
        if let failure {
            let place = failure.statement.map { "statement \($0 + 1): " } ?? ""
            return .failed(reason: "\(failure.stage.rawValue): \(place)\(failure.message.singleLine)")
        }
        if let verdict = RecordJudge(pipeline: pipeline, test: test).verdict() { return verdict }
        if let difference = PostChecks(pipeline).difference(test.post) { return .failed(reason: difference) }
        return .passed
    }

    private func verdict(_ expected: ExpectedFailure, _ failure: PipelineError?, _ test: TestCase) -> Verdict {
        guard let failure else {
            let wanted = (expected.message ?? "").singleLine
            return .failed(reason: "did not fail at stage '\(expected.stage.rawValue)' as expected: \(wanted)")
        }
        guard failure.stage.rawValue == expected.stage.rawValue else {
            return .failed(
                reason: "failed at stage '\(failure.stage.rawValue)', expected '\(expected.stage.rawValue)': "
                    + failure.message.singleLine)
        }
        if let statement = failure.statement, expected.stage == .statement, statement < test.statements.count - 1 {
            return .failed(
                reason: "statement \(statement + 1) failed, expected the last one to: \(failure.message.singleLine)")
        }
        guard !isLenient, !expected.isMessageForeign, let message = expected.message else { return .passed }
        if failure.message.contains(message) { return .passed }
        return .failed(
            reason: "failed with another message: \(failure.message.singleLine)",
            details: ["    expected: \(message)", "    actual:   \(failure.message)"])
    }
}

extension String {
    /// Line ends as spaces, and not too long.
    var singleLine: String {
        let line = split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > 400 ? line.prefix(400) + " ..." : line
    }
}

extension TestResult {
    /// Takes down what people may want to know of how it ran.
    mutating func note(_ pipeline: TestPipeline) {
        for query in pipeline.queries {
            plans.append("\(query.plan.id)\n\(query.plan.explanation)")
            for line in query.counters {
                let c = line.counters
                counters.append(
                    "\(query.plan.id) \(line.step) (\(line.operation)): in \(c.input), filtered \(c.filtered), late "
                        + "\(c.late), failed \(c.failed), unmatched \(c.unmatched), out \(c.output), state "
                        + "\(c.stateRows) rows \(c.stateBytes) bytes")
            }
            for entry in query.log {
                let place = entry.topic.map { " \($0)@\(entry.offset.map(String.init) ?? "?")" } ?? ""
                log.append("\(query.plan.id).\(entry.step)\(place): \(entry.message.singleLine)")
            }
        }
    }
}
