#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The sessions of a key in their order, in the memory of a table: valid until that table changes.
///
/// | at | bytes | field                                                    |
/// |---:|------:|----------------------------------------------------------|
/// |  0 |     8 | sessions                                                 |
/// |  8 |    24 | of each: start, end, its number; and room for more       |
struct SessionOrder {
    struct Entry {
        var start: Int64
        var end: Int64
        var number: Int64
    }

    static let headBytes = 8
    static let entryBytes = 24
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    init?(_ value: UnsafeMutableRawBufferPointer) {
        guard let base = value.baseAddress else { return nil }
        self.base = base
        byteCount = value.count
    }

    var count: Int {
        get { Int(base.loadUnaligned(as: Int64.self)) }
        nonmutating set { base.storeBytes(of: Int64(newValue), as: Int64.self) }
    }
    var capacity: Int { (byteCount - Self.headBytes) / Self.entryBytes }

    func entry(at index: Int) -> UnsafeMutableRawPointer { base + Self.headBytes + index * Self.entryBytes }

    subscript(index: Int) -> Entry {
        get {
            let at = entry(at: index)
            return Entry(
                start: at.loadUnaligned(as: Int64.self), end: (at + 8).loadUnaligned(as: Int64.self),
                number: (at + 16).loadUnaligned(as: Int64.self))
        }
        nonmutating set {
            let at = entry(at: index)
            at.storeBytes(of: newValue.start, as: Int64.self)
            (at + 8).storeBytes(of: newValue.end, as: Int64.self)
            (at + 16).storeBytes(of: newValue.number, as: Int64.self)
        }
    }

    /// The first entry that ends at `end` or behind it.
    func first(endingFrom end: Int64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].end < end { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Moves the entries from `index` on by some places, and counts so many more or fewer.
    func move(from index: Int, by places: Int) {
        let rest = (count - index) * Self.entryBytes
        if rest > 0 { memmove(entry(at: index + places), entry(at: index), rest) }
        count += places
    }
}
