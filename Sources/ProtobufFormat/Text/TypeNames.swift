/// The types that a file and the files it imports define, by full name (without a leading point).
///
/// Names are found as Protocol Buffers says: from the innermost scope outwards, packages part by part.
package struct TypeNames: Sendable {
    package enum Kind: Sendable {
        case message
        case enumeration
        /// A message that stands for the entries of a map, with their types.
        case mapEntry(key: ScalarType, value: ProtoMapValue)
    }

    private var kinds: [String: Kind] = [:]
    /// Fields that extend messages, as custom options do, by full name; whether they are repeated.
    private var extensions: [String: Bool] = [:]
    private let package: String?

    /// - Parameter imports: all that may be referred to; what the file itself defines wins.
    package init(file: ProtoFile, imports: some Sequence<ProtoFile>) {
        package = file.package
        for imported in imports { collect(imported) }
        collect(file)
    }

    package func kind(of fullName: String) -> Kind? { kinds[fullName] }

    var fullNames: Dictionary<String, Kind>.Keys { kinds.keys }

    private mutating func collect(_ file: ProtoFile) {
        let prefix = file.package.map { $0 + "." } ?? ""
        collect(file.extends, prefix)
        collect(file.types, prefix)
    }

    private mutating func collect(_ extends: [ProtoExtend], _ prefix: String) {
        for field in extends.flatMap(\.fields) { extensions[prefix + field.name] = field.label == .repeated }
    }

    private mutating func collect(_ types: [ProtoType], _ prefix: String) {
        for type in types {
            switch type {
            case .enumeration(let enumeration): kinds[prefix + enumeration.name] = .enumeration
            case .message(let message): collect(message, prefix)
            }
        }
    }

    private mutating func collect(_ message: ProtoMessage, _ prefix: String) {
        kinds[prefix + message.name] = Self.entry(message) ?? .message
        let inner = prefix + message.name + "."
        collect(message.extends, inner)
        collect(message.types, inner)
        for group in message.groups + message.oneofs.flatMap(\.groups) { collect(group.body, inner) }
    }

    private static func entry(_ message: ProtoMessage) -> Kind? {
        guard message.isMapEntry, let key = message.fields.first(where: { $0.name == "key" }),
            let value = message.fields.first(where: { $0.name == "value" }), case .scalar(let keyType) = key.type
        else { return nil }
        switch value.type {
        case .scalar(let type): return .mapEntry(key: keyType, value: .scalar(type))
        case .named(let name): return .mapEntry(key: keyType, value: .named(name))
        case .map: return nil
        }
    }

    /// - Parameters:
    ///   - name: as written, with or without a leading point.
    ///   - scope: the full name's parts of the place where it is written; the first may be a package with points.
    /// - Returns: the full name without a leading point; nil when nothing of that name is defined.
    package func resolve(_ name: String, in scope: [String]) -> String? {
        Self.resolve(name, in: scope.isEmpty ? package.map { [$0] } ?? [] : scope) { kinds[$0] != nil }
    }

    static func resolve(_ name: String, in scope: [String], where isDefined: (String) -> Bool) -> String? {
        if name.hasPrefix(".") {
            let full = String(name.dropFirst())
            return isDefined(full) ? full : nil
        }
        var prefix = scope.joined(separator: ".")
        while !prefix.isEmpty {
            let candidate = prefix + "." + name
            if isDefined(candidate) { return candidate }
            prefix = prefix.lastIndex(of: ".").map { String(prefix[..<$0]) } ?? ""
        }
        return isDefined(name) ? name : nil
    }

    /// As `resolve`, for a field that extends a message.
    func resolveExtension(_ name: String, in scope: [String]) -> String? {
        Self.resolve(name, in: scope.isEmpty ? package.map { [$0] } ?? [] : scope) { extensions[$0] != nil }
    }

    /// Whether a field that extends a message is there under this full name, and is repeated or is not.
    func isExtension(_ fullName: String, isRepeated: Bool) -> Bool { extensions[fullName] == isRepeated }

    /// The full name with a leading point; nil when it is not defined.
    func fullName(of name: String, in scope: [String]) -> String? { resolve(name, in: scope).map { "." + $0 } }

    /// The type with full names; the repeated message of a map's entries as a map. What is not defined stays as
    /// written.
    func normalized(_ type: ProtoFieldType, in scope: [String]) -> ProtoFieldType {
        switch type {
        case .scalar: return type
        case .map(let key, .named(let name)):
            return .map(key: key, value: .named(fullName(of: name, in: scope) ?? name))
        case .map: return type
        case .named(let name):
            guard let full = resolve(name, in: scope) else { return type }
            guard case .mapEntry(let key, let value) = kinds[full] else { return .named("." + full) }
            // The entry's value is written in the entry's scope.
            guard case .named(let valueName) = value else { return .map(key: key, value: value) }
            let valueFull = fullName(of: valueName, in: full.split(separator: ".").map(String.init))
            return .map(key: key, value: .named(valueFull ?? valueName))
        }
    }
}

extension ProtoFile {
    /// The text that two ways to write the same file have in common: Java's `ProtobufSchema.normalize()`, of registries
    /// since 7.4.
    ///
    /// - Throws: `.unresolved` when a type is defined nowhere, as the original does.
    package func normalizedText(types: TypeNames) throws(ProtobufError) -> String {
        try requireTypes(types)
        return ProtoPrinter(types: types).text(of: ProtoNormalizer(types: types).normalized(self))
    }

    /// Checks that every type that is named is defined.
    package func requireTypes(_ types: TypeNames) throws(ProtobufError) {
        try forEachTypeName { (name, scope, position) throws(ProtobufError) in
            guard types.resolve(name, in: scope) != nil else {
                throw ProtobufError(.unresolved, "could not resolve type: \(name)", at: position)
            }
        }
    }

    /// A name as it is written, the scope that it is written in (see `TypeNames.resolve`), and where.
    typealias TypeNameVisitor = (String, [String], TextPosition?) throws(ProtobufError) -> Void

    /// Calls `visit` with the types of all fields and methods.
    func forEachTypeName(_ visit: TypeNameVisitor) throws(ProtobufError) {
        let scope = package.map { [$0] } ?? []
        for type in types { try Self.visit(type, scope, visit) }
        for service in services {
            for method in service.methods {
                for name in [method.request, method.response] { try visit(name, scope, method.position) }
            }
        }
    }

    private static func visit(
        _ type: ProtoType, _ scope: [String], _ visit: TypeNameVisitor
    ) throws(ProtobufError) {
        guard case .message(let message) = type else { return }
        try Self.visit(message, scope, visit)
    }

    private static func visit(
        _ message: ProtoMessage, _ scope: [String], _ visit: TypeNameVisitor
    ) throws(ProtobufError) {
        let inner = scope + [message.name]
        for field in message.fields + message.oneofs.flatMap(\.fields) {
            switch field.type {
            case .scalar, .map(_, .scalar): continue
            case .named(let name), .map(_, .named(let name)): try visit(name, inner, field.position)
            }
        }
        for group in message.groups + message.oneofs.flatMap(\.groups) { try Self.visit(group.body, inner, visit) }
        for type in message.types { try Self.visit(type, inner, visit) }
    }
}
