import Patterns
import Synchronization

/// A regular expression of Java's with what transforms do with it. One thread at a time goes through it.
package final class JavaRegex: Sendable {
    private let whole: Mutex<JavaPattern>
    private let part: Mutex<JavaPattern>
    package let text: String

    /// - Throws: `.illegalArgument` with what is wrong with the expression.
    package init(_ text: String) throws(ConnectError) {
        self.text = text
        do throws(PatternError) {
            // A quotation that Java lets end with the expression would go on behind it.
            let isOpen = text.ranges(of: "\\Q").last.map { !text[$0.upperBound...].contains("\\E") } ?? false
            // The part comes first: what is wrong is told with places in the text as it was given.
            part = Mutex(try JavaPattern(text))
            whole = Mutex(try JavaPattern("\\A(?:" + text + (isOpen ? "\\E" : "") + ")\\z"))
        } catch {
            throw ConnectError(.illegalArgument, Self.javaWords(error.message))
        }
    }

    /// The expression of a transform's option.
    ///
    /// - Throws: `.config` that names the option.
    convenience init(_ values: ConfigValues, _ option: String) throws(ConnectError) {
        let text = values.string(option) ?? ""
        do throws(ConnectError) { try self.init(text) } catch {
            throw .config(option, text, "Invalid regex: \(error.message)")
        }
    }

    /// The commonest mistakes as Java names them.
    private static func javaWords(_ message: String) -> String {
        for (word, java) in [
            ("missing closing parenthesis", "Unclosed group"),
            ("missing terminating ] for character class", "Unclosed character class"),
        ] where message.hasPrefix(word) {
            return java + message.dropFirst(word.count)
        }
        return message
    }

    /// Whether all of the text matches.
    package func matches(_ subject: String) throws(ConnectError) -> Bool { try match(subject) != nil }

    private func match(_ subject: String) throws(ConnectError) -> JavaPattern.Match? {
        let bytes = Array(subject.utf8)
        let result = whole.withLock { pattern in
            Result { () throws(PatternError) in try pattern.firstMatch(in: bytes) }
        }
        return try Self.value(of: result)
    }

    /// Whether a part of the text matches.
    func isFound(in subject: String) throws(ConnectError) -> Bool { try firstGroups(in: subject) != nil }

    /// What the groups of the first place that matches hold, the whole of it first; nil where nothing matches.
    func firstGroups(in subject: String) throws(ConnectError) -> [String?]? {
        let bytes = Array(subject.utf8)
        let result = part.withLock { pattern in
            Result { () throws(PatternError) in try pattern.firstMatch(in: bytes) }
        }
        return try Self.value(of: result)?.groups.map { range in
            range.map { String(decoding: bytes[$0], as: UTF8.self) }
        }
    }

    /// The text with all places that match replaced.
    func replacingAll(in subject: String, with replacement: String) throws(ConnectError) -> String {
        let bytes = Array(subject.utf8)
        let result: Result<[UInt8], ConnectError> = part.withLock { pattern in
            Result { () throws(ConnectError) in
                let matches: [JavaPattern.Match]
                do throws(PatternError) { matches = try pattern.matches(in: bytes) } catch {
                    throw ConnectError(.connect, error.message)
                }
                var output: [UInt8] = []
                var at = 0
                for match in matches {
                    output += bytes[at..<match.whole.lowerBound]
                    output += try Self.expanded(replacement, match, bytes, pattern)
                    at = match.whole.upperBound
                }
                return output + bytes[at...]
            }
        }
        return String(decoding: try result.get(), as: UTF8.self)
    }

    /// The text with the first place that matches replaced; `$1`, `${name}` and `\` as in Java.
    func replacingFirst(in subject: String, with replacement: String) throws(ConnectError) -> String {
        let bytes = Array(subject.utf8)
        let result: Result<[UInt8]?, ConnectError> = part.withLock { pattern in
            Result { () throws(ConnectError) in
                let found: JavaPattern.Match?
                do throws(PatternError) { found = try pattern.firstMatch(in: bytes) } catch {
                    throw ConnectError(.connect, error.message)
                }
                guard let match = found else { return nil }
                var output = Array(bytes[..<match.whole.lowerBound])
                output += try Self.expanded(replacement, match, bytes, pattern)
                return output + bytes[match.whole.upperBound...]
            }
        }
        return try result.get().map { String(decoding: $0, as: UTF8.self) } ?? subject
    }

    private static func value<Value>(of result: Result<Value, PatternError>) throws(ConnectError) -> Value {
        switch result {
        case .success(let value): return value
        case .failure(let error): throw ConnectError(.connect, error.message)
        }
    }

    private static func expanded(
        _ replacement: String, _ match: JavaPattern.Match, _ subject: [UInt8], _ pattern: borrowing JavaPattern
    ) throws(ConnectError) -> [UInt8] {
        let text = Array(replacement.utf8)
        var output: [UInt8] = []
        var at = 0
        func append(group: Int) {
            if match.groups.indices.contains(group), let range = match.groups[group] { output += subject[range] }
        }
        while at < text.count {
            switch text[at] {
            case UInt8(ascii: "\\"):
                at += 1
                guard at < text.count else {
                    throw ConnectError(.illegalArgument, "character to be escaped is missing")
                }
                output.append(text[at])
                at += 1
            case UInt8(ascii: "$"):
                at += 1
                guard at < text.count else {
                    throw ConnectError(.illegalArgument, "Illegal group reference: group index is missing")
                }
                if text[at] == UInt8(ascii: "{") {
                    guard let end = text[at...].firstIndex(of: UInt8(ascii: "}")) else {
                        throw ConnectError(.illegalArgument, "named capturing group is missing trailing '}'")
                    }
                    let name = String(decoding: text[(at + 1)..<end], as: UTF8.self)
                    guard name.first?.isNumber != true else {
                        throw ConnectError(
                            .illegalArgument, "capturing group name {\(name)} starts with digit character")
                    }
                    guard let group = pattern.group(named: name) else {
                        throw ConnectError(.illegalArgument, "No group with name {\(name)}")
                    }
                    append(group: group)
                    at = end + 1
                    continue
                }
                guard 0x30...0x39 ~= text[at] else { throw ConnectError(.illegalArgument, "Illegal group reference") }
                var group = Int(text[at] - 0x30)
                at += 1
                guard group < match.groups.count else { throw ConnectError(.indexOutOfBounds, "No group \(group)") }
                // More digits belong to the number as long as there is such a group.
                while at < text.count, 0x30...0x39 ~= text[at] {
                    let longer = group * 10 + Int(text[at] - 0x30)
                    guard longer < match.groups.count else { break }
                    group = longer
                    at += 1
                }
                append(group: group)
            default:
                output.append(text[at])
                at += 1
            }
        }
        return output
    }
}
