package import Columns

/// The columns that programs of one layout fill. Programs for several writers may take turns.
///
/// A sink has one user at a time.
package final class AvroColumnSink {
    package let layout: AvroColumnLayout
    let builders: [ColumnBuilder]
    /// All columns, each before those below it.
    let flat: [ColumnBuilder]
    /// The memory of `flat`, which owns it.
    let cells: UnsafeMutablePointer<UnsafeMutablePointer<ColumnCells>>
    private let spare = ColumnBuilder(.boolean)
    /// Rows so far, behind a pointer: a property of a class is checked for overlapping accesses with every record.
    private let rows: UnsafeMutablePointer<Int>
    package internal(set) var count: Int {
        get { rows.pointee }
        set { rows.pointee = newValue }
    }

    package init(_ layout: AvroColumnLayout) {
        self.layout = layout
        builders = layout.fields.map { ColumnBuilder($0.type) }
        var flat: [ColumnBuilder] = []
        func add(_ builder: ColumnBuilder) {
            flat.append(builder)
            builder.children.forEach(add)
        }
        builders.forEach(add)
        self.flat = flat
        bytesPerRow = builders.map { _ in 16 }
        rows = .allocate(capacity: 1)
        rows.initialize(to: 0)
        cells = .allocate(capacity: max(1, flat.count))
        cells.initialize(to: spare.cells)  // what operations without a column point to when there are no columns
        for (index, builder) in flat.enumerated() { (cells + index).initialize(to: builder.cells) }
    }

    deinit {
        cells.deallocate()
        rows.deallocate()
    }

    /// Bytes of the texts of a row when the columns were finished last: the next ones are likely alike.
    private var bytesPerRow: [Int]
    /// Bytes that are reserved for a column at most, however long the texts before were.
    private static let reservedBytesMax = 4 << 20

    /// Makes room for `rows` rows in all.
    package func reserve(rows: Int) {
        for (builder, bytes) in zip(builders, bytesPerRow) {
            builder.reserve(rows: rows, bytesPerRow: min(bytes, Self.reservedBytesMax / max(1, rows)))
        }
    }

    /// Appends a row without any value: a tombstone, or a record that could not be read.
    package func appendNull() {
        for builder in builders { builder.appendNull() }
        count += 1
    }

    /// Takes back what a record left behind that broke off in the middle.
    func truncate() {
        for builder in builders { builder.truncate(to: count) }
    }

    /// The rows so far as columns; the sink is empty again.
    package func finish() -> ColumnBatch {
        if count > 0 { bytesPerRow = builders.map { ($0.cells.pointee.byteCount + count - 1) / count } }
        let batch = ColumnBatch(
            names: layout.fields.map(\.name), columns: builders.map { $0.finish() }, count: count)
        count = 0
        return batch
    }
}
