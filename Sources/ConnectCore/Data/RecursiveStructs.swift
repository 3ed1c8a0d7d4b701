import Synchronization

/// The structs of one schema that contain themselves, by number: what stands at each place where the schema comes back to
/// one of them is a `StructReference`.
///
/// A schema that contains itself is endless when it is followed. So it is unrolled one level at a time, where somebody
/// looks, and what was unrolled belongs to the place above it: references point down the levels and to the definitions,
/// which point to nothing of theirs, so that all of it goes with its last user.
package final class RecursiveStructs: Sendable {
    /// Each struct as its reader built it: the references in it know their numbers only.
    fileprivate let definitions: [ConnectSchema]
    /// Schemas that may still be kept. Data with many paths through the schema unroll the others again and again.
    private let schemasLeft = Atomic<Int>(100_000)

    fileprivate init(_ definitions: [ConnectSchema]) { self.definitions = definitions }

    /// - Parameter count: of the schemas that were made for a level.
    fileprivate func mayKeepLevel(of count: Int) -> Bool {
        schemasLeft.load(ordering: .relaxed) > 0 && schemasLeft.subtract(count, ordering: .relaxed).newValue >= 0
    }
}

/// Makes parts of definitions in which the references are at home. Used by one caller.
private final class Binding {
    private let home: RecursiveStructs
    /// What was made of a schema, which is there meanwhile: types that stand in many places stay one.
    private var made: [ObjectIdentifier: (from: ConnectSchema, to: ConnectSchema)] = [:]
    /// How many schemas were made, and how many fields they have, of which four are about as large as a schema.
    private(set) var count = 0

    init(_ home: RecursiveStructs) { self.home = home }

    func bound(_ schema: ConnectSchema) -> ConnectSchema {
        if let reference = schema.reference {
            guard !reference.isBound, home.definitions.indices.contains(reference.number) else { return schema }
            return self.reference(to: reference.number, at: schema)
        }
        guard schema.isRecursive else { return schema }
        if let known = made[ObjectIdentifier(schema)] { return known.to }
        count += 1 + schema.fields.count / 4
        let new = ConnectSchema(
            schema.kind, isOptional: schema.isOptional, defaultValue: schema.defaultValue.map(bound), name: schema.name,
            version: schema.version, doc: schema.doc, parameters: schema.parameters,
            fields: schema.fields.map { .init($0.name, bound($0.schema)) }, keySchema: schema.keySchema.map(bound),
            valueSchema: schema.valueSchema.map(bound), reference: nil,
            origin: .init(home: ObjectIdentifier(home), number: -1, part: ObjectIdentifier(schema)))
        made[ObjectIdentifier(schema)] = (schema, new)
        return new
    }

    /// - Parameter place: what the place itself says: that a value may be missing, parameters of its own.
    private func reference(to number: Int, at place: ConnectSchema) -> ConnectSchema {
        count += 1
        let definition = home.definitions[number]
        let own = place.parameters
        return ConnectSchema(
            .structure, isOptional: definition.isOptional || place.isOptional,
            defaultValue: (place.defaultValue ?? definition.defaultValue).map(bound), name: definition.name,
            version: definition.version, doc: definition.doc,
            parameters: definition.parameters.filter { known in !own.contains { $0.name == known.name } } + own,
            reference: StructReference(number, home: home))
    }

    private func bound(_ value: ConnectValue) -> ConnectValue {
        switch value {
        case .structure(let value) where value.schema.isRecursive:
            .structure(ConnectStruct(bound(value.schema), values: value.values.map(bound)))
        case .array(let elements): .array(elements.map(bound))
        case .map(let map): .map(ConnectMap(map.entries.map { ($0.key, bound($0.value)) }))
        default: value
        }
    }
}

/// The struct of a number, at a place inside itself.
final class StructReference: Sendable {
    struct Level: Sendable {
        var fields: [ConnectSchema.Field] = []
        var places: [String: Int] = [:]
    }

    /// What tells one struct from others as long as both are there.
    struct Identity: Hashable {
        var home: ObjectIdentifier?
        var number: Int
        /// Of a struct around references: the part of the definitions that it was unrolled from.
        var part: ObjectIdentifier? = nil
    }

    let number: Int
    /// nil while the definitions are being built.
    private let home: RecursiveStructs?
    private let kept = Mutex<Level?>(nil)

    fileprivate init(_ number: Int, home: RecursiveStructs?) {
        self.number = number
        self.home = home
    }

    var isBound: Bool { home != nil }

    var identity: Identity { Identity(home: home.map { ObjectIdentifier($0) }, number: number) }

    /// The fields, unrolled by one level.
    var level: Level {
        guard let home else { return Level() }
        if let known = kept.withLock({ $0 }) { return known }
        let binding = Binding(home)
        let fields = home.definitions[number].fields.map { ConnectSchema.Field($0.name, binding.bound($0.schema)) }
        let made = Level(fields: fields, places: ConnectSchema.places(fields))
        return kept.withLock { kept in
            // Another thread's, so that all see the same schemas.
            if let kept { return kept }
            if home.mayKeepLevel(of: 1 + fields.count / 4 + binding.count) { kept = made }
            return made
        }
    }
}

/// Makes schemas of which structs contain themselves: a reader asks for each struct by its key, in whatever order.
struct RecursiveStructBuilder<Key: Hashable> {
    private var numbers: [Key: Int] = [:]
    private var open: Set<Key> = []
    private var built: [Key: ConnectSchema] = [:]

    /// The struct of a key where it has been made, a reference to it while it is being made.
    ///
    /// - Returns: nil when the caller is to make it, and to `end` with it.
    mutating func begin(_ key: Key) -> ConnectSchema? {
        if let known = built[key] { return known }
        if open.insert(key).inserted { return nil }
        let number = numbers[key] ?? numbers.count
        numbers[key] = number
        return ConnectSchema(.structure, reference: StructReference(number, home: nil))
    }

    mutating func end(_ key: Key, _ made: ConnectSchema) {
        open.remove(key)
        built[key] = made
    }

    /// What makes schemas of this builder whole, when all of them have been made.
    ///
    /// - Throws: `.data` where something else than a struct contains itself: an array of itself, say.
    func finish() throws(ConnectError) -> (Key?, ConnectSchema) -> ConnectSchema {
        guard !numbers.isEmpty else { return { _, schema in schema } }
        var definitions: [ConnectSchema] = []
        for (key, _) in numbers.sorted(by: { $0.value < $1.value }) {
            guard let made = built[key], made.kind == .structure, made.reference == nil else {
                throw .data("A schema contains itself without a struct in between, which Connect has no type for")
            }
            definitions.append(made)
        }
        let binding = Binding(RecursiveStructs(definitions))
        let numbers = numbers
        return { key, schema in
            guard let key, let number = numbers[key] else { return binding.bound(schema) }
            // The struct itself is as the places inside it are.
            return binding.bound(
                ConnectSchema(
                    .structure, isOptional: schema.isOptional, defaultValue: schema.defaultValue,
                    parameters: schema.parameters, reference: StructReference(number, home: nil)))
        }
    }
}

extension ConnectSchema {
    /// What is made of each place of a schema by itself may be made of so many.
    package static let unfoldedCountMax = 100_000

    /// Whether a program may be made of it that has a part for each of its places.
    var isProgrammable: Bool { !isRecursive && unfoldedCount <= 10_000 }

    /// Checks that a schema can be written out with each type at each of its places.
    ///
    /// - Parameter reader: what has no names for types that are there already: "Parquet".
    /// - Throws: `.data` for a schema that contains itself, or has more than `unfoldedCountMax` places.
    package func requireTree(_ reader: String) throws(ConnectError) {
        if isRecursive { throw .data("\(self) contains itself, and \(reader) has no such types") }
        guard unfoldedCount > Self.unfoldedCountMax else { return }
        throw .data(
            "\(self) has more than \(Self.unfoldedCountMax) fields when types that are used several times are written out, "
                + "as \(reader) needs them")
    }
}
