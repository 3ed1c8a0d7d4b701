import JSONFormat

/// The tests of one file, or of one folder of three files.
package enum TestSuite: Sendable {
    case cases([TestCase])
    case scripts([ScriptCase])
    case threeFiles(ThreeFileCase)

    /// - Throws: why the text holds no tests.
    package init(file: String, text: String) throws(CaseFileError) {
        if file.lowercased().hasSuffix(".sql") {
            self = .scripts(ScriptCase.cases(in: text, file: file))
        } else {
            self = .cases(try TestCase.cases(inFile: text))
        }
    }

    /// Names and what each test requires.
    package var tests: [(name: String, requirements: [String])] {
        switch self {
        case .cases(let cases): cases.map { ($0.name, $0.requirements) }
        case .scripts(let scripts): scripts.map { ($0.name, []) }
        case .threeFiles(let test): [(test.name, [])]
        }
    }
}

extension CaseRunner {
    /// Runs the test of that place in the suite.
    package func run(_ suite: TestSuite, at index: Int, script: @escaping (String) -> String? = { _ in nil })
        -> TestResult
    {
        switch suite {
        case .cases(let cases): run(cases[index])
        case .scripts(let scripts): run(scripts[index], script: script)
        case .threeFiles(let test): run(test)
        }
    }
}
