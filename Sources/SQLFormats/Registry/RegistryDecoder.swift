import Bytes
import Columns
import ProtobufFormat
import SQLTypes

/// Reads records in front of which the id of their schema stands: whole runs by what the writer's schema was compiled
/// to, as long as all have the same.
final class RegistryDecoder: ColumnDecoder, RowDecoder {
    enum Frame {
        case id
        /// An id and the place of a message in its file.
        case idAndMessage
        case none
    }

    struct Key: Hashable {
        var id: Int32
        var message: [Int32]
    }

    private let columns: [SQLField]
    private let wanted: [Int]
    private let isUnwrapped: Bool
    private let frame: Frame
    private let topic: String
    private let isKey: Bool
    private let make: (Key) throws(FormatError) -> any PayloadReader
    private var readers: [Key: Result<any PayloadReader, FormatError>] = [:]
    private static let readerCountMax = 1000
    /// Of the records that are read at the moment: schemas that the registry does not have, and why it did not answer. A
    /// registry that takes long is asked once, and not for each record.
    private var missing: [Key: FormatError] = [:]
    private var silent: FormatError?

    /// - Parameter make: compiles the schema of an id for all columns.
    init(
        columns: [SQLField], wanted: [Int], isUnwrapped: Bool, frame: Frame, topic: String, isKey: Bool,
        make: @escaping (Key) throws(FormatError) -> any PayloadReader
    ) {
        self.columns = columns
        self.wanted = wanted
        self.isUnwrapped = isUnwrapped
        self.frame = frame
        self.topic = topic
        self.isKey = isKey
        self.make = make
    }

    // MARK: Frames

    /// The reader of a record and where its payload begins.
    private func reader(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> (any PayloadReader, Int) {
        var key = Key(id: 0, message: [])
        var at = 0
        if case .none = frame {
        } else {
            guard let first = bytes.first, first == 0 else {
                throw FormatError(.deserialization, "Unknown magic byte!")
            }
            guard bytes.count >= 5 else {
                throw FormatError(.deserialization, "a record of \(bytes.count) bytes has no schema id")
            }
            key.id = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: Int32.self))
            at = 5
            if case .idAndMessage = frame {
                do throws(WireError) { key.message = try MessageIndexes.decode(bytes.bytes, at: &at) } catch {
                    throw FormatError(.deserialization, "message indexes: \(error)")
                }
            }
        }
        if let known = readers[key] { return (try known.get(), at) }
        if let error = missing[key] ?? silent { throw error }
        if readers.count >= Self.readerCountMax { readers.removeAll() }
        do throws(FormatError) {
            let reader = try make(key)
            readers[key] = .success(reader)
            return (reader, at)
        } catch {
            switch error.code {
            // What the registry cannot answer now it may answer later.
            case .registry: missing[key] = error
            case .unavailable: silent = error
            default: readers[key] = .failure(error)
            }
            throw error
        }
    }

    private func failure(_ error: FormatError) -> FormatError {
        FormatError(
            error.code == .unavailable ? .unavailable : .deserialization,
            "Failed to deserialize \(isKey ? "key" : "value") from topic: \(topic). \(error.message)",
            causes: [error.message] + error.causes)
    }

    // MARK: One record

    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? {
        defer { forgetFailures() }
        return try read(bytes)
    }

    private func forgetFailures() {
        missing = [:]
        silent = nil
    }

    private func read(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? {
        do throws(FormatError) {
            let (reader, at) = try self.reader(bytes)
            try reader.append(UnsafeRawBufferPointer(rebasing: bytes[at...]))
            return try row(reader, reader.finish(), 0)
        } catch { throw failure(error) }
    }

    private func row(
        _ reader: any PayloadReader, _ written: [Column], _ row: Int
    ) throws(FormatError) -> [SQLValue]? {
        if let root = reader.root {
            let value =
                reader.rootIsRecord ? ColumnValue.structure(written.map { $0.value(row) }) : written[0].value(row)
            if case .null = value { return nil }
            let read = try root(value)
            if isUnwrapped { return [read] }
            return read.structure
        }
        var values: [SQLValue] = []
        values.reserveCapacity(reader.fields.count)
        for field in reader.fields { values.append(try field.read(field.sources.map { written[$0].value(row) })) }
        return values
    }

    // MARK: Runs

    func decode(_ records: BytesColumn) -> DecodedColumns {
        defer { forgetFailures() }
        var failures: [DecodedColumns.Failure] = []
        var absent: [Int] = []
        if let columns = decodeRun(records, &failures, &absent) {
            return DecodedColumns(columns: columns, failures: failures, absent: absent)
        }
        failures = []
        absent = []
        let builders = wanted.map { FormatColumnBuilder(columns[$0].type) }
        for row in 0..<records.count {
            do throws(FormatError) {
                let values = try records.withBytes(row) { (bytes) throws(FormatError) in
                    try self.read(UnsafeRawBufferPointer(bytes))
                }
                if case .some(.some(let values)) = values {
                    for (place, index) in wanted.enumerated() { builders[place].append(values[index]) }
                    continue
                }
                if case .some(.none) = values { absent.append(row) }
            } catch {
                failures.append(.init(row: row, error: error))
            }
            for builder in builders { builder.appendNull() }
        }
        return DecodedColumns(columns: builders.map { $0.finish() }, failures: failures, absent: absent)
    }

    /// Records of one schema, all of which give rows; nil when these are not so.
    private func decodeRun(
        _ records: BytesColumn, _ failures: inout [DecodedColumns.Failure], _ absent: inout [Int]
    ) -> [FormatColumn]? {
        var common: (any PayloadReader)?
        var lastFrame: [UInt8] = []
        var offset = 0
        var next = 0
        while true {
            if common != nil { next = Self.firstOther(records, from: next, than: lastFrame) }
            guard next < records.count else { break }
            let row = next
            next += 1
            guard records.validity.isValid(row) else { continue }
            let isDone: Bool? = records.withBytes(row) { bytes in
                let raw = UnsafeRawBufferPointer(bytes)
                do throws(FormatError) {
                    let (reader, at) = try self.reader(raw)
                    guard common == nil || common === reader else { return false }
                    if common == nil {
                        common = reader
                        offset = at
                        lastFrame = Array(raw[..<at])
                    }
                    return at == offset
                } catch {
                    return false  // told when the record is read by itself
                }
            }
            if isDone == false { return nil }
        }
        guard let reader = common else { return nil }
        failures = reader.append(records, from: offset).map { .init(row: $0.row, error: failure($0.error)) }
        let written = reader.finish()
        if let root = reader.root { return columns(reader, root, written, records, failures, &absent) }
        return columns(reader, written, records, &failures)
    }

    /// The first record from `first` on that has no value, or one that does not begin so; their count if there is none.
    private static func firstOther(_ records: BytesColumn, from first: Int, than frame: [UInt8]) -> Int {
        var word: UInt64 = 0
        for (index, byte) in frame.prefix(8).enumerated() { word |= UInt64(byte) << UInt64(8 * index) }
        let mask = frame.count < 8 ? (1 << UInt64(8 * frame.count)) - 1 : UInt64.max
        return records.bytes.withUnsafeBufferPointer { bytes in
            records.runs.ends.withUnsafeBufferPointer { ends in
                let all = UnsafeRawBufferPointer(bytes)
                for row in first..<records.count {
                    let start = Int(ends[row])
                    guard Int(ends[row + 1]) - start >= frame.count, records.validity.isValid(row) else { return row }
                    if frame.count <= 8, start + 8 <= all.count {
                        let own = UInt64(littleEndian: all.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                        if own & mask != word { return row }
                    } else {
                        for index in frame.indices where all[start + index] != frame[index] { return row }
                    }
                }
                return records.count
            }
        }
    }

    /// Of records that are read as a whole.
    private func columns(
        _ reader: any PayloadReader, _ root: ValueReader, _ written: [Column], _ records: BytesColumn,
        _ failures: [DecodedColumns.Failure], _ absent: inout [Int]
    ) -> [FormatColumn]? {
        if isUnwrapped, reader.rootIsDirect, wanted.count == 1, written.count == 1,
            written[0].validity.nullCount == records.validity.nullCount + failures.count,
            let column = Self.direct(written[0], columns[0].type)
        {
            return [column]
        }
        var bad: Set<Int> = []
        for failure in failures { bad.insert(failure.row) }
        let builders = wanted.map { FormatColumnBuilder(columns[$0].type) }
        for row in 0..<records.count {
            if records.validity.isValid(row), !bad.contains(row) {
                let value =
                    reader.rootIsRecord ? ColumnValue.structure(written.map { $0.value(row) }) : written[0].value(row)
                if case .null = value {
                    absent.append(row)
                } else {
                    do throws(FormatError) {
                        let read = try root(value)
                        let values = isUnwrapped ? [read] : read.structure ?? []
                        for (place, index) in wanted.enumerated() { builders[place].append(values[index]) }
                        continue
                    } catch {
                        return nil  // each record by itself tells which one it is
                    }
                }
            }
            for builder in builders { builder.appendNull() }
        }
        return builders.map { $0.finish() }
    }

    private func columns(
        _ reader: any PayloadReader, _ written: [Column], _ records: BytesColumn,
        _ failures: inout [DecodedColumns.Failure]
    ) -> [FormatColumn]? {
        var bad: Set<Int> = []
        for failure in failures { bad.insert(failure.row) }
        var result: [FormatColumn] = []
        // Columns that nobody wants can still have values that make the record no row.
        for (index, field) in reader.fields.enumerated() where !field.isDirect && !wanted.contains(index) {
            guard !field.sources.isEmpty else { continue }
            for row in 0..<records.count where records.validity.isValid(row) && !bad.contains(row) {
                do throws(FormatError) { _ = try field.read(field.sources.map { written[$0].value(row) }) } catch {
                    return nil  // each record by itself tells which one it is
                }
            }
        }
        for index in wanted {
            let field = reader.fields[index]
            if field.isDirect, let column = Self.direct(written[field.sources[0]], field.type) {
                result.append(column)
                continue
            }
            let builder = FormatColumnBuilder(field.type)
            builder.reserve(records.count)
            for row in 0..<records.count {
                guard records.validity.isValid(row), !bad.contains(row) else {
                    builder.appendNull()
                    continue
                }
                do throws(FormatError) {
                    builder.append(try field.read(field.sources.map { written[$0].value(row) }))
                } catch {
                    return nil  // as above
                }
            }
            result.append(builder.finish())
        }
        return result
    }

    private static func direct(_ column: Column, _ type: SQLType) -> FormatColumn? {
        switch (column, type) {
        case (.boolean(let column), .boolean): .boolean(column)
        case (.int32(let column), .int), (.int32(let column), .time), (.int32(let column), .date): .int32(column)
        case (.int64(let column), .bigint), (.int64(let column), .timestamp): .int64(column)
        case (.double(let column), .double): .double(column)
        case (.string(let column), .string): .string(column)
        case (.bytes(let column), .bytes): .bytes(column)
        default: nil
        }
    }
}
