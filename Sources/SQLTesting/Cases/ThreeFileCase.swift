import JSONFormat

/// A test of three files: statements, records that go in, records that must come out.
///
/// `expect.json`, if there is one, says how the test itself must end: `{"pass": false, "errorContains": "..."}` for tests
/// of this tool.
package struct ThreeFileCase: Sendable {
    package var name: String
    package var statements: String
    package var input: String?
    package var output: String
    package var expectation: String?

    package init(name: String, statements: String, input: String?, output: String, expectation: String? = nil) {
        self.name = name
        self.statements = statements
        self.input = input
        self.output = output
        self.expectation = expectation
    }

    /// - Throws: why the files are no test.
    package func testCase() throws(CaseFileError) -> TestCase {
        var test = TestCase(name: name, statements: [statements])
        if let input {
            guard let inputs = try TestCase.json(input)["inputs"]?.elements else {
                throw CaseFileError("No 'inputs' field in the input file.")
            }
            guard !inputs.isEmpty else { throw CaseFileError("Inputs cannot be empty.") }
            for record in inputs { test.inputs.append(try TestRecord(record)) }
        }
        guard let outputs = try TestCase.json(output)["outputs"]?.elements else {
            throw CaseFileError("No 'outputs' field in the output file.")
        }
        guard !outputs.isEmpty else { throw CaseFileError("Outputs cannot be empty.") }
        for record in outputs { test.outputs.append(try TestRecord(record)) }
        return test
    }
}

extension CaseRunner {
    package func run(_ test: ThreeFileCase) -> TestResult {
        var result: TestResult
        do throws(CaseFileError) { result = run(try test.testCase()) } catch {
            result = TestResult(name: test.name, verdict: .failed(reason: error.message))
        }
        guard let expectation = test.expectation else { return result }
        let expected: JSONValue
        do throws(CaseFileError) { expected = try TestCase.json(expectation) } catch {
            result.verdict = .failed(reason: "expect.json: \(error.message)")
            return result
        }
        guard expected["pass"]?.flag == false else { return result }
        let wanted = expected["errorContains"]?.text ?? ""
        switch result.verdict {
        case .failed(let reason, _) where reason.contains(wanted): result.verdict = .passed
        case .failed(let reason, let details):
            result.verdict = .failed(reason: "failed, but not with '\(wanted)': \(reason)", details: details)
        case .passed: result.verdict = .failed(reason: "passed, but was expected to fail with '\(wanted)'")
        case .skipped: break
        }
        return result
    }
}
