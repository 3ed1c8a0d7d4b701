internal import Bytes
internal import Compression

/// Reads events as a server sends them. Keeps what later events refer to: the checksum's length and the tables of a
/// transaction.
struct BinlogDecoder {
    /// Bytes that a compressed event may become.
    static let inflatedByteCountMax = 1 << 30

    private(set) var tables: [UInt64: TableMap] = [:]
    /// 4 when events end with a CRC-32.
    var checksumByteCount = 0
    /// Bytes of the header of row events behind the 19 common ones, by the format description.
    private var rowsHeaderByteCount: [UInt8: Int] = [:]
    let isMariaDB: Bool

    /// - Parameter checksumByteCount: before the server has said so itself.
    init(isMariaDB: Bool, checksumByteCount: Int = 0) {
        self.isMariaDB = isMariaDB
        self.checksumByteCount = checksumByteCount
    }

    /// - Throws: `.truncated`, `.corrupt`, `.unsupported`.
    func header(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> BinlogHeader {
        var cursor = ByteCursor(bytes)
        let timestamp = UInt32(truncatingIfNeeded: try cursor.integer(4))
        let type = try cursor.byte()
        return BinlogHeader(
            timestamp: timestamp, type: type, serverID: UInt32(truncatingIfNeeded: try cursor.integer(4)),
            byteCount: UInt32(truncatingIfNeeded: try cursor.integer(4)),
            nextPosition: Int64(try cursor.integer(4)),
            flags: UInt16(truncatingIfNeeded: try cursor.integer(2)))
    }

    /// - Parameters:
    ///   - bytes: the whole event; what the result points to lies in it.
    ///   - hasChecksum: false for events out of a compressed transaction, which have none.
    mutating func event(
        _ header: BinlogHeader, _ bytes: UnsafeRawBufferPointer, hasChecksum: Bool = true
    ) throws(WireError) -> BinlogEvent {
        if header.type == BinlogType.formatDescription { return try formatDescription(bytes) }
        var trailer = hasChecksum ? checksumByteCount : 0
        guard bytes.count >= BinlogHeader.byteCount + trailer else { throw .truncated }
        if trailer == 4 {
            var end = ByteCursor(bytes, at: bytes.count - 4)
            let expected = UInt32(truncatingIfNeeded: try end.integer(4))
            let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 4)])
            if RawBlocks.crc32(covered.bytes) != expected {
                // The rotation that a server makes up for the connection may come without.
                guard header.type == BinlogType.rotate, header.isArtificial else {
                    throw .corrupt("the checksum of an event of type \(header.type) does not match")
                }
                trailer = 0
            }
        }
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - trailer)])
        var cursor = ByteCursor(content, at: BinlogHeader.byteCount)
        switch header.type {
        case BinlogType.rotate:
            let position = Int64(truncatingIfNeeded: try cursor.integer(8))
            return .rotate(file: try cursor.string(cursor.left), position: position)
        case BinlogType.query: return .query(try query(&cursor, isCompressed: false))
        case BinlogType.queryCompressed: return .query(try query(&cursor, isCompressed: true))
        case BinlogType.xid, BinlogType.xaPrepare: return .xid
        case BinlogType.tableMap:
            let map = try tableMap(&cursor)
            tables[map.number] = map
            return .tableMap(map)
        case 23, 24, 25, 30, 31, 32, 166...171: return .rows(try rows(header.type, cursor))
        case 20, 21, 22: throw .unsupported("row events of MySQL 5.1.17 and older")
        case BinlogType.partialUpdateRows:
            throw .unsupported(
                "partial JSON updates cannot be read from the log: set binlog_row_value_options='' on the server")
        case BinlogType.rowsQuery:
            try cursor.skip(1)
            return .statement(try cursor.string(cursor.left))
        case BinlogType.annotateRows: return .statement(try cursor.string(cursor.left))
        case BinlogType.gtid, BinlogType.anonymousGTID, BinlogType.gtidTagged:
            return .gtid(try mysqlGTID(header.type, &cursor))
        case BinlogType.mariaGTID:
            let sequence = try cursor.integer(8)
            let domain = try cursor.integer(4)
            let flags = try cursor.byte()
            let isStandalone = flags & 1 != 0
            return .gtid(
                GTIDEvent(
                    gtid: "\(domain)-\(header.serverID)-\(sequence)", isStandalone: isStandalone, begins: !isStandalone)
            )
        case BinlogType.heartbeat: return .heartbeat(file: try cursor.string(cursor.left))
        case BinlogType.heartbeatV2: return .heartbeat(file: "")
        case BinlogType.transactionPayload: return .transaction(try payload(&cursor))
        case BinlogType.startEncryption: return .other
        default: return .other
        }
    }

    /// Numbers of tables hold for one file only.
    mutating func forgetTables() { tables.removeAll(keepingCapacity: true) }

    private mutating func formatDescription(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> BinlogEvent {
        var cursor = ByteCursor(bytes, at: BinlogHeader.byteCount)
        guard try cursor.int(2) == 4 else { throw .unsupported("a binary log of a format before version 4") }
        let version = String(
            decoding: (try cursor.slice(50)).prefix { $0 != 0 }, as: UTF8.self)
        try cursor.skip(4)
        guard try cursor.byte() == 19 else { throw .corrupt("a format description with another header") }
        // Servers with checksums end it with the algorithm and the event's own checksum.
        let numbers = version.split(whereSeparator: { !$0.isNumber }).prefix(3).compactMap { Int($0) }
        let hasAlgorithm = !numbers.lexicographicallyPrecedes([5, 6, 1])
        var end = bytes.count
        if hasAlgorithm, cursor.left >= 5 {
            end -= 5
            checksumByteCount = bytes[end] == 1 ? 4 : 0
        } else {
            checksumByteCount = 0
        }
        rowsHeaderByteCount = [:]
        var type: UInt8 = 1
        while cursor.at < end {
            rowsHeaderByteCount[type] = Int(try cursor.byte())
            if type == 255 { break }
            type += 1
        }
        return .formatDescription
    }

    private func query(_ cursor: inout ByteCursor, isCompressed: Bool) throws(WireError) -> QueryEvent {
        let threadID = UInt32(truncatingIfNeeded: try cursor.integer(4))
        try cursor.skip(4)
        let databaseByteCount = Int(try cursor.byte())
        let errorCode = UInt16(truncatingIfNeeded: try cursor.integer(2))
        try cursor.skip(try cursor.int(2))
        let database = try cursor.string(databaseByteCount)
        try cursor.skip(1)
        let sql =
            isCompressed
            ? String(decoding: try Self.inflate(cursor.rest), as: UTF8.self) : try cursor.string(cursor.left)
        return QueryEvent(threadID: threadID, errorCode: errorCode, database: database, sql: sql)
    }

    private func tableMap(_ cursor: inout ByteCursor) throws(WireError) -> TableMap {
        let number = try cursor.integer(rowsHeaderByteCount[BinlogType.tableMap] == 6 ? 4 : 6)
        try cursor.skip(2)
        let database = try cursor.string(Int(try cursor.byte()))
        try cursor.skip(1)
        let table = try cursor.string(Int(try cursor.byte()))
        try cursor.skip(1)
        let columnCount = try cursor.packed()
        guard columnCount <= 4096 else { throw .corrupt("a table of \(columnCount) columns") }
        let types = Array(try cursor.slice(columnCount))
        let metadataByteCount = try cursor.packed()
        var meta = ByteCursor(try cursor.slice(metadataByteCount))
        var metadata: [UInt16] = []
        metadata.reserveCapacity(columnCount)
        for type in types { metadata.append(try ColumnImage.metadata(type, &meta)) }
        return TableMap(number: number, id: TableID(database, table), types: types, metadata: metadata)
    }

    private func rows(_ type: UInt8, _ start: ByteCursor) throws(WireError) -> RowsEvent {
        var cursor = start
        // Compressed forms of MariaDB are 143 behind version 1 and 139 behind version 2.
        let isCompressed = type >= 166
        let plain = type >= 169 ? type - 139 : (type >= 166 ? type - 143 : type)
        let number = try cursor.integer(rowsHeaderByteCount[type] == 6 ? 4 : 6)
        try cursor.skip(2)
        if plain >= 30 {
            let extraByteCount = try cursor.int(2)
            guard extraByteCount >= 2 else { throw .corrupt("a row event with extra data of \(extraByteCount) bytes") }
            try cursor.skip(extraByteCount - 2)
        }
        let columnCount = try cursor.packed()
        guard columnCount <= 4096 else { throw .corrupt("rows of \(columnCount) columns") }
        let bitmapByteCount = (columnCount + 7) / 8
        let first = Array(try cursor.slice(bitmapByteCount))
        let isUpdate = plain == 24 || plain == 31
        let second = isUpdate ? Array(try cursor.slice(bitmapByteCount)) : first
        return RowsEvent(
            operation: isUpdate ? .update : (plain == 23 || plain == 30 ? .insert : .delete), number: number,
            columnCount: columnCount, before: first, after: second,
            inflated: isCompressed ? try Self.inflate(cursor.rest) : nil, start: cursor.at, end: cursor.bytes.count)
    }

    private func mysqlGTID(_ type: UInt8, _ cursor: inout ByteCursor) throws(WireError) -> GTIDEvent {
        if type == BinlogType.gtidTagged {
            throw .unsupported("tagged GTIDs (gtid_next=AUTOMATIC:tag) cannot be read")
        }
        try cursor.skip(1)
        let source = Array(try cursor.slice(16))
        let number = try cursor.integer(8)
        guard type == BinlogType.gtid else { return GTIDEvent(gtid: nil, isStandalone: false, begins: false) }
        return GTIDEvent(gtid: Self.uuid(source) + ":\(number)", isStandalone: false, begins: false)
    }

    static func uuid(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            Hexadecimal.append(byte, to: &text)
        }
        return String(decoding: text, as: UTF8.self).lowercased()
    }

    /// MariaDB's compressed content: a byte of algorithm and length, the length, a zlib stream.
    static func inflate(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [UInt8] {
        var cursor = ByteCursor(bytes)
        let head = try cursor.byte()
        guard head & 0x80 != 0, (head >> 4) & 7 == 0 else { throw .unsupported("content compressed in an unknown way") }
        let byteCount = try cursor.bigEndian(Int(head & 7))
        guard byteCount <= UInt64(inflatedByteCountMax) else { throw .corrupt("an event of \(byteCount) bytes") }
        // RFC 1950: two bytes in front and the Adler-32 behind are not part of the deflated stream.
        guard cursor.left >= 6 else { throw .truncated }
        let stream = UnsafeRawBufferPointer(rebasing: bytes[(cursor.at + 2)..<(bytes.count - 4)])
        return try RawBlocks.inflate(stream.bytes, limit: Int(byteCount))
    }

    /// MySQL 8.0.20: typed fields in front of the compressed events.
    private func payload(_ cursor: inout ByteCursor) throws(WireError) -> [UInt8] {
        var compression = 255
        var byteCount = 0
        while true {
            let field = try cursor.packed()
            if field == 0 { break }
            let length = try cursor.packed()
            var value = ByteCursor(try cursor.slice(length))
            switch field {
            case 2: compression = try value.packed()
            case 3: byteCount = try value.packed()
            default: break
            }
        }
        guard byteCount <= Self.inflatedByteCountMax else { throw .corrupt("a transaction of \(byteCount) bytes") }
        switch compression {
        case 0: return try Codec.zstd.decompress(cursor.rest.bytes, limit: byteCount)
        case 255: return Array(cursor.rest)
        default: throw .unsupported("a transaction compressed in an unknown way")
        }
    }
}
