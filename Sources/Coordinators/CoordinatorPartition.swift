/// The partition of an internal topic that keeps the state of a group or transactional id: Java's hash of the string,
/// made positive, modulo the number of partitions.
///
/// - SeeAlso: upstream `Utils.abs`, which maps the one value without a positive counterpart to 0.
package func coordinatorPartition(of key: String, count: Int32) -> Int32 {
    var hash: Int32 = 0
    for unit in key.utf16 { hash = hash &* 31 &+ Int32(unit) }
    return (hash == .min ? 0 : abs(hash)) % max(1, count)
}
