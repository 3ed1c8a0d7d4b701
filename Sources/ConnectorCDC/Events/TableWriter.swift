internal import ConnectCore

/// Writes a table's rows as events in bytes, straight from their cells: what is the same for all rows is written once, and
/// of a row nothing but its keys and columns is worked out. For one thread.
final class TableWriter {
    enum Operation: Int {
        case create, update, delete, read

        static let codes = ["c", "u", "d", "r"]
    }

    private final class Column {
        /// Among the table's columns.
        let index: Int
        let codec: ColumnCodec
        let rewrite: ColumnRules.Rewrite?
        let length: Int?
        /// Whether a cell of bytes is the text itself.
        let isPlainText: (snapshot: Bool, stream: Bool)
        let lead: [UInt8]
        let program: any ValueProgram

        init(
            _ index: Int, _ codec: ColumnCodec, _ field: StructPieces.Field,
            rewrite: ColumnRules.Rewrite? = nil, length: Int? = nil
        ) {
            self.index = index
            self.codec = codec
            self.rewrite = rewrite
            self.length = length
            isPlainText = TableWriter.isPlainText(codec, rewrite)
            lead = field.lead
            program = field.program
        }
    }

    let topic: String
    private let keyHead: [UInt8]
    private let keyColumns: [Column]?
    private let keyEnd: [UInt8]
    private let columns: [Column]
    private let rowEnd: [UInt8]
    private let source: any ValueProgram
    private let transaction: any ValueProgram
    private let moments: [any ValueProgram]
    /// Before a row that is `before`, and before one that is `after` where there is no other.
    private let beforeHead: [UInt8]
    private let afterHead: [UInt8]
    /// Between two rows; between a row that is `before` and the source; between one that is `after` and the source.
    private let between: [UInt8]
    private let beforeTail: [UInt8]
    private let afterTail: [UInt8]
    private let transactionLead: [UInt8]
    private let noTransaction: [UInt8]
    /// By operation: from behind the transaction to the first moment.
    private let operations: [[UInt8]]
    private let momentLeads: [[UInt8]]
    private let end: [UInt8]

    /// - Returns: nil where the converters write something in another way.
    init?(_ events: TableEvents, _ writing: RecordWriting) {
        guard let envelope = writing.value.program.pieces, envelope.fields.count == 8,
            let row = envelope.fields[0].program.pieces, row.fields.count == events.columns.count,
            // Both rows are the same but for their names.
            let other = envelope.fields[1].program.pieces, other.fields.count == row.fields.count,
            zip(row.fields, other.fields).allSatisfy({ $0.lead == $1.lead }), row.end == other.end
        else { return nil }
        topic = events.topic
        columns = zip(events.columns, row.fields).map { column, field in
            Column(column.index, column.codec, field, rewrite: column.rewrite, length: column.length)
        }
        rowEnd = row.end
        if events.keySchema != nil {
            guard let key = writing.key, let pieces = key.program.pieces,
                pieces.fields.count == events.keyColumns.count
            else { return nil }
            keyHead = key.head
            keyEnd = pieces.end + key.end
            keyColumns = zip(events.keyColumns, pieces.fields).map { column, field in
                Column(column.index, column.codec, field)
            }
        } else {
            keyHead = []
            keyColumns = nil
            keyEnd = []
        }
        func written(_ place: Int, _ value: ConnectValue) -> [UInt8]? {
            var bytes: [UInt8] = []
            // What is refused here is refused again where the record goes as a value.
            guard (try? envelope.fields[place].program.write(value, to: &bytes)) == true else { return nil }
            return bytes
        }
        guard let noBefore = written(0, .null), let noAfter = written(1, .null), let none = written(3, .null)
        else { return nil }
        let leads = envelope.fields.map(\.lead)
        beforeHead = writing.value.head + leads[0]
        afterHead = writing.value.head + leads[0] + noBefore + leads[1]
        between = leads[1]
        beforeTail = leads[1] + noAfter + leads[2]
        afterTail = leads[2]
        source = envelope.fields[2].program
        transactionLead = leads[3]
        transaction = envelope.fields[3].program
        noTransaction = leads[3] + none
        var operations: [[UInt8]] = []
        for code in Operation.codes {
            guard let bytes = written(4, .string(code)) else { return nil }
            operations.append(leads[4] + bytes + leads[5])
        }
        self.operations = operations
        moments = (5..<8).map { envelope.fields[$0].program }
        momentLeads = [[], leads[6], leads[7]]
        end = envelope.end + writing.value.end
    }

    private static func isPlainText(
        _ codec: ColumnCodec, _ rewrite: ColumnRules.Rewrite?
    ) -> (snapshot: Bool, stream: Bool) {
        guard rewrite == nil else { return (false, false) }
        switch codec.kind {
        case .text(.utf8): return (true, true)
        // The server sends its texts in UTF-8.
        case .text: return (true, false)
        case .json: return (true, true)
        case .postgres(let value):
            switch value.kind {
            case .text, .uuid: return (true, true)
            case .name: return (true, false)
            default: return (false, false)
            }
        default: return (false, false)
        }
    }

    // MARK: Rows

    /// Appends the key of a row.
    ///
    /// - Returns: false when its record has to go as a value.
    /// - Throws: `.data` for a value that its column cannot have.
    func writeKey(_ cells: [Cell], isStreaming: Bool, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        guard let keyColumns else { return true }
        output += keyHead
        guard try write(keyColumns, cells, isStreaming, to: &output) else { return false }
        output += keyEnd
        return true
    }

    /// nil: keys are null.
    func key(_ bytes: [UInt8]) -> [UInt8]? { keyColumns == nil ? nil : bytes }

    /// Appends a row as it stands in `before` or `after`.
    ///
    /// - Returns: false when its record has to go as a value.
    /// - Throws: `.data` for a value that its column cannot have.
    func writeRow(_ cells: [Cell], isStreaming: Bool, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        guard try write(columns, cells, isStreaming, to: &output) else { return false }
        output += rowEnd
        return true
    }

    private func write(
        _ columns: [Column], _ cells: [Cell], _ isStreaming: Bool, to output: inout [UInt8]
    ) throws(ConnectError) -> Bool {
        for column in columns {
            output += column.lead
            let isPlainText = isStreaming ? column.isPlainText.stream : column.isPlainText.snapshot
            if isPlainText, case .bytes(let bytes) = cells[column.index], bytes.isASCII {
                guard column.program.write(utf8: bytes, to: &output) else { return false }
            } else {
                guard try write(column, cells[column.index], isStreaming, to: &output) else { return false }
            }
        }
        return true
    }

    private func write(
        _ column: Column, _ cell: Cell, _ isStreaming: Bool, to output: inout [UInt8]
    ) throws(ConnectError) -> Bool {
        var value = try column.codec.value(cell, isStreaming: isStreaming)
        if let rewrite = column.rewrite {
            value = ColumnRules.apply(rewrite, to: value, length: column.length)
        }
        // A converter's failure is met where the record goes as a value.
        do throws(ConnectError) { return try column.program.write(value, to: &output) } catch { return false }
    }

    // MARK: Events

    /// The source block; nil where records have to go as values.
    func source(_ info: SourceInfo) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(400)
        return writeSource(info, to: &bytes) ? bytes : nil
    }

    func writeSource(_ info: SourceInfo, to output: inout [UInt8]) -> Bool {
        // As above.
        (try? source.write(info.value, to: &output)) == true
    }

    /// The transaction block with what stands before it; nil where records have to go as values.
    func transaction(_ block: ConnectValue?) -> [UInt8]? {
        guard let block, !block.isNull else { return noTransaction }
        var bytes = transactionLead
        // As above.
        return (try? transaction.write(block, to: &bytes)) == true ? bytes : nil
    }

    var withoutTransaction: [UInt8] { noTransaction }

    /// Appends an event of rows that are written. One of them at least is there.
    ///
    /// - Parameters:
    ///   - source: as `source` gives it; `transaction` likewise.
    ///   - now: nanoseconds since 1970.
    func writeEvent(
        _ operation: Operation, before: [UInt8]?, after: [UInt8]?, source: [UInt8], transaction: [UInt8], now: Int64,
        to output: inout [UInt8]
    ) {
        if let before {
            output += beforeHead
            output += before
            if let after {
                output += between
                output += after
                output += afterTail
            } else {
                output += beforeTail
            }
        } else {
            output += afterHead
            output += after ?? []
            output += afterTail
        }
        output += source
        output += transaction
        output += operations[operation.rawValue]
        for (place, moment) in [now / 1_000_000, now / 1000, now].enumerated() {
            output += momentLeads[place]
            // Numbers that may be null are never refused.
            _ = try? moments[place].write(.int64(moment), to: &output)
        }
        output += end
    }
}

extension UnsafeRawBufferPointer {
    /// Whether all bytes are below 128.
    var isASCII: Bool {
        var at = 0
        var high: UInt64 = 0
        while at &+ 8 <= count {
            high |= loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        while at < count {
            high |= UInt64(self[at])
            at &+= 1
        }
        // The bytes behind the last eight count in their lowest place only.
        return high & 0x8080_8080_8080_8080 == 0
    }
}
