import JSONFormat
import SQLFormats
import SQLPlan

/// Compares the records of topics with those that a case expects.
struct RecordJudge {
    let pipeline: TestPipeline
    let test: TestCase

    /// nil when all is as expected.
    func verdict() -> Verdict? {
        var topics: [String] = []
        for output in test.outputs where !topics.contains(output.topic) { topics.append(output.topic) }
        for topic in topics {
            if let failure = verdict(topic, test.outputs.filter { $0.topic == topic }) { return failure }
        }
        return nil
    }

    private func verdict(_ topic: String, _ expected: [TestRecord]) -> Verdict? {
        let actual = pipeline.topics.records(of: topic)
        let codecs = pipeline.codecs(of: topic)
        for (index, pair) in zip(expected, actual).enumerated() {
            if let reason = mismatch(pair.0, pair.1, codecs) {
                return .failed(
                    reason: "topic '\(topic)', record \(index + 1): \(reason)",
                    details: sideBySide(expected, actual, codecs))
            }
        }
        guard expected.count != actual.count else { return nil }
        return .failed(
            reason: "topic '\(topic)': expected \(expected.count) records, got \(actual.count)",
            details: sideBySide(expected, actual, codecs))
    }

    private typealias Codecs = (key: CaseCodec, value: CaseCodec, window: WindowInfo?)

    private func mismatch(_ expected: TestRecord, _ actual: TopicRecord, _ codecs: Codecs) -> String? {
        var key = actual.key
        if let window = expected.window {
            let wanted = CaseWindow(start: window.start, end: window.end, isSession: window.isSession)
            guard let bytes = key, let parts = wanted.split(bytes, size: codecs.window?.size) else {
                return "expected a windowed key"
            }
            if (codecs.window?.kind == .session) != window.isSession, codecs.window != nil {
                return "expected a key of a \(window.isSession ? "session" : "time") window"
            }
            if let mismatch = parts.mismatch { return mismatch }
            key = parts.key
        } else if let window = codecs.window, let bytes = key,
            let parts = WindowedKey.split(bytes, isSession: window.kind == .session)
        {
            key = parts.key
        }
        if let reason = codecs.key.mismatch(expected.key, key, isExact: test.comparesNumbersExactly) {
            return "key: \(reason)"
        }
        if let reason = codecs.value.mismatch(expected.value, actual.value, isExact: test.comparesNumbersExactly) {
            return "value: \(reason)"
        }
        if let timestamp = expected.timestamp, timestamp != actual.timestamp, !(test.inputs.isEmpty && timestamp == 0) {
            return "timestamp: expected \(timestamp), got \(actual.timestamp)"
        }
        let headers = expected.headers ?? []
        if headers != actual.headers { return "headers: expected \(text(headers)), got \(text(actual.headers))" }
        return nil
    }

    // MARK: For people

    private func sideBySide(_ expected: [TestRecord], _ actual: [TopicRecord], _ codecs: Codecs) -> [String] {
        let left = expected.map { text($0) }
        let right = actual.map { text($0, codecs) }
        let width = min(max(left.map(\.count).max() ?? 0, 8), 90)
        func padded(_ text: String) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        var lines = ["    \(padded("expected")) | actual"]
        for index in 0..<max(left.count, right.count) {
            let isSame =
                index < expected.count && index < actual.count
                && mismatch(expected[index], actual[index], codecs) == nil
            let a = index < left.count ? left[index] : ""
            let b = index < right.count ? right[index] : ""
            lines.append("  \(isSame ? " " : ">") \(padded(a)) | \(b)")
        }
        return lines
    }

    private func text(_ record: TestRecord) -> String {
        var text = String(decoding: record.key.bytes, as: UTF8.self)
        if let window = record.window { text += "@\(window.start)/\(window.end)" }
        text += " " + String(decoding: record.value.bytes, as: UTF8.self)
        if let timestamp = record.timestamp { text += " at \(timestamp)" }
        return text + (record.headers.map { " \(self.text($0))" } ?? "")
    }

    private func text(_ record: TopicRecord, _ codecs: Codecs) -> String {
        var key = record.key
        var window = ""
        if let info = codecs.window, let bytes = key, let parts = WindowedKey.split(bytes, info) {
            key = parts.key
            window = "@\(parts.start)/\(parts.end)"
        }
        var text = Self.text(codecs.key, key) + window + " " + Self.text(codecs.value, record.value)
        text += " at \(record.timestamp)"
        return text + (record.headers.isEmpty ? "" : " \(self.text(record.headers))")
    }

    private static func text(_ codec: CaseCodec, _ bytes: [UInt8]?) -> String {
        do throws(FormatError) { return try codec.value(bytes).description } catch {
            return "unreadable(\(bytes?.count ?? 0) bytes: \(error.message))"
        }
    }

    private func text(_ headers: [RecordHeader]) -> String {
        let list = headers.map { header in
            "\(header.key)=\(header.value.map { String(decoding: $0, as: UTF8.self) } ?? "null")"
        }
        return "[\(list.joined(separator: ", "))]"
    }
}
