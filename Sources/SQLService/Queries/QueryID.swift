import Synchronization

/// Ids of the queries of clients.
enum QueryID {
    private static let number = Atomic<UInt64>(0)

    /// An id that no other query of any server has, and that nobody can guess.
    static func new(_ prefix: String) -> String {
        let number = number.wrappingAdd(1, ordering: .relaxed).newValue
        return "\(prefix)_\(UInt64.random(in: 1...UInt64(Int64.max)))_\(number)"
    }

    /// Where this server's ids of pull queries begin.
    private static let seed = UInt64.random(in: .min ... .max)

    /// An id for a pull query. It is over when the client is told its id, so that it does no harm to guess it; to ask the system
    /// for a random number would take longer than to look up a row.
    static func ofPull() -> String {
        let number = number.wrappingAdd(1, ordering: .relaxed).newValue
        // The generator SplitMix64, at its n-th number.
        var random = seed &+ number &* 0x9E37_79B9_7F4A_7C15
        random = (random ^ random &>> 30) &* 0xBF58_476D_1CE4_E5B9
        random = (random ^ random &>> 27) &* 0x94D0_49BB_1331_11EB
        random = (random ^ random &>> 31) &>> 1
        return String(unsafeUninitializedCapacity: 48) { text in
            var count = text.prefix(6).initialize(fromContentsOf: "query_".utf8)
            count = append(random, to: text, count)
            text.initializeElement(at: count, to: UInt8(ascii: "_"))
            return append(number, to: text, count + 1)
        }
    }

    /// Writes a number at a place, in decimal; returns the place behind.
    private static func append(_ number: UInt64, to text: UnsafeMutableBufferPointer<UInt8>, _ start: Int) -> Int {
        var rest = number
        var end = start
        repeat {
            text.initializeElement(at: end, to: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
            end += 1
        } while rest > 0
        text[start..<end].reverse()
        return end
    }
}
