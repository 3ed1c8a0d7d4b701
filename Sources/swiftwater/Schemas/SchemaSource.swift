import ArgumentParser
import JSONFormat
import RegistryClient
import SchemaRules

/// A candidate schema on the command line: a file and what it refers to.
struct SchemaSource: ParsableArguments {
    @Argument(help: "A file with the schema, or - for standard input.", completion: .file()) var file: String
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "avro, protobuf or json-schema. (default: by the file's ending: .avsc, .proto, .json)", valueName: "type"))
    var type: SchemaTypeName?
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "A schema that this one refers to; VERSION is latest without it. May be repeated.",
            valueName: "name=subject[:version]"))
    var reference: [String] = []
    @Flag(help: "Compare and register the normalised text.") var normalize = false

    func validate() throws {
        if type == nil, SchemaTypeName(file: file) == nil {
            throw ValidationError(
                "'\(file)' does not tell the type of the schema: add --type avro, protobuf or json-schema")
        }
        do {
            _ = try references()
        } catch let failure as CommandFailure {
            throw ValidationError(failure.message)
        }
    }

    func request() throws -> SchemaRequest {
        guard let type = type ?? SchemaTypeName(file: file) else {
            throw CommandFailure.usage("'\(file)' does not tell the type of the schema")
        }
        let text = try PropertiesFile.text(file == "-" ? "/dev/stdin" : file)
        return SchemaRequest(type: type.type, text: text, references: try references())
    }

    /// A subject may hold colons, as qualified ones do: only digits behind the last one are a version.
    func references() throws -> [SchemaReference] {
        try pairs(reference, option: "--reference").map { name, target in
            var subject = target
            var version: Int32 = -1
            if let colon = target.lastIndex(of: ":") {
                let behind = target[target.index(after: colon)...]
                if behind == "latest" {
                    subject = String(target[..<colon])
                } else if let number = Int32(behind), number > 0 {
                    subject = String(target[..<colon])
                    version = number
                }
            }
            guard !subject.isEmpty else { throw CommandFailure.usage("--reference \(name)=\(target) names no subject") }
            return SchemaReference(name: name, subject: subject, version: version)
        }
    }
}

/// `latest`, or a number from 1.
struct SchemaVersionArgument: ExpressibleByArgument {
    var version: SchemaVersion

    init?(argument: String) {
        if argument == "latest" {
            version = .latest
        } else if let number = Int32(argument), number > 0 {
            version = .number(number)
        } else {
            return nil
        }
    }

    static let latest = SchemaVersionArgument(argument: "latest")
}

/// How a schema's text is shown.
enum SchemaText {
    /// JSON gets lines and indentation; Protobuf has its own.
    static func forPeople(_ text: String, _ type: SchemaType) -> String {
        guard type != .protobuf, let value = JSONValue.parse(Array(text.utf8)) else {
            var text = text[...]
            while text.last?.isNewline == true { text = text.dropLast() }
            return String(text)
        }
        return String(decoding: value.pretty, as: UTF8.self)
    }

    /// Lines that are only in one of the texts are marked with - and +; three lines of both around them.
    static func difference(_ old: String, _ new: String) -> [String] {
        let a = old.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let b = new.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var removed = Set<Int>()
        var inserted = Set<Int>()
        for change in b.difference(from: a) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        var lines: [(mark: Character, text: String)] = []
        var (i, j) = (0, 0)
        while i < a.count || j < b.count {
            if i < a.count, removed.contains(i) {
                lines.append(("-", a[i]))
                i += 1
            } else if j < b.count, inserted.contains(j) {
                lines.append(("+", b[j]))
                j += 1
            } else {
                lines.append((" ", b[j]))
                i += 1
                j += 1
            }
        }
        let changed = lines.indices.filter { lines[$0].mark != " " }
        guard !changed.isEmpty else { return [] }
        var near = [Bool](repeating: false, count: lines.count)
        for index in changed {
            for around in max(0, index - 3)...min(lines.count - 1, index + 3) { near[around] = true }
        }
        var output: [String] = []
        for (index, line) in lines.enumerated() {
            if near[index] {
                output.append("\(line.mark) \(line.text)")
            } else if output.last != "  ..." {
                output.append("  ...")
            }
        }
        return output
    }
}
