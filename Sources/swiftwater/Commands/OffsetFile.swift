import Bytes
import Cluster
import JSONFormat

/// Offsets of a group in a file: what `group reset-offsets -o json` prints, or the lines of Kafka's own tool,
/// `TOPIC,PARTITION,OFFSET`, with the group before them where there are several.
enum OffsetFile {
    /// - Parameters:
    ///   - group: of lines with a group those of this one count.
    ///   - file: its name, for messages.
    /// - Throws: `CommandFailure` for anything else, for a partition that is there twice and for a file without any.
    static func parse(_ text: String, of group: String, file: String) throws -> [TopicPartition: Int64] {
        // The mark that editors of other systems put before a text.
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        var offsets: [TopicPartition: Int64] = [:]
        func add(_ place: TopicPartition, _ offset: Int64) throws {
            guard offsets.updateValue(offset, forKey: place) == nil else {
                throw CommandFailure("\(file): partition \(place) is there twice")
            }
        }
        if text.first(where: { !$0.isWhitespace }) == "{" {
            guard let entries = JSONValue.parse(Array(text.utf8))?["partitions"]?.elements else {
                throw CommandFailure("\(file): no JSON as group reset-offsets -o json prints it")
            }
            for (index, entry) in entries.enumerated() {
                guard let topic = entry["topic"]?.text, let partition = entry["partition"]?.integer,
                    let number = Int32(exactly: partition), number >= 0,
                    let offset = (entry["new"] ?? entry["offset"])?.integer, offset >= 0
                else { throw CommandFailure("\(file): entry \(index + 1) lacks topic, partition or offset") }
                try add(TopicPartition(topic, number), offset)
            }
        } else {
            for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
            {
                let line = String(line).trimmed
                if line.isEmpty { continue }
                var fields = fields(line)
                if fields.count == 4 {
                    guard fields.removeFirst() == group else { continue }
                }
                guard fields.count == 3, !fields[0].isEmpty, let partition = Int32(fields[1]), partition >= 0,
                    let offset = Int64(fields[2]), offset >= 0
                else { throw CommandFailure("\(file): line \(index + 1) is not TOPIC,PARTITION,OFFSET") }
                try add(TopicPartition(fields[0], partition), offset)
            }
        }
        guard !offsets.isEmpty else { throw CommandFailure("\(file) names no offsets of group '\(group)'") }
        return offsets
    }

    /// The fields of a line. In quotes a comma is one of the field, and two quotes stand for one (RFC 4180); ids of groups
    /// may have any of that.
    private static func fields(_ line: String) -> [String] {
        var fields: [String] = []
        var rest = line[...]
        while true {
            let field = rest.drop { $0 == " " || $0 == "\t" }
            guard field.first == "\"" else {
                let end = rest.firstIndex(of: ",")
                fields.append(String(rest[..<(end ?? rest.endIndex)]).trimmed)
                guard let end else { return fields }
                rest = rest[rest.index(after: end)...]
                continue
            }
            var text = ""
            rest = field.dropFirst()
            while let character = rest.popFirst() {
                if character == "\"" {
                    guard rest.first == "\"" else { break }
                    rest.removeFirst()
                }
                text.append(character)
            }
            let end = rest.firstIndex(of: ",")
            // What stands between the quote and the comma makes it no number and no topic.
            fields.append(text + String(rest[..<(end ?? rest.endIndex)]).trimmed)
            guard let end else { return fields }
            rest = rest[rest.index(after: end)...]
        }
    }
}
