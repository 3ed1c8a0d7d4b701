import Synchronization

/// What has been worked out for schemas or texts, up to a number; when it is full it begins anew.
package final class ConnectCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let known = Mutex<[Key: Value]>([:])
    private let countMax: Int

    package init(countMax: Int) { self.countMax = max(1, countMax) }

    package subscript(key: Key) -> Value? {
        get { known.withLock { $0[key] } }
        set {
            known.withLock {
                if $0.count >= countMax { $0 = [:] }
                $0[key] = newValue
            }
        }
    }
}

typealias ConnectSchemaCache<Key: Hashable & Sendable> = ConnectCache<Key, ConnectSchema>

/// A schema by its identity, which is quicker to compare than what it says.
struct SchemaObject: Hashable, Sendable {
    let schema: ConnectSchema

    static func == (a: Self, b: Self) -> Bool { a.schema === b.schema }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(schema)) }
}

/// What a transform makes of the schemas that it meets, of which there are few.
final class UpdatedSchemas: Sendable {
    private let known = Mutex<[(from: ConnectSchema, to: ConnectSchema)]>([])
    private static let countMax = 16

    /// The schema that was made of this one, else what `make` makes of it.
    func callAsFunction(
        _ schema: ConnectSchema, _ make: (ConnectSchema) throws(ConnectError) -> ConnectSchema
    ) throws(ConnectError) -> ConnectSchema {
        let found = known.withLock { known in
            (known.first { $0.from === schema } ?? known.first { $0.from == schema })?.to
        }
        if let found { return found }
        let made = try make(schema)
        known.withLock {
            if $0.count >= Self.countMax { $0.removeFirst() }
            $0.append((schema, made))
        }
        return made
    }
}
