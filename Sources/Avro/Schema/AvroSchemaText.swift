import JSONFormat

extension AvroSchema {
    /// Ways to write a schema.
    package enum TextForm: Sendable {
        /// Java's `Schema.toString()`: what the registry stores. Types of other schemas stay names.
        case canonical
        /// As `canonical`, with types of other schemas written out where they are first used.
        case resolved
        /// What two ways to write the same schema have in common: properties and aliases sorted, defaults by their
        /// types. As the registry client 7.0 does it, but a type without namespace inside of one that has a namespace
        /// keeps saying so, as it would be another type otherwise.
        case normalized
        /// The specification's "Parsing Canonical Form": only what readers need, full names.
        case parsing
    }

    /// The schema as JSON text on one line.
    package func text(_ form: TextForm) -> String {
        var writer = SchemaTextWriter(schema: self, form: form)
        writer.write(root, in: nil)
        return String(decoding: writer.output, as: UTF8.self)
    }
}

/// Every named type is written out once, so what is written nests no deeper than types do; a text that goes deeper than
/// the parser would read again is cut by names that were not written out yet.
private struct SchemaTextWriter {
    let schema: AvroSchema
    let form: AvroSchema.TextForm
    var output: [UInt8] = []
    private var written: Set<String>
    private var depth = 0

    init(schema: AvroSchema, form: AvroSchema.TextForm) {
        self.schema = schema
        self.form = form
        // The schema may be one of the others itself, when it is looked at on its own.
        written = form == .resolved ? [] : schema.external.subtracting(schema.type.name.map { [$0.full] } ?? [])
    }

    private var isParsing: Bool { form == .parsing }
    private var isNormalized: Bool { form == .normalized }

    mutating func write(_ id: AvroSchema.ID, in namespace: String?) {
        let type = schema.types[id]
        if let name = type.name, written.contains(name.full) || depth >= AvroError.depthMax {
            return quote(isParsing ? name.full : name.text(in: namespace))
        }
        depth += 1
        defer { depth -= 1 }
        switch type.kind {
        case .primitive(let primitive):
            guard !type.properties.isEmpty, !isParsing else { return quote(primitive.rawValue) }
            begin("type", primitive.rawValue)
            properties(of: type)
            output.append(UInt8(ascii: "}"))
        case .array(let items): collection("array", "items", items, type, in: namespace)
        case .map(let values): collection("map", "values", values, type, in: namespace)
        case .union(let branches): list(branches) { $0.write($1, in: namespace) }
        case .record(let record): write(record, type, in: namespace)
        case .enumeration(let enumeration):
            head("enum", enumeration.name, enumeration.doc, in: namespace)
            member("symbols")
            list(enumeration.symbols) { $0.quote($1) }
            if let symbol = enumeration.defaultSymbol, !isParsing { member("default", symbol) }
            tail(type, enumeration.aliases, enumeration.name)
        case .fixed(let fixed):
            head("fixed", fixed.name, fixed.doc, in: namespace)
            member("size")
            output += String(fixed.size).utf8
            tail(type, fixed.aliases, fixed.name)
        }
    }

    private mutating func collection(
        _ word: String, _ name: String, _ below: AvroSchema.ID, _ type: AvroType, in namespace: String?
    ) {
        begin("type", word)
        member(name)
        write(below, in: namespace)
        if !isParsing { properties(of: type) }
        output.append(UInt8(ascii: "}"))
    }

    private mutating func write(_ record: AvroRecord, _ type: AvroType, in namespace: String?) {
        head(
            record.isError && form != .normalized && !isParsing ? "error" : "record", record.name, record.doc,
            in: namespace)
        member("fields")
        list(record.fields) { writer, field in
            writer.begin("name", field.name)
            writer.member("type")
            writer.write(field.type, in: record.name.namespace)
            if !writer.isParsing { writer.rest(of: field) }
            writer.output.append(UInt8(ascii: "}"))
        }
        tail(type, record.aliases, record.name)
    }

    private mutating func rest(of field: AvroField) {
        if let doc = field.doc { member("doc", doc) }
        if isNormalized {
            if let json = field.defaultValue, let value = schema.normalizedDefault(json, field.type) {
                member("default")
                value.writeJava(to: &output, isSorted: true)
            }
        } else if let json = field.defaultValue {
            member("default")
            json.writeJava(to: &output, isSorted: false)
        }
        if field.order != .ascending { member("order", field.order.rawValue) }
        if !field.aliases.isEmpty {
            member("aliases")
            list(isNormalized ? field.aliases.sorted(by: isBefore) : field.aliases) { $0.quote($1) }
        }
        properties(field.properties)
    }

    /// From the brace to the documentation.
    private mutating func head(_ word: String, _ name: AvroName, _ doc: String?, in namespace: String?) {
        written.insert(name.full)
        if isParsing {
            begin("name", name.full)
            member("type", word)
            return
        }
        begin("type", word)
        member("name", name.name)
        if name.namespace != namespace { member("namespace", name.namespace ?? "") }
        if let doc, !(isNormalized && doc.isEmpty) { member("doc", doc) }
    }

    /// Properties, aliases and the closing brace.
    private mutating func tail(_ type: AvroType, _ aliases: [AvroName], _ name: AvroName) {
        if !isParsing {
            properties(of: type)
            if !aliases.isEmpty {
                member("aliases")
                let order = isNormalized ? aliases.sorted { isBefore($0.full, $1.full) } : aliases
                list(order) { $0.quote($1.text(in: name.namespace)) }
            }
        }
        output.append(UInt8(ascii: "}"))
    }

    private mutating func properties(of type: AvroType) {
        // Java takes a type with this property for one without logical type.
        let isJavaString = type.properties.contains { $0.name == "avro.java.string" && $0.value.text != nil }
        guard isNormalized, !isJavaString, let first = type.logicalType?.normalizedProperties else {
            return properties(type.properties)
        }
        let names = Set(first)
        for name in first { properties(type.properties.filter { $0.name == name }) }
        properties(type.properties.filter { !names.contains($0.name) })
    }

    private mutating func properties(_ properties: [(name: String, value: JSONValue)]) {
        let order = isNormalized ? properties.sorted { isBefore($0.name, $1.name) } : properties
        for property in order {
            member(property.name)
            property.value.writeJava(to: &output, isSorted: isNormalized)
        }
    }

    /// The order of Java's strings.
    private func isBefore(_ a: String, _ b: String) -> Bool { JSONName(a) < JSONName(b) }

    private mutating func list<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
        output.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(&self, element)
        }
        output.append(UInt8(ascii: "]"))
    }

    private mutating func begin(_ name: String, _ value: String) {
        output.append(UInt8(ascii: "{"))
        quote(name)
        output.append(UInt8(ascii: ":"))
        quote(value)
    }

    private mutating func member(_ name: String) {
        output.append(UInt8(ascii: ","))
        quote(name)
        output.append(UInt8(ascii: ":"))
    }

    private mutating func member(_ name: String, _ value: String) {
        member(name)
        quote(value)
    }

    private mutating func quote(_ text: String) { JSONText.quote(text, to: &output) }
}

extension AvroLogicalType {
    /// Which properties the registry client 7.0 puts in front of the sorted others: those of the logical types that its
    /// Avro, 1.11, knows; nil for others.
    fileprivate var normalizedProperties: [String]? {
        switch self {
        case .decimal(_, scale: 0): ["logicalType", "precision"]
        case .decimal: ["logicalType", "precision", "scale"]
        case .uuid, .date, .timeMillis, .timeMicros, .timestampMillis, .timestampMicros, .localTimestampMillis,
            .localTimestampMicros:
            ["logicalType"]
        case .timestampNanos, .localTimestampNanos, .duration: nil
        }
    }
}

extension AvroSchema {
    /// The default as the registry client normalises it: by the type, that of the first branch in unions; nil where it
    /// does not fit and is left out.
    fileprivate func normalizedDefault(_ json: JSONValue, _ id: ID, depth: Int = 0) -> JSONValue? {
        guard depth < AvroError.depthMax else { return json }
        let kind = types[id].kind
        if case .union(let branches) = kind {
            return branches.first.flatMap { normalizedDefault(json, $0, depth: depth + 1) }
        }
        switch (json, kind) {
        case (.null, _), (.bool, _): return json
        case (.number, .primitive(.int)), (.number, .primitive(.long)): return json
        case (.number(let value), .primitive(.double)): return .raw(Array(JavaNumber.text(Double(value)).utf8))
        case (.number(let value), .primitive(.float)): return .raw(Array(JavaNumber.text(Float(value)).utf8))
        case (.number, _): return nil
        case (.raw(let text), .primitive(.double)), (.raw(let text), .primitive(.float)):
            guard text.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) else {
                return nil
            }
            guard case .primitive(.float) = kind, let value = Float(String(decoding: text, as: UTF8.self)) else {
                return json
            }
            // JSON has no number for it.
            guard value.isFinite else { return .string(JavaNumber.text(value)) }
            return .raw(Array(JavaNumber.text(value).utf8))
        case (.raw, _): return nil
        case (.string, .primitive(.string)), (.string, .primitive(.bytes)), (.string, .fixed), (.string, .enumeration):
            return json
        case (.string(let text), .primitive(.float)), (.string(let text), .primitive(.double)):
            return ["NaN", "Infinity", "-Infinity"].contains(text) ? json : nil
        case (.string, _): return nil
        case (.array(let elements), .array(let items)):
            return .array(elements.compactMap { normalizedDefault($0, items, depth: depth + 1) })
        case (.array(let elements), _): return elements.isEmpty ? json : nil
        case (.object(let members), .map(let values)):
            return .object(members.map { ($0.0, normalizedDefault($0.1, values, depth: depth + 1) ?? .null) })
        case (.object(let members), .record(let record)):
            return .object(
                members.map { name, value in
                    let field = record.index(of: name).map { record.fields[$0].type }
                    return (name, field.map { normalizedDefault(value, $0, depth: depth + 1) ?? .null } ?? value)
                })
        case (.object, _): return json
        }
    }
}
