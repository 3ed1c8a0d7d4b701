import JSONFormat

/// Results as machines read them.
package enum TestReport {
    /// JUnit's XML: one suite per file.
    package static func junit(_ suites: [(file: String, results: [TestResult])]) -> String {
        var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
        for suite in suites {
            var failures = 0
            var skipped = 0
            for result in suite.results {
                switch result.verdict {
                case .passed: break
                case .failed: failures += 1
                case .skipped: skipped += 1
                }
            }
            text += "  <testsuite name=\"\(escaped(suite.file))\" tests=\"\(suite.results.count)\" "
            text += "failures=\"\(failures)\" skipped=\"\(skipped)\">\n"
            for result in suite.results {
                text += "    <testcase classname=\"\(escaped(suite.file))\" name=\"\(escaped(result.name))\""
                switch result.verdict {
                case .passed: text += "/>\n"
                case .failed(let reason, let details):
                    let body = escaped(([reason] + details).joined(separator: "\n"))
                    text += ">\n      <failure message=\"\(escaped(reason))\">\(body)</failure>\n    </testcase>\n"
                case .skipped(let reason):
                    text += ">\n      <skipped message=\"\(escaped(reason))\"/>\n    </testcase>\n"
                }
            }
            text += "  </testsuite>\n"
        }
        return text + "</testsuites>\n"
    }

    /// XML has no way to say most control characters.
    private static func escaped(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            case "\n": output += "&#10;"
            case "\t": output += "&#9;"
            default:
                output.unicodeScalars.append(
                    scalar.value < 32 || scalar.value == 0xFFFE || scalar.value == 0xFFFF ? "\u{FFFD}" : scalar)
            }
        }
        return output
    }

    /// `{"passed": 1, "failed": 1, "skipped": 0, "tests": [{"file": ..., "name": ..., "result": ..., "reason": ...}]}`
    package static func json(_ suites: [(file: String, results: [TestResult])]) -> [UInt8] {
        var tests: [JSONValue] = []
        var counts = (passed: 0, failed: 0, skipped: 0)
        for suite in suites {
            for result in suite.results {
                var members: [(String, JSONValue)] = [("file", .string(suite.file)), ("name", .string(result.name))]
                switch result.verdict {
                case .passed:
                    counts.passed += 1
                    members.append(("result", .string("passed")))
                case .failed(let reason, let details):
                    counts.failed += 1
                    members += [("result", .string("failed")), ("reason", .string(reason))]
                    if !details.isEmpty { members.append(("details", .array(details.map { .string($0) }))) }
                case .skipped(let reason):
                    counts.skipped += 1
                    members += [("result", .string("skipped")), ("reason", .string(reason))]
                }
                if !result.remarks.isEmpty {
                    members.append(("differences", .array(result.remarks.map { .string($0) })))
                }
                tests.append(.object(members))
            }
        }
        return JSONValue.object([
            ("passed", .number(Int64(counts.passed))), ("failed", .number(Int64(counts.failed))),
            ("skipped", .number(Int64(counts.skipped))), ("tests", .array(tests)),
        ]).pretty + [UInt8(ascii: "\n")]
    }
}
