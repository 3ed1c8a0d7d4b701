import TestKit
import Testing

@testable import Columns

/// One after the other: all columns of the process share the pool.
@Suite(.serialized) struct ColumnPoolTests {
    @Test(arguments: [1, 16, 17, 32_768, 32_769, 65_536, 65_537, 100_000, 1 << 22, (1 << 22) + 1])
    func `a block has the bytes it was asked for, and its size is that of itself`(byteCount: Int) {
        let size = ColumnPool.size(byteCount)
        #expect(size >= byteCount)
        #expect(ColumnPool.size(size) == size)
        let block = ColumnPool.allocate(byteCount)
        block.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount)
        ColumnPool.free(block, byteCount)
    }

    @Test func `large blocks wait for the next batch, within a bound, and go when nobody comes`() {
        func column(_ rows: Int) -> Column {
            let builder = ColumnBuilder(.string)
            for row in 0..<rows { _ = builder.append(string: "a text that is long enough, with number \(row)") }
            return builder.finish()
        }
        for _ in 0..<3 {
            let columns = (0..<40).map { _ in column(9000) }
            #expect(columns.allSatisfy { $0 == column(9000) })
        }
        #expect(ColumnPool.byteCount > 0)
        #expect(ColumnPool.byteCount <= ColumnPool.byteCountMax)
        ColumnPool.releaseUnused()
        // Others may use the pool meanwhile; who has not used it since the last call keeps nothing.
        while ColumnPool.byteCount > 0 { ColumnPool.releaseUnused() }
        #expect(column(9000) == column(9000))
    }
}

extension Column {
    fileprivate static func == (a: Column, b: Column) -> Bool { a.values == b.values }
}
