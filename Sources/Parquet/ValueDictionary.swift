/// Values of a column chunk, each once, with their places: PLAIN encoded, so that the dictionary page is the bytes here.
///
/// The hash is the same in every process: the same values give the same file. Values that were made to collide end the use
/// of the dictionary instead of costing time.
struct ValueDictionary {
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0
    private var starts: [Int] = [0]
    /// Places plus 1; 0 is free. A power of two, at most half full.
    private var slots = [UInt32](repeating: 0, count: 64)

    /// What a dictionary page may have: readers keep it in memory.
    static let byteCountMax = 1 << 20
    private static let probeCountMax = 64

    /// The place of a value, which is added when it is new; nil when the dictionary is full.
    mutating func place(_ value: UnsafeRawBufferPointer) -> UInt32? {
        var slot = Int(truncatingIfNeeded: Self.hash(value)) & (slots.count - 1)
        for _ in 0..<Self.probeCountMax {
            let entry = slots[slot]
            if entry == 0 {
                guard bytes.count + value.count <= Self.byteCountMax else { return nil }
                bytes.append(contentsOf: value)
                starts.append(bytes.count)
                count += 1
                slots[slot] = UInt32(count)
                if count * 2 > slots.count { grow() }
                return UInt32(count - 1)
            }
            if isEntry(Int(entry) - 1, value) { return entry - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func isEntry(_ place: Int, _ value: UnsafeRawBufferPointer) -> Bool {
        let start = starts[place]
        guard starts[place + 1] - start == value.count else { return false }
        return bytes.withUnsafeBytes { all in
            // Both have `value.count` bytes, as was compared above.
            UnsafeRawBufferPointer(rebasing: all[start..<start + value.count]).elementsEqual(value)
        }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        bytes.withUnsafeBytes { all in
            for place in 0..<count {
                let value = UnsafeRawBufferPointer(rebasing: all[starts[place]..<starts[place + 1]])
                var slot = Int(truncatingIfNeeded: Self.hash(value)) & (slots.count - 1)
                while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
                slots[slot] = UInt32(place + 1)
            }
        }
    }

    /// Eight bytes at a time, multiplied and folded.
    private static func hash(_ value: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(value.count)
        var at = 0
        while at + 8 <= value.count {
            hash = mixed(hash ^ value.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at += 8
        }
        var rest: UInt64 = 0
        while at < value.count {
            rest = rest << 8 | UInt64(value[at])
            at += 1
        }
        return mixed(hash ^ rest)
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }
}
