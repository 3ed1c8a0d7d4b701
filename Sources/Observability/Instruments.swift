import Synchronization

/// A number that only rises, such as requests or bytes. Any thread may count; a count costs one relaxed atomic add.
package final class Counter: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    package func add(_ count: Int64 = 1) { value.wrappingAdd(count, ordering: .relaxed) }
    package var total: Int64 { value.load(ordering: .relaxed) }
}

/// A number that rises and falls, such as open connections. Any thread may change it.
package final class Gauge: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    package func set(_ newValue: Int64) { value.store(newValue, ordering: .relaxed) }
    package func add(_ difference: Int64) { value.wrappingAdd(difference, ordering: .relaxed) }
    package var current: Int64 { value.load(ordering: .relaxed) }
}

/// How durations or sizes are spread: a count for each of a fixed set of ranges, and the sum. Any thread may record.
///
/// Values are integers in the smallest unit that matters, nanoseconds for durations; `scale` turns them into the unit of
/// the metric's name when they are written out.
package final class Histogram: Sendable {
    package let bounds: HistogramBounds
    private let cells: AtomicCells

    package init(_ bounds: HistogramBounds) {
        self.bounds = bounds
        cells = AtomicCells(count: bounds.upper.count + 2)
    }

    package func record(_ value: Int64) {
        cells.add(1, at: bounds.index(of: value))
        cells.add(value, at: bounds.upper.count + 1)
    }

    package var figures: HistogramFigures { HistogramFigures(bounds, cells, at: 0) }
}

/// The ranges of a histogram.
package struct HistogramBounds: Sendable, Equatable {
    /// Upper ends, rising, each belonging to its range; a last range without end follows.
    package var upper: [Int64]
    /// What one of these is in the unit of the metric's name: 1e-9 for nanoseconds in a metric of seconds.
    package var scale: Double

    package init(upper: [Int64], scale: Double) {
        precondition(zip(upper, upper.dropFirst()).allSatisfy { $0 < $1 }, "bounds of a histogram must rise")
        self.upper = upper
        self.scale = scale
    }

    /// 100 µs to 10 s in nanoseconds, for metrics of seconds.
    package static let latency = HistogramBounds(
        upper: [
            100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
            250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000,
        ], scale: 1e-9)

    /// The range that `value` falls into; most values are small, so the search goes up from the bottom.
    package func index(of value: Int64) -> Int {
        var index = 0
        while index < upper.count, value > upper[index] { index += 1 }
        return index
    }
}

/// A histogram at one moment, or the sum of several.
package struct HistogramFigures: Sendable, Equatable {
    package var bounds: HistogramBounds
    /// One for each range; the last is the one without end.
    package var counts: [Int64]
    package var sum: Int64

    /// Nothing recorded.
    package init(_ bounds: HistogramBounds) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.upper.count + 1)
        sum = 0
    }

    /// Reads `bounds.upper.count + 1` counts and the sum behind them.
    package init(_ bounds: HistogramBounds, _ cells: AtomicCells, at start: Int) {
        self.bounds = bounds
        counts = (0...bounds.upper.count).map { cells.load(at: start + $0) }
        sum = cells.load(at: start + bounds.upper.count + 1)
    }

    package var count: Int64 { counts.reduce(0, &+) }

    /// - Precondition: both have the same bounds.
    package mutating func add(_ other: HistogramFigures) {
        precondition(bounds == other.bounds, "histograms of different bounds cannot be added")
        for index in counts.indices { counts[index] &+= other.counts[index] }
        sum &+= other.sum
    }
}

/// A fixed number of atomic numbers beside each other, all 0 at first.
package final class AtomicCells: Sendable {
    package let count: Int
    // Allocated in `init`, given back in `deinit`, never replaced: whoever has a reference to the cells may use them.
    private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<Int64>>

    package init(count: Int) {
        self.count = count
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: count)
        cells.deallocate()
    }

    package func load(at index: Int) -> Int64 {
        precondition(0..<count ~= index, "there are \(count) cells")
        return cells[index].load(ordering: .relaxed)
    }

    package func add(_ value: Int64, at index: Int) {
        precondition(0..<count ~= index, "there are \(count) cells")
        cells[index].wrappingAdd(value, ordering: .relaxed)
    }

    /// As `add`, for cells that one thread writes and others only read: two plain memory accesses instead of a locked one.
    package func addAsOnlyWriter(_ value: Int64, at index: Int) {
        precondition(0..<count ~= index, "there are \(count) cells")
        cells[index].store(cells[index].load(ordering: .relaxed) &+ value, ordering: .relaxed)
    }
}
