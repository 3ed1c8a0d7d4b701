import Foundation
import SQLTesting
import Testing

@Suite struct ConformanceTests {
    @Test func `the examples pass`() throws {
        let counts = CaseFiles.run(try CaseFiles.suites(in: CaseFiles.root.appending(path: "Examples/pipelines")))
        #expect(counts.failures == [])
        #expect(counts.passed >= 10)
    }

    @Test(.enabled(if: CaseFiles.shared != nil, "the conformance cases were not found"))
    func `the conformance cases pass but for a few`() throws {
        guard let shared = CaseFiles.shared else { return }
        let counts = CaseFiles.run(try CaseFiles.suites(in: shared.appending(path: "sql-cases")))
        for failure in counts.failures { print("FAIL", failure) }
        print("sql-cases: \(counts.passed) passed, \(counts.failures.count) failed, \(counts.skipped) skipped")
        #expect(counts.share > 0.97)
    }

    @Test(.enabled(if: CaseFiles.shared != nil, "the conformance cases were not found"))
    func `the scripts and cases of three files pass but for a few`() throws {
        guard let shared = CaseFiles.shared else { return }
        let counts = CaseFiles.run(try CaseFiles.suites(in: shared.appending(path: "script-cases")))
        for failure in counts.failures { print("FAIL", failure) }
        print("script-cases: \(counts.passed) passed, \(counts.failures.count) failed")
        #expect(counts.share > 0.97)
    }
}
