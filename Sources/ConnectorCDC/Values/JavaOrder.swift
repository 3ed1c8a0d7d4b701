/// The order in which a HashMap of Java gives its entries out, which some texts of the original show.
///
/// - Parameter capacity: the map's at first, a power of two.
func javaOrdered<Value>(
    _ entries: [(key: String, value: Value)], capacity: UInt32 = 16
) -> [(key: String, value: Value)] {
    var size = capacity
    // It doubles when more than three quarters are full.
    while entries.count > Int(size) * 3 / 4 { size *= 2 }
    let ranked = entries.enumerated().map { place, entry in
        let hash = entry.key.utf16.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
        return (bucket: (hash ^ hash >> 16) & (size - 1), place: place, entry: entry)
    }
    // Entries that meet in one place stay in the order in which they came.
    return ranked.sorted { ($0.bucket, $0.place) < ($1.bucket, $1.place) }.map(\.entry)
}
