/// One line of comma-separated values, as Apache Commons CSV reads and writes it in its default format, which is RFC
/// 4180's but for the separator.
struct DelimitedLine {
    let separator: Unicode.Scalar

    /// - Parameter setting: one character, or `TAB` or `SPACE`; nil: a comma.
    /// - Throws: `.schema`.
    init(setting: String?) throws(FormatError) {
        guard let setting else {
            separator = ","
            return
        }
        switch setting.uppercased() {
        case "TAB": separator = "\t"
        case "SPACE": separator = " "
        default:
            let scalars = setting.unicodeScalars
            guard let first = scalars.first, scalars.count == 1 else {
                throw FormatError(
                    .schema, "Invalid delimiter value: '\(setting)'. Delimiter must be a single character or TAB, SPACE"
                )
            }
            separator = first
        }
    }

    /// The fields of the first line that is not empty; nil when there is none.
    ///
    /// - Throws: `.deserialization`: a quote where none may be, or one that never ends.
    func fields(_ text: String) throws(FormatError) -> [String]? {
        let input = text.unicodeScalars
        var at = input.startIndex
        while at < input.endIndex, input[at] == "\n" || input[at] == "\r" { at = input.index(after: at) }
        guard at < input.endIndex else { return nil }
        var fields: [String] = []
        while true {
            var field = String.UnicodeScalarView()
            if at < input.endIndex, input[at] == "\"" {
                at = input.index(after: at)
                while true {
                    guard at < input.endIndex else {
                        throw FormatError(
                            .deserialization, "(startline 1) EOF reached before encapsulated token finished")
                    }
                    let scalar = input[at]
                    at = input.index(after: at)
                    if scalar == "\"" {
                        guard at < input.endIndex, input[at] == "\"" else { break }
                        at = input.index(after: at)
                    }
                    field.append(scalar)
                }
                // Blanks may stand between the quote and the separator.
                while at < input.endIndex, input[at] != separator, input[at] != "\n", input[at] != "\r" {
                    guard input[at].properties.isWhitespace else {
                        throw FormatError(
                            .deserialization, "(line 1) invalid char between encapsulated token and delimiter")
                    }
                    at = input.index(after: at)
                }
            } else {
                while at < input.endIndex, input[at] != separator, input[at] != "\n", input[at] != "\r" {
                    field.append(input[at])
                    at = input.index(after: at)
                }
            }
            fields.append(String(field))
            guard at < input.endIndex, input[at] == separator else { return fields }
            at = input.index(after: at)
        }
    }

    /// Appends one field, in quotes only where the original puts them: around line ends, quotes and separators, around
    /// what begins or ends with a blank or a control character, and around a first field that does not begin with a
    /// letter or digit.
    func append(_ field: String, isFirst: Bool, to output: inout [UInt8]) {
        guard needsQuotes(field, isFirst: isFirst) else {
            output.append(contentsOf: field.utf8)
            return
        }
        output.append(UInt8(ascii: "\""))
        for byte in field.utf8 {
            if byte == UInt8(ascii: "\"") { output.append(byte) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }

    private func needsQuotes(_ field: String, isFirst: Bool) -> Bool {
        let scalars = field.unicodeScalars
        guard let first = scalars.first, let last = scalars.last else { return isFirst }
        if isFirst {
            switch first {
            case "0"..."9", "A"..."Z", "a"..."z": break
            default: return true
            }
        }
        if first <= "#" || last <= " " { return true }
        return scalars.contains { $0 == "\n" || $0 == "\r" || $0 == "\"" || $0 == separator }
    }

    func appendSeparator(to output: inout [UInt8]) { output.append(contentsOf: String(separator).utf8) }
}
