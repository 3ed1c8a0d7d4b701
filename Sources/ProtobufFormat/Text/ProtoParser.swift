extension ProtoFile {
    /// Reads a `.proto` text of proto2 or proto3.
    ///
    /// Names are not resolved, and imports not looked at. What the language allows in either syntax is accepted in
    /// both, except for labels: proto2 demands one where proto3 forbids `required`.
    ///
    /// - Throws: `ProtobufError.Code.syntax` with the place; editions are refused.
    package init(parsing text: String) throws(ProtobufError) {
        var parser = try ProtoParser(text)
        self = try parser.file()
    }
}

/// Recursive descent over the tokens of one file.
///
/// - SeeAlso: Protocol Buffers language specifications of proto2 and proto3.
struct ProtoParser {
    private var lexer: ProtoLexer
    private(set) var token: ProtoToken
    var depth = 0
    private var isProto3 = false

    init(_ text: String) throws(ProtobufError) {
        lexer = ProtoLexer(text)
        token = try lexer.next()
    }

    mutating func file() throws(ProtobufError) -> ProtoFile {
        var file = ProtoFile()
        var names: Set<String> = []
        var isFirst = true
        while token.kind != .end {
            let start = token.position
            if try skip(";") { continue }
            let word = try name("a declaration")
            switch word {
            case "syntax":
                guard isFirst else { throw failure("the syntax has to come first", start) }
                try need("=")
                let text = try text("the name of a syntax")
                guard let syntax = ProtoFile.Syntax(rawValue: text) else {
                    throw failure("unknown syntax \"\(text)\", known are proto2 and proto3", start)
                }
                try need(";")
                file.syntax = syntax
                isProto3 = syntax == .proto3
            case "edition": throw failure("editions are not supported, known are proto2 and proto3", start)
            case "package":
                guard file.package == nil else { throw failure("a second package", start) }
                file.package = try dottedName("the name of a package")
                try need(";")
            case "import": try importStatement(&file)
            case "option": file.options.append(try option())
            case "message":
                let message = try message(start)
                guard names.insert(message.name).inserted else { throw duplicate(message.name, start) }
                file.types.append(.message(message))
            case "enum":
                let enumeration = try enumeration(start)
                guard names.insert(enumeration.name).inserted else { throw duplicate(enumeration.name, start) }
                file.types.append(.enumeration(enumeration))
            case "service":
                let service = try service()
                guard names.insert(service.name).inserted else { throw duplicate(service.name, start) }
                file.services.append(service)
            case "extend": file.extends.append(try extend(start))
            default: throw failure("unexpected \"\(word)\"", start)
            }
            isFirst = false
        }
        return file
    }

    private func duplicate(_ name: String, _ position: TextPosition) -> ProtobufError {
        failure("\"\(name)\" is already defined", position)
    }

    private mutating func importStatement(_ file: inout ProtoFile) throws(ProtobufError) {
        var kind = ""
        if case .name = token.kind { kind = try name("a file") }
        let path = try text("the path of a file")
        switch kind {
        case "": file.imports.append(path)
        case "public": file.publicImports.append(path)
        case "weak": file.weakImports.append(path)
        default: throw failure("expected \"public\", \"weak\" or the path of a file")
        }
        try need(";")
    }

    // MARK: Messages

    private mutating func message(_ start: TextPosition) throws(ProtobufError) -> ProtoMessage {
        var message = ProtoMessage(name: try name("the name of a message"), position: start)
        try body(of: &message)
        return message
    }

    private mutating func body(of message: inout ProtoMessage) throws(ProtobufError) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= ProtoFile.depthMax else { throw failure("messages are nested too deep") }
        var names: Set<String> = []
        try need("{")
        while try !skip("}") {
            let start = token.position
            if try skip(";") { continue }
            guard case .name(let word) = token.kind, try !startsDottedName(word) else {
                try field(into: &message, start)
                continue
            }
            switch word {
            case "message", "enum":
                try advance()
                if word == "message" {
                    message.types.append(.message(try self.message(start)))
                } else {
                    message.types.append(.enumeration(try enumeration(start)))
                }
                let name = message.types[message.types.count - 1].name
                guard names.insert(name).inserted else { throw duplicate(name, start) }
            case "option":
                try advance()
                message.options.append(try option())
            case "reserved":
                try advance()
                message.reserved.append(try reserved(max: ProtoFile.fieldNumberMax))
            case "extensions":
                try advance()
                message.extensionRanges.append(try extensionRanges())
            case "extend":
                try advance()
                message.extends.append(try extend(start))
            case "oneof":
                try advance()
                message.oneofs.append(try oneof(start))
            default: try field(into: &message, start)
            }
        }
    }

    private mutating func field(into message: inout ProtoMessage, _ start: TextPosition) throws(ProtobufError) {
        let label = try label()
        if label != nil || isProto3 == false, try skipGroupWord() {
            message.groups.append(try group(label))
        } else {
            message.fields.append(try field(label, start, needsLabel: !isProto3))
        }
    }

    private mutating func label() throws(ProtobufError) -> ProtoField.Label? {
        guard case .name(let word) = token.kind, let label = ProtoField.Label(rawValue: word) else { return nil }
        if label == .required, isProto3 { throw failure("\"required\" is not allowed in proto3") }
        try advance()
        return label
    }

    private mutating func skipGroupWord() throws(ProtobufError) -> Bool {
        guard token.kind == .name("group") else { return false }
        try advance()
        return true
    }

    private mutating func field(
        _ label: ProtoField.Label?, _ start: TextPosition, needsLabel: Bool
    ) throws(ProtobufError) -> ProtoField {
        let type = try fieldType()
        if case .map = type {
            if label != nil { throw failure("a map cannot have a label", start) }
        } else if needsLabel, label == nil {
            throw failure("expected \"required\", \"optional\" or \"repeated\"", start)
        }
        let name = try name("the name of a field")
        try need("=")
        let number = try integer("the number of a field")
        var field = ProtoField(label: label, type: type, name: name, number: number, position: start)
        for option in try bracketedOptions() {
            switch option.plainName {
            case "default": field.defaultValue = option.value
            case "json_name":
                guard case .string(let bytes) = option.value else { throw failure("json_name is not a string", start) }
                field.jsonName = String(decoding: bytes, as: UTF8.self)
            default: field.options.append(option)
            }
        }
        try need(";")
        return field
    }

    private mutating func fieldType() throws(ProtobufError) -> ProtoFieldType {
        let start = token.position
        let name = try typeName()
        if name == "map", try skip("<") {
            let keyName = try self.name("the type of a map's keys")
            guard let key = ScalarType(rawValue: keyName), key.isMapKey else {
                throw failure("\"\(keyName)\" cannot be the type of a map's keys", start)
            }
            try need(",")
            let value = try typeName()
            try need(">")
            if let scalar = ScalarType(rawValue: value) { return .map(key: key, value: .scalar(scalar)) }
            return .map(key: key, value: .named(value))
        }
        return ScalarType(rawValue: name).map { .scalar($0) } ?? .named(name)
    }

    private mutating func group(_ label: ProtoField.Label?) throws(ProtobufError) -> ProtoGroup {
        let start = token.position
        let name = try name("the name of a group")
        try need("=")
        let number = try integer("the number of a group")
        let options = try bracketedOptions()
        var body = ProtoMessage(name: name, position: start)
        try self.body(of: &body)
        return ProtoGroup(label: label, number: number, options: options, body: body)
    }

    private mutating func oneof(_ start: TextPosition) throws(ProtobufError) -> ProtoOneof {
        var oneof = ProtoOneof(name: try name("the name of a oneof"), position: start)
        try need("{")
        while try !skip("}") {
            let start = token.position
            if try skip(";") { continue }
            if token.kind == .name("option") {
                try advance()
                oneof.options.append(try option())
            } else if !isProto3, try skipGroupWord() {
                oneof.groups.append(try group(nil))
            } else {
                if case .name(let word) = token.kind, ProtoField.Label(rawValue: word) != nil {
                    throw failure("fields of a oneof cannot have a label", start)
                }
                let field = try field(nil, start, needsLabel: false)
                if case .map = field.type { throw failure("a oneof cannot have maps", start) }
                oneof.fields.append(field)
            }
        }
        return oneof
    }

    private mutating func extend(_ start: TextPosition) throws(ProtobufError) -> ProtoExtend {
        var extend = ProtoExtend(name: try typeName(), position: start)
        try need("{")
        while try !skip("}") {
            let start = token.position
            if try skip(";") { continue }
            let label = try label()
            if label != nil, try skipGroupWord() {
                extend.groups.append(try group(label))
            } else {
                extend.fields.append(try field(label, start, needsLabel: !isProto3))
            }
        }
        return extend
    }

    private mutating func extensionRanges() throws(ProtobufError) -> ProtoExtensionRanges {
        var ranges: [ProtoRange] = []
        repeat { ranges.append(try range(max: ProtoFile.fieldNumberMax)) } while try skip(",")
        let options = try bracketedOptions()
        try need(";")
        return ProtoExtensionRanges(ranges: ranges, options: options)
    }

    private mutating func range(max: Int32) throws(ProtobufError) -> ProtoRange {
        let first = token.position
        let start = try integer("a number")
        guard start <= max else { throw failure("a number beyond \(max)", first) }
        guard token.kind == .name("to") else { return ProtoRange(start: start, end: start) }
        try advance()
        if token.kind == .name("max") {
            try advance()
            return ProtoRange(start: start, end: max)
        }
        let place = token.position
        let end = try integer("a number or \"max\"")
        guard end >= start else { throw failure("a range that ends before it starts", place) }
        guard end <= max else { throw failure("a number beyond \(max)", place) }
        return ProtoRange(start: start, end: end)
    }

    private mutating func reserved(max: Int32) throws(ProtobufError) -> ProtoReserved {
        var values: [ProtoReserved.Value] = []
        repeat {
            if case .string = token.kind {
                values.append(.name(try text("a name")))
            } else {
                let wasRange = token
                let range = try range(max: max)
                // `5 to 5` stays a range, as it is printed.
                let isSingle = range.start == range.end && previousWasNumber(wasRange)
                values.append(isSingle ? .number(range.start) : .range(range))
            }
        } while try skip(",")
        try need(";")
        return ProtoReserved(values: values)
    }

    /// Whether the number that began at `first` was all there was: the next token follows it directly.
    private func previousWasNumber(_ first: ProtoToken) -> Bool { lastIntegerStart == first.position }

    // MARK: Enums and services

    private mutating func enumeration(_ start: TextPosition) throws(ProtobufError) -> ProtoEnum {
        var enumeration = ProtoEnum(name: try name("the name of an enum"), position: start)
        try need("{")
        while try !skip("}") {
            let start = token.position
            if try skip(";") { continue }
            let word = try name("a constant")
            if word == "option", token.kind != .symbol(UInt8(ascii: "=")) {
                enumeration.options.append(try option())
            } else if word == "reserved", token.kind != .symbol(UInt8(ascii: "=")) {
                enumeration.reserved.append(try reserved(max: .max))
            } else {
                try need("=")
                let number = try integer("the number of a constant")
                let options = try bracketedOptions()
                try need(";")
                enumeration.constants.append(
                    .init(name: word, number: number, options: options, position: start))
            }
        }
        return enumeration
    }

    private mutating func service() throws(ProtobufError) -> ProtoService {
        var service = ProtoService(name: try name("the name of a service"))
        try need("{")
        while try !skip("}") {
            let start = token.position
            if try skip(";") { continue }
            let word = try name("a method")
            switch word {
            case "option": service.options.append(try option())
            case "rpc": service.methods.append(try method(start))
            default: throw failure("unexpected \"\(word)\"", start)
            }
        }
        return service
    }

    private mutating func method(_ start: TextPosition) throws(ProtobufError) -> ProtoService.Method {
        let name = try name("the name of a method")
        let (request, isRequestStream) = try streamedType()
        guard try self.name("\"returns\"") == "returns" else { throw failure("expected \"returns\"", start) }
        let (response, isResponseStream) = try streamedType()
        var method = ProtoService.Method(
            name: name, request: request, response: response, isRequestStream: isRequestStream,
            isResponseStream: isResponseStream, position: start)
        if try skip("{") {
            while try !skip("}") {
                if try skip(";") { continue }
                guard try self.name("an option") == "option" else { throw failure("expected \"option\"") }
                method.options.append(try option())
            }
            _ = try skip(";")
        } else {
            try need(";")
        }
        return method
    }

    private mutating func streamedType() throws(ProtobufError) -> (String, Bool) {
        try need("(")
        if token.kind == .name("stream"), try peek().kind != .symbol(UInt8(ascii: ")")) {
            try advance()
            let name = try typeName()
            try need(")")
            return (name, true)
        }
        let name = try typeName()
        try need(")")
        return (name, false)
    }

    // MARK: Tokens

    /// Where the last integer began that `integer` read; tells `5` from `5 to 5`.
    private var lastIntegerStart: TextPosition?

    mutating func advance() throws(ProtobufError) { token = try lexer.next() }

    /// The token behind the current one.
    private func peek() throws(ProtobufError) -> ProtoToken {
        var ahead = lexer
        return try ahead.next()
    }

    /// A word of the language can also be the first part of a type's name (`extend.T`); but not before a name that
    /// starts with a point (`extend .p.T`).
    private func startsDottedName(_ word: String) throws(ProtobufError) -> Bool {
        let next = try peek()
        var end = token.position
        end.column += Int32(clamping: word.utf8.count)
        return next.kind == .symbol(UInt8(ascii: ".")) && next.position == end
    }

    func failure(_ message: String, _ position: TextPosition? = nil) -> ProtobufError {
        ProtobufError(.syntax, message, at: position ?? token.position)
    }

    mutating func skip(_ symbol: Character) throws(ProtobufError) -> Bool {
        guard let byte = symbol.asciiValue, token.kind == .symbol(byte) else { return false }
        try advance()
        return true
    }

    mutating func need(_ symbol: Character) throws(ProtobufError) {
        guard try skip(symbol) else { throw failure("expected \"\(symbol)\" but found \(token.shown)") }
    }

    mutating func name(_ what: String) throws(ProtobufError) -> String {
        guard case .name(let name) = token.kind else { throw failure("expected \(what) but found \(token.shown)") }
        try advance()
        return name
    }

    /// `a.b.c`
    mutating func dottedName(_ what: String) throws(ProtobufError) -> String {
        var path = try name(what)
        while try skip(".") { path += "." + (try name(what)) }
        return path
    }

    /// `a.b.c` or `.a.b.c`
    mutating func typeName() throws(ProtobufError) -> String {
        let prefix = try skip(".") ? "." : ""
        return prefix + (try dottedName("a type"))
    }

    /// Strings that stand side by side are one.
    mutating func string(_ what: String) throws(ProtobufError) -> [UInt8] {
        guard case .string(var bytes) = token.kind else { throw failure("expected \(what) but found \(token.shown)") }
        try advance()
        while case .string(let more) = token.kind {
            bytes += more
            try advance()
        }
        return bytes
    }

    private mutating func text(_ what: String) throws(ProtobufError) -> String {
        let start = token.position
        guard let text = String(validating: try string(what), as: UTF8.self) else {
            throw failure("a string that is not UTF-8", start)
        }
        return text
    }

    private mutating func integer(_ what: String) throws(ProtobufError) -> Int32 {
        let start = token.position
        let sign = try skip("-") ? "-" : ""
        guard case .number(let digits) = token.kind else { throw failure("expected \(what) but found \(token.shown)") }
        guard let value = ProtoNumber.integer(sign + digits), let number = Int32(exactly: value) else {
            throw failure("\"\(sign)\(digits)\" is no integer of 32 bits", start)
        }
        try advance()
        lastIntegerStart = start
        return number
    }
}
