/// Prints one message as Swift: a struct with its fields, initializers, decoder and encoder, its structs nested in it.
///
/// What is printed is plain sequential statements: the compiler type-checks it fast, and it runs without closures.
struct MessagePrinter {
    var model: MessageModel
    /// Name of the request's response and its case in `ApiKey`.
    var request: (response: String, apiCase: String)?

    func print(to source: inout SourceText) {
        let name = model.definition.name
        let valid = model.definition.validVersions
        source.block("package struct \(name): \(request == nil ? "KafkaMessage" : "KafkaRequest")") { source in
            if let request {
                source.line("package typealias Response = \(request.response)")
                source.line("package static let apiKey = ApiKey.\(request.apiCase)")
            }
            source.line("package static let versions: ClosedRange<Int16> = \(valid.low)...\(valid.high)")
            let flexible = flexibility(in: valid).expression
            source.line("package static func isFlexible(_ version: Int16) -> Bool { \(flexible) }")
            source.line()
            printMembers(of: model.root, isRoot: true, to: &source)
            for nested in model.nested {
                source.line()
                source.block("package struct \(nested.name): Sendable, Equatable") { source in
                    printMembers(of: nested, isRoot: false, to: &source)
                }
            }
        }
    }

    private func flexibility(in context: VersionRange) -> VersionRange.Condition {
        model.definition.flexibleVersions.condition(in: context)
    }

    private func printMembers(of structure: StructModel, isRoot: Bool, to source: inout SourceText) {
        for field in structure.fields {
            source.line("package var \(field.declaredName): \(field.swiftType) = \(field.defaultLiteral)")
        }
        if !structure.fields.isEmpty { source.line() }
        source.line("package init() {}")
        source.line()
        printMemberwise(structure, to: &source)
        printDecoder(of: structure, isRoot: isRoot, to: &source)
        source.line()
        printEncoder(of: structure, isRoot: isRoot, to: &source)
    }

    private func printMemberwise(_ structure: StructModel, to source: inout SourceText) {
        guard !structure.fields.isEmpty else { return }
        let parameters = structure.fields.map { "\($0.declaredName): \($0.swiftType) = \($0.defaultLiteral)" }
        source.list("package init(", parameters, ") {")
        for field in structure.fields { source.line("    self.\(field.name) = \(field.declaredName)") }
        source.line("}")
        source.line()
    }

    private func printVersionCheck(_ source: inout SourceText) {
        let name = model.definition.name
        source.block("guard Self.versions.contains(version) else") { source in
            source.line("throw .version(version, of: \"\(name)\")")
        }
    }

    /// Declares `flexible` where the struct exists in both kinds of versions. Then it is always used: by the tag section.
    private func printFlexible(_ context: VersionRange, to source: inout SourceText) {
        if case .when(let expression) = flexibility(in: context) { source.line("let flexible = \(expression)") }
    }

    /// The value of a `compact:` argument.
    private func compact(_ field: FieldModel, in context: VersionRange) -> String {
        guard field.followsFlexibility else { return "false" }
        switch flexibility(in: field.versions) {
        case .always: return "true"
        case .never: return "false"
        case .when: return flexibility(in: context) == .always ? "true" : "flexible"
        }
    }

    // MARK: Decoder

    private func printDecoder(of structure: StructModel, isRoot: Bool, to source: inout SourceText) {
        let opening = "package init(from reader: inout WireReader, version: Int16) throws(WireError)"
        source.block(opening) { source in
            if isRoot { printVersionCheck(&source) }
            printFlexible(structure.versions, to: &source)
            for field in structure.untagged {
                source.when(field.versions.condition(in: structure.versions)) { source in
                    printRead(field, in: structure.versions, to: &source)
                }
            }
            let flexible = flexibility(in: structure.versions)
            source.when(flexible == .always || flexible == .never ? flexible : .when("flexible")) { source in
                printTagReads(structure, to: &source)
            }
        }
    }

    private func printTagReads(_ structure: StructModel, to source: inout SourceText) {
        let context = structure.versions.intersection(model.definition.flexibleVersions)
        guard !structure.tagged.isEmpty else { return source.line("try reader.skipTaggedFields()") }
        source.line("var taggedFields = try reader.readTaggedFields()")
        source.block("while let tag = try reader.nextTag(&taggedFields)") { source in
            source.line("switch tag {")
            for field in structure.tagged {
                let tag = field.tag ?? 0
                switch field.versions.condition(in: context) {
                case .when(let expression): source.line("case \(tag) where \(expression):")
                default: source.line("case \(tag):")
                }
                source.indented { printRead(field, in: structure.versions, to: &$0) }
            }
            source.line("default:")
            source.line("    reader.skipTaggedField(taggedFields)")
            source.line("}")
            source.line("try reader.endTaggedField(taggedFields, tag: tag)")
        }
    }

    private func printRead(_ field: FieldModel, in context: VersionRange, to source: inout SourceText) {
        let compact = compact(field, in: context)
        let nullable = field.nullableVersions.condition(in: field.versions)
        let nullableArgument =
            switch nullable {
            case .when(let expression): ", nullable: \(expression)"
            default: ""
            }
        switch field.type {
        case .array(let element):
            let count = "\(field.name)Count"
            let minimum = model.byteCountMin(element, in: field.versions)
            let arguments = "compact: \(compact), elementByteCountMin: \(minimum)"
            guard field.isOptional else {
                source.line("let \(count) = try reader.readCount(\(arguments))")
                printElements(element, of: "self.\(field.name)", count: count, compact: compact, to: &source)
                return
            }
            source.list("let \(count) = try reader.readNullableCount(", [arguments + nullableArgument], ")")
            source.line("if let \(count) {")
            source.indented { source in
                source.line("var elements: \(field.type.swift) = []")
                printElements(element, of: "elements", count: count, compact: compact, to: &source)
                source.line("self.\(field.name) = elements")
            }
            source.line("} else {")
            source.line("    self.\(field.name) = nil")
            source.line("}")
        case .structure(let name) where field.isOptional:
            let presence = nullableArgument.isEmpty ? "" : String(nullableArgument.dropFirst(2))
            let read = field.tag == nil ? "readPresence(\(presence))" : "readTaggedPresence()"
            source.line("self.\(field.name) = nil")
            source.block("if try reader.\(read)") { source in
                source.line("self.\(field.name) = try \(name)(from: &reader, version: version)")
            }
        case .string, .bytes, .records:
            if field.isOptional {
                let method = "readNullable\(field.type.method)"
                source.line("self.\(field.name) = try reader.\(method)(compact: \(compact)\(nullableArgument))")
            } else {
                source.line("self.\(field.name) = \(read(field.type, compact: compact))")
            }
        default:
            source.line("self.\(field.name) = \(read(field.type, compact: compact))")
        }
    }

    private func printElements(
        _ element: FieldType, of target: String, count: String, compact: String, to source: inout SourceText
    ) {
        source.line("\(target).reserveCapacity(WireReader.reserved(\(count)))")
        source.block("for _ in 0..<\(count)") { source in
            source.line("\(target).append(\(read(element, compact: compact)))")
        }
    }

    private func read(_ type: FieldType, compact: String) -> String {
        if case .structure(let name) = type { return "try \(name)(from: &reader, version: version)" }
        return "try reader.read\(type.method)(\(type.hasLength ? "compact: \(compact)" : ""))"
    }

    // MARK: Encoder

    private func printEncoder(of structure: StructModel, isRoot: Bool, to source: inout SourceText) {
        let opening = "package func encode(to writer: inout WireWriter, version: Int16) throws(WireError)"
        source.block(opening) { source in
            if isRoot { printVersionCheck(&source) }
            printFlexible(structure.versions, to: &source)
            for field in structure.untagged {
                let condition = field.versions.condition(in: structure.versions)
                guard case .when(let expression) = condition else {
                    printWrite(field, in: structure.versions, writer: "writer", to: &source)
                    continue
                }
                source.line("if \(expression) {")
                source.indented { printWrite(field, in: structure.versions, writer: "writer", to: &$0) }
                if !field.ignorable {
                    source.line("} else if \(field.differsFromDefault) {")
                    source.line("    throw .absent(\"\(field.name)\", of: \"\(structure.name)\", version)")
                }
                source.line("}")
            }
            for field in structure.tagged where !field.ignorable {
                // In the flexible versions, `printTagWrites` refuses or writes it.
                let condition = field.versions.condition(in: structure.versions)
                guard case .when(let expression) = condition else { continue }
                source.block("if !(\(expression)), \(field.differsFromDefault)") { source in
                    source.line("throw .absent(\"\(field.name)\", of: \"\(structure.name)\", version)")
                }
            }
            let flexible = flexibility(in: structure.versions)
            source.when(flexible == .always || flexible == .never ? flexible : .when("flexible")) { source in
                printTagWrites(structure, to: &source)
            }
        }
    }

    private func printTagWrites(_ structure: StructModel, to source: inout SourceText) {
        guard !structure.tagged.isEmpty else { return source.line("writer.writeUnsignedVarint(0)") }
        let context = structure.versions.intersection(model.definition.flexibleVersions)
        source.line("var tagCount: UInt32 = 0")
        for field in structure.tagged {
            let present =
                switch field.versions.condition(in: context) {
                case .when(let expression): "\(expression) && \(field.differsFromDefault)"
                default: field.differsFromDefault
                }
            source.line("let has\(field.name.capitalizedFirst) = \(present)")
            source.line("if has\(field.name.capitalizedFirst) { tagCount += 1 }")
        }
        source.line("writer.writeUnsignedVarint(tagCount)")
        for field in structure.tagged {
            source.block("if has\(field.name.capitalizedFirst)") { source in
                source.line("var body = WireWriter()")
                printWrite(field, in: structure.versions, writer: "body", to: &source)
                source.line("try writer.writeTaggedField(\(field.tag ?? 0), body)")
            }
        }
    }

    private func printWrite(
        _ field: FieldModel, in context: VersionRange, writer: String, to source: inout SourceText
    ) {
        let compact = compact(field, in: context)
        let value = "self.\(field.name)"
        if field.isOptional {
            switch field.nullableVersions.condition(in: field.versions) {
            case .when(let expression):
                source.block("if \(value) == nil, !(\(expression))") { source in
                    source.line("throw .null(\"\(field.name)\", of: \"\(model.definition.name)\", version)")
                }
            default: break
            }
        }
        switch field.type {
        case .array(let element):
            guard field.isOptional else {
                return printElementWrites(element, of: value, compact: compact, writer: writer, to: &source)
            }
            source.line("if let elements = \(value) {")
            source.indented { source in
                printElementWrites(element, of: "elements", compact: compact, writer: writer, to: &source)
            }
            source.line("} else {")
            source.line("    \(writer).writeNullLength(compact: \(compact))")
            source.line("}")
        case .structure where field.isOptional:
            let write = field.tag == nil ? "writePresence" : "writeTaggedPresence"
            source.line("\(writer).\(write)(\(value) != nil)")
            source.line("if let value = \(value) { try value.encode(to: &\(writer), version: version) }")
        case .string, .bytes, .records:
            let method = "write\(field.isOptional ? "Nullable" : "")\(field.type.method)"
            source.line("try \(writer).\(method)(\(value), compact: \(compact))")
        default:
            source.line(write(field.type, value, compact: compact, writer: writer))
        }
    }

    private func printElementWrites(
        _ element: FieldType, of array: String, compact: String, writer: String, to source: inout SourceText
    ) {
        source.line("try \(writer).writeLength(\(array).count, compact: \(compact))")
        source.block("for element in \(array)") { source in
            source.line(write(element, "element", compact: compact, writer: writer))
        }
    }

    private func write(_ type: FieldType, _ value: String, compact: String, writer: String) -> String {
        if case .structure = type { return "try \(value).encode(to: &\(writer), version: version)" }
        if type.hasLength { return "try \(writer).write\(type.method)(\(value), compact: \(compact))" }
        return "\(writer).write\(type.method)(\(value))"
    }
}

extension String {
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
