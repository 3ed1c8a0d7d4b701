extension ProtoFile {
    /// The text as Confluent's registry prints it: what is stored, answered and hashed.
    ///
    /// Line by line that of `ProtobufSchema.canonicalString()` (7.0.16), but for what is lost there: extensions that
    /// are declared inside messages, defaults of `bytes` (printed without quotes there), weak imports.
    package var canonicalText: String { ProtoPrinter().text(of: self) }

    /// The text without what only extensions bring: their declarations, ranges and the options they define, but for
    /// Confluent's, which tags are written with (`format=ignore_extensions`).
    package var textWithoutExtensions: String { ProtoPrinter(ignoresExtensions: true).text(of: self) }
}

/// Prints a file, as it is or normalised.
///
/// Normalised, with what `ProtoNormalizer` does: imports and options sorted by name, fields by number, constants by
/// number and name, reserved values one by one, types by their full names, messages of map entries as maps; the line of
/// the syntax proto2 is left out.
struct ProtoPrinter {
    private let ignoresExtensions: Bool
    /// Finds full names; nil prints as written.
    private let types: TypeNames?
    private var output = Lines()

    init(ignoresExtensions: Bool = false, types: TypeNames? = nil) {
        self.ignoresExtensions = ignoresExtensions
        self.types = types
    }

    private var isNormalized: Bool { types != nil }

    func text(of file: ProtoFile) -> String {
        var printer = self
        printer.write(file)
        return printer.output.text
    }

    private mutating func write(_ file: ProtoFile) {
        if let syntax = file.syntax, !(isNormalized && syntax == .proto2) {
            output.line("syntax = \"\(syntax.rawValue)\";")
        }
        if let package = file.package { output.line("package \(package);") }
        if !file.allImports.isEmpty {
            output.blank()
            for path in sorted(file.imports) { output.line("import \"\(Self.escaped(Array(path.utf8)))\";") }
            for path in sorted(file.publicImports) {
                output.line("import public \"\(Self.escaped(Array(path.utf8)))\";")
            }
            for path in sorted(file.weakImports) { output.line("import weak \"\(Self.escaped(Array(path.utf8)))\";") }
        }
        let options = options(file.options)
        if !options.isEmpty {
            output.blank()
            for option in options { statement(option) }
        }
        let types = visible(file.types)
        if !types.isEmpty {
            output.blank()
            declarations(types, file.package.map { [$0] } ?? [])
        }
        if !ignoresExtensions, !file.extends.isEmpty {
            output.blank()
            for extend in file.extends { write(extend, file.package.map { [$0] } ?? []) }
        }
        if !file.services.isEmpty {
            output.blank()
            for service in file.services { write(service) }
        }
    }

    private func sorted(_ paths: [String]) -> [String] {
        isNormalized ? Set(paths).sorted { $0.precedes($1) } : paths
    }

    // MARK: Blocks

    /// The parts of a block in braces: an empty line between two of them, no line at all when there are none.
    private struct Block {
        var isEmpty = true
    }

    private mutating func open(_ header: String) -> Block {
        output.write(header + " {")
        return Block()
    }

    /// Begins the next part of a block.
    private mutating func part(_ block: inout Block) {
        if block.isEmpty {
            output.endLine()
            output.level += 1
            block.isEmpty = false
        } else {
            // An empty line has the spaces of the block's header: so has the original's.
            output.level -= 1
            output.blank()
            output.level += 1
        }
    }

    private mutating func close(_ block: Block) {
        if !block.isEmpty { output.level -= 1 }
        output.line("}")
    }

    // MARK: Types

    /// Messages in their order, then enums in theirs: message indexes go by the order of messages.
    private mutating func declarations(_ types: [ProtoType], _ scope: [String]) {
        for case .message(let message) in types {
            var block = open("message \(message.name)")
            body(of: message, scope + [message.name], &block)
            close(block)
        }
        for case .enumeration(let enumeration) in types { write(enumeration) }
    }

    /// Normalised, the entries of maps are no messages of their own.
    private func visible(_ types: [ProtoType]) -> [ProtoType] {
        guard isNormalized else { return types }
        return types.filter { type in
            if case .message(let message) = type { !message.isMapEntry } else { true }
        }
    }

    private mutating func body(of message: ProtoMessage, _ scope: [String], _ block: inout Block) {
        if !message.reserved.isEmpty {
            part(&block)
            write(message.reserved)
        }
        let options = options(message.options)
        if !options.isEmpty {
            part(&block)
            for option in options { statement(option) }
        }
        if !message.fields.isEmpty {
            part(&block)
            for field in sorted(message.fields) { write(field, scope) }
        }
        if !message.oneofs.isEmpty {
            part(&block)
            for oneof in sorted(message.oneofs) { write(oneof, scope) }
        }
        if !message.groups.isEmpty {
            part(&block)
            for group in message.groups { write(group, scope) }
        }
        if !ignoresExtensions, !message.extensionRanges.isEmpty {
            part(&block)
            for ranges in message.extensionRanges { write(ranges) }
        }
        if !ignoresExtensions, !message.extends.isEmpty {
            part(&block)
            for extend in message.extends { write(extend, scope) }
        }
        let types = visible(message.types)
        if !types.isEmpty {
            part(&block)
            declarations(types, scope)
        }
    }

    private mutating func write(_ reserved: [ProtoReserved], max: Int32 = ProtoFile.fieldNumberMax) {
        func text(_ value: ProtoReserved.Value) -> String {
            switch value {
            case .number(let number): "\(number)"
            case .range(let range): "\(range.start) to " + (range.end >= max ? "max" : "\(range.end)")
            case .name(let name): "\"\(Self.escaped(Array(name.utf8)))\""
            }
        }
        func order(_ value: ProtoReserved.Value) -> Int32 {
            switch value {
            case .number(let number): number
            case .range(let range): range.start
            case .name: .max
            }
        }
        var lists = reserved.map(\.values)
        if isNormalized {
            let values = lists.flatMap(\.self).map { (order($0), text($0), $0) }
            lists = values.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map { [$0.2] }
        }
        for list in lists { output.line("reserved \(list.map(text).joined(separator: ", "));") }
    }

    private func sorted(_ fields: [ProtoField]) -> [ProtoField] {
        isNormalized ? Self.stably(fields) { $0.number < $1.number } : fields
    }

    /// Normalised, a oneof without fields is left out.
    private func sorted(_ oneofs: [ProtoOneof]) -> [ProtoOneof] {
        guard isNormalized else { return oneofs }
        func first(_ oneof: ProtoOneof) -> Int32 {
            (oneof.fields.map(\.number) + oneof.groups.map(\.number)).min() ?? 0
        }
        return Self.stably(oneofs.filter { !$0.fields.isEmpty || !$0.groups.isEmpty }) { first($0) < first($1) }
    }

    private static func stably<Element>(_ list: [Element], _ precedes: (Element, Element) -> Bool) -> [Element] {
        list.enumerated().sorted { a, b in
            precedes(a.element, b.element) || !precedes(b.element, a.element) && a.offset < b.offset
        }.map(\.element)
    }

    private mutating func write(_ oneof: ProtoOneof, _ scope: [String]) {
        var block = open("oneof \(oneof.name)")
        let options = options(oneof.options)
        if !options.isEmpty {
            part(&block)
            for option in options { statement(option) }
        }
        if !oneof.fields.isEmpty {
            part(&block)
            for field in sorted(oneof.fields) { write(field, scope) }
        }
        if !oneof.groups.isEmpty {
            part(&block)
            for group in oneof.groups { write(group, scope) }
        }
        close(block)
    }

    private mutating func write(_ group: ProtoGroup, _ scope: [String]) {
        let label = group.label.map { $0.rawValue + " " } ?? ""
        output.write("\(label)group \(group.body.name) = \(group.number)")
        bracketed(options(group.options))
        var block = open("")
        body(of: group.body, scope + [group.body.name], &block)
        close(block)
    }

    private mutating func write(_ extend: ProtoExtend, _ scope: [String]) {
        var block = open("extend \(extend.name)")
        if !extend.fields.isEmpty || !extend.groups.isEmpty { part(&block) }
        for field in extend.fields { write(field, scope) }
        for group in extend.groups { write(group, scope) }
        close(block)
    }

    private mutating func write(_ ranges: ProtoExtensionRanges) {
        let list = ranges.ranges.map { range in
            if range.start == range.end { return "\(range.start)" }
            return "\(range.start) to " + (range.end >= ProtoFile.fieldNumberMax ? "max" : "\(range.end)")
        }
        output.write("extensions " + list.joined(separator: ", "))
        bracketed(options(ranges.options))
        output.line(";")
    }

    private mutating func write(_ field: ProtoField, _ scope: [String]) {
        var label = field.label
        var type = field.type.text
        if let types {
            let normalized = types.normalized(field.type, in: scope)
            type = normalized.text
            if case .map = normalized { label = nil }
        }
        var options = field.options
        if let value = field.defaultValue { options.append(ProtoOption("default", value)) }
        if let name = field.jsonName { options.append(ProtoOption("json_name", .string(Array(name.utf8)))) }
        if let label { output.write(label.rawValue + " ") }
        output.write("\(type) \(field.name) = \(field.number)")
        bracketed(self.options(options))
        output.line(";")
    }

    private mutating func write(_ enumeration: ProtoEnum) {
        var constants = enumeration.constants
        if isNormalized { constants.sort { ($0.number, $0.name) < ($1.number, $1.name) } }
        let options = options(enumeration.options)
        var block = open("enum \(enumeration.name)")
        if !enumeration.reserved.isEmpty || !options.isEmpty || !constants.isEmpty { part(&block) }
        write(enumeration.reserved, max: .max)
        for option in options { statement(option) }
        for constant in constants {
            output.write("\(constant.name) = \(constant.number)")
            bracketed(self.options(constant.options))
            output.line(";")
        }
        close(block)
    }

    private mutating func write(_ service: ProtoService) {
        var block = open("service \(service.name)")
        let options = options(service.options)
        if !options.isEmpty {
            part(&block)
            for option in options { statement(option) }
        }
        if !service.methods.isEmpty {
            part(&block)
            for method in service.methods { write(method) }
        }
        close(block)
    }

    private mutating func write(_ method: ProtoService.Method) {
        func type(_ name: String, _ isStream: Bool) -> String {
            (isStream ? "stream " : "") + (types?.fullName(of: name, in: []) ?? name)
        }
        output.write("rpc \(method.name) (\(type(method.request, method.isRequestStream)))")
        output.write(" returns (\(type(method.response, method.isResponseStream)))")
        let options = options(method.options)
        if !options.isEmpty {
            output.line(" {")
            output.level += 1
            for option in options { statement(option) }
            output.level -= 1
            output.write("}")
        }
        output.line(";")
    }

    // MARK: Options

    private func options(_ options: [ProtoOption]) -> [ProtoOption] {
        var options = options
        if ignoresExtensions {
            options.removeAll { option in
                option.parts.contains(where: \.isExtension) && !Self.sortName(option).hasPrefix("confluent.")
            }
        }
        return isNormalized ? Self.stably(options) { Self.sortName($0).precedes(Self.sortName($1)) } : options
    }

    /// The original sorts by what stands before the first point behind a parenthesis, or by the whole of a plain name.
    private static func sortName(_ option: ProtoOption) -> String {
        if let first = option.parts.first, first.isExtension { return first.name }
        return option.parts.prefix { !$0.isExtension }.map(\.name).joined(separator: ".")
    }

    private mutating func statement(_ option: ProtoOption) {
        output.write("option ")
        write(option)
        output.line(";")
    }

    /// One option stays on the line; more have a line each.
    private mutating func bracketed(_ options: [ProtoOption]) {
        guard let first = options.first else { return }
        output.write(" [")
        if options.count == 1 {
            write(first)
        } else {
            list(options) { $0.write($1) }
        }
        output.write("]")
    }

    /// Elements on lines of their own, a comma behind all but the last.
    private mutating func list<Element>(_ elements: [Element], _ element: (inout Self, Element) -> Void) {
        output.endLine()
        output.level += 1
        for index in elements.indices {
            element(&self, elements[index])
            output.line(index == elements.count - 1 ? "" : ",")
        }
        output.level -= 1
    }

    private mutating func write(_ option: ProtoOption) {
        output.write(option.parts.map { $0.isExtension ? "(\($0.name))" : $0.name }.joined(separator: ".") + " = ")
        write(option.value, isMember: false)
    }

    private mutating func write(_ value: ProtoOption.Value, isMember: Bool) {
        switch value {
        case .string(let bytes): output.write("\"\(Self.escaped(bytes))\"")
        case .number(let text), .word(let text): output.write(text)
        case .aggregate(var members):
            if isNormalized { members.sort { $0.name.precedes($1.name) } }
            output.write("{")
            list(members) { printer, member in
                printer.output.write(member.name + ": ")
                printer.write(member.value, isMember: true)
            }
            output.write("}")
        case .list(let values):
            if values.count == 1, let value = values.first, isNormalized || !isMember {
                // Normalised, a list of one member is that member; as the value of an option it stays a list.
                if !isMember { output.write("[") }
                write(value, isMember: true)
                if !isMember { output.write("]") }
            } else {
                output.write("[")
                list(values) { $0.write($1, isMember: true) }
                output.write("]")
            }
        }
    }

    /// Escapes as the original's, and numbers for other control characters and for bytes that are not UTF-8.
    static func escaped(_ bytes: [UInt8]) -> String {
        let isText = String(validating: bytes, as: UTF8.self) != nil
        var output: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x07: output += Array("\\a".utf8)
            case 0x08: output += Array("\\b".utf8)
            case 0x0C: output += Array("\\f".utf8)
            case 0x0A: output += Array("\\n".utf8)
            case 0x0D: output += Array("\\r".utf8)
            case 0x09: output += Array("\\t".utf8)
            case 0x0B: output += Array("\\v".utf8)
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): output += [UInt8(ascii: "\\"), byte]
            case _ where byte < 0x20 || byte == 0x7F || byte >= 0x80 && !isText:
                output += [UInt8(ascii: "\\"), 0x30 + byte >> 6, 0x30 + byte >> 3 & 7, 0x30 + byte & 7]
            default: output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

/// A text that is put together piece by piece; two spaces for each level in front of every line.
private struct Lines {
    private(set) var text = ""
    var level = 0
    private var isAtStart = true

    mutating func write(_ piece: String) {
        if piece.isEmpty { return }
        if isAtStart { indent() }
        text += piece
        isAtStart = false
    }

    mutating func endLine() {
        text += "\n"
        isAtStart = true
    }

    mutating func line(_ piece: String) {
        write(piece)
        endLine()
    }

    mutating func blank() {
        indent()
        endLine()
    }

    private mutating func indent() {
        for _ in 0..<level { text += "  " }
    }
}

extension String {
    /// Java's order of strings: by UTF-16 units.
    fileprivate func precedes(_ other: String) -> Bool { utf16.lexicographicallyPrecedes(other.utf16) }
}
