import ConnectCore
import Patterns
import Synchronization

/// A regular expression and what stands in its place, as Java's `replaceAll` has it, with `${key}` and `${topic}` put in
/// before.
final class TextReplacement: Sendable {
    private let pattern: Mutex<JavaPattern>
    private let replacement: RecordTemplate

    /// - Throws: `.config` for no expression.
    init(_ pattern: String, _ replacement: String) throws(ConnectError) {
        do throws(PatternError) { self.pattern = Mutex(try JavaPattern(pattern)) } catch {
            throw .config("regex.patterns", pattern, error.message)
        }
        self.replacement = RecordTemplate(replacement)
    }

    func apply(_ text: String, _ record: ConnectRecord) throws(ConnectError) -> String {
        let bytes = Array(text.utf8)
        let found: Result<[JavaPattern.Match], PatternError> = pattern.withLock { pattern in
            Result { () throws(PatternError) in try pattern.matches(in: bytes) }
        }
        let matches: [JavaPattern.Match]
        switch found {
        case .success(let all): matches = all
        case .failure(let error): throw ConnectError(.connect, "regex.patterns: \(error.message)")
        }
        guard !matches.isEmpty else { return text }
        // What comes from the record is no group and no escape.
        let template = Array(
            replacement.text(record) { $0.replacing("\\", with: "\\\\").replacing("$", with: "\\$") }.utf8)
        var output: [UInt8] = []
        var at = 0
        for match in matches {
            output += bytes[at..<match.whole.lowerBound]
            Self.append(template, match, bytes, &output)
            at = match.whole.upperBound
        }
        output += bytes[at...]
        return String(decoding: output, as: UTF8.self)
    }

    /// `$1` is a group, `\` takes the next character as it is.
    private static func append(
        _ template: [UInt8], _ match: JavaPattern.Match, _ subject: [UInt8], _ output: inout [UInt8]
    ) {
        var at = 0
        while at < template.count {
            if template[at] == UInt8(ascii: "\\"), at + 1 < template.count {
                output.append(template[at + 1])
                at += 2
            } else if template[at] == UInt8(ascii: "$"), at + 1 < template.count, 0x30...0x39 ~= template[at + 1] {
                let group = Int(template[at + 1] - 0x30)
                if match.groups.indices.contains(group), let range = match.groups[group] { output += subject[range] }
                at += 2
            } else {
                output.append(template[at])
                at += 1
            }
        }
    }
}
