package import Compression

/// A value that columns are made of. What it is made of is asked for only where the schema has it.
package protocol ParquetDatum {
    var isParquetNull: Bool { get }
    /// - Throws: `.value` when it is no group.
    func parquetMember(_ index: Int) throws(ParquetError) -> Self
    /// - Throws: `.value` when it is no list.
    func parquetElements() throws(ParquetError) -> [Self]
    /// - Throws: `.value` when it is no map.
    func parquetEntries() throws(ParquetError) -> [(key: Self, value: Self)]
    /// Appends the value, which is not null, to its column.
    func append(to column: inout ParquetColumn, repetition: UInt8) throws(ParquetError)
}

/// Writes a Parquet file, row group by row group, into memory: what is taken, in order, is the file. The same rows give the
/// same bytes.
///
/// | part | |
/// |---|---|
/// | `PAR1` | |
/// | row groups | each a chunk per column: a dictionary page where that is shorter, and data pages (version 1) |
/// | `FileMetaData` | Thrift; its byte count, 4 bytes; `PAR1` |
///
/// - SeeAlso: Parquet format 2.10.
package struct ParquetWriter: Sendable {
    package let schema: ParquetSchema
    private let codec: Codec
    /// Bytes in memory after which a row group is closed.
    private let groupByteCount: Int
    private let metadata: [(name: String, value: String)]
    private var columns: [ParquetColumn]
    private var rowCount = 0
    private var groups: [RowGroup] = []
    private var output: [UInt8] = Array("PAR1".utf8)
    /// Bytes of the file before `output`.
    private var taken = 0

    struct RowGroup: Sendable {
        var rowCount: Int
        var chunks: [Chunk]
    }

    struct Chunk: Sendable {
        var encodings: [Int32]
        var entryCount: Int
        var nullCount: Int
        var dictionaryAt: Int?
        var dataAt: Int
        var byteCount: Int
        var plainByteCount: Int
        var limits: (low: [UInt8], high: [UInt8])?
    }

    /// - Parameters:
    ///   - codec: none, gzip, snappy or zstd.
    ///   - groupByteCount: how much a row group may hold in memory.
    ///   - metadata: what else the footer should say.
    /// - Throws: `.schema` for another codec: Parquet's LZ4 is not that of Kafka.
    package init(
        _ schema: ParquetSchema, codec: Codec = .snappy, groupByteCount: Int = 32 << 20,
        metadata: [(name: String, value: String)] = []
    ) throws(ParquetError) {
        guard codec != .lz4 else { throw ParquetError(.schema, "Parquet files are not written with lz4") }
        self.schema = schema
        self.codec = codec
        self.groupByteCount = groupByteCount
        self.metadata = metadata
        columns = schema.leaves.map { ParquetColumn($0) }
    }

    /// Bytes held in memory, about.
    package var byteCount: Int { columns.reduce(output.count) { $0 + $1.byteCount } }

    /// Adds a row; one that does not fit leaves nothing behind.
    ///
    /// - Parameter row: a group with the schema's fields.
    package mutating func append<Datum: ParquetDatum>(_ row: Datum) throws(ParquetError) {
        let marks = columns.map(\.mark)
        for index in columns.indices { columns[index].beginRow() }
        do throws(ParquetError) {
            for (index, node) in schema.nodes.enumerated() {
                try shred(row.parquetMember(index), node, outer: 0, repetition: 0)
            }
        } catch {
            for index in columns.indices { columns[index].back(to: marks[index]) }
            throw error
        }
        rowCount += 1
        // Counting all columns for every row would cost more than the rows.
        if rowCount % 64 == 0 || columns.count < 8, columns.reduce(0, { $0 + $1.byteCount }) >= groupByteCount {
            try closeGroup()
        }
    }

    /// - Parameters:
    ///   - outer: the definition level of what is around.
    ///   - repetition: at which level this value goes on.
    private mutating func shred<Datum: ParquetDatum>(
        _ value: Datum, _ node: ParquetSchema.Node, outer: UInt8, repetition: UInt8
    ) throws(ParquetError) {
        if value.isParquetNull {
            guard node.field.isOptional else {
                throw ParquetError(.value, "null in the required field \"\(node.field.name)\"")
            }
            return nulls(node, outer, repetition)
        }
        switch node.field.kind {
        case .primitive: try value.append(to: &columns[node.leaves.lowerBound], repetition: repetition)
        case .group:
            for (index, child) in node.children.enumerated() {
                try shred(value.parquetMember(index), child, outer: node.definition, repetition: repetition)
            }
        case .list:
            let elements = try value.parquetElements()
            if elements.isEmpty { nulls(node, node.definition, repetition) }
            for (index, element) in elements.enumerated() {
                try shred(
                    element, node.children[0], outer: node.definition + 1,
                    repetition: index == 0 ? repetition : node.repetition)
            }
        case .map:
            let entries = try value.parquetEntries()
            if entries.isEmpty { nulls(node, node.definition, repetition) }
            for (index, entry) in entries.enumerated() {
                let repetition = index == 0 ? repetition : node.repetition
                try shred(entry.key, node.children[0], outer: node.definition + 1, repetition: repetition)
                try shred(entry.value, node.children[1], outer: node.definition + 1, repetition: repetition)
            }
        }
    }

    private mutating func nulls(_ node: ParquetSchema.Node, _ definition: UInt8, _ repetition: UInt8) {
        for leaf in node.leaves { columns[leaf].appendNull(definition: definition, repetition: repetition) }
    }

    private mutating func closeGroup() throws(ParquetError) {
        guard rowCount > 0 else { return }
        var chunks: [Chunk] = []
        for index in columns.indices {
            chunks.append(try ChunkWriter.append(columns[index], codec, to: &output, offset: taken))
            columns[index] = ParquetColumn(schema.leaves[index])
        }
        groups.append(RowGroup(rowCount: rowCount, chunks: chunks))
        rowCount = 0
    }

    /// Takes what was written so far, without the row group that is still open.
    package mutating func take() -> [UInt8] {
        defer { output.removeAll() }
        taken += output.count
        return output
    }

    /// Ends the file and takes the rest of it.
    package mutating func finish() throws(ParquetError) -> [UInt8] {
        try closeGroup()
        let footer = FileFooter.bytes(schema, groups, codec, metadata)
        output += footer
        withUnsafeBytes(of: UInt32(footer.count).littleEndian) { output.append(contentsOf: $0) }
        output += "PAR1".utf8
        return take()
    }
}
