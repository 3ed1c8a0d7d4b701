import JSONFormat

/// What one check of `swiftwater doctor` came to.
struct Finding {
    enum Verdict: String, CaseIterable, Comparable {
        /// As it should be.
        case ok
        /// The program runs, but not as well as it could.
        case warning
        /// The program does not start, or loses data.
        case problem

        static func < (a: Self, b: Self) -> Bool {
            allCases.firstIndex(of: a) ?? 0 < allCases.firstIndex(of: b) ?? 0
        }
    }

    /// What was looked at, as in "port kafka".
    var check: String
    var verdict: Verdict
    var text: String
    /// What to do about it.
    var hint: String?
    /// The same for programs.
    var facts: [(String, JSONValue)] = []

    init(
        _ check: String, _ verdict: Verdict, _ text: String, hint: String? = nil, facts: [(String, JSONValue)] = []
    ) {
        self.check = check
        self.verdict = verdict
        self.text = text
        self.hint = hint
        self.facts = facts
    }

    var json: JSONValue {
        .object(
            [
                ("check", .string(check)), ("verdict", .string(verdict.rawValue)), ("text", .string(text)),
                ("hint", .string(hint)),
            ] + (facts.isEmpty ? [] : [("facts", .object(facts))]))
    }
}

/// What several checks came to.
struct Diagnosis {
    var findings: [Finding]

    var verdict: Finding.Verdict { findings.map(\.verdict).max() ?? .ok }

    /// A line for each finding, with hints below theirs, and the sum.
    var text: String {
        let width = findings.map(\.check.count).max() ?? 0
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        var lines: [String] = []
        for finding in findings {
            lines.append("\(padded(finding.verdict.rawValue, 7))  \(padded(finding.check, width))  \(finding.text)")
            if let hint = finding.hint { lines.append(padded("", width + 11) + "hint: \(hint)") }
        }
        let counts = Finding.Verdict.allCases.map { verdict in
            let count = findings.count { $0.verdict == verdict }
            return verdict == .ok ? "\(count) ok" : "\(count) \(verdict.rawValue)\(count == 1 ? "" : "s")"
        }
        return (lines + ["", counts.joined(separator: ", ")]).joined(separator: "\n")
    }

    var json: JSONValue {
        .object([("verdict", .string(verdict.rawValue)), ("findings", .array(findings.map(\.json)))])
    }
}

/// Sizes for people: "55.1 GiB".
func readableSize(_ byteCount: Int64) -> String {
    var value = Double(byteCount)
    var unit = "B"
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        guard value >= 1024 else { break }
        value /= 1024
        unit = larger
    }
    return unit == "B" ? "\(byteCount) B" : "\(oneDigit(value)) \(unit)"
}

/// With one digit behind the point.
func oneDigit(_ value: Double) -> String {
    let tenths = Int64((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
}
