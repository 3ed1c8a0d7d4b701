/// Owns a block of memory until the last column that shows it is gone.
@usableFromInline final class ColumnMemory: @unchecked Sendable {
    // Nothing writes to the memory once a column shows it, so any thread may read it.
    @usableFromInline let memory: UnsafeMutableRawPointer
    private let byteCount: Int

    /// Takes a block of `ColumnPool` that was allocated for so many bytes.
    init(taking memory: UnsafeMutableRawPointer, byteCount: Int) {
        self.memory = memory
        self.byteCount = byteCount
    }

    @usableFromInline init(byteCount: Int) {
        memory = ColumnPool.allocate(byteCount)
        self.byteCount = byteCount
    }

    deinit { ColumnPool.free(memory, byteCount) }
}

/// Values of one trivial type, one after the other; copies share the memory, nobody changes it.
@usableFromInline @frozen package struct ColumnBuffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
    // `memory` is immutable, see there; `start` points into it.
    @usableFromInline let memory: ColumnMemory?
    @usableFromInline let start: UnsafePointer<Element>?
    @usableFromInline package let count: Int

    /// Takes a block of `ColumnPool` that was allocated for `byteCount` bytes, for `count` elements at least, which are
    /// initialised.
    init(taking start: UnsafeMutableRawPointer, byteCount: Int, count: Int) {
        memory = ColumnMemory(taking: start, byteCount: byteCount)
        self.start = UnsafePointer(start.assumingMemoryBound(to: Element.self))
        self.count = count
    }

    /// `count` elements that `initialize` writes, every one of them.
    ///
    /// - Parameter beyond: elements behind those that may be written to as well.
    @inlinable package init(
        count: Int, beyond: Int = 0, initializingWith initialize: (UnsafeMutableBufferPointer<Element>) throws -> Void
    ) rethrows {
        precondition(count >= 0)
        let memory = ColumnMemory(byteCount: (count + beyond) * MemoryLayout<Element>.stride)
        self.memory = memory
        let start = memory.memory.bindMemory(to: Element.self, capacity: count + beyond)
        self.start = UnsafePointer(start)
        self.count = count
        try initialize(UnsafeMutableBufferPointer(start: start, count: count))
    }

    package init(_ elements: some Collection<Element>) {
        self.init(count: elements.count) { _ = $0.initialize(fromContentsOf: elements) }
    }

    /// The elements in place, for loops; not to be kept beyond `body`.
    @inlinable package func withUnsafeBufferPointer<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result = try body(UnsafeBufferPointer(start: start, count: count))
        withExtendedLifetime(memory) {}
        return result
    }

    /// The elements as a span, for loops that want their bounds checked.
    @inlinable package func withSpan<Result, Failure: Error>(
        _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { (elements) throws(Failure) in try body(elements.span) }
    }

    @inlinable package subscript(index: Int) -> Element {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index \(index) of \(count)")
        return start.unsafelyUnwrapped[index]  // not nil: count is not 0
    }
}

/// Which rows of a column have a value: one bit per row, set where there is one, from the lowest bit of the first word.
@usableFromInline @frozen package struct Validity: Sendable {
    /// Nil when every row has a value.
    @usableFromInline package let words: ColumnBuffer<UInt64>?
    @usableFromInline package let nullCount: Int

    package static let all = Validity(words: nil, nullCount: 0)

    /// Bits beyond the last row are not set.
    package init(words: ColumnBuffer<UInt64>?, nullCount: Int) {
        self.words = nullCount == 0 ? nil : words
        self.nullCount = nullCount
    }

    package init(_ isValid: some Collection<Bool>) {
        var bits = [UInt64](repeating: 0, count: (isValid.count + 63) / 64)
        var nullCount = 0
        for (row, isValid) in isValid.enumerated() {
            if isValid { bits[row / 64] |= 1 << (row % 64) } else { nullCount += 1 }
        }
        self.init(words: ColumnBuffer(bits), nullCount: nullCount)
    }

    @inlinable package func isValid(_ row: Int) -> Bool {
        guard let words else { return true }
        return words[row >> 6] & (1 &<< UInt64(row & 63)) != 0
    }
}
