#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The memory of a column that is being built, for decoders that append millions of values a second.
///
/// It is reached by a pointer (`ColumnBuilder.cells`) because it has no references in it: appending neither counts
/// references nor checks for exclusive access. What a caller has to keep: the method fits the column's type, lists and
/// maps are ended after their elements, and every field of a structure gets one entry for each entry of the structure.
///
/// Memory doubles as it fills, so it stays within twice of what was appended.
@usableFromInline @frozen package struct ColumnCells: BitwiseCopyable {
    /// Bytes beyond the end that short copies may write.
    @usableFromInline static let slack = 16
    /// What an `Int32` end can reach, in bytes or elements.
    @usableFromInline package static let runMax = Int(Int32.max)

    /// Values, or ends: those have an entry 0 in front.
    @usableFromInline package var values: UnsafeMutableRawPointer
    /// Rows.
    @usableFromInline package var count = 0
    @usableFromInline var capacity: Int
    @usableFromInline package var bytes: UnsafeMutablePointer<UInt8>
    @usableFromInline package var byteCount = 0
    @usableFromInline var byteCapacity = 0
    /// Nil until the first row without a value. Bits from `count` on are not set.
    @usableFromInline package var validity: UnsafeMutablePointer<UInt64>?
    @usableFromInline package var nullCount = 0
    @usableFromInline let width: Int
    @usableFromInline let hasEnds: Bool
    @usableFromInline let hasBytes: Bool

    init(_ type: ColumnType) {
        width = type.width
        hasEnds = type.hasEnds
        hasBytes = type == .string || type == .bytes
        capacity = 16
        values = Self.allocate(width * (capacity + 1))
        values.storeBytes(of: 0, as: Int32.self)
        bytes = Self.allocate(Self.slack).assumingMemoryBound(to: UInt8.self)
    }

    private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer { ColumnPool.allocate(byteCount) }

    // What the blocks were allocated for, by which they are given back.
    var valuesByteCount: Int { width * (capacity + 1) }
    var bytesByteCount: Int { byteCapacity + Self.slack }
    var validityByteCount: Int { 8 * ((capacity + 63) / 64) }

    func free() {
        freeValues()
        freeBytes()
        freeValidity()
    }

    func freeValues() { ColumnPool.free(values, valuesByteCount) }
    func freeBytes() { ColumnPool.free(UnsafeMutableRawPointer(bytes), bytesByteCount) }
    func freeValidity() {
        if let validity { ColumnPool.free(UnsafeMutableRawPointer(validity), validityByteCount) }
    }

    // MARK: Appending

    /// Appends a value of a column of fixed size.
    @inlinable @inline(__always) package mutating func append<Element: BitwiseCopyable>(_ value: Element) {
        if count == capacity { grow() }
        values.assumingMemoryBound(to: Element.self)[count] = value
        markValid()
    }

    /// Appends `count` bytes as one value of a string column; bytes that are not UTF-8 become U+FFFD, as in Java.
    ///
    /// - Parameter readable: bytes that may be read from `source` on, at least `count`: more let short copies be quick.
    /// - Returns: false, with nothing appended, when the column cannot hold more bytes.
    @inlinable @inline(__always) package mutating func appendString(
        _ source: UnsafeRawPointer, count length: Int, readable: Int
    ) -> Bool {
        if count == capacity { grow() }
        guard length <= byteCapacity &- byteCount || growBytes(by: length) else { return false }
        let seen = Self.copy(source, length, readable: readable, to: UnsafeMutableRawPointer(bytes + byteCount))
        if seen & 0x8080_8080_8080_8080 != 0 {
            return appendOther(UnsafeRawBufferPointer(start: source, count: length))
        }
        byteCount &+= length
        end(at: byteCount)
        return true
    }

    /// Appends `count` bytes as one value of a column of bytes. As `appendString` otherwise.
    @inlinable @inline(__always) package mutating func appendBytes(
        _ source: UnsafeRawPointer, count length: Int, readable: Int
    ) -> Bool {
        if count == capacity { grow() }
        guard length <= byteCapacity &- byteCount || growBytes(by: length) else { return false }
        _ = Self.copy(source, length, readable: readable, to: UnsafeMutableRawPointer(bytes + byteCount))
        byteCount &+= length
        end(at: byteCount)
        return true
    }

    /// Makes room for `length` more bytes, for writers that put a value together in place: they write at
    /// `bytes + byteCount`, raise `byteCount`, and call `endBytes` at the value's end or `dropBytes`.
    ///
    /// - Returns: false when the column cannot hold so many.
    @inlinable @inline(__always) package mutating func makeRoom(_ length: Int) -> Bool {
        length <= byteCapacity &- byteCount || growBytes(by: length)
    }

    /// Appends what was written since the last value as one value.
    @inlinable package mutating func endBytes() {
        if count == capacity { grow() }
        end(at: byteCount)
    }

    /// Appends a list or map whose elements were appended to the columns below, which now have `elementCount`.
    ///
    /// - Returns: false, with nothing appended, when that is more than a column can hold.
    @inlinable @inline(__always) package mutating func appendRun(elementCount: Int) -> Bool {
        guard elementCount <= Self.runMax else { return false }
        if count == capacity { grow() }
        end(at: elementCount)
        return true
    }

    /// Appends a structure; its fields have appended, or will append, their own values.
    @inlinable @inline(__always) package mutating func appendStructure() {
        if count == capacity { grow() }
        markValid()
    }

    /// Appends a row without a value. The fields of a structure are the caller's, see `ColumnBuilder.appendNull`.
    package mutating func appendNull() {
        if count == capacity { grow() }
        if validity == nil { startValidity() }
        if hasEnds {
            let ends = values.assumingMemoryBound(to: Int32.self)
            ends[count + 1] = ends[count]
        } else if width > 0 {
            memset(values + count * width, 0, width)
        }
        count += 1
        nullCount += 1
    }

    /// Appends `rows` rows without a value, as `appendNull`.
    mutating func appendNulls(_ rows: Int) {
        guard rows > 0 else { return }
        if count + rows > capacity { reserve(max(count + rows, 2 * capacity)) }
        if validity == nil { startValidity() }
        if hasEnds {
            let ends = values.assumingMemoryBound(to: Int32.self) + count
            (ends + 1).update(repeating: ends[0], count: rows)
        } else {
            memset(values + count * width, 0, rows * width)
        }
        count += rows
        nullCount += rows
    }

    @inlinable @inline(__always) mutating func end(at end: Int) {
        values.assumingMemoryBound(to: Int32.self)[count &+ 1] = Int32(truncatingIfNeeded: end)
        markValid()
    }

    @inlinable @inline(__always) mutating func markValid() {
        if let validity { validity[count &>> 6] |= 1 &<< UInt64(count & 63) }
        count &+= 1
    }

    /// Copies `length` bytes in chunks of 16, the last of which may overlap the one before. Up to `slack` bytes behind the
    /// end of `target` may be written, but nothing is read from beyond `readable`.
    ///
    /// - Returns: all bytes over each other, in some order: a bit that no byte has is not set.
    @inlinable @inline(__always) package static func copy(
        _ source: UnsafeRawPointer, _ length: Int, readable: Int, to target: UnsafeMutableRawPointer
    ) -> UInt64 {
        if length >= 16 {
            var seen = SIMD2<UInt64>.zero
            let last = length &- 16
            var at = 0
            while at < last {
                let chunk = (source + at).loadUnaligned(as: SIMD2<UInt64>.self)
                (target + at).storeBytes(of: chunk, as: SIMD2<UInt64>.self)
                seen |= chunk
                at &+= 16
            }
            let chunk = (source + last).loadUnaligned(as: SIMD2<UInt64>.self)
            (target + last).storeBytes(of: chunk, as: SIMD2<UInt64>.self)
            seen |= chunk
            return seen[0] | seen[1]
        }
        if readable >= 16 {
            let chunk = source.loadUnaligned(as: SIMD2<UInt64>.self)
            target.storeBytes(of: chunk, as: SIMD2<UInt64>.self)
            // What lies behind the value does not count.
            let low = length >= 8 ? UInt64.max : (1 &<< UInt64(8 &* length)) &- 1
            let high: UInt64 = length > 8 ? (1 &<< UInt64(8 &* (length &- 8))) &- 1 : 0
            return (UInt64(littleEndian: chunk[0]) & low) | (UInt64(littleEndian: chunk[1]) & high)
        }
        return copyShort(source, length, to: target)
    }

    /// Less than 16 bytes, with nothing behind them.
    @usableFromInline static func copyShort(
        _ source: UnsafeRawPointer, _ length: Int, to target: UnsafeMutableRawPointer
    ) -> UInt64 {
        if length >= 8 {
            let first = source.loadUnaligned(as: UInt64.self)
            let last = (source + (length - 8)).loadUnaligned(as: UInt64.self)
            target.storeBytes(of: first, as: UInt64.self)
            (target + (length - 8)).storeBytes(of: last, as: UInt64.self)
            return first | last
        }
        var seen: UInt64 = 0
        for at in 0..<length {
            let byte = source.load(fromByteOffset: at, as: UInt8.self)
            target.storeBytes(of: byte, toByteOffset: at, as: UInt8.self)
            seen |= UInt64(byte)
        }
        return seen
    }

    // MARK: Many at once

    /// Bytes that `copyWidely` may read behind its source, and write behind its target.
    @usableFromInline package static let overrun = 64

    /// As `copy`, in wide steps: `overrun` bytes behind source and target are there.
    @inlinable @inline(__always) package static func copyWidely(
        _ source: UnsafeRawPointer, _ length: Int, to target: UnsafeMutableRawPointer
    ) {
        target.storeBytes(of: source.loadUnaligned(as: SIMD2<UInt64>.self), as: SIMD2<UInt64>.self)
        var at = 16
        while at < length {
            // Three at once, for most texts the only ones: a loop that ends now here, now there costs more than it copies.
            for part in 0..<3 {
                (target + (at &+ 16 &* part)).storeBytes(
                    of: (source + (at &+ 16 &* part)).loadUnaligned(as: SIMD2<UInt64>.self), as: SIMD2<UInt64>.self)
            }
            at &+= 48
        }
    }

    /// Makes room for `rows` more rows, and for `length` more bytes with `overrun` behind them. Whoever fills the room
    /// writes values or ends at `values`, bytes at `bytes`, and bits at `validity` unless it is nil; and then raises
    /// `count`, `byteCount` and `nullCount`.
    ///
    /// - Returns: false when the column cannot hold so many bytes.
    package mutating func makeRoom(rows: Int, length: Int = 0) -> Bool {
        if count + rows > capacity { reserve(max(count + rows, 2 * capacity)) }
        return !hasBytes || makeRoom(length + Self.overrun)
    }

    /// Gives `validity` memory, for rows without a value among those that are there; `count` rows are valid.
    package mutating func makeValidity() {
        if validity == nil { startValidity() }
    }

    // MARK: Rare

    /// The way of `appendString` for what is not ASCII.
    @usableFromInline mutating func appendOther(_ source: UnsafeRawBufferPointer) -> Bool {
        if String(validating: source, as: UTF8.self) != nil {
            guard let start = source.baseAddress else { return true }
            return appendBytes(start, count: source.count, readable: source.count)
        }
        var repaired = String(decoding: source, as: UTF8.self)
        return repaired.withUTF8 { text in
            guard let start = text.baseAddress else { return true }
            return appendBytes(UnsafeRawPointer(start), count: text.count, readable: text.count)
        }
    }

    @usableFromInline mutating func grow() { reserve(2 * capacity) }

    mutating func reserve(_ rows: Int) {
        guard rows > capacity else { return }
        let larger = Self.allocate(width * (rows + 1))
        memcpy(larger, values, width * (count + (hasEnds ? 1 : 0)))
        freeValues()
        values = larger
        if let old = validity {
            let words = (rows + 63) / 64
            let oldWords = (capacity + 63) / 64
            let new = Self.allocate(8 * words).assumingMemoryBound(to: UInt64.self)
            memcpy(new, old, 8 * oldWords)
            memset(new + oldWords, 0, 8 * (words - oldWords))
            freeValidity()
            validity = new
        }
        capacity = rows
    }

    @usableFromInline mutating func growBytes(by length: Int) -> Bool {
        guard length <= Self.runMax - byteCount else { return false }
        reserveBytes(max(byteCount + length, min(2 * byteCapacity, Self.runMax), 256))
        return true
    }

    mutating func reserveBytes(_ byteCount: Int) {
        let wanted = min(byteCount, Self.runMax)
        guard wanted > byteCapacity else { return }
        let size = ColumnPool.size(wanted + Self.slack)
        let larger = Self.allocate(size).assumingMemoryBound(to: UInt8.self)
        memcpy(larger, bytes, self.byteCount)
        freeBytes()
        bytes = larger
        // The whole block; blocks beyond those of the pool have the size that is asked for.
        byteCapacity = size - Self.slack
    }

    private mutating func startValidity() {
        let words = (capacity + 63) / 64
        let bits = Self.allocate(8 * words).assumingMemoryBound(to: UInt64.self)
        memset(bits, 0, 8 * words)
        for word in 0..<(count / 64) { bits[word] = .max }
        if count % 64 > 0 { bits[count / 64] = (1 << UInt64(count % 64)) - 1 }
        validity = bits
    }

    /// Takes rows from `rows` on away again, without the columns below.
    mutating func truncate(to rows: Int) {
        guard rows < count else { return }
        if let validity {
            for row in rows..<count where validity[row >> 6] & (1 << UInt64(row & 63)) == 0 { nullCount -= 1 }
            let last = (count - 1) / 64
            if rows % 64 > 0 { validity[rows / 64] &= (1 << UInt64(rows % 64)) - 1 }
            let first = (rows + 63) / 64
            if first <= last { memset(validity + first, 0, 8 * (last - first + 1)) }
        }
        count = rows
        if hasBytes { byteCount = runEnd }
    }

    /// Where the last run ends.
    var runEnd: Int { Int(values.assumingMemoryBound(to: Int32.self)[count]) }
}
