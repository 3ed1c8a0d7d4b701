/// Which keys of left rows refer to which key of the right side, in a foreign-key join.
///
/// The subscriptions of a foreign key are a list through records of a table: both ends of each link are places of records,
/// which stay where they are, as their values keep their size.
///
/// | table     | key                                          | value                                    |
/// |-----------|----------------------------------------------|------------------------------------------|
/// | `heads`   | foreign key                                  | place of the first subscription (8)      |
/// | `entries` | bytes of the foreign key (4), it, the own key | places of the next and the one before (8, 8); 0 is none |
final class SubscriptionTable {
    private let heads = SlabTable()
    private let entries = SlabTable()
    private let scratch = ScratchBytes()

    var tables: [SlabTable] { [heads, entries] }
    var count: Int { entries.count }

    func insert(_ foreign: UnsafeRawBufferPointer, _ own: UnsafeRawBufferPointer) throws(EngineError) {
        setKey(foreign, own)
        let key = scratch.bytes
        let hash = hashBytes(key)
        guard entries.find(key, hash: hash) == 0 else { return }
        let head = heads.find(foreign)
        let next = head == 0 ? 0 : heads.value(at: head).loadUnaligned(as: Int.self)
        var links = (next, 0)
        let place = try Self.withBytes(of: &links) { value throws(EngineError) in
            try entries.put(key, hash: hash, place: 0, value: value)
        }
        if next != 0 { entries.value(at: next).storeBytes(of: place, toByteOffset: 8, as: Int.self) }
        if head != 0 {
            heads.value(at: head).storeBytes(of: place, as: Int.self)
        } else {
            var first = place
            _ = try Self.withBytes(of: &first) { value throws(EngineError) in
                try heads.put(foreign, hash: hashBytes(foreign), place: 0, value: value)
            }
        }
    }

    func remove(_ foreign: UnsafeRawBufferPointer, _ own: UnsafeRawBufferPointer) {
        setKey(foreign, own)
        let key = scratch.bytes
        let hash = hashBytes(key)
        let place = entries.find(key, hash: hash)
        guard place != 0 else { return }
        let links = entries.value(at: place)
        let next = links.loadUnaligned(as: Int.self)
        let before = links.loadUnaligned(fromByteOffset: 8, as: Int.self)
        if next != 0 { entries.value(at: next).storeBytes(of: before, toByteOffset: 8, as: Int.self) }
        if before != 0 {
            entries.value(at: before).storeBytes(of: next, as: Int.self)
        } else {
            let head = heads.find(foreign)
            if next == 0 {
                heads.remove(foreign, hash: hashBytes(foreign), place: head)
            } else if head != 0 {
                heads.value(at: head).storeBytes(of: next, as: Int.self)
            }
        }
        entries.remove(key, hash: hash, place: place)
    }

    /// The own keys that refer to a foreign key, in the order of their bytes.
    func subscribers(_ foreign: UnsafeRawBufferPointer) -> [[UInt8]] {
        let head = heads.find(foreign)
        guard head != 0 else { return [] }
        var result: [[UInt8]] = []
        var place = heads.value(at: head).loadUnaligned(as: Int.self)
        while place != 0 {
            result.append([UInt8](entries.key(at: place)[(4 + foreign.count)...]))
            place = entries.value(at: place).loadUnaligned(as: Int.self)
        }
        return result.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func setKey(_ foreign: UnsafeRawBufferPointer, _ own: UnsafeRawBufferPointer) {
        scratch.clear()
        scratch.append(UInt32(truncatingIfNeeded: foreign.count))
        scratch.append(foreign)
        scratch.append(own)
    }

    private static func withBytes<Value, Result>(
        of value: inout Value, _ body: (UnsafeRawBufferPointer) throws(EngineError) -> Result
    ) throws(EngineError) -> Result {
        try withUnsafeBytes(of: &value) { bytes throws(EngineError) in try body(bytes) }
    }
}
