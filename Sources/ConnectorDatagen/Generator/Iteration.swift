import SQLTypes

/// Values that follow each other by a step, from `start` on and around at `restart`: `iteration` of a numeric schema.
struct Iteration: Sendable {
    private let start: Int64
    /// Distance between `start` and `restart`.
    private let span: Int128
    private let step: Int128
    /// Distance of the next value from `start`.
    private var current: Int128

    /// - Parameter past: how many values were given in earlier lives of the task.
    init(start: Int64, restart: Int64, step: Int64, initial: Int64, past: Int64) {
        self.start = start
        span = abs(Int128(restart) - Int128(start))
        self.step = Int128(step)
        current = Int128(initial) - Int128(start)
        if past > 0 { current = wrapped(Int128(past) * self.step + current) }
    }

    private func wrapped(_ value: Int128) -> Int128 {
        let magnitude = abs(value)
        return (magnitude < span ? magnitude : magnitude % span) * step.signum()
    }

    mutating func next() -> Int64 {
        let value = Int64(truncatingIfNeeded: Int128(start) + current)
        current = wrapped(current + step)
        return value
    }
}

/// The same for fractions, exact in decimal: ten steps of 0.1 are 1.
struct FractionIteration: Sendable {
    private let start: SQLDecimal
    private let span: SQLDecimal
    private let step: SQLDecimal
    private var current: SQLDecimal

    init?(start: Double, restart: Double, step: Double, initial: Double, past: Int64) {
        guard let first = Self.decimal(start), let last = Self.decimal(restart), let step = Self.decimal(step),
            let initial = Self.decimal(initial)
        else { return nil }
        self.start = first
        span = (last - first).magnitude
        self.step = step
        current = initial - first
        if past > 0 { current = wrapped(SQLDecimal(past) * step + current) }
    }

    private static func decimal(_ value: Double) -> SQLDecimal? { SQLDecimal(utf8: Array(DoubleText.text(value).utf8)) }

    private func wrapped(_ value: SQLDecimal) -> SQLDecimal {
        if value.magnitude.compare(to: span) < 0 { return value }
        // A span of nothing is refused before.
        return (try? value.remainder(dividingBy: span)) ?? .zero
    }

    mutating func next() -> Double {
        let value = (start + current).doubleValue
        current = wrapped(current + step)
        return value
    }
}
