import Avro
import TestKit

/// Random schemas, values of them, and later versions of them.
struct RandomAvro {
    var random: SeededRandom
    private var nameCount = 0
    /// Whether types may refer to types further out; those have no columns.
    var allowsRecursion = false
    private var open: [String] = []

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    /// A type as text, its parts kept so that it can change.
    indirect enum Shape {
        case word(String)
        case array(Shape)
        case map(Shape)
        case union([Shape])
        case record(String, [Field])
        case enumeration(String, [String], defaultSymbol: String?)
        case fixed(String, Int)
        case reference(String)

        struct Field {
            var name: String
            var aliases: [String] = []
            var shape: Shape
            var defaultText: String?
        }

        var text: String {
            switch self {
            case .word(let word): "\"\(word)\""
            case .array(let items): #"{"type":"array","items":\#(items.text)}"#
            case .map(let values): #"{"type":"map","values":\#(values.text)}"#
            case .union(let branches): "[" + branches.map(\.text).joined(separator: ",") + "]"
            case .record(let name, let fields):
                #"{"type":"record","name":"\#(name)","fields":["#
                    + fields.map { field in
                        #"{"name":"\#(field.name)","type":\#(field.shape.text)"#
                            + (field.defaultText.map { #","default":\#($0)"# } ?? "")
                            + (field.aliases.isEmpty
                                ? "" : #","aliases":[\#(field.aliases.map { "\"\($0)\"" }.joined(separator: ","))]"#)
                            + "}"
                    }.joined(separator: ",") + "]}"
            case .enumeration(let name, let symbols, let symbol):
                #"{"type":"enum","name":"\#(name)","symbols":[\#(symbols.map { "\"\($0)\"" }.joined(separator: ","))]"#
                    + (symbol.map { #","default":"\#($0)""# } ?? "") + "}"
            case .fixed(let name, let size): #"{"type":"fixed","name":"\#(name)","size":\#(size)}"#
            case .reference(let name): "\"\(name)\""
            }
        }
    }

    mutating func record(depth: Int = 3) -> Shape {
        let name = newName("R")
        open.append(name)
        defer { open.removeLast() }
        var fields: [Shape.Field] = []
        for index in 0..<below(5) { fields.append(.init(name: "f\(index)", shape: shape(depth: depth - 1))) }
        return .record(name, fields)
    }

    mutating func shape(depth: Int) -> Shape {
        let words = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
        switch below(depth > 0 ? 16 : 10) {
        case 0..<8: return .word(words[below(8)])
        case 8: return .enumeration(newName("E"), (0...below(4)).map { "S\($0)" }, defaultSymbol: nil)
        case 9: return .fixed(newName("F"), below(20))
        case 10, 11: return .array(shape(depth: depth - 1))
        case 12: return .map(shape(depth: depth - 1))
        case 13, 14: return union(depth: depth - 1)
        default: return record(depth: depth - 1)
        }
    }

    /// Of each kind one branch at most, and of kinds that promote into each other one as well: which of those a value
    /// goes to is a matter of taste.
    private mutating func union(depth: Int) -> Shape {
        var branches: [Shape] = []
        if below(4) > 0 { branches.append(.word("null")) }
        if below(2) == 0 { branches.append(.word(["int", "long", "float", "double"][below(4)])) }
        if below(2) == 0 { branches.append(.word(["string", "bytes"][below(2)])) }
        if below(4) == 0 { branches.append(.word("boolean")) }
        if below(4) == 0 { branches.append(.array(shape(depth: depth - 1))) }
        if depth > 0, below(4) == 0 { branches.append(record(depth: depth - 1)) }
        if allowsRecursion, let name = open.last, below(3) == 0, branches.count > 0 {
            branches.append(.reference(name))
        }
        if below(4) == 0 { branches.append(.fixed(newName("F"), 3)) }
        if branches.isEmpty { branches.append(.word("string")) }
        return .union(branches)
    }

    private mutating func newName(_ letter: String) -> String {
        nameCount += 1
        return "\(letter)\(nameCount)"
    }

    /// A later version that may or may not read what was written with `shape`.
    mutating func evolved(_ shape: Shape) -> Shape {
        switch shape {
        case .word(let word):
            guard below(6) == 0 else { return shape }
            let promotions = [
                "int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
                "string": ["bytes"], "bytes": ["string"],
            ]
            if let wider = promotions[word], below(4) > 0 { return .word(wider[below(wider.count)]) }
            if word != "null", below(2) == 0 { return .union([.word("null"), shape]) }
            return shape
        case .array(let items): return .array(evolved(items))
        case .map(let values): return .map(evolved(values))
        case .union(let branches):
            var branches = branches.map { evolvedBranch($0) }
            if branches.count > 1, below(5) == 0 { branches.swapAt(0, 1) }
            if branches.count > 1, below(8) == 0 { branches.removeLast() }
            return .union(branches)
        case .record(let name, let fields):
            var fields: [Shape.Field] = fields.map {
                var field = $0
                field.shape = evolved($0.shape)
                return field
            }
            if !fields.isEmpty, below(5) == 0 { fields.remove(at: below(fields.count)) }
            if !fields.isEmpty, below(5) == 0 {
                let index = below(fields.count)
                fields[index].aliases = [fields[index].name]
                fields[index].name += "New"
            }
            if below(4) == 0 {
                let defaults = [
                    ("int", "7"), ("string", "\"d\""), ("double", "1.5"), ("boolean", "true"), ("bytes", "\"ab\""),
                ]
                let pick = defaults[below(defaults.count)]
                fields.append(.init(name: "added\(below(1000))", shape: .word(pick.0), defaultText: pick.1))
            }
            if below(20) == 0 { fields.append(.init(name: "missing", shape: .word("int"))) }
            if fields.count > 1, below(4) == 0 { fields.swapAt(0, fields.count - 1) }
            return .record(below(30) == 0 ? name + "x" : name, fields)
        case .enumeration(let name, let symbols, _):
            var symbols = symbols
            if below(4) == 0 { symbols.insert("NEW", at: 0) }
            if symbols.count > 1, below(4) == 0 { symbols.removeLast() }
            return .enumeration(name, symbols, defaultSymbol: below(2) == 0 ? symbols[0] : nil)
        case .fixed(let name, let size): return .fixed(name, below(20) == 0 ? size + 1 : size)
        case .reference: return shape
        }
    }

    /// Unions do not nest, and numbers stay apart.
    private mutating func evolvedBranch(_ branch: Shape) -> Shape {
        if case .word = branch { return branch }
        return evolved(branch)
    }

    mutating func value(_ schema: AvroSchema, depth: Int = 4) -> AvroValue {
        switch schema.type.kind {
        case .primitive(let primitive):
            switch primitive {
            case .null: return .null
            case .boolean: return .boolean(.random(using: &random))
            case .int: return .int(.random(in: .min ... .max, using: &random) >> Int32(below(31)))
            case .long: return .long(.random(in: .min ... .max, using: &random) >> Int64(below(63)))
            case .float: return .float(Float(below(2000) - 1000) / 8)
            case .double: return .double(.random(in: -1e9...1e9, using: &random))
            case .bytes: return .bytes((0..<(below(3) * below(20))).map { _ in .random(in: 0...255, using: &random) })
            case .string: return .string(text())
            }
        case .array(let items):
            return .array((0..<(depth > 0 ? below(4) : 0)).map { _ in value(schema[items], depth: depth - 1) })
        case .map(let values):
            return .map(
                (0..<(depth > 0 ? below(4) : 0)).map { .init("k\($0)", value(schema[values], depth: depth - 1)) })
        case .union(let branches):
            // Branches in front come to an end, those that refer back may not.
            let branch = below(depth > 0 ? branches.count : 1)
            return .union(branch: branch, value(schema[branches[branch]], depth: depth - 1))
        case .record(let record): return .record(record.fields.map { value(schema[$0.type], depth: depth - 1) })
        case .enumeration(let enumeration): return .enumeration(enumeration.symbols[below(enumeration.symbols.count)])
        case .fixed(let fixed): return .fixed((0..<fixed.size).map { _ in .random(in: 0...255, using: &random) })
        }
    }

    private mutating func text() -> String {
        [
            "", "a", "ratings", "fünfzehn Zeichen", "a text that is longer than a few machine words", "😀\n\"\\\u{1}",
            "\u{FF}",
        ][below(7)]
    }
}
