package import ProtobufFormat

/// One difference between two Protobuf schemas, named as the original names it.
package struct ProtobufDifference: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case packageChanged = "PACKAGE_CHANGED"
        case messageAdded = "MESSAGE_ADDED"
        case messageRemoved = "MESSAGE_REMOVED"
        case messageMoved = "MESSAGE_MOVED"
        case enumAdded = "ENUM_ADDED"
        case enumRemoved = "ENUM_REMOVED"
        case enumConstantAdded = "ENUM_CONST_ADDED"
        case enumConstantChanged = "ENUM_CONST_CHANGED"
        case enumConstantRemoved = "ENUM_CONST_REMOVED"
        case fieldAdded = "FIELD_ADDED"
        case fieldRemoved = "FIELD_REMOVED"
        case fieldNameChanged = "FIELD_NAME_CHANGED"
        case fieldKindChanged = "FIELD_KIND_CHANGED"
        case fieldScalarKindChanged = "FIELD_SCALAR_KIND_CHANGED"
        case fieldNamedTypeChanged = "FIELD_NAMED_TYPE_CHANGED"
        case fieldNumericLabelChanged = "FIELD_NUMERIC_LABEL_CHANGED"
        case fieldStringOrBytesLabelChanged = "FIELD_STRING_OR_BYTES_LABEL_CHANGED"
        case requiredFieldAdded = "REQUIRED_FIELD_ADDED"
        case requiredFieldRemoved = "REQUIRED_FIELD_REMOVED"
        case oneofAdded = "ONEOF_ADDED"
        case oneofRemoved = "ONEOF_REMOVED"
        case oneofFieldAdded = "ONEOF_FIELD_ADDED"
        case oneofFieldRemoved = "ONEOF_FIELD_REMOVED"
        case oneofFieldMovedToTopLevel = "ONEOF_FIELD_MOVED_TO_TOP_LEVEL"
        case multipleFieldsMovedToOneof = "MULTIPLE_FIELDS_MOVED_TO_ONEOF"
        case fieldMovedToExistingOneof = "FIELD_MOVED_TO_EXISTING_ONEOF"

        /// Whether the newer schema still reads what was written with the older one.
        package var isCompatible: Bool {
            switch self {
            case .messageAdded, .messageMoved, .enumAdded, .enumRemoved, .enumConstantAdded, .enumConstantChanged,
                .enumConstantRemoved, .fieldAdded, .fieldRemoved, .fieldNameChanged, .fieldStringOrBytesLabelChanged,
                .oneofAdded, .oneofRemoved, .oneofFieldAdded, .oneofFieldMovedToTopLevel:
                true
            case .packageChanged, .messageRemoved, .fieldKindChanged, .fieldScalarKindChanged, .fieldNamedTypeChanged,
                .fieldNumericLabelChanged, .requiredFieldAdded, .requiredFieldRemoved, .oneofFieldRemoved,
                .multipleFieldsMovedToOneof, .fieldMovedToExistingOneof:
                false
            }
        }
    }

    package var kind: Kind
    /// `#/Message/Nested/1`: names of messages, of a oneof where there is one, and the number of a field or constant.
    package var path: String

    /// The original's words. In BACKWARD the reader is the new schema and the writer the old one, in FORWARD the other way.
    func sentence(reader: String, writer: String) -> String {
        switch kind {
        case .packageChanged:
            "The package at '\(path)' in the \(reader) schema does not match the package in the \(writer) schema"
        case .messageRemoved:
            "The \(reader) schema is missing a MESSAGE type at path '\(path)' in the \(writer) schema"
        case .fieldKindChanged:
            "The type of a field at path '\(path)' in the \(reader) schema does not match the \(writer) schema"
        case .fieldScalarKindChanged:
            "The kind of a SCALAR field at path '\(path)' in the \(reader) schema does not match its kind in the "
                + "\(writer) schema"
        case .fieldNamedTypeChanged:
            "The type of a MESSAGE field at path '\(path)' in the \(reader) schema does not match its type in the "
                + "\(writer) schema"
        case .fieldNumericLabelChanged:
            "The label for a NUMERIC field at path '\(path)' in the \(reader) schema does not match its label in the "
                + "\(writer) schema"
        case .requiredFieldAdded:
            // Two spaces: so does the original.
            "A required field  at path '\(path)' in the \(reader) schema is missing in the \(writer) schema"
        case .requiredFieldRemoved:
            "The \(reader) schema is missing a required field at path: '\(path)' in the \(writer) schema"
        case .oneofFieldRemoved:
            "The \(reader) schema is missing a oneof field at path '\(path)' in the \(writer) schema"
        case .multipleFieldsMovedToOneof:
            "Multiple fields in the oneof at path '\(path)' in the \(reader) schema are outside a oneof in the "
                + "\(writer) schema"
        case .fieldMovedToExistingOneof:
            "A field in the oneof at path '\(path)' in the \(reader) schema is outside an existing oneof in the "
                + "\(writer) schema"
        default: ""
        }
    }
}

/// A file with all that it may refer to, as the comparison sees it.
package struct ProtobufSide: Sendable {
    /// What declares a type: two types of the same source are the same and need no look inside.
    enum Source: Hashable {
        case own
        case reference(subject: String, version: Int32)
        /// A file that comes with every registry, or one that no reference of the schema names.
        case other
    }

    struct Declared {
        var type: ProtoType
        var package: String
        var source: Source
    }

    private(set) var types: [String: Declared] = [:]
    let file: ProtoFile

    /// - Parameters:
    ///   - imports: all files that can be referred to, by the path they are imported by.
    ///   - references: subject and version of those that the schema's own references name.
    package init(
        file: ProtoFile, imports: [String: ProtoFile], references: [String: (subject: String, version: Int32)] = [:]
    ) {
        self.file = file
        for (path, imported) in imports {
            let source: Source = references[path].map { .reference(subject: $0.subject, version: $0.version) } ?? .other
            collect(imported.types, "", imported.package ?? "", source)
        }
        collect(file.types, "", file.package ?? "", .own)
    }

    private mutating func collect(_ types: [ProtoType], _ outer: String, _ package: String, _ source: Source) {
        for type in types {
            let local = outer + type.name
            self.types[package.isEmpty ? local : package + "." + local] =
                Declared(type: type, package: package, source: source)
            if case .message(let message) = type { collect(message.types, local + ".", package, source) }
        }
    }

    /// The full name of what `name` means inside the messages `scope` of `package`; nil when nobody defines it.
    func resolve(_ name: String, in scope: [String], of package: String) -> String? {
        if name.hasPrefix(".") {
            let full = String(name.dropFirst())
            return types[full] == nil ? nil : full
        }
        var prefix = ([package] + scope).filter { !$0.isEmpty }.joined(separator: ".")
        while !prefix.isEmpty {
            let full = prefix + "." + name
            if types[full] != nil { return full }
            prefix = prefix.lastIndex(of: ".").map { String(prefix[..<$0]) } ?? ""
        }
        return types[name] == nil ? nil : name
    }
}

/// Compares two schemas as the original's `SchemaDiff` does (8.x): fields by number, messages by full name, types of
/// imported files by looking inside unless both come from the same version of the same subject.
///
/// Pairs of imported messages are compared once each and one after the other, so that neither cycles nor long chains of
/// imported types cost more than their number.
package struct ProtobufComparison {
    private struct Pair: Hashable {
        var original: String
        var update: String
    }

    /// A field whose type is compared as a pair of its own.
    private struct Edge {
        var path: String
        var pair: Pair
    }

    /// What one pair's comparison found; the first result is that of the files themselves.
    private struct Found {
        var differences: [ProtobufDifference] = []
        var edges: [Edge] = []
    }

    private let original: ProtobufSide
    private let update: ProtobufSide
    private var originalPackage: String
    private var updatePackage: String
    private var path: [String] = []
    private var scope: [String] = []
    private var found = Found()
    private var seen: Set<Pair> = []
    private var open: [Pair] = []

    /// All differences of `update` from `original`.
    package static func differences(original: ProtobufSide, update: ProtobufSide) -> [ProtobufDifference] {
        var comparison = ProtobufComparison(original, update)
        return comparison.run()
    }

    private init(_ original: ProtobufSide, _ update: ProtobufSide) {
        self.original = original
        self.update = update
        originalPackage = original.file.package ?? ""
        updatePackage = update.file.package ?? ""
    }

    private mutating func run() -> [ProtobufDifference] {
        if original.file.package != update.file.package { add(.packageChanged) }
        compare(original.file.types, update.file.types)
        var files = found
        var pairs: [(Pair, Found)] = []
        while let pair = open.popLast() {
            guard let old = original.types[pair.original], let new = update.types[pair.update],
                case .message(let oldMessage) = old.type, case .message(let newMessage) = new.type
            else { continue }
            originalPackage = old.package
            updatePackage = new.package
            path = Self.local(pair.original, old.package).split(separator: ".").map(String.init)
            scope = path
            found = Found()
            compare(oldMessage, newMessage)
            pairs.append((pair, found))
        }
        let broken = Self.incompatiblePairs(pairs)
        func settle(_ found: inout Found) {
            for edge in found.edges where broken.contains(edge.pair) {
                found.differences.append(.init(kind: .fieldNamedTypeChanged, path: edge.path))
            }
        }
        var differences: [ProtobufDifference] = []
        for var (_, found) in pairs {
            settle(&found)
            differences += found.differences
        }
        settle(&files)
        return differences + files.differences
    }

    /// A pair is incompatible by itself, or by a field whose pair is.
    private static func incompatiblePairs(_ pairs: [(Pair, Found)]) -> Set<Pair> {
        var users: [Pair: [Pair]] = [:]
        var broken: Set<Pair> = []
        var open: [Pair] = []
        for (pair, found) in pairs {
            for edge in found.edges { users[edge.pair, default: []].append(pair) }
            if found.differences.contains(where: { !$0.kind.isCompatible }), broken.insert(pair).inserted {
                open.append(pair)
            }
        }
        while let pair = open.popLast() {
            for user in users[pair] ?? [] where broken.insert(user).inserted { open.append(user) }
        }
        return broken
    }

    private mutating func add(_ kind: ProtobufDifference.Kind, at more: String...) {
        found.differences.append(.init(kind: kind, path: "#/" + (path + more).joined(separator: "/")))
    }

    private mutating func inside(_ name: String, _ body: (inout Self) -> Void) {
        path.append(name)
        scope.append(name)
        body(&self)
        scope.removeLast()
        path.removeLast()
    }

    // MARK: Types

    private mutating func compare(_ old: [ProtoType], _ new: [ProtoType]) {
        let (oldMessages, oldEnums) = Self.byName(old)
        let (newMessages, newEnums) = Self.byName(new)
        for name in Set(oldMessages.keys).union(newMessages.keys).sorted() {
            inside(name) { comparison in
                switch (oldMessages[name], newMessages[name]) {
                case (let old?, let new?):
                    comparison.compare(old.message, new.message)
                    if old.index != new.index { comparison.add(.messageMoved) }
                case (let old?, nil): if !old.message.isMapEntry { comparison.add(.messageRemoved) }
                case (nil, let new?): if !new.message.isMapEntry { comparison.add(.messageAdded) }
                case (nil, nil): break
                }
            }
        }
        for name in Set(oldEnums.keys).union(newEnums.keys).sorted() {
            inside(name) { comparison in
                switch (oldEnums[name], newEnums[name]) {
                case (let old?, let new?): comparison.compare(old, new)
                case (_?, nil): comparison.add(.enumRemoved)
                case (nil, _?): comparison.add(.enumAdded)
                case (nil, nil): break
                }
            }
        }
    }

    private static func byName(
        _ types: [ProtoType]
    ) -> (messages: [String: (message: ProtoMessage, index: Int)], enums: [String: ProtoEnum]) {
        var messages: [String: (ProtoMessage, Int)] = [:]
        var enums: [String: ProtoEnum] = [:]
        for type in types {
            switch type {
            case .message(let message): messages[message.name] = (message, messages.count)
            case .enumeration(let enumeration): enums[enumeration.name] = enumeration
            }
        }
        return (messages, enums)
    }

    private mutating func compare(_ old: ProtoEnum, _ new: ProtoEnum) {
        let oldNames = Dictionary(old.constants.map { ($0.number, $0.name) }) { $1 }
        let newNames = Dictionary(new.constants.map { ($0.number, $0.name) }) { $1 }
        for number in Set(oldNames.keys).union(newNames.keys).sorted() {
            switch (oldNames[number], newNames[number]) {
            case (_?, nil): add(.enumConstantRemoved, at: "\(number)")
            case (nil, _?): add(.enumConstantAdded, at: "\(number)")
            case (let old, let new): if old != new { add(.enumConstantChanged, at: "\(number)") }
            }
        }
    }

    // MARK: Fields

    /// The fields of a message by number, and the oneof that each is in.
    private struct Fields {
        var byNumber: [Int32: ProtoField] = [:]
        var oneofs: [Int32: String] = [:]

        init(_ message: ProtoMessage) {
            for field in message.fields { byNumber[field.number] = field }
            for oneof in message.oneofs {
                for field in oneof.fields {
                    byNumber[field.number] = field
                    oneofs[field.number] = oneof.name
                }
            }
        }
    }

    private mutating func compare(_ oldMessage: ProtoMessage, _ newMessage: ProtoMessage) {
        let old = Fields(oldMessage)
        let new = Fields(newMessage)
        compareOneofs(oldMessage, newMessage, old, new)
        // A oneof that is gone with all its fields is a deletion, which is compatible; gone with some of them is not.
        let newOneofs = Set(newMessage.oneofs.map(\.name))
        let deleted = Set(
            oldMessage.oneofs.filter { oneof in
                !newOneofs.contains(oneof.name) && oneof.fields.allSatisfy { new.byNumber[$0.number] == nil }
            }.map(\.name))
        for number in Set(old.byNumber.keys).union(new.byNumber.keys).sorted() {
            let text = "\(number)"
            switch (old.byNumber[number], new.byNumber[number]) {
            case (let field?, nil):
                if let oneof = old.oneofs[number] {
                    if !deleted.contains(oneof) { add(.oneofFieldRemoved, at: oneof, text) }
                } else {
                    add(field.label == .required ? .requiredFieldRemoved : .fieldRemoved, at: text)
                }
            case (nil, let field?):
                if let oneof = new.oneofs[number] {
                    add(.oneofFieldAdded, at: oneof, text)
                } else {
                    add(field.label == .required ? .requiredFieldAdded : .fieldAdded, at: text)
                }
            case (let oldField?, let newField?):
                if old.oneofs[number] != nil, new.oneofs[number] == nil { add(.oneofFieldMovedToTopLevel, at: text) }
                let outer = path
                path += [new.oneofs[number], text].compactMap { $0 }
                compare(oldField, newField)
                path = outer
            case (nil, nil): break
            }
        }
        compare(oldMessage.types, newMessage.types)
    }

    /// Fields that could be set together and now exclude each other: those of a oneof that were not in one before.
    private mutating func compareOneofs(
        _ oldMessage: ProtoMessage, _ newMessage: ProtoMessage, _ old: Fields, _ new: Fields
    ) {
        for oneof in newMessage.oneofs {
            let known = oneof.fields.map(\.number).filter { old.byNumber[$0] != nil }
            let fromTop = known.filter { old.oneofs[$0] == nil }.count
            let fromOneofs = Set(known.compactMap { old.oneofs[$0] }).count
            guard fromTop + fromOneofs > 1 else { continue }
            add(fromTop > 1 ? .multipleFieldsMovedToOneof : .fieldMovedToExistingOneof, at: oneof.name)
        }
        let oldNames = Set(oldMessage.oneofs.map(\.name))
        let newNames = Set(newMessage.oneofs.map(\.name))
        for name in oldNames.union(newNames).sorted() {
            if !newNames.contains(name) { add(.oneofRemoved, at: name) }
            if !oldNames.contains(name) { add(.oneofAdded, at: name) }
        }
    }

    private mutating func compare(_ old: ProtoField, _ new: ProtoField) {
        if old.name != new.name { add(.fieldNameChanged) }
        compareTypes(kind(old.type, isOriginal: true), kind(new.type, isOriginal: false), old.label, new.label)
    }

    private enum FieldKind {
        case scalar(ScalarKind)
        case map(key: ScalarKind, value: ProtoFieldType, scope: [String])
        /// The full name; as written when it is defined nowhere.
        case message(String, isDefined: Bool)
    }

    /// Scalars of one kind can be read as each other.
    private enum ScalarKind {
        case generalNumber, signedNumber, stringOrBytes, fixed32, fixed64, float, double

        init(_ type: ScalarType) {
            self =
                switch type {
                case .int32, .int64, .uint32, .uint64, .bool: .generalNumber
                case .sint32, .sint64: .signedNumber
                case .string, .bytes: .stringOrBytes
                case .fixed32, .sfixed32: .fixed32
                case .fixed64, .sfixed64: .fixed64
                case .float: .float
                case .double: .double
                }
        }
    }

    private func kind(_ type: ProtoFieldType, isOriginal: Bool, in given: [String]? = nil) -> FieldKind {
        let scope = given ?? self.scope
        switch type {
        case .scalar(let type): return .scalar(ScalarKind(type))
        case .map(let key, let value):
            let valueType: ProtoFieldType =
                switch value {
                case .scalar(let type): .scalar(type)
                case .named(let name): .named(name)
                }
            return .map(key: ScalarKind(key), value: valueType, scope: scope)
        case .named(let name):
            let side = isOriginal ? original : update
            let package = isOriginal ? originalPackage : updatePackage
            guard let full = side.resolve(name, in: scope, of: package), let declared = side.types[full] else {
                return .message(name, isDefined: false)
            }
            switch declared.type {
            case .enumeration: return .scalar(.generalNumber)
            case .message(let message):
                // The value of a map is no map, or an entry could be its own value without end.
                guard given == nil, message.isMapEntry, let key = message.fields.first(where: { $0.name == "key" }),
                    let value = message.fields.first(where: { $0.name == "value" }),
                    case .scalar(let keyType) = key.type
                else { return .message(full, isDefined: true) }
                let inner = Self.local(full, declared.package).split(separator: ".").map(String.init)
                return .map(key: ScalarKind(keyType), value: value.type, scope: inner)
            }
        }
    }

    private mutating func compareTypes(
        _ old: FieldKind, _ new: FieldKind, _ oldLabel: ProtoField.Label?, _ newLabel: ProtoField.Label?
    ) {
        switch (old, new) {
        case (.scalar(let oldKind), .scalar(let newKind)):
            guard oldKind == newKind else { return add(.fieldScalarKindChanged) }
            guard let oldLabel, let newLabel, oldLabel != newLabel else { return }
            add(oldKind == .stringOrBytes ? .fieldStringOrBytesLabelChanged : .fieldNumericLabelChanged)
        case (.message(let oldName, let oldIsDefined), .message(let newName, let newIsDefined)):
            guard oldIsDefined, newIsDefined else {
                if oldName != newName { add(.fieldNamedTypeChanged) }
                return
            }
            compareMessages(oldName, newName)
        case (.map(let oldKey, let oldValue, let oldScope), .map(let newKey, let newValue, let newScope)):
            if oldKey != newKey { add(.fieldScalarKindChanged) }
            compareTypes(
                kind(oldValue, isOriginal: true, in: oldScope), kind(newValue, isOriginal: false, in: newScope), nil,
                nil)
        default: add(.fieldKindChanged)
        }
    }

    private mutating func compareMessages(_ oldName: String, _ newName: String) {
        guard let old = original.types[oldName], let new = update.types[newName] else { return }
        guard Self.local(oldName, old.package) == Self.local(newName, new.package) else {
            return add(.fieldNamedTypeChanged)
        }
        // Messages of the files themselves are compared where they are declared.
        if old.source == new.source, old.source != .other { return }
        let pair = Pair(original: oldName, update: newName)
        if seen.insert(pair).inserted { open.append(pair) }
        found.edges.append(Edge(path: "#/" + path.joined(separator: "/"), pair: pair))
    }

    /// A full name without its package.
    private static func local(_ full: String, _ package: String) -> String {
        full.hasPrefix(package + ".") ? String(full.dropFirst(package.utf8.count + 1)) : full
    }
}
