/// MurmurHash 2 of 32 bits, as stream-lib has it.
///
/// - SeeAlso: `com.clearspring.analytics.hash.MurmurHash`.
enum MurmurHash {
    private static let factor: UInt32 = 0x5BD1_E995

    static func hash(_ data: [UInt8]) -> UInt32 {
        var hash = UInt32.max ^ UInt32(truncatingIfNeeded: data.count)
        let wordsEnd = data.count & ~3
        for start in stride(from: 0, to: wordsEnd, by: 4) {
            let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[start + $1]) << UInt32(8 * $1) }
            hash = hash &* factor ^ mixed(word &* factor) &* factor
        }
        // What is left of the last word: each byte at its place from the end, with its sign.
        let left = data.count - wordsEnd
        if left > 0 {
            for place in 0..<left {
                let byte = UInt32(bitPattern: Int32(Int8(bitPattern: data[data.count - 1 - place])))
                hash ^= byte << UInt32(8 * place)
            }
            hash = hash &* factor
        }
        return finished(hash)
    }

    static func hash(_ number: Int64) -> UInt32 {
        let low = mixed(UInt32(truncatingIfNeeded: number) &* factor) &* factor
        let high = mixed(UInt32(truncatingIfNeeded: number >> 32) &* factor) &* factor
        return finished(low &* factor ^ high)
    }

    private static func mixed(_ word: UInt32) -> UInt32 { word ^ (word &>> 24) }

    private static func finished(_ hash: UInt32) -> UInt32 {
        let mixed = (hash ^ (hash &>> 13)) &* factor
        return mixed ^ (mixed &>> 15)
    }
}
