/// The values of one column in the row group that is being written.
package struct ParquetColumn: Sendable {
    package let leaf: ParquetSchema.Leaf
    /// One for each value or null; left empty where all would be 0.
    private(set) var definitions: [UInt8] = []
    private(set) var repetitions: [UInt8] = []
    /// Of values and nulls.
    private(set) var entryCount = 0
    private(set) var valueCount = 0
    /// Values in PLAIN encoding; booleans one byte each.
    private(set) var plain: [UInt8] = []
    /// Places in the dictionary; nil once that was given up.
    private(set) var places: [UInt32]? = []
    private(set) var dictionary = ValueDictionary()
    private(set) var statistics: ColumnStatistics
    /// Where pages begin: at the beginning of a row.
    private(set) var pages: [PageStart] = [PageStart()]

    struct PageStart: Sendable {
        var entry = 0
        var value = 0
        var byte = 0
    }

    /// Bytes of values and levels after which a page ends with the row.
    static let pageByteCount = 1 << 20
    /// Entries as well: dictionaries make many of them small.
    static let pageEntryCount = 1 << 17

    init(_ leaf: ParquetSchema.Leaf) {
        self.leaf = leaf
        statistics = ColumnStatistics(leaf)
        if leaf.primitive == .boolean { places = nil }
    }

    /// Where to go back to when a row turns out not to fit.
    struct Mark {
        var entry: Int
        var value: Int
        var byte: Int
        var pages: Int
    }

    var mark: Mark { Mark(entry: entryCount, value: valueCount, byte: plain.count, pages: pages.count) }

    mutating func back(to mark: Mark) {
        if leaf.definitionMax > 0 { definitions.removeLast(definitions.count - mark.entry) }
        if leaf.repetitionMax > 0 { repetitions.removeLast(repetitions.count - mark.entry) }
        plain.removeLast(plain.count - mark.byte)
        if let count = places?.count, count > mark.value { places?.removeLast(count - mark.value) }
        if pages.count > mark.pages { pages.removeLast(pages.count - mark.pages) }
        entryCount = mark.entry
        valueCount = mark.value
    }

    /// Bytes held in memory, about.
    var byteCount: Int {
        plain.count + definitions.count + repetitions.count + (places?.count ?? 0) * 4 + dictionary.bytes.count
    }

    /// A new row begins.
    mutating func beginRow() {
        guard let last = pages.last else { return }
        if plain.count - last.byte >= Self.pageByteCount || entryCount - last.entry >= Self.pageEntryCount {
            pages.append(PageStart(entry: entryCount, value: valueCount, byte: plain.count))
        }
    }

    mutating func appendNull(definition: UInt8, repetition: UInt8) {
        levels(definition, repetition)
    }

    private mutating func levels(_ definition: UInt8, _ repetition: UInt8) {
        if leaf.definitionMax > 0 { definitions.append(definition) }
        if leaf.repetitionMax > 0 { repetitions.append(repetition) }
        entryCount += 1
    }

    private mutating func level(_ repetition: UInt8) {
        levels(leaf.definitionMax, repetition)
        valueCount += 1
    }

    package mutating func append(_ value: Bool, repetition: UInt8) throws(ParquetError) {
        guard leaf.primitive == .boolean else { throw misfit("a boolean") }
        level(repetition)
        plain.append(value ? 1 : 0)
    }

    package mutating func append(_ value: Int32, repetition: UInt8) throws(ParquetError) {
        guard leaf.primitive == .int32 else { throw misfit("a 32-bit integer") }
        level(repetition)
        statistics.add(Int64(value))
        withUnsafeBytes(of: value.littleEndian) { fixed($0) }
    }

    package mutating func append(_ value: Int64, repetition: UInt8) throws(ParquetError) {
        guard leaf.primitive == .int64 else { throw misfit("a 64-bit integer") }
        level(repetition)
        statistics.add(value)
        withUnsafeBytes(of: value.littleEndian) { fixed($0) }
    }

    package mutating func append(_ value: Float, repetition: UInt8) throws(ParquetError) {
        guard leaf.primitive == .float else { throw misfit("a float") }
        level(repetition)
        statistics.add(Double(value))
        withUnsafeBytes(of: value.bitPattern.littleEndian) { fixed($0) }
    }

    package mutating func append(_ value: Double, repetition: UInt8) throws(ParquetError) {
        guard leaf.primitive == .double else { throw misfit("a double") }
        level(repetition)
        statistics.add(value)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { fixed($0) }
    }

    /// Of a column of bytes, or of fixed bytes when there are as many as it has.
    package mutating func append(_ value: some Collection<UInt8>, repetition: UInt8) throws(ParquetError) {
        let start = plain.count
        switch leaf.primitive {
        case .bytes:
            guard let length = UInt32(exactly: value.count), length < UInt32(Int32.max) else {
                throw misfit("a value of \(value.count) bytes")
            }
            withUnsafeBytes(of: length.littleEndian) { plain.append(contentsOf: $0) }
        case .fixed(let byteCount):
            guard value.count == byteCount else { throw misfit("a value of \(value.count) bytes") }
        default: throw misfit("bytes")
        }
        level(repetition)
        plain.append(contentsOf: value)
        let payload = leaf.primitive == .bytes ? start + 4 : start
        if statistics.isWanted { statistics.add(plain[payload...]) }
        placed(start)
    }

    private mutating func fixed(_ value: UnsafeRawBufferPointer) {
        let start = plain.count
        plain.append(contentsOf: value)
        placed(start)
    }

    private mutating func placed(_ start: Int) {
        guard places != nil else { return }
        let place = plain.withUnsafeBytes { dictionary.place(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        // A dictionary that saves nothing is not worth its work: given up after enough values to tell.
        if let place, valueCount < 20_000 || dictionary.count < valueCount / 10 * 9 {
            places?.append(place)
        } else {
            places = nil
            dictionary = ValueDictionary()
        }
    }

    private func misfit(_ what: String) -> ParquetError {
        ParquetError(.value, "\(what) does not fit the column \(leaf.path.joined(separator: "."))")
    }
}

/// The smallest and the largest value of a column chunk, for readers that skip what they do not look for.
struct ColumnStatistics: Sendable {
    /// Whether texts count; those of decimals would have to be compared as numbers.
    let isWanted: Bool
    private let primitive: ParquetPrimitive
    private var integers: ClosedRange<Int64>?
    private var doubles: ClosedRange<Double>?
    private var hasNaN = false
    private var low: [UInt8]?
    private var high: [UInt8]?
    private var isTooLong = false

    /// Longer texts are not kept: a chunk with one has no limits.
    private static let textByteCountMax = 256

    init(_ leaf: ParquetSchema.Leaf) {
        primitive = leaf.primitive
        isWanted = leaf.logical == .string && leaf.primitive == .bytes
    }

    mutating func add(_ value: Int64) {
        guard let known = integers else { return integers = value...value }
        if value < known.lowerBound { integers = value...known.upperBound }
        if value > known.upperBound { integers = known.lowerBound...value }
    }

    mutating func add(_ value: Double) {
        guard !value.isNaN else { return hasNaN = true }
        guard let known = doubles else { return doubles = value...value }
        if value < known.lowerBound { doubles = value...known.upperBound }
        if value > known.upperBound { doubles = known.lowerBound...value }
    }

    mutating func add(_ value: ArraySlice<UInt8>) {
        guard value.count <= Self.textByteCountMax else { return isTooLong = true }
        if low.map({ value.lexicographicallyPrecedes($0) }) ?? true { low = Array(value) }
        if high.map({ $0.lexicographicallyPrecedes(value) }) ?? true { high = Array(value) }
    }

    /// Both in PLAIN encoding; nil when they are not known.
    var limits: (low: [UInt8], high: [UInt8])? {
        switch primitive {
        case .int32:
            return integers.map {
                (
                    Self.bytes(Int32(truncatingIfNeeded: $0.lowerBound)),
                    Self.bytes(Int32(truncatingIfNeeded: $0.upperBound))
                )
            }
        case .int64: return integers.map { (Self.bytes($0.lowerBound), Self.bytes($0.upperBound)) }
        case .float, .double:
            guard let doubles, !hasNaN else { return nil }
            // Zeros may stand for either of the two.
            let low = doubles.lowerBound == 0 ? -0.0 : doubles.lowerBound
            let high = doubles.upperBound == 0 ? 0.0 : doubles.upperBound
            if primitive == .float {
                return (Self.bytes(Float(low).bitPattern), Self.bytes(Float(high).bitPattern))
            }
            return (Self.bytes(low.bitPattern), Self.bytes(high.bitPattern))
        case .bytes:
            guard let low, let high, !isTooLong else { return nil }
            return (low, high)
        case .boolean, .fixed: return nil
        }
    }

    private static func bytes<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
