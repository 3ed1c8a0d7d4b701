import Columns
import SQLPlan
import SQLTypes

/// Rows of one side of a join that were found in state, decoded into vectors of their own. A join first collects which
/// rows belong together and then builds its result column by column.
final class FoundRows {
    private let codec: RowCodec
    private let target: RowTarget
    private(set) var count = 0
    private var byteCount = 0

    /// Whether the rows should be used before more are added.
    var isLarge: Bool { byteCount > BatchBuilder.bytesMax }

    init(_ types: [SQLType]) {
        codec = RowCodec(types)
        target = RowTarget(types.map { VectorBuilder($0) })
    }

    /// - Returns: the index of the row.
    func append(_ bytes: UnsafeRawBufferPointer, at start: Int = 0) -> Int {
        var at = start
        codec.read(bytes, at: &at, into: target)
        count += 1
        byteCount += bytes.count
        return count - 1
    }

    func finish() -> [Vector] {
        count = 0
        byteCount = 0
        return target.builders.map { $0.finish() }
    }
}

/// Which rows make up the result of a join for a batch.
struct JoinPairs {
    /// Row of the batch that came.
    var own: [Int32] = []
    /// Row of those found on the other side; -1 is none.
    var other: [Int32] = []
    var timestamps: [Int64] = []

    mutating func append(_ own: Int, _ other: Int, _ timestamp: Int64) {
        self.own.append(Int32(truncatingIfNeeded: own))
        self.other.append(Int32(truncatingIfNeeded: other))
        timestamps.append(timestamp)
    }

    /// Each row alone.
    var singles: [JoinPairs] {
        own.indices.map { JoinPairs(own: [own[$0]], other: [other[$0]], timestamps: [timestamps[$0]]) }
    }

    /// The columns of the result.
    ///
    /// - Parameters:
    ///   - own: the columns of the side that came, key first.
    ///   - others: those of the other side, by the indexes of its schema.
    ///   - keys: the columns of the join's key, by the rows of the side that came; nil: its own first ones.
    func columns(
        _ columns: [JoinColumn], own: [Vector], others: [Vector], isLeft: Bool, types: [SQLType], keys: [Vector]? = nil
    ) -> [Vector] {
        let allFound = !other.contains(-1)
        let noneFound = !allFound && !other.contains { $0 >= 0 }
        let isIdentity =
            own.first.map { $0.count == self.own.count } ?? false
            && zip(self.own, 0...).allSatisfy { Int($0) == $1 }
        func taken(_ vector: Vector) -> Vector { isIdentity ? vector : vector.gathered(self.own) }
        func fromOwn(_ index: Int) -> Vector { taken(own[index]) }
        func fromOther(_ index: Int, _ type: SQLType) -> Vector {
            if noneFound { return .nulls(other.count) }
            if allFound { return others[index].gathered(other) }
            return others[index].gatheredOrNull(other, type)
        }
        return zip(columns, types).map { column, type in
            switch column {
            case .key(let index): taken((keys ?? own)[index])
            case .left(let index): isLeft ? fromOwn(index) : fromOther(index, type)
            case .right(let index): isLeft ? fromOther(index, type) : fromOwn(index)
            }
        }
    }
}
