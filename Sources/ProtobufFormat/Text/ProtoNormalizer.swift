/// Writes in one way what a file may say in several, other than the order and the names of types, which `ProtoPrinter`
/// sees to: custom options by their full names and with their parts in one value, extensions by what they extend,
/// numbers.
///
/// - SeeAlso: upstream `ProtobufSchemaUtils.FormatContext`, of registries since 7.4.
struct ProtoNormalizer {
    let types: TypeNames

    func normalized(_ file: ProtoFile) -> ProtoFile {
        var file = file
        let scope = file.package.map { [$0] } ?? []
        file.options = normalized(file.options, scope)
        file.types = file.types.map { normalized($0, scope) }
        file.extends = normalized(file.extends, scope)
        for index in file.services.indices {
            file.services[index].options = normalized(file.services[index].options, scope)
            for method in file.services[index].methods.indices {
                let options = file.services[index].methods[method].options
                file.services[index].methods[method].options = normalized(options, scope)
            }
        }
        return file
    }

    // MARK: Types

    private func normalized(_ type: ProtoType, _ scope: [String]) -> ProtoType {
        switch type {
        case .message(let message): return .message(normalized(message, scope + [message.name]))
        case .enumeration(var enumeration):
            let scope = scope + [enumeration.name]
            enumeration.options = normalized(enumeration.options, scope)
            enumeration.reserved = enumeration.reserved.map(normalized)
            for index in enumeration.constants.indices {
                enumeration.constants[index].options = normalized(enumeration.constants[index].options, scope)
            }
            return .enumeration(enumeration)
        }
    }

    private func normalized(_ message: ProtoMessage, _ scope: [String]) -> ProtoMessage {
        var message = message
        message.options = normalized(message.options, scope)
        message.reserved = message.reserved.map(normalized)
        message.fields = message.fields.map { normalized($0, scope) }
        for index in message.oneofs.indices {
            message.oneofs[index].options = normalized(message.oneofs[index].options, scope)
            message.oneofs[index].fields = message.oneofs[index].fields.map { normalized($0, scope) }
            message.oneofs[index].groups = normalized(message.oneofs[index].groups, scope)
        }
        message.groups = normalized(message.groups, scope)
        let ranges = message.extensionRanges.flatMap { list in
            list.ranges.map { ProtoExtensionRanges(ranges: [$0], options: normalized(list.options, scope)) }
        }
        message.extensionRanges = ranges.enumerated().sorted { a, b in
            (a.element.ranges[0].start, a.offset) < (b.element.ranges[0].start, b.offset)
        }.map(\.element)
        message.extends = normalized(message.extends, scope)
        message.types = message.types.map { normalized($0, scope) }
        return message
    }

    private func normalized(_ groups: [ProtoGroup], _ scope: [String]) -> [ProtoGroup] {
        groups.map { group in
            var group = group
            group.options = normalized(group.options, scope)
            group.body = normalized(group.body, scope + [group.body.name])
            return group
        }.sorted { $0.number < $1.number }
    }

    private func normalized(_ field: ProtoField, _ scope: [String]) -> ProtoField {
        var field = field
        field.options = normalized(field.options, scope)
        field.defaultValue = field.defaultValue.map { normalized($0, scope) }
        return field
    }

    private func normalized(_ reserved: ProtoReserved) -> ProtoReserved {
        ProtoReserved(
            values: reserved.values.map { value in
                if case .range(let range) = value, range.start == range.end { return .number(range.start) }
                return value
            })
    }

    /// Those of one message together, by number.
    private func normalized(_ extends: [ProtoExtend], _ scope: [String]) -> [ProtoExtend] {
        var found: [ProtoExtend] = []
        for extend in extends where !extend.fields.isEmpty || !extend.groups.isEmpty {
            let name = types.fullName(of: extend.name, in: scope) ?? extend.name
            let fields = extend.fields.map { normalized($0, scope) }
            let groups = normalized(extend.groups, scope)
            if let index = found.firstIndex(where: { $0.name == name }) {
                found[index].fields += fields
                found[index].groups += groups
            } else {
                var copy = extend
                copy.name = name
                copy.fields = fields
                copy.groups = groups
                found.append(copy)
            }
        }
        for index in found.indices { found[index].fields.sort { $0.number < $1.number } }
        return found
    }

    // MARK: Options

    /// An option that sets parts of one value becomes that value; several of one become one, if it is not repeated.
    private func normalized(_ options: [ProtoOption], _ scope: [String]) -> [ProtoOption] {
        var found: [ProtoOption] = []
        for option in options {
            let option = normalized(option, scope)
            if let first = option.parts.first, first.isExtension, types.isExtension(first.name, isRepeated: false),
                let index = found.firstIndex(where: { $0.parts == option.parts })
            {
                found[index].value = Self.merged(found[index].value, option.value)
            } else {
                found.append(option)
            }
        }
        return found
    }

    private func normalized(_ option: ProtoOption, _ scope: [String]) -> ProtoOption {
        let value = normalized(option.value, scope)
        guard let first = option.parts.first, first.isExtension,
            let name = types.resolveExtension(first.name, in: scope)
        else { return ProtoOption(parts: option.parts, value: value) }
        let inner = option.parts.dropFirst().reversed().reduce(value) { value, part in
            .aggregate([.init(name: part.isExtension ? "[\(part.name)]" : part.name, value: value)])
        }
        return ProtoOption(parts: [.init(name: name, isExtension: true)], value: inner)
    }

    private func normalized(_ value: ProtoOption.Value, _ scope: [String]) -> ProtoOption.Value {
        switch value {
        case .string, .word: return value
        case .number(let text): return .number(Self.normalized(number: text))
        case .list(let values): return .list(values.map { normalized($0, scope) })
        case .aggregate(let members):
            return .aggregate(
                members.filter { $0.value != .list([]) }.map { member in
                    let value = normalized(member.value, scope)
                    guard member.name.hasPrefix("["), member.name.hasSuffix("]"),
                        let name = types.resolveExtension(String(member.name.dropFirst().dropLast()), in: scope)
                    else { return .init(name: member.name, value: value) }
                    return .init(name: "[\(name)]", value: value)
                })
        }
    }

    /// Both together. What both set is repeated, each value once.
    private static func merged(_ old: ProtoOption.Value, _ new: ProtoOption.Value) -> ProtoOption.Value {
        guard case .aggregate(var members) = old, case .aggregate(let more) = new else { return new }
        func values(_ value: ProtoOption.Value) -> [ProtoOption.Value] {
            if case .list(let values) = value { values } else { [value] }
        }
        for member in more {
            guard let index = members.firstIndex(where: { $0.name == member.name }) else {
                members.append(member)
                continue
            }
            var seen: Set<ProtoOption.Value> = []
            members[index].value = .list(
                (values(members[index].value) + values(member.value)).filter { seen.insert($0).inserted })
        }
        return .aggregate(members)
    }

    /// Integers in decimal digits, fractions without what means nothing. The original rounds to three digits; what
    /// would have more stays as it is written.
    private static func normalized(number text: String) -> String {
        if let integer = ProtoNumber.integer(text) { return String(integer) }
        guard let value = ProtoNumber.double(text), value.isFinite else { return text }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.allSatisfy(ProtoLexer.isDigit) else { return text }
        let fraction = String(parts[1].reversed().drop { $0 == "0" }.reversed())
        let isNegative = text.hasPrefix("-")
        let digits = parts[0].dropFirst(isNegative ? 1 : 0)
        guard fraction.count <= 3, let whole = Int128(digits.isEmpty ? "0" : digits) else { return text }
        return "\(isNegative ? "-" : "")\(whole).\(fraction)"
    }
}
