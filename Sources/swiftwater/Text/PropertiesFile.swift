import Glibc

/// Java's properties files, as Kafka's configuration comes in.
///
/// `name=value`, `name: value` or `name value` per line; `#` and `!` begin comments; a line that ends in `\` goes on in
/// the next; `\t`, `\n`, `\r`, `\f`, `\uXXXX` and `\` before any other character.
///
/// - SeeAlso: `java.util.Properties.load`.
enum PropertiesFile {
    /// - Throws: `CommandFailure` when the file cannot be read or is not UTF-8.
    static func read(_ path: String) throws -> [String: String] { parse(try text(path)) }

    /// The text of a file.
    ///
    /// - Throws: as `read`.
    static func text(_ path: String) throws -> String {
        guard let text = String(validating: try bytes(path), as: UTF8.self) else {
            throw CommandFailure("cannot read \(path): it is not UTF-8 text")
        }
        return text
    }

    /// More than any record or configuration has.
    private static let byteCountMax = 1 << 30

    /// The bytes of a file, or of a pipe.
    static func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw CommandFailure("cannot read \(path): \(String(cString: strerror(errno)))")
            }
            bytes += chunk[..<count]
            guard bytes.count <= byteCountMax else {
                throw CommandFailure("cannot read \(path): it has more than \(byteCountMax) bytes")
            }
        }
        return bytes
    }

    static func parse(_ text: String) -> [String: String] {
        var properties: [String: String] = [:]
        var logical = ""
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let line = line.drop(while: \.isWhitespace)
            if logical.isEmpty, line.isEmpty || line.first == "#" || line.first == "!" { continue }
            let backslashes = line.reversed().prefix { $0 == "\\" }.count
            if backslashes % 2 == 1 {
                logical += line.dropLast()
                continue
            }
            logical += line
            add(logical, to: &properties)
            logical = ""
        }
        if !logical.isEmpty { add(logical, to: &properties) }
        return properties
    }

    private static func add(_ line: String, to properties: inout [String: String]) {
        var end = line.startIndex
        var isEscaped = false
        while end < line.endIndex {
            let character = line[end]
            if !isEscaped, character == "=" || character == ":" || character.isWhitespace { break }
            isEscaped = !isEscaped && character == "\\"
            end = line.index(after: end)
        }
        var value = line[end...].drop(while: \.isWhitespace)
        if value.first == "=" || value.first == ":" { value = value.dropFirst().drop(while: \.isWhitespace) }
        properties[unescape(line[..<end])] = unescape(value).trimmed
    }

    private static func unescape(_ text: Substring) -> String {
        var result = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "\\", let next = rest.popFirst() else {
                result.append(character)
                continue
            }
            switch next {
            case "t": result.append("\t")
            case "n": result.append("\n")
            case "r": result.append("\r")
            case "f": result.append("\u{0C}")
            case "u":
                let digits = rest.prefix(4)
                if let code = UInt32(digits, radix: 16), digits.count == 4, let scalar = Unicode.Scalar(code) {
                    result.unicodeScalars.append(scalar)
                    rest = rest.dropFirst(4)
                } else {
                    result.append("u")
                }
            default: result.append(next)
            }
        }
        return result
    }
}

/// `name=value` pairs of a repeated option.
///
/// - Throws: `CommandFailure` (usage) naming the option.
func pairs(_ texts: [String], option: String) throws -> [(name: String, value: String)] {
    try texts.map { text in
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw CommandFailure.usage("\(option) takes NAME=VALUE, not '\(text)'")
        }
        return (String(text[..<equals]).trimmed, String(text[text.index(after: equals)...]))
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        var text = self[...].drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}
