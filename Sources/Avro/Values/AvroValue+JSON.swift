package import JSONFormat

/// Avro's JSON encoding: a value of a union other than null is an object of one member, named after its branch; bytes are
/// strings of the characters U+0000...U+00FF.
///
/// Floats and doubles that JSON has no numbers for are the strings "NaN", "Infinity" and "-Infinity", as in Java.
///
/// - SeeAlso: Apache Avro specification, "JSON Encoding".
extension AvroSchema {
    /// The value that a JSON document stands for.
    ///
    /// Members of records may come in any order; unknown ones are refused, missing ones take the field's default.
    ///
    /// - Throws: `.malformed` with the path of what does not fit the schema.
    package func value(json: JSONValue) throws(AvroError) -> AvroValue {
        var reading = JSONReading(schema: self)
        return try reading.value(json, root, isDefault: false, 0)
    }

    /// The value of a default of a field of this type. In a default a union's value is one of the first branch that it
    /// fits (until Avro 1.11: of the first branch), and stands there without the branch's name.
    ///
    /// - Throws: `.invalidSchema` when it does not fit.
    package func defaultValue(_ json: JSONValue) throws(AvroError) -> AvroValue {
        var left = AvroDefaultsLeft()
        return try defaultValue(json, &left)
    }

    /// - Parameter left: of all defaults that are looked at together.
    package func defaultValue(_ json: JSONValue, _ left: inout AvroDefaultsLeft) throws(AvroError) -> AvroValue {
        var reading = JSONReading(schema: self, defaultsLeft: left)
        defer { left = reading.defaultsLeft }
        do throws(AvroError) {
            try reading.take(json)
            return try reading.value(json, root, isDefault: true, 0)
        } catch {
            throw AvroError(.invalidSchema, "default: \(error.message)")
        }
    }

    /// Checks a default of a field of this type as Java does when it reads a schema: of enums, fixed and bytes it asks for
    /// a string and no more, so that schemas whose defaults can never be used exist.
    ///
    /// - Throws: `.invalidSchema` when it does not fit.
    func checkDefault(_ json: JSONValue, _ left: inout AvroDefaultsLeft) throws(AvroError) {
        var reading = JSONReading(schema: self, isLenient: true, defaultsLeft: left)
        defer { left = reading.defaultsLeft }
        do throws(AvroError) {
            _ = try reading.value(json, root, isDefault: true, 0)
        } catch {
            throw AvroError(.invalidSchema, "default: \(error.message)")
        }
    }

    /// Appends the JSON encoding of `value`.
    ///
    /// - Throws: `.unfit` with the path of what does not fit the schema.
    package func appendJSON(_ value: AvroValue, to output: inout [UInt8]) throws(AvroError) {
        try JSONWriting(schema: self).write(value, root, to: &output, 0)
    }

    /// The JSON encoding of `value`, on one line.
    package func json(_ value: AvroValue) throws(AvroError) -> [UInt8] {
        var output: [UInt8] = []
        try appendJSON(value, to: &output)
        return output
    }
}

/// Values that may still be filled in while the defaults of a schema are read: defaults may lack fields again, and be
/// tried with branch after branch, which doubles with every level of a schema made for that.
package struct AvroDefaultsLeft: Sendable {
    private static let weightMax = 1 << 18
    private var weight = Self.weightMax

    package init() {}

    fileprivate mutating func take(_ json: JSONValue) throws(AvroError) {
        weight -= json.weight
        guard weight >= 0 else {
            weight = 0
            throw AvroError(
                .tooLarge,
                "more than \(Self.weightMax) values where fields of defaults take their default, or branches are tried")
        }
    }
}

private struct JSONReading {
    let schema: AvroSchema
    /// Takes any string for an enum, fixed or bytes; what is read is not the value then.
    let isLenient: Bool
    private(set) var defaultsLeft: AvroDefaultsLeft

    init(schema: AvroSchema, isLenient: Bool = false, defaultsLeft: AvroDefaultsLeft = AvroDefaultsLeft()) {
        self.schema = schema
        self.isLenient = isLenient
        self.defaultsLeft = defaultsLeft
    }

    /// What a field that is not there has for a default.
    mutating func take(_ json: JSONValue) throws(AvroError) { try defaultsLeft.take(json) }

    mutating func value(
        _ json: JSONValue, _ id: AvroSchema.ID, isDefault: Bool, _ depth: Int
    ) throws(AvroError) -> AvroValue {
        guard depth < AvroError.depthMax else { throw .tooDeep("the value") }
        switch schema.types[id].kind {
        case .primitive(let primitive): return try self.primitive(json, primitive, isDefault: isDefault)
        case .array(let items):
            guard let elements = json.elements else { throw Self.mismatch(json, "an array") }
            var values: [AvroValue] = []
            values.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                do throws(AvroError) {
                    values.append(try value(element, items, isDefault: isDefault, depth + 1))
                } catch {
                    throw error.at("\(index)")
                }
            }
            return .array(values)
        case .map(let type):
            guard let members = json.members else { throw Self.mismatch(json, "an object") }
            var entries: [AvroValue.Entry] = []
            entries.reserveCapacity(members.count)
            for (name, member) in members {
                do throws(AvroError) {
                    entries.append(.init(name, try value(member, type, isDefault: isDefault, depth + 1)))
                } catch {
                    throw error.at(name)
                }
            }
            return .map(entries)
        case .union(let branches): return try union(json, branches, isDefault: isDefault, depth)
        case .record(let record): return try self.record(json, record, isDefault: isDefault, depth)
        case .enumeration(let enumeration):
            guard let symbol = json.text, isLenient || enumeration.index(of: symbol) != nil else {
                throw Self.mismatch(json, "a symbol of enum \(enumeration.name.full)")
            }
            return .enumeration(symbol)
        case .fixed where isLenient && json.text != nil: return .fixed([])
        case .fixed(let fixed):
            guard let text = json.text, let bytes = Self.bytes(text), bytes.count == fixed.size else {
                throw Self.mismatch(json, "\(fixed.size) bytes as characters U+0000 to U+00FF")
            }
            return .fixed(bytes)
        }
    }

    private mutating func union(
        _ json: JSONValue, _ branches: [AvroSchema.ID], isDefault: Bool, _ depth: Int
    ) throws(AvroError) -> AvroValue {
        if isDefault { return try defaultOfUnion(json, branches, depth) }
        let name: String
        let inner: JSONValue
        if json == .null {
            name = "null"
            inner = json
        } else {
            guard let members = json.members, members.count == 1, let member = members.first else {
                throw Self.mismatch(json, "null or an object of one member, named after a branch of the union")
            }
            (name, inner) = member
        }
        guard let branch = branches.firstIndex(where: { schema.types[$0].branchName == name }) else {
            throw AvroError(.malformed, "the union has no branch \"\(name)\"")
        }
        do throws(AvroError) {
            return .union(branch: branch, try value(inner, branches[branch], isDefault: false, depth + 1))
        } catch {
            throw error.at(name)
        }
    }

    /// - SeeAlso: Apache Avro specification 1.12, "Complex Types", of the defaults of fields.
    private mutating func defaultOfUnion(
        _ json: JSONValue, _ branches: [AvroSchema.ID], _ depth: Int
    ) throws(AvroError) -> AvroValue {
        var misfit: AvroError?
        for (index, branch) in branches.enumerated() {
            if index > 0 { try take(json) }
            do throws(AvroError) {
                return .union(branch: index, try value(json, branch, isDefault: true, depth + 1))
            } catch {
                guard error.code == .malformed else { throw error }
                misfit = misfit ?? error
            }
        }
        throw misfit ?? Self.mismatch(json, "nothing, the union has no branches")
    }

    private mutating func record(
        _ json: JSONValue, _ record: AvroRecord, isDefault: Bool, _ depth: Int
    ) throws(AvroError) -> AvroValue {
        guard let members = json.members else { throw Self.mismatch(json, "an object") }
        var given = [JSONValue?](repeating: nil, count: record.fields.count)
        for (name, member) in members {
            guard let index = record.index(of: name) else {
                if isDefault { continue }  // Java accepts them, so schemas have them
                throw AvroError(.malformed, "record \(record.name.full) has no field \"\(name)\"")
            }
            given[index] = member
        }
        var fields: [AvroValue] = []
        fields.reserveCapacity(record.fields.count)
        for (index, field) in record.fields.enumerated() {
            do throws(AvroError) {
                if let member = given[index] {
                    fields.append(try value(member, field.type, isDefault: isDefault, depth + 1))
                } else if let json = field.defaultValue {
                    if isDefault {
                        try take(json)
                    }
                    fields.append(try value(json, field.type, isDefault: true, depth + 1))
                } else {
                    throw AvroError(.malformed, "the field is missing and has no default")
                }
            } catch {
                throw error.at(field.name)
            }
        }
        return .record(fields)
    }

    private func primitive(
        _ json: JSONValue, _ primitive: AvroPrimitive, isDefault: Bool
    ) throws(AvroError) -> AvroValue {
        switch primitive {
        case .null: if json == .null { return .null }
        case .boolean: if let flag = json.flag { return .boolean(flag) }
        case .int: if let number = integer(json, isDefault), let value = Int32(exactly: number) { return .int(value) }
        case .long: if let number = integer(json, isDefault) { return .long(number) }
        case .float: if let value = double(json) { return .float(Float(value)) }
        case .double: if let value = double(json) { return .double(value) }
        case .bytes where isLenient && json.text != nil: return .bytes([])
        case .bytes: if let bytes = json.text.flatMap(Self.bytes) { return .bytes(bytes) }
        case .string: if let text = json.text { return .string(text) }
        }
        throw Self.mismatch(json, primitive.rawValue)
    }

    /// An integer; written as 5.0 only where it is a value, as defaults have to be of their type.
    private func integer(_ json: JSONValue, _ isDefault: Bool) -> Int64? {
        if let number = json.integer { return number }
        return isDefault ? nil : json.decimal?.int64
    }

    private func double(_ json: JSONValue) -> Double? {
        switch json.text {
        case "NaN": .nan
        case "Infinity", "INF": .infinity
        case "-Infinity", "-INF": -.infinity
        case nil: json.double
        default: nil
        }
    }

    /// The bytes that a string of characters up to U+00FF stands for.
    private static func bytes(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func mismatch(_ json: JSONValue, _ wanted: String) -> AvroError {
        var text = String(decoding: json.bytes.prefix(100), as: UTF8.self)
        if text.utf8.count >= 100 { text += "..." }
        return AvroError(.malformed, "expected \(wanted), found \(text)")
    }
}

extension AvroError {
    /// The same error with one more step in front of its path: "/address/city: expected string".
    fileprivate func at(_ step: String) -> AvroError {
        AvroError(code, message.hasPrefix("/") ? "/\(step)\(message)" : "/\(step): \(message)")
    }
}

private struct JSONWriting {
    let schema: AvroSchema

    func write(
        _ value: AvroValue, _ id: AvroSchema.ID, to output: inout [UInt8], _ depth: Int
    ) throws(AvroError) {
        guard depth < AvroError.depthMax else { throw .tooDeep("the value") }
        let type = schema.types[id]
        switch (value, type.kind) {
        case (.null, .primitive(.null)): output += "null".utf8
        case (.boolean(let value), .primitive(.boolean)): output += (value ? "true" : "false").utf8
        case (.int(let value), .primitive(.int)): JSONText.append(Int64(value), to: &output)
        case (.long(let value), .primitive(.long)): JSONText.append(value, to: &output)
        case (.float(let value), .primitive(.float)): number(JavaNumber.text(value), value.isFinite, to: &output)
        case (.double(let value), .primitive(.double)): number(JavaNumber.text(value), value.isFinite, to: &output)
        case (.string(let text), .primitive(.string)): JSONText.quote(text, to: &output)
        case (.bytes(let bytes), .primitive(.bytes)): Self.quote(bytes, to: &output)
        case (.fixed(let bytes), .fixed(let fixed)) where bytes.count == fixed.size: Self.quote(bytes, to: &output)
        case (.enumeration(let symbol), .enumeration(let enumeration)) where enumeration.index(of: symbol) != nil:
            JSONText.quote(symbol, to: &output)
        case (.array(let elements), .array(let items)):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                try write(element, items, to: &output, depth + 1)
            }
            output.append(UInt8(ascii: "]"))
        case (.map(let entries), .map(let values)):
            output.append(UInt8(ascii: "{"))
            for (index, entry) in entries.enumerated() {
                name(entry.key, isFirst: index == 0, to: &output)
                try write(entry.value, values, to: &output, depth + 1)
            }
            output.append(UInt8(ascii: "}"))
        case (.record(let values), .record(let record)) where values.count == record.fields.count:
            output.append(UInt8(ascii: "{"))
            for (index, field) in record.fields.enumerated() {
                name(field.name, isFirst: index == 0, to: &output)
                try write(values[index], field.type, to: &output, depth + 1)
            }
            output.append(UInt8(ascii: "}"))
        case (.union(let branch, let value), .union(let branches)) where branches.indices.contains(branch):
            let type = schema.types[branches[branch]]
            if case .primitive(.null) = type.kind { return try write(value, branches[branch], to: &output, depth + 1) }
            output.append(UInt8(ascii: "{"))
            name(type.branchName, isFirst: true, to: &output)
            try write(value, branches[branch], to: &output, depth + 1)
            output.append(UInt8(ascii: "}"))
        default: throw AvroError(.unfit, "a value of type \(value.word) does not fit the schema's \(type.branchName)")
        }
    }

    private func number(_ text: String, _ isFinite: Bool, to output: inout [UInt8]) {
        output += (isFinite ? text : "\"\(text)\"").utf8
    }

    private func name(_ name: String, isFirst: Bool, to output: inout [UInt8]) {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        JSONText.quote(name, to: &output)
        output.append(UInt8(ascii: ":"))
    }

    private static func quote(_ bytes: [UInt8], to output: inout [UInt8]) {
        JSONText.quote(String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })), to: &output)
    }
}
