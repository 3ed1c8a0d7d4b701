import Glibc
import SQLTypes

/// HyperLogLog with 2^14 registers (Flajolet, Fusy, Gandouet, Meunier 2007), with the hashes of stream-lib's, which the
/// original has, so that both count alike.
///
/// | bytes                 | meaning                                                            |
/// |-----------------------|--------------------------------------------------------------------|
/// | 1                     | 1: the registers are those of `MurmurHash`                         |
/// | up to `sparseMax` · 3 | registers that are not 0: number in 2 bytes, value in 1; ascending |
/// | 2^14                  | all registers                                                      |
///
/// Sketches of earlier versions lack the first byte, and their registers are those of another hash, with which they go
/// on: the same value would count as another one otherwise. Their length, which is 2^14 or a multiple of 3 up to 4500,
/// tells them apart: ours is one more. The empty one has no registers and becomes one of ours.
enum DistinctSketch {
    private static let bits = 14
    private static let registerCount = 1 << bits
    private static let sparseMax = 1500
    private static let murmurMark: UInt8 = 1

    static func insert(_ value: SQLValue, _ type: SQLType, _ sketch: inout [UInt8]) {
        if sketch.isEmpty { sketch = [murmurMark] }
        let (register, rank) = isMarked(sketch) ? place(hash(value, type)) : place(earlierHash(value, type))
        set(register, rank, &sketch)
    }

    // MARK: Hashes

    /// The same on every machine and in every run, as states are stored. Numbers count by their bits, all else by its
    /// text.
    private static func hash(_ value: SQLValue, _ type: SQLType) -> UInt32 {
        switch value {
        case .int(let value): MurmurHash.hash(Int64(value))
        case .bigint(let value): MurmurHash.hash(value)
        case .double(let value): MurmurHash.hash(Int64(bitPattern: (value.isNaN ? Double.nan : value).bitPattern))
        case .bytes(let bytes): MurmurHash.hash(bytes)
        default: MurmurHash.hash(Array(SQLText.javaText(of: value, type: type).utf8))
        }
    }

    private static func place(_ hash: UInt32) -> (register: Int, rank: UInt8) {
        let rank = (hash << UInt32(bits) | (1 << UInt32(bits - 1)) + 1).leadingZeroBitCount + 1
        return (Int(hash &>> UInt32(32 - bits)), UInt8(rank))
    }

    /// That of earlier versions: FNV-1a, whose high bits are poor for short texts.
    private static func earlierHash(_ value: SQLValue, _ type: SQLType) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in SQLText.text(of: value, type: type).utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        hash = (hash ^ (hash &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ (hash &>> 27)) &* 0x94D0_49BB_1331_11EB
        return hash ^ (hash &>> 31)
    }

    private static func place(_ hash: UInt64) -> (register: Int, rank: UInt8) {
        let rank = (hash << UInt64(bits) | 1 << UInt64(bits - 1)).leadingZeroBitCount + 1
        return (Int(hash &>> UInt64(64 - bits)), UInt8(rank))
    }

    // MARK: Registers

    private static func isMarked(_ sketch: [UInt8]) -> Bool {
        sketch.count == registerCount + 1 || (sketch.count % 3 == 1 && sketch.count != registerCount)
    }

    /// Where the registers begin.
    private static func start(of sketch: [UInt8]) -> Int { isMarked(sketch) ? 1 : 0 }

    private static func isDense(_ sketch: [UInt8]) -> Bool { sketch.count - start(of: sketch) == registerCount }

    private static func set(_ register: Int, _ rank: UInt8, _ sketch: inout [UInt8]) {
        let start = start(of: sketch)
        if isDense(sketch) {
            sketch[start + register] = max(sketch[start + register], rank)
            return
        }
        let entryCount = (sketch.count - start) / 3
        var low = 0
        var high = entryCount
        while low < high {
            let middle = (low + high) / 2
            if entry(sketch, start + middle * 3).register < register { low = middle + 1 } else { high = middle }
        }
        let at = start + low * 3
        if low < entryCount, entry(sketch, at).register == register {
            sketch[at + 2] = max(sketch[at + 2], rank)
            return
        }
        if entryCount < sparseMax {
            sketch.insert(contentsOf: [UInt8(register >> 8), UInt8(register & 0xFF), rank], at: at)
            return
        }
        var dense = [UInt8](repeating: 0, count: start + registerCount)
        if start > 0 { dense[0] = sketch[0] }
        forEachRegister(sketch) { dense[start + $0] = $1 }
        dense[start + register] = rank
        sketch = dense
    }

    private static func entry(_ sketch: [UInt8], _ at: Int) -> (register: Int, rank: UInt8) {
        let register = Int(sketch[at]) << 8 | Int(sketch[at + 1])
        return (register & (registerCount - 1), sketch[at + 2])
    }

    /// Gives the registers that are not 0.
    private static func forEachRegister(_ sketch: [UInt8], _ body: (_ register: Int, _ rank: UInt8) -> Void) {
        let start = start(of: sketch)
        if isDense(sketch) {
            for register in 0..<registerCount where sketch[start + register] > 0 {
                body(register, sketch[start + register])
            }
        } else {
            // A state from outside may say what it likes.
            for index in 0..<min(registerCount, (sketch.count - start) / 3) {
                let entry = entry(sketch, start + index * 3)
                if entry.rank > 0 { body(entry.register, entry.rank) }
            }
        }
    }

    // MARK: Merging and counting

    /// Sketches of different hashes are merged as if they had no value in common, and go on with the hash of the one
    /// that counts more: values of the lesser one may count twice, none more often. Nothing tells which these are.
    static func merge(_ sketch: inout [UInt8], _ other: [UInt8]) {
        guard !other.isEmpty else { return }
        var lesser = other
        if sketch.isEmpty || (isMarked(sketch) != isMarked(other) && estimate(sketch) < estimate(other)) {
            lesser = sketch
            sketch = other
        }
        forEachRegister(lesser) { set($0, $1, &sketch) }
    }

    /// 2^-r of a register, r its rank, is a whole number of 2^-49, and so is their sum, which then is exact. Ranks beyond
    /// that occur once in 2^49 values.
    private static let weightBits = 49
    private static let weights: [UInt64] = (0...255).map { $0 <= weightBits ? 1 << UInt64(weightBits - $0) : 0 }

    /// The sum of 2^-r over all registers, in units of 2^-49, and how many of them are 0. On the way of every row.
    private static func weigh(_ sketch: [UInt8]) -> (sum: UInt64, zeros: Int) {
        let start = start(of: sketch)
        guard isDense(sketch) else {
            var sum: UInt64 = 0
            var zeros = registerCount
            forEachRegister(sketch) { _, rank in
                sum += weights[Int(rank)]
                zeros -= 1
            }
            return (sum + UInt64(max(0, zeros)) << UInt64(weightBits), zeros)
        }
        return weights.withUnsafeBufferPointer { weights in
            sketch.withUnsafeBufferPointer { sketch in
                var sum: UInt64 = 0
                var zeros = 0
                for at in start..<(start + registerCount) {
                    let rank = sketch[at]
                    sum &+= weights[Int(rank)]
                    zeros &+= rank == 0 ? 1 : 0
                }
                return (sum, zeros)
            }
        }
    }

    static func estimate(_ sketch: [UInt8]) -> Int64 {
        let m = Double(registerCount)
        let (weights, zeros) = weigh(sketch)
        let sum = Double(weights) / Double(1 << weightBits)
        let estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum
        // Few values leave registers empty, whose number tells more.
        let result = estimate <= 2.5 * m && zeros > 0 ? m * log(m / Double(zeros)) : estimate
        // No sketch of ours is without bounds, but a state from outside may be.
        return Int64(exactly: result.rounded()) ?? .max
    }
}
