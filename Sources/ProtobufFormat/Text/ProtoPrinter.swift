extension ProtoFile {
    /// The text as Confluent's registry prints it: what is stored, answered and hashed.
    ///
    /// Line by line that of `ProtobufSchema.canonicalString()` (7.0.16), but for what is lost there: extensions that
    /// are declared inside messages, defaults of `bytes` (printed without quotes there), weak imports.
    package var canonicalText: String { ProtoPrinter().text(of: self) }

    /// The text without what only extensions bring: their declarations, ranges and the options they define
    /// (`format=ignore_extensions`).
    package var textWithoutExtensions: String { ProtoPrinter(ignoresExtensions: true).text(of: self) }
}

/// Prints a file, as it is or normalised.
///
/// Normalised: imports and options sorted by name, fields by number, constants by number and name, reserved values one
/// by one, types by their full names, messages of map entries as maps; the line of the syntax proto2 is left out.
struct ProtoPrinter {
    var ignoresExtensions = false
    /// Finds full names; nil prints as written.
    var types: TypeNames?
    private var scope: [String] = []

    init(ignoresExtensions: Bool = false, types: TypeNames? = nil) {
        self.ignoresExtensions = ignoresExtensions
        self.types = types
    }

    private var isNormalized: Bool { types != nil }

    func text(of file: ProtoFile) -> String {
        var output = ""
        if let syntax = file.syntax, !(isNormalized && syntax == .proto2) {
            output += "syntax = \"\(syntax.rawValue)\";\n"
        }
        if let package = file.package { output += "package \(package);\n" }
        let imports =
            sortedImports(file.imports).map { "import \"\($0)\";\n" }
            + sortedImports(file.publicImports).map { "import public \"\($0)\";\n" }
            + sortedImports(file.weakImports).map { "import weak \"\($0)\";\n" }
        section(imports, &output)
        section(options(file.options).map(statement), &output)
        section(declarations(of: file.types, in: file.package.map { [$0] } ?? []), &output)
        if !ignoresExtensions { section(file.extends.map { text(of: $0, []) }, &output) }
        section(file.services.map(text), &output)
        return output
    }

    /// Parts that belong together follow an empty line.
    private func section(_ parts: [String], _ output: inout String) {
        guard !parts.isEmpty else { return }
        output += "\n" + parts.joined()
    }

    private func sortedImports(_ paths: [String]) -> [String] {
        isNormalized ? Set(paths).sorted { $0.utf16.lexicographicallyPrecedes($1.utf16) } : paths
    }

    // MARK: Types

    /// Messages in their order, then enums in theirs: message indexes go by the order of messages.
    private func declarations(of types: [ProtoType], in scope: [String]) -> [String] {
        var output: [String] = []
        for case .message(let message) in types where !(isNormalized && message.isMapEntry) {
            output.append("message \(message.name) {" + body(of: message, scope + [message.name]) + "}\n")
        }
        for case .enumeration(let enumeration) in types { output.append(text(of: enumeration)) }
        return output
    }

    private func body(of message: ProtoMessage, _ scope: [String]) -> String {
        var output = ""
        section(reserved(message.reserved), to: &output)
        section(options(message.options).map(statement), to: &output)
        section(sorted(message.fields).map { text(of: $0, scope) }, to: &output)
        let oneofs = sorted(message.oneofs).map { text(of: $0, scope) }
        if !message.oneofs.isEmpty { output += "\n" + oneofs.map(Self.indented).joined() }
        section(message.groups.map { text(of: $0, scope) }, to: &output)
        if !ignoresExtensions {
            section(message.extensionRanges.map(text), to: &output)
            section(message.extends.map { text(of: $0, scope) }, to: &output)
        }
        section(declarations(of: message.types, in: scope), to: &output)
        return output
    }

    private func section(_ parts: [String], to output: inout String) {
        guard !parts.isEmpty else { return }
        output += "\n"
        for part in parts { output += Self.indented(part) }
    }

    /// Two spaces before every line, empty ones included: so does the original.
    private static func indented(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { "  \($0)\n" }.joined()
    }

    private func reserved(_ reserved: [ProtoReserved], max: Int32 = ProtoFile.fieldNumberMax) -> [String] {
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
        return lists.map { "reserved " + $0.map(text).joined(separator: ", ") + ";\n" }
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

    private func text(of oneof: ProtoOneof, _ scope: [String]) -> String {
        var output = "oneof \(oneof.name) {"
        section(options(oneof.options).map(statement), to: &output)
        section(sorted(oneof.fields).map { text(of: $0, scope) }, to: &output)
        section(oneof.groups.map { text(of: $0, scope) }, to: &output)
        return output + "}\n"
    }

    private func text(of group: ProtoGroup, _ scope: [String]) -> String {
        let label = group.label.map { $0.rawValue + " " } ?? ""
        let options = options(group.options)
        let brackets = options.isEmpty ? "" : bracketed(options) + " "
        // Normalised or not, a group is printed as written: so does the original.
        let plain = ProtoPrinter(ignoresExtensions: ignoresExtensions)
        let body = plain.body(of: group.body, scope + [group.body.name])
        return "\(label)group \(group.body.name) = \(group.number) \(brackets){" + body + "}\n"
    }

    private func text(of extend: ProtoExtend, _ scope: [String]) -> String {
        var output = "extend \(extend.name) {"
        let parts =
            extend.fields.map { text(of: $0, scope, isExtension: true) } + extend.groups.map { text(of: $0, scope) }
        section(parts, to: &output)
        return output + "}\n"
    }

    private func text(_ ranges: ProtoExtensionRanges) -> String {
        let list = ranges.ranges.map { range in
            if range.start == range.end { return "\(range.start)" }
            return "\(range.start) to " + (range.end >= ProtoFile.fieldNumberMax ? "max" : "\(range.end)")
        }
        let options = options(ranges.options)
        return "extensions " + list.joined(separator: ", ") + (options.isEmpty ? "" : " " + bracketed(options)) + ";\n"
    }

    /// The types of extension fields are printed as written, normalised or not: so does the original.
    private func text(of field: ProtoField, _ scope: [String], isExtension: Bool = false) -> String {
        var label = field.label
        var type = field.type.text
        if let types, !isExtension {
            switch types.normalized(field.type, in: scope) {
            case .map(let key, let value):
                type = "map<\(key.rawValue), \(value.text)>"
                label = nil
            case let other: type = other.text
            }
        }
        var options = field.options
        if let value = field.defaultValue { options.append(ProtoOption("default", value)) }
        if let name = field.jsonName { options.append(ProtoOption("json_name", .string(Array(name.utf8)))) }
        options = self.options(options)
        return (label.map { $0.rawValue + " " } ?? "") + "\(type) \(field.name) = \(field.number)"
            + (options.isEmpty ? "" : " " + bracketed(options)) + ";\n"
    }

    private func text(of enumeration: ProtoEnum) -> String {
        var constants = enumeration.constants
        if isNormalized { constants.sort { ($0.number, $0.name) < ($1.number, $1.name) } }
        var parts = reserved(enumeration.reserved, max: .max)
        parts += options(enumeration.options).map(statement)
        parts += constants.map { constant in
            let options = options(constant.options)
            return "\(constant.name) = \(constant.number)" + (options.isEmpty ? "" : " " + bracketed(options)) + ";\n"
        }
        var output = "enum \(enumeration.name) {"
        section(parts, to: &output)
        return output + "}\n"
    }

    private func text(of service: ProtoService) -> String {
        var output = "service \(service.name) {"
        section(options(service.options).map(statement), to: &output)
        section(service.methods.map(text), to: &output)
        return output + "}\n"
    }

    private func text(of method: ProtoService.Method) -> String {
        func type(_ name: String, _ isStream: Bool) -> String {
            (isStream ? "stream " : "") + (types?.fullName(of: name, in: []) ?? name)
        }
        var output = "rpc \(method.name) (\(type(method.request, method.isRequestStream)))"
        output += " returns (\(type(method.response, method.isResponseStream)))"
        let options = options(method.options)
        if !options.isEmpty { output += " {\n" + options.map { Self.indented(statement($0)) }.joined() + "}" }
        return output + ";\n"
    }

    // MARK: Options

    private func options(_ options: [ProtoOption]) -> [ProtoOption] {
        var options = options
        if ignoresExtensions { options.removeAll { $0.parts.contains(where: \.isExtension) } }
        return isNormalized ? Self.stably(options) { Self.sortName($0).precedes(Self.sortName($1)) } : options
    }

    /// The original sorts by what stands before the first point behind a parenthesis, or by the whole of a plain name.
    private static func sortName(_ option: ProtoOption) -> String {
        if let first = option.parts.first, first.isExtension { return first.name }
        return option.parts.prefix { !$0.isExtension }.map(\.name).joined(separator: ".")
    }

    private func statement(_ option: ProtoOption) -> String { "option \(text(option));\n" }

    /// One option stays on the line; more have a line each.
    private func bracketed(_ options: [ProtoOption]) -> String {
        if options.count == 1, let option = options.first { return "[\(text(option))]" }
        return "[\n" + list(options.map(text)) + "]"
    }

    private func list(_ items: [String]) -> String {
        items.enumerated().map { Self.indented($0.element + ($0.offset == items.count - 1 ? "" : ",")) }.joined()
    }

    private func text(_ option: ProtoOption) -> String {
        let name = option.parts.map { $0.isExtension ? "(\($0.name))" : $0.name }.joined(separator: ".")
        return "\(name) = \(text(option.value, isMember: false))"
    }

    private func text(_ value: ProtoOption.Value, isMember: Bool) -> String {
        switch value {
        case .string(let bytes): return "\"\(Self.escaped(bytes))\""
        case .number(let text), .word(let text): return text
        case .aggregate(let members):
            var members = members
            if isNormalized { members.sort { $0.name.precedes($1.name) } }
            return "{\n" + list(members.map { "\($0.name): \(text($0.value, isMember: true))" }) + "}"
        case .list(let values):
            // Normalised, a list of one member is that member; as the value of an option it stays a list.
            if isMember, isNormalized, values.count == 1, let value = values.first {
                return text(value, isMember: true)
            }
            if !isMember, values.count == 1, let value = values.first { return "[\(text(value, isMember: true))]" }
            return "[\n" + list(values.map { text($0, isMember: true) }) + "]"
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

extension String {
    /// Java's order of strings: by UTF-16 units.
    fileprivate func precedes(_ other: String) -> Bool { utf16.lexicographicallyPrecedes(other.utf16) }
}
