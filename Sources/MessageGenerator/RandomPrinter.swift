/// Prints, for tests and fuzzing, how a message is filled with random values that one of its versions can carry.
struct RandomPrinter {
    var model: MessageModel

    /// The list of all messages.
    static func table(_ models: [MessageModel], header: String) -> String {
        var source = SourceText()
        source.line("import KafkaMessages")
        source.line()
        source.line("/// Every generated message.")
        source.line("package let allMessages: [MessageCase] = [")
        source.indented { source in
            for name in models.map(\.definition.name).sorted() { source.line("MessageCase(\(name).self),") }
        }
        source.line("]")
        return header + "\n" + source.text
    }

    func source(header: String) -> String {
        let name = model.definition.name
        var source = SourceText()
        source.line("package import KafkaMessages")
        source.line()
        source.block("extension \(name): RandomMessage") { source in
            printFunction(model.root, to: &source)
        }
        for nested in model.nested {
            source.line()
            source.block("extension \(name).\(nested.name)") { source in
                printFunction(nested, to: &source)
            }
        }
        return header + "\n" + source.text
    }

    private func printFunction(_ structure: StructModel, to source: inout SourceText) {
        source.block("package static func random(_ random: inout MessageRandom, version: Int16) -> Self") { source in
            guard !structure.fields.isEmpty else { return source.line("Self()") }
            source.line("var value = Self()")
            for field in structure.fields {
                let isTagged = field.tag != nil
                var condition = field.versions.condition(in: structure.versions)
                if isTagged {
                    let versions = condition == .always ? "" : "\(condition.expression), "
                    condition = .when("\(versions)random.fillsTag()")
                }
                source.when(condition) { printFill(field, to: &$0) }
            }
            source.line("return value")
        }
    }

    private func printFill(_ field: FieldModel, to source: inout SourceText) {
        let target = "value.\(field.name)"
        let fill = { (source: inout SourceText) in
            guard case .array(let element) = field.type else {
                source.line("\(target) = \(random(field.type))")
                return
            }
            source.line("\(target) = []")
            source.block("for _ in 0..<random.count()") { source in
                source.line("\(target)\(field.isOptional ? "?" : "").append(\(random(element)))")
            }
        }
        let nullable = field.nullableVersions.condition(in: field.versions)
        guard nullable != .never else { return fill(&source) }
        let versions = nullable == .always ? "" : "\(nullable.expression), "
        source.line("if \(versions)random.isNull() {")
        source.line("    \(target) = nil")
        source.line("} else {")
        source.indented { fill(&$0) }
        source.line("}")
    }

    private func random(_ type: FieldType) -> String {
        switch type {
        case .structure: ".random(&random, version: version)"
        case .bool: "random.bool()"
        case .string: "random.string()"
        case .bytes: "random.bytes()"
        case .records: "random.records()"
        case .uuid: "random.uuid()"
        case .float64: "random.float64()"
        default: "random.integer()"
        }
    }
}
