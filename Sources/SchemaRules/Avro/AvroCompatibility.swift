import Avro

/// Whether a reader's schema can read whatever a writer's schema may have written: the rules, paths and messages of
/// Java's `SchemaCompatibility` (Avro 1.11), in the sentences of the registry's `Difference`.
///
/// These rules are not quite those of resolution: here a branch of a union that cannot be read is an error, whether or
/// not it is ever written.
struct AvroCompatibility {
    let reader: AvroSchema
    let writer: AvroSchema

    /// A difference before it becomes a sentence.
    fileprivate struct Difference {
        var kind: String
        var path: String
        var detail: String
    }

    private struct Pair: Hashable {
        var reader: AvroSchema.ID
        var writer: AvroSchema.ID
    }

    /// Results so far; nil while a pair is being looked at, which is taken for compatible until shown otherwise.
    private var known: [Pair: [Difference]?] = [:]
    private var path: [String] = []
    private var depth = 0

    /// Reasons kept of one pair of types: a type that is used often repeats its reasons as often.
    private static let differencesMax = 1000
    /// Unions of many branches make many pairs; beyond this, comparing takes longer than anybody waits.
    private static let pairsMax = 1 << 20

    init(reader: AvroSchema, writer: AvroSchema) {
        self.reader = reader
        self.writer = writer
    }

    mutating func check() -> [Incompatibility] {
        differences(reader.root, writer.root).map { $0.incompatibility }
    }

    private mutating func differences(_ to: AvroSchema.ID, _ from: AvroSchema.ID) -> [Difference] {
        let pair = Pair(reader: to, writer: from)
        if let result = known[pair] { return result ?? [] }
        guard depth < AvroError.depthMax else {
            return [difference("TYPE_MISMATCH", "types nest more than \(AvroError.depthMax) levels deep")]
        }
        guard known.count < Self.pairsMax else {
            return [difference("TYPE_MISMATCH", "more than \(Self.pairsMax) pairs of types to compare")]
        }
        known[pair] = .some(nil)
        depth += 1
        let result = Array(compare(to, from).prefix(Self.differencesMax))
        depth -= 1
        known[pair] = result
        return result
    }

    private mutating func compare(_ to: AvroSchema.ID, _ from: AvroSchema.ID) -> [Difference] {
        let target = reader.types[to]
        let source = writer.types[from]
        switch (target.kind, source.kind) {
        case (.primitive(let a), .primitive(let b)):
            return a == b || Self.promotes(b, a) ? [] : [mismatch(target, source)]
        case (.array(let a), .array(let b)): return at("items") { $0.differences(a, b) }
        case (.map(let a), .map(let b)): return at("values") { $0.differences(a, b) }
        case (.fixed(let a), .fixed(let b)):
            return names(a.name, a.aliases, b.name)
                + at("size") { rules in
                    a.size == b.size
                        ? [] : [rules.difference("FIXED_SIZE_MISMATCH", "expected: \(b.size), found: \(a.size)")]
                }
        case (.enumeration(let a), .enumeration(let b)):
            return names(a.name, a.aliases, b.name) + at("symbols") { $0.symbols(a, b) }
        case (.record(let a), .record(let b)):
            return names(a.name, a.aliases, b.name) + at("fields") { $0.fields(a, b) }
        case (.union, .union(let branches)):
            var result: [Difference] = []
            for (index, branch) in branches.enumerated() where !fits(to, branch) {
                result += at("\(index)") { [$0.missingBranch($0.writer.types[branch])] }
            }
            return result
        case (_, .union(let branches)): return branches.flatMap { differences(to, $0) }
        case (.union(let branches), _):
            return branches.contains { fits($0, from) } ? [] : [missingBranch(source)]
        default: return [mismatch(target, source)]
        }
    }

    /// Whether the types are compatible; where they are is not told of.
    private mutating func fits(_ to: AvroSchema.ID, _ from: AvroSchema.ID) -> Bool {
        let target = reader.types[to]
        let source = writer.types[from]
        if let a = target.name, let b = source.name, target.word != source.word || !Self.isSame(a, target.aliases, b) {
            return false  // before looking at what is below: of the pairs of two unions most are such
        }
        let outer = path
        path = []
        defer { path = outer }
        return differences(to, from).isEmpty
    }

    private mutating func fields(_ a: AvroRecord, _ b: AvroRecord) -> [Difference] {
        var result: [Difference] = []
        for (index, field) in a.fields.enumerated() {
            let matches = ([field.name] + field.aliases).compactMap { b.index(of: $0) }
            guard let match = matches.first else {
                guard field.defaultValue == nil else { continue }
                if case .enumeration(let enumeration) = reader.types[field.type].kind, enumeration.defaultSymbol != nil
                {
                    // As in Java, which then compares the enum with the record around the field.
                    let detail = "reader type: ENUM not compatible with writer type: RECORD"
                    result += at("\(index)") { $0.at("type") { [$0.difference("TYPE_MISMATCH", detail)] } }
                    continue
                }
                result += at("\(index)") { [$0.difference("READER_FIELD_MISSING_DEFAULT_VALUE", field.name)] }
                continue
            }
            guard Set(matches).count == 1 else {
                result += at("\(index)") { [$0.difference("READER_FIELD_AMBIGUOUS", field.name)] }
                continue
            }
            result += at("\(index)") { $0.at("type") { $0.differences(field.type, b.fields[match].type) } }
            if result.count > Self.differencesMax { break }
        }
        return result
    }

    private func symbols(_ a: AvroEnumeration, _ b: AvroEnumeration) -> [Difference] {
        if a.defaultSymbol != nil { return [] }
        let missing = Set(b.symbols).subtracting(a.symbols).sorted { $0.utf16.lexicographicallyPrecedes($1.utf16) }
        return missing.isEmpty
            ? [] : [difference("MISSING_ENUM_SYMBOLS", "[\(missing.joined(separator: ", "))]")]
    }

    private mutating func names(_ reader: AvroName, _ aliases: [AvroName], _ writer: AvroName) -> [Difference] {
        if Self.isSame(reader, aliases, writer) { return [] }
        return at("name") { [$0.difference("NAME_MISMATCH", "expected: \(writer.full)")] }
    }

    private static func isSame(_ reader: AvroName, _ aliases: [AvroName], _ writer: AvroName) -> Bool {
        reader.name == writer.name || aliases.contains(writer)
    }

    private static func promotes(_ from: AvroPrimitive, _ to: AvroPrimitive) -> Bool {
        switch (from, to) {
        case (.int, .long), (.int, .float), (.int, .double), (.long, .float), (.long, .double), (.float, .double),
            (.string, .bytes), (.bytes, .string):
            true
        default: false
        }
    }

    private func mismatch(_ reader: AvroType, _ writer: AvroType) -> Difference {
        difference(
            "TYPE_MISMATCH",
            "reader type: \(reader.word.uppercased()) not compatible with writer type: \(writer.word.uppercased())")
    }

    private func missingBranch(_ writer: AvroType) -> Difference {
        difference("MISSING_UNION_BRANCH", "reader union lacking writer type: \(writer.word.uppercased())")
    }

    // MARK: Paths

    private mutating func at<Result>(_ step: String, _ body: (inout Self) -> Result) -> Result {
        path.append(step)
        defer { path.removeLast() }
        return body(&self)
    }

    private func difference(_ kind: String, _ detail: String) -> Difference {
        Difference(kind: kind, path: "/" + path.joined(separator: "/"), detail: detail)
    }
}

extension AvroCompatibility.Difference {
    fileprivate var incompatibility: Incompatibility {
        Incompatibility(
            kind: kind, path: path, description: sentence("new", "old"), additionalInfo: detail,
            reversedDescription: sentence("old", "new"))
    }

    private func sentence(_ reader: String, _ writer: String) -> String {
        switch kind {
        case "FIXED_SIZE_MISMATCH":
            "The size of FIXED type field at path '\(path)' in the \(reader) schema does not match with the \(writer) schema"
        case "TYPE_MISMATCH":
            "The type (path '\(path)') of a field in the \(reader) schema does not match with the \(writer) schema"
        case "NAME_MISMATCH": "The name of the schema has changed (path '\(path)')"
        case "MISSING_ENUM_SYMBOLS":
            "The \(reader) schema is missing enum symbols '\(detail)' at path '\(path)' in the \(writer) schema"
        case "MISSING_UNION_BRANCH":
            "The \(reader) schema is missing a type inside a union field at path '\(path)' in the \(writer) schema"
        case "READER_FIELD_AMBIGUOUS":
            "The field '\(detail)' at path '\(path)' in the \(reader) schema matches several fields in the \(writer) schema"
        default:
            "The field '\(detail)' at path '\(path)' in the \(reader) schema has no default value and is missing in the "
                + "\(writer) schema"
        }
    }
}
