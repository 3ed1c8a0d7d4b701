extension ProtoParser {
    /// Behind the word `option`: a name, a value, a semicolon.
    mutating func option() throws(ProtobufError) -> ProtoOption {
        let option = try optionAssignment()
        try need(";")
        return option
    }

    /// `[a = 1, (b) = 2]`, or nothing.
    mutating func bracketedOptions() throws(ProtobufError) -> [ProtoOption] {
        guard try skip("[") else { return [] }
        var options: [ProtoOption] = []
        repeat { options.append(try optionAssignment()) } while try skip(",")
        try need("]")
        return options
    }

    private mutating func optionAssignment() throws(ProtobufError) -> ProtoOption {
        var parts: [ProtoOption.Part] = []
        repeat {
            if try skip("(") {
                parts.append(.init(name: try typeName(), isExtension: true))
                try need(")")
            } else {
                parts.append(.init(name: try name("the name of an option"), isExtension: false))
            }
        } while try skip(".")
        try need("=")
        return ProtoOption(parts: parts, value: try optionValue())
    }

    private mutating func optionValue() throws(ProtobufError) -> ProtoOption.Value {
        depth += 1
        defer { depth -= 1 }
        guard depth <= ProtoFile.depthMax else { throw failure("option values are nested too deep") }
        switch token.kind {
        case .string: return .string(try string("a value"))
        case .name(let word):
            try advance()
            return .word(word)
        case .number(let number):
            try advance()
            return .number(number)
        case .symbol(UInt8(ascii: "-")):
            try advance()
            if case .number(let number) = token.kind {
                try advance()
                return .number("-" + number)
            }
            return .word("-" + (try name("a number")))
        case .symbol(UInt8(ascii: "{")):
            try advance()
            return .aggregate(try members(end: "}"))
        case .symbol(UInt8(ascii: "<")):
            try advance()
            return .aggregate(try members(end: ">"))
        case .symbol(UInt8(ascii: "[")):
            try advance()
            var values: [ProtoOption.Value] = []
            while try !skip("]") {
                values.append(try optionValue())
                guard try skip(",") || token.kind == .symbol(UInt8(ascii: "]")) else {
                    throw failure("expected \",\" or \"]\" but found \(token.shown)")
                }
            }
            return .list(values)
        default: throw failure("expected a value but found \(token.shown)")
        }
    }

    /// Members of a message in text format; the opening bracket was passed.
    private mutating func members(end: Character) throws(ProtobufError) -> [ProtoOption.Member] {
        var members: [ProtoOption.Member] = []
        var places: [String: Int] = [:]
        while try !skip(end) {
            var name: String
            if try skip("[") {
                name = "[" + (try typeName())
                // The type of an Any: `[type.googleapis.com/pkg.Message]`.
                while try skip("/") { name += "/" + (try typeName()) }
                try need("]")
                name += "]"
            } else {
                name = try self.name("a field")
            }
            let isMessage = token.kind == .symbol(UInt8(ascii: "{")) || token.kind == .symbol(UInt8(ascii: "<"))
            if try !skip(":"), !isMessage { throw failure("expected \":\" but found \(token.shown)") }
            let value = try optionValue()
            if let place = places[name] {
                members[place].value = Self.joined(members[place].value, value)
            } else {
                places[name] = members.count
                members.append(.init(name: name, value: value))
            }
            if try !skip(",") { _ = try skip(";") }
        }
        return members
    }

    /// A field that is written more than once is a repeated one.
    private static func joined(_ first: ProtoOption.Value, _ second: ProtoOption.Value) -> ProtoOption.Value {
        var values: [ProtoOption.Value] = if case .list(let list) = first { list } else { [first] }
        if case .list(let more) = second { values += more } else { values.append(second) }
        return .list(values)
    }
}

/// Numbers as they are written in `.proto` texts.
package enum ProtoNumber {
    /// Decimal, hexadecimal (0x1F) or octal (017), with a sign; nil for anything else or what 128 bits cannot hold.
    package static func integer(_ text: String) -> Int128? {
        var digits = text[...]
        let isNegative = digits.hasPrefix("-")
        if isNegative { digits = digits.dropFirst() }
        var radix = 10
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            digits = digits.dropFirst(2)
            radix = 16
        } else if digits.hasPrefix("0"), digits.count > 1 {
            digits = digits.dropFirst()
            radix = 8
        }
        guard let first = digits.first, first != "+", first != "-", digits.utf8.count <= 40 else { return nil }
        return Int128(digits, radix: radix).map { isNegative ? -$0 : $0 }
    }

    /// Any number, inf and nan; nil for anything else.
    package static func double(_ text: String) -> Double? {
        switch text {
        case "inf", "infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan", "-nan": return .nan
        default: break
        }
        if let integer = integer(text) { return Double(integer) }
        var digits = text[...]
        if digits.last == "f" || digits.last == "F" { digits = digits.dropLast() }
        if digits.last == "." { digits = digits.dropLast() }
        guard digits.utf8.allSatisfy({ ProtoLexer.isDigit($0) || "+-.eE".utf8.contains($0) }) else { return nil }
        return Double(digits.hasPrefix(".") ? "0" + digits : digits[...])
    }
}
