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

    /// Makes room for `rows` rows in all.
    package func reserve(rows: Int) {
        for builder in builders { builder.reserve(rows: rows, bytesPerRow: 16) }
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
        let batch = ColumnBatch(
            names: layout.fields.map(\.name), columns: builders.map { $0.finish() }, count: count)
        count = 0
        return batch
    }
}
