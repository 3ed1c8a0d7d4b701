import Synchronization

/// Ids of the queries of clients.
enum QueryID {
    private static let number = Atomic<UInt64>(0)

    /// An id that no other query of any server has.
    static func new(_ prefix: String) -> String {
        let number = number.wrappingAdd(1, ordering: .relaxed).newValue
        return "\(prefix)_\(UInt64.random(in: 1...UInt64(Int64.max)))_\(number)"
    }
}
