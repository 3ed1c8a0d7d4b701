/// Builds a column row by row, and any columns below it.
///
/// A builder has one user at a time. Decoders for which every nanosecond counts append to `cells`; the methods here do
/// the same with less to know.
package final class ColumnBuilder {
    package let type: ColumnType
    /// The memory that is filled; valid as long as the builder lives.
    package let cells: UnsafeMutablePointer<ColumnCells>
    /// Of a list its element, of a map key and value, of a structure its fields.
    package let children: [ColumnBuilder]

    package init(_ type: ColumnType) {
        self.type = type
        children = type.children.map { ColumnBuilder($0) }
        cells = .allocate(capacity: 1)
        cells.initialize(to: ColumnCells(type))
    }

    deinit {
        cells.pointee.free()
        cells.deallocate()
    }

    /// Rows so far.
    package var count: Int { cells.pointee.count }

    /// Makes room for `rows` rows in all, in this column and the fields of structures. For numbers of our own; what
    /// comes from outside is no reason to reserve memory.
    package func reserve(rows: Int, bytesPerRow: Int = 0) {
        cells.pointee.reserve(rows)
        if cells.pointee.hasBytes { cells.pointee.reserveBytes(rows * bytesPerRow) }
        guard case .structure = type else { return }
        for child in children { child.reserve(rows: rows, bytesPerRow: bytesPerRow) }
    }

    package func appendNull() {
        cells.pointee.appendNull()
        guard case .structure = type else { return }
        for child in children { child.appendNull() }
    }

    package func appendNulls(_ rows: Int) {
        cells.pointee.appendNulls(rows)
        guard case .structure = type else { return }
        for child in children { child.appendNulls(rows) }
    }

    /// - Returns: false, with nothing appended, when the column cannot hold more bytes.
    package func append(string: some StringProtocol) -> Bool {
        var text = String(string)
        return text.withUTF8 { append(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// - Returns: false, with nothing appended, when the column cannot hold more bytes.
    package func append(bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else {
            return cells.pointee.appendRun(elementCount: cells.pointee.byteCount)
        }
        return type == .string
            ? cells.pointee.appendString(start, count: bytes.count, readable: bytes.count)
            : cells.pointee.appendBytes(start, count: bytes.count, readable: bytes.count)
    }

    /// Ends a list or map whose elements are in the columns below.
    ///
    /// - Returns: false, with nothing appended, when there are more elements than a column can hold.
    package func appendRun() -> Bool { cells.pointee.appendRun(elementCount: children[0].count) }

    /// Takes rows from `rows` on away again, with all that is below: the way back from a record that turned out to be
    /// broken in the middle. Columns below may have more rows than the rows here tell of.
    package func truncate(to rows: Int) {
        cells.pointee.truncate(to: rows)
        switch type {
        case .list, .map:
            let end = cells.pointee.runEnd
            for child in children { child.truncate(to: end) }
        case .structure: for child in children { child.truncate(to: rows) }
        default: break
        }
    }

    /// The column of what was appended; the builder is empty again.
    package func finish() -> Column {
        let full = cells.pointee
        cells.pointee = ColumnCells(type)
        let validity = takeValidity(full)
        func fixed<Element>(_: Element.Type) -> FixedColumn<Element> {
            full.freeBytes()
            return FixedColumn(
                values: ColumnBuffer(taking: full.values, byteCount: full.valuesByteCount, count: full.count),
                validity: validity)
        }
        func ends() -> Runs {
            Runs(ends: ColumnBuffer(taking: full.values, byteCount: full.valuesByteCount, count: full.count + 1))
        }
        func bytes() -> BytesColumn {
            BytesColumn(
                runs: ends(),
                bytes: ColumnBuffer(
                    taking: UnsafeMutableRawPointer(full.bytes), byteCount: full.bytesByteCount, count: full.byteCount),
                validity: validity)
        }
        func runs() -> Runs {
            full.freeBytes()
            return ends()
        }
        switch type {
        case .boolean: return .boolean(fixed(Bool.self))
        case .int32: return .int32(fixed(Int32.self))
        case .int64: return .int64(fixed(Int64.self))
        case .float: return .float(fixed(Float.self))
        case .double: return .double(fixed(Double.self))
        case .string: return .string(bytes())
        case .bytes: return .bytes(bytes())
        case .list: return .list(ListColumn(runs: runs(), elements: children[0].finish(), validity: validity))
        case .map:
            return .map(
                MapColumn(
                    runs: runs(), keys: children[0].finish(), values: children[1].finish(), validity: validity))
        case .structure(let fields):
            full.freeValues()
            full.freeBytes()
            return .structure(
                StructureColumn(
                    names: fields.map(\.name), fields: children.map { $0.finish() }, count: full.count,
                    validity: validity))
        }
    }

    private func takeValidity(_ full: ColumnCells) -> Validity {
        guard let bits = full.validity else { return .all }
        guard full.nullCount > 0 else {
            full.freeValidity()
            return .all
        }
        let words = (full.count + 63) / 64
        return Validity(
            words: ColumnBuffer(
                taking: UnsafeMutableRawPointer(bits), byteCount: full.validityByteCount, count: words),
            nullCount: full.nullCount)
    }
}
