import Synchronization

/// The memory of columns. Large blocks that are let go are kept for the next batch: given back to the system and asked for
/// again they would come as new pages, and filling those costs more than what is done with them.
package enum ColumnPool {
    /// Bytes of the blocks that are kept; smaller ones are malloc's business, larger ones are rare.
    static let keptSizes = (64 << 10)...(4 << 20)
    /// Bytes of all blocks that wait.
    static let byteCountMax = 8 << 20

    /// `@unchecked Sendable`: nobody uses the blocks, and whoever takes one out, under the lock, has it alone.
    private struct Waiting: @unchecked Sendable {
        /// By size, the smallest first; each is twice the one before.
        var blocks = [[UnsafeMutableRawPointer]](repeating: [], count: 7)
        var byteCount = 0
        var isUsed = false
    }

    private static let waiting = Mutex(Waiting())

    /// Bytes of memory that now wait to be used again.
    package static var byteCount: Int { waiting.withLock { $0.byteCount } }

    /// Bytes that a block for so many bytes has.
    @inline(__always)
    static func size(_ byteCount: Int) -> Int {
        guard byteCount > keptSizes.lowerBound / 2, byteCount <= keptSizes.upperBound else { return max(16, byteCount) }
        return max(keptSizes.lowerBound, 1 << (Int.bitWidth - (byteCount - 1).leadingZeroBitCount))
    }

    private static func place(_ size: Int) -> Int {
        size.trailingZeroBitCount - keptSizes.lowerBound.trailingZeroBitCount
    }

    private static func isKept(_ size: Int) -> Bool { keptSizes.contains(size) }

    /// A block of `size(byteCount)` bytes.
    static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let size = size(byteCount)
        if isKept(size) {
            let block = waiting.withLock { waiting -> Block? in
                waiting.isUsed = true
                guard let block = waiting.blocks[place(size)].popLast() else { return nil }
                waiting.byteCount -= size
                return Block(start: block)
            }
            if let block { return block.start }
        }
        return .allocate(byteCount: size, alignment: 16)
    }

    /// A block on its way through the lock. `@unchecked Sendable`: one side has let it go before the other takes it.
    private struct Block: @unchecked Sendable { var start: UnsafeMutableRawPointer }

    /// - Parameter byteCount: what it was allocated for, or the size that it has.
    static func free(_ start: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = size(byteCount)
        if isKept(size) {
            let block = Block(start: start)
            let isTaken = waiting.withLock { waiting in
                guard waiting.byteCount + size <= byteCountMax else { return false }
                waiting.blocks[place(size)].append(block.start)
                waiting.byteCount += size
                return true
            }
            if isTaken { return }
        }
        start.deallocate()
    }

    /// Gives back all blocks that wait, unless some were used since the last call: for programs that rest.
    package static func releaseUnused() {
        let blocks = waiting.withLock { waiting -> [Block] in
            guard !waiting.isUsed else {
                waiting.isUsed = false
                return []
            }
            let blocks = waiting.blocks.joined().map { Block(start: $0) }
            waiting = Waiting()
            return blocks
        }
        for block in blocks { block.start.deallocate() }
    }
}
