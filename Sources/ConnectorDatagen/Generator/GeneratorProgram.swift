import Avro
import ConnectCore
import Environment
import JSONFormat

/// What a schema and its `arg.properties` ask for, checked once. Generators are made from it.
struct GeneratorProgram: Sendable {
    let schema: ConnectSchema
    let root: RecordGenerator.Node
    let integers: [Iteration]
    let fractions: [FractionIteration]
    let flags: [Bool]

    /// - Parameters:
    ///   - text: the Avro schema; comments are allowed.
    ///   - past: how many values were made before: iterations go on behind them.
    init(_ text: String, past: Int64 = 0) throws(ConnectError) {
        let avro: AvroSchema
        do throws(AvroError) {
            avro = try AvroSchema(text)
        } catch {
            throw ConnectError(.connect, "Unable to parse the provided schema: \(error)")
        }
        guard case .record = avro.type.kind else {
            throw ConnectError(
                .connect, "The schema has to be a record, as records are what is generated; it is \(avro.type.word)")
        }
        let reader = try AvroSchemaReader(avro, AvroMapping.Options())
        guard let schema = reader.root else { throw ConnectError(.connect, "The schema has no Connect schema") }
        // What has no end is not generated.
        try schema.requireTree("the generator")
        var builder = Builder(avro: avro, reader: reader, past: past)
        do throws(DatagenError) {
            root = try builder.node(avro.root, schema, nil, "")
        } catch {
            throw ConnectError(.connect, "The schema cannot be generated from: \(error)")
        }
        self.schema = schema
        integers = builder.integers
        fractions = builder.fractions
        flags = builder.flags
    }

    private struct Builder {
        typealias Node = RecordGenerator.Node
        typealias Lengths = RecordGenerator.Lengths

        let avro: AvroSchema
        let reader: AvroSchemaReader
        let past: Int64
        var integers: [Iteration] = []
        var fractions: [FractionIteration] = []
        var flags: [Bool] = []
        /// Types whose iteration has a slot: a named type that stands in several places counts on in all of them.
        private var slots: [AvroSchema.ID: Int] = [:]

        init(avro: AvroSchema, reader: AvroSchemaReader, past: Int64) {
            self.avro = avro
            self.reader = reader
            self.past = past
        }

        /// - Parameters:
        ///   - target: the Connect schema of the place, which is the type's or, in an optional field, the same but optional.
        ///   - outer: `arg.properties` of the field, which count where the type has none, and for its union.
        ///   - path: of the place, for messages.
        mutating func node(
            _ id: AvroSchema.ID, _ target: ConnectSchema, _ outer: JSONValue?, _ path: String
        ) throws(DatagenError) -> Node {
            let type = avro.types[id]
            let own = type.properties.last { $0.name == GeneratorProgram.property }?.value
            let given = own ?? outer
            if let given, given.members == nil {
                throw DatagenError("'\(GeneratorProgram.property)'\(at(path)) has to be an object")
            }
            let arguments = Arguments(given ?? .object([]), path)
            if case .union(let branches) = type.kind { return try union(branches, target, arguments, path) }
            if let options = arguments["options"] {
                try arguments.exclude(["length", "regex", "iteration", "range"], with: "options")
                return .options(try self.options(options, id, target, arguments))
            }
            if let iteration = arguments["iteration"] {
                try arguments.exclude(["length", "regex", "range"], with: "iteration")
                return try self.iteration(iteration, id, target, arguments)
            }
            switch type.kind {
            case .primitive(let primitive): return try self.primitive(primitive, target, arguments)
            case .fixed(let fixed):
                if target.logicalType == .decimal { return try decimal(target, arguments) }
                return .fixed(byteCount: fixed.size)
            case .enumeration(let enumeration): return .options(enumeration.symbols.map { .string($0) })
            case .array(let items):
                let lengths = try arguments.lengths()
                if target.kind == .map { return try entries(items, target, lengths, path) }
                guard let element = target.valueSchema else { return .constant(.array([])) }
                return .array(try node(items, element, nil, path + "[]"), lengths)
            case .map(let values):
                guard let element = target.valueSchema else { return .constant(.map(ConnectMap())) }
                return .map(
                    keys: try keys(arguments), values: try node(values, element, nil, path + "{}"),
                    try arguments.lengths())
            case .record(let record):
                var fields: [Node] = []
                for (field, connect) in zip(record.fields, target.fields) {
                    let place = path.isEmpty ? field.name : path + "." + field.name
                    let outer = field.properties.last { $0.name == GeneratorProgram.property }?.value
                    fields.append(try node(field.type, connect.schema, outer, place))
                }
                return .record(target, fields)
            case .union: return .constant(.null)
            }
        }

        private mutating func primitive(
            _ primitive: AvroPrimitive, _ target: ConnectSchema, _ arguments: Arguments
        ) throws(DatagenError) -> Node {
            switch primitive {
            case .null: return .constant(.null)
            case .boolean:
                let odds = try arguments.number("odds")
                if let odds, !(0...1).contains(odds) {
                    throw DatagenError("odds property must be in the range [0.0, 1.0]\(arguments.place)")
                }
                return .boolean(odds: odds)
            case .int:
                guard let (min, max) = try arguments.integers(Int64(Int32.min)...Int64(Int32.max)) else {
                    return .anyInt(target.logicalType)
                }
                return .int(min: min, span: Double(max) - Double(min), target.logicalType)
            case .long:
                guard let (min, max) = try arguments.integers(Int64.min...Int64.max) else {
                    return .anyLong(target.logicalType)
                }
                return .long(min: min, span: Double(max) - Double(min), target.logicalType)
            case .float:
                let most = Double(Float.greatestFiniteMagnitude)
                guard let (min, max) = try arguments.fractions(-most...most) else { return .float(min: 0, span: 1) }
                return .float(min: Float(min), span: Float(max) - Float(min))
            case .double:
                let most = Double.greatestFiniteMagnitude
                guard let (min, max) = try arguments.fractions(-most...most) else { return .double(min: 0, span: 1) }
                return .double(min: min, span: Swift.min(max - min, most))
            case .bytes:
                if target.logicalType == .decimal { return try decimal(target, arguments) }
                return .bytes(try arguments.lengths())
            case .string: return try text(arguments)
            }
        }

        private func decimal(_ target: ConnectSchema, _ arguments: Arguments) throws(DatagenError) -> Node {
            let scale: Int
            do throws(ConnectError) { scale = try target.decimalScale() } catch { throw DatagenError(error.message) }
            if let (min, max) = try arguments.fractions(-1e15...1e15) {
                return .decimalRange(min: min, span: max - min, scale: scale)
            }
            let precision = target.parameter("connect.decimal.precision").flatMap { Int($0) } ?? 64
            return .decimal(precision: precision, scale: scale)
        }

        private func text(_ arguments: Arguments) throws(DatagenError) -> Node {
            let prefix = try arguments.text("prefix") ?? ""
            let suffix = try arguments.text("suffix") ?? ""
            var node: Node
            if let kind = try arguments.text("kind") {
                guard let known = RecordGenerator.TextKind(rawValue: kind.lowercased()) else {
                    throw DatagenError("kind '\(kind)'\(arguments.place) has to be one of uuid, email and name")
                }
                node = .kind(known)
            } else if let pattern = try arguments.text("regex") {
                node = .pattern(try RandomText(pattern), try arguments.lengths(), prefix: prefix, suffix: suffix)
            } else {
                node = .text(try arguments.lengths(), prefix: prefix, suffix: suffix)
            }
            if let rate = try arguments.number("malformed-rate") {
                guard (0...1).contains(rate) else {
                    throw DatagenError("malformed-rate property must be in the range [0.0, 1.0]\(arguments.place)")
                }
                node = .malformed(rate: rate, node)
            }
            return node
        }

        private func keys(_ arguments: Arguments) throws(DatagenError) -> Node {
            guard let given = arguments["keys"] else {
                return .text(Lengths(min: 1, end: 2), prefix: "", suffix: "")
            }
            guard given.members != nil else { throw DatagenError("keys prop must be an object\(arguments.place)") }
            let keys = Arguments(given, arguments.path + "{keys}")
            guard let options = keys["options"] else { return try text(keys) }
            var texts: [ConnectValue] = []
            for option in try elements(options, keys) {
                guard let text = option.text else {
                    throw DatagenError("Invalid option for string schema: \(Self.shown(option))\(keys.place)")
                }
                texts.append(.string(text))
            }
            return .options(texts)
        }

        private mutating func entries(
            _ items: AvroSchema.ID, _ target: ConnectSchema, _ lengths: Lengths, _ path: String
        ) throws(DatagenError) -> Node {
            guard case .record(let record) = avro.types[items].kind, let key = record.index(of: "key"),
                let value = record.index(of: "value"), let keySchema = target.keySchema,
                let valueSchema = target.valueSchema
            else { return .constant(.map(ConnectMap())) }
            var fields = [ConnectSchema.Field("key", keySchema), .init("value", valueSchema)]
            if key > value { fields.reverse() }
            return .entries(
                key: key, value: value, try node(items, .structure(fields), nil, path + "[]"), lengths)
        }

        private mutating func union(
            _ branches: [AvroSchema.ID], _ target: ConnectSchema, _ arguments: Arguments, _ path: String
        ) throws(DatagenError) -> Node {
            let isStruct = target.kind == .structure && target.name == AvroSchemaReader.unionName
            // What the field says of options and ranges is meant for the only type that can have them.
            let hasOneType = branches.count <= 2 && !isStruct
            var made: [RecordGenerator.Branch] = []
            var place = 0
            for id in branches {
                if case .primitive(.null) = avro.types[id].kind {
                    made.append(.init(node: nil, wrapper: nil))
                    continue
                }
                let schema = isStruct && target.fields.indices.contains(place) ? target.fields[place].schema : target
                let node = try self.node(id, schema, hasOneType ? arguments.json : nil, path)
                made.append(.init(node: node, wrapper: isStruct ? (schema: target, place: place) : nil))
                place += 1
            }
            let position = try arguments.integer("position")
            if let position, !made.indices.contains(Int(clamping: position)) {
                throw DatagenError("position \(position)\(arguments.place) is none of the union's \(made.count)")
            }
            return .union(
                made, weights: try arguments.distribution(made.count), position: position.map { Int(clamping: $0) })
        }

        // MARK: options

        private func options(
            _ options: JSONValue, _ id: AvroSchema.ID, _ target: ConnectSchema, _ arguments: Arguments
        ) throws(DatagenError) -> [ConnectValue] {
            if options.members != nil { return try fileOptions(Arguments(options, arguments.path), id, target) }
            var values: [ConnectValue] = []
            for option in try elements(options, arguments) {
                values.append(try value(option, id, target, arguments))
            }
            return values
        }

        private func elements(_ options: JSONValue, _ arguments: Arguments) throws(DatagenError) -> [JSONValue] {
            guard let elements = options.elements else {
                throw DatagenError("options prop must be an array or an object\(arguments.place)")
            }
            guard !elements.isEmpty else { throw DatagenError("options property cannot be empty\(arguments.place)") }
            return elements
        }

        private func value(
            _ option: JSONValue, _ id: AvroSchema.ID, _ target: ConnectSchema, _ arguments: Arguments
        ) throws(DatagenError) -> ConnectValue {
            let invalid = DatagenError(
                "Invalid option for \(avro.types[id].word) schema\(arguments.place): \(Self.shown(option))")
            let value: AvroValue
            do throws(AvroError) { value = try avro[id].defaultValue(option) } catch { throw invalid }
            return try connect(value, id, target, invalid)
        }

        private func connect(
            _ value: AvroValue, _ id: AvroSchema.ID, _ target: ConnectSchema, _ invalid: DatagenError
        ) throws(DatagenError) -> ConnectValue {
            do throws(ConnectError) {
                let made = try reader.value(value, of: id)
                // In an optional field the struct's schema is the field's.
                if case .structure(let structure) = made, target.kind == .structure {
                    return .structure(ConnectStruct(target, values: structure.values))
                }
                return made
            } catch {
                throw invalid
            }
        }

        private func fileOptions(
            _ arguments: Arguments, _ id: AvroSchema.ID, _ target: ConnectSchema
        ) throws(DatagenError) -> [ConnectValue] {
            guard let path = try arguments.text("file") else {
                throw DatagenError("options property must contain 'file' field when given as object\(arguments.place)")
            }
            let encoding = try arguments.text("encoding") ?? ""
            let bytes: [UInt8]
            do throws(DiskError) { bytes = try StreamFile.contents(path) } catch {
                throw DatagenError("Unable to read options file '\(path)'\(arguments.place): \(error.reason)")
            }
            let invalid = DatagenError("options file '\(path)'\(arguments.place) does not hold what its schema says")
            var values: [ConnectValue] = []
            switch encoding {
            case "json":
                var scanner = JSONScanner(bytes)
                scanner.skipSpace()
                while !scanner.isAtEnd {
                    guard let text = scanner.value(), let json = JSONValue.parse(text) else { throw invalid }
                    scanner.skipSpace()
                    // One array of all the options is what people write, too.
                    if values.isEmpty, scanner.isAtEnd, target.kind != .array, let all = json.elements {
                        for option in all { values.append(try value(option, id, target, arguments)) }
                    } else {
                        values.append(try value(json, id, target, arguments))
                    }
                }
            case "binary":
                var decoded: [AvroValue] = []
                do throws(AvroError) {
                    let decoder = try AvroDecoder(writer: avro[id])
                    var at = 0
                    while at < bytes.count {
                        let before = at
                        decoded.append(try decoder.decode(bytes.span.bytes, at: &at))
                        // Values without bytes would never come to an end.
                        if at == before { break }
                    }
                } catch { throw invalid }
                for value in decoded { values.append(try connect(value, id, target, invalid)) }
            default:
                throw DatagenError(
                    "'encoding' field of options property\(arguments.place) only supports two formats: 'binary' and 'json'"
                )
            }
            guard !values.isEmpty else { throw DatagenError("options file '\(path)' is empty") }
            return values
        }

        private static func shown(_ json: JSONValue) -> String {
            "'" + String(decoding: json.bytes.prefix(100), as: UTF8.self) + "'"
        }

        // MARK: iterations

        private mutating func iteration(
            _ json: JSONValue, _ id: AvroSchema.ID, _ target: ConnectSchema, _ arguments: Arguments
        ) throws(DatagenError) -> Node {
            guard json.members != nil else {
                throw DatagenError("iteration prop must be an object\(arguments.place)")
            }
            let inner = Arguments(json, arguments.path)
            let type = avro.types[id]
            guard case .primitive(let primitive) = type.kind else {
                throw DatagenError(
                    "iteration property can only be specified on numeric, boolean or string schemas, not \(type.word)"
                        + " schema\(arguments.place)")
            }
            switch primitive {
            case .boolean:
                guard let start = inner["start"]?.flag else {
                    throw DatagenError(
                        "start field of iteration property for a boolean schema must be a boolean\(arguments.place)")
                }
                try inner.refuse(["restart", "step"], "for a boolean schema")
                if slots[id] == nil {
                    slots[id] = flags.count
                    flags.append((past % 2 == 1) != start)
                }
                return .flags(slot: slots[id] ?? 0)
            case .int, .long, .string:
                let isInt = primitive != .long
                let limits = isInt ? Int64(Int32.min)...Int64(Int32.max) : Int64.min...Int64.max
                if slots[id] == nil {
                    slots[id] = integers.count
                    integers.append(try integral(inner, limits))
                }
                let slot = slots[id] ?? 0
                if primitive != .string { return .integers(slot: slot, isInt: isInt, target.logicalType) }
                return .numbered(
                    slot: slot, prefix: try arguments.text("prefix") ?? "", suffix: try arguments.text("suffix") ?? "")
            case .float, .double:
                if slots[id] == nil {
                    slots[id] = fractions.count
                    fractions.append(try fraction(inner, primitive == .float))
                }
                return .fractions(slot: slots[id] ?? 0, isFloat: primitive == .float)
            case .null, .bytes:
                throw DatagenError(
                    "iteration property can only be specified on numeric, boolean or string schemas, not \(type.word)"
                        + " schema\(arguments.place)")
            }
        }

        private func integral(_ inner: Arguments, _ limits: ClosedRange<Int64>) throws(DatagenError) -> Iteration {
            func field(_ name: String) throws(DatagenError) -> Int64? {
                guard let value = try inner.integer(name) else { return nil }
                guard limits.contains(value) else {
                    throw DatagenError("'\(name)' field of iteration property\(inner.place) is out of the type's range")
                }
                return value
            }
            guard let start = try field("start") else {
                throw DatagenError("iteration property must contain start field\(inner.place)")
            }
            let given = try (restart: field("restart"), step: field("step"))
            try Self.check(
                hasRestart: given.restart != nil, isEqual: given.restart == start,
                isUp: given.restart.map { $0 > start }, step: given.step.map { Double($0) }, inner)
            let step = given.step ?? (given.restart.map { $0 > start } ?? true ? 1 : -1)
            let restart = given.restart ?? (step > 0 ? limits.upperBound : limits.lowerBound)
            guard restart != start else {
                throw DatagenError("start field of iteration property\(inner.place) is the last of the type's values")
            }
            return Iteration(
                start: start, restart: restart, step: step, initial: try field("initial") ?? start, past: past)
        }

        private func fraction(_ inner: Arguments, _ isFloat: Bool) throws(DatagenError) -> FractionIteration {
            guard let start = try inner.number("start") else {
                throw DatagenError("iteration property must contain start field\(inner.place)")
            }
            let given = try (restart: inner.number("restart"), step: inner.number("step"))
            try Self.check(
                hasRestart: given.restart != nil, isEqual: given.restart == start,
                isUp: given.restart.map { $0 > start }, step: given.step, inner)
            let step = given.step ?? (given.restart.map { $0 > start } ?? true ? 1 : -1)
            let most = isFloat ? Double(Float.greatestFiniteMagnitude) : Double.greatestFiniteMagnitude
            let made = FractionIteration(
                start: start, restart: given.restart ?? (step > 0 ? most : -most), step: step,
                initial: try inner.number("initial") ?? start, past: past)
            guard let made else { throw DatagenError("iteration\(inner.place) needs finite numbers") }
            return made
        }

        private static func check(
            hasRestart: Bool, isEqual: Bool, isUp: Bool?, step: Double?, _ inner: Arguments
        ) throws(DatagenError) {
            if step == 0 { throw DatagenError("step field of iteration property cannot be zero\(inner.place)") }
            if isEqual {
                throw DatagenError("start and restart fields of iteration property cannot be equal\(inner.place)")
            }
            guard let isUp, let step else { return }
            if isUp, step < 0 {
                throw DatagenError(
                    "step field of iteration property must be positive when restart field is greater than start field"
                        + inner.place)
            }
            if !isUp, step > 0 {
                throw DatagenError(
                    "step field of iteration property must be negative when restart field is less than start field"
                        + inner.place)
            }
        }

        private func at(_ path: String) -> String { path.isEmpty ? "" : " of '\(path)'" }
    }

    /// The name under which a schema says how its values are made.
    static let property = "arg.properties"
}
