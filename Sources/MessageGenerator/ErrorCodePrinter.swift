/// Prints, for each response that carries error codes, a method that visits them: metrics count errors without knowing
/// each response's shape.
struct ErrorCodePrinter {
    var models: [MessageModel]

    func source(header: String) -> String {
        var source = SourceText()
        for model in models {
            guard model.definition.name.hasSuffix("Response") else { continue }
            var body = SourceText()
            print(model.root, of: model, as: "self", depth: 0, to: &body)
            guard !body.text.isEmpty else { continue }
            source.line()
            source.block("extension \(model.definition.name)") { source in
                source.block("package func forEachErrorCode(_ visit: (Int16) -> Void)") { source in
                    print(model.root, of: model, as: "", depth: 0, to: &source)
                }
            }
        }
        return header + source.text
    }

    /// - Parameter path: the expression of the struct; empty for `self`.
    private func print(
        _ structure: StructModel, of model: MessageModel, as path: String, depth: Int, to source: inout SourceText
    ) {
        let prefix = path.isEmpty || path == "self" ? "" : path + "."
        for field in structure.fields {
            if field.name == "errorCode", field.type == .int16 { source.line("visit(\(prefix)errorCode)") }
            guard let name = field.type.structureName, let nested = model.nested.first(where: { $0.name == name }),
                hasErrorCode(nested, of: model)
            else { continue }
            let element = "element\(depth)"
            let value = prefix + field.name + (field.isOptional && isArray(field.type) ? " ?? []" : "")
            if isArray(field.type) {
                source.block("for \(element) in \(value)") { source in
                    print(nested, of: model, as: element, depth: depth + 1, to: &source)
                }
            } else if field.isOptional {
                source.block("if let \(element) = \(value)") { source in
                    print(nested, of: model, as: element, depth: depth + 1, to: &source)
                }
            } else {
                print(nested, of: model, as: prefix + field.name, depth: depth, to: &source)
            }
        }
    }

    private func isArray(_ type: FieldType) -> Bool {
        if case .array = type { true } else { false }
    }

    private func hasErrorCode(_ structure: StructModel, of model: MessageModel) -> Bool {
        structure.fields.contains { field in
            if field.name == "errorCode", field.type == .int16 { return true }
            guard let name = field.type.structureName, let nested = model.nested.first(where: { $0.name == name })
            else {
                return false
            }
            return hasErrorCode(nested, of: model)
        }
    }
}
