/// The first 19 bytes of every event.
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     4 | seconds since 1970 |
/// |  4 |     1 | type |
/// |  5 |     4 | id of the server that logged it first |
/// |  9 |     4 | bytes of the event with this header |
/// | 13 |     4 | where the next event begins; 0 for events that are in no file |
/// | 17 |     2 | flags |
struct BinlogHeader: Sendable, Hashable {
    static let byteCount = 19

    var timestamp: UInt32
    var type: UInt8
    var serverID: UInt32
    var byteCount: UInt32
    /// As the event has it: the last 32 bits; `widen` adds those that files above 4 GiB need.
    var nextPosition: Int64
    var flags: UInt16

    /// Made up by the server for this connection: it is in no file.
    var isArtificial: Bool { flags & 0x20 != 0 || nextPosition == 0 }

    /// Where the server is, not an event of the file.
    var isHeartbeat: Bool { type == BinlogType.heartbeat || type == BinlogType.heartbeatV2 }

    /// Where it begins in its file.
    var position: Int64 { nextPosition - Int64(byteCount) }

    /// Finds the whole place of an event in its file: that nearest to where the last one ended. A file grows beyond
    /// 4 GiB when a transaction is that large.
    ///
    /// - Parameter end: of the event before it.
    mutating func widen(after end: Int64) {
        let expected = end + Int64(byteCount)
        let difference = Int32(truncatingIfNeeded: nextPosition &- expected)
        let place = expected + Int64(difference)
        if place > 0 { nextPosition = place }
    }
}

/// Types of events, by the numbers of both families.
enum BinlogType {
    static let query: UInt8 = 2
    static let stop: UInt8 = 3
    static let rotate: UInt8 = 4
    static let formatDescription: UInt8 = 15
    static let xid: UInt8 = 16
    static let tableMap: UInt8 = 19
    static let heartbeat: UInt8 = 27
    static let rowsQuery: UInt8 = 29
    static let gtid: UInt8 = 33
    static let anonymousGTID: UInt8 = 34
    static let previousGTIDs: UInt8 = 35
    static let xaPrepare: UInt8 = 38
    static let partialUpdateRows: UInt8 = 39
    static let transactionPayload: UInt8 = 40
    static let heartbeatV2: UInt8 = 41
    static let gtidTagged: UInt8 = 42
    static let annotateRows: UInt8 = 160
    static let mariaGTID: UInt8 = 162
    static let mariaGTIDList: UInt8 = 163
    static let startEncryption: UInt8 = 164
    static let queryCompressed: UInt8 = 165
}

/// One event. Bytes it points to are those it was read from.
enum BinlogEvent {
    case rotate(file: String, position: Int64)
    case formatDescription
    case query(QueryEvent)
    case gtid(GTIDEvent)
    case xid
    case tableMap(TableMap)
    case rows(RowsEvent)
    /// The statement behind the rows that follow.
    case statement(String)
    /// The server has nothing new; where it is, when it says so.
    case heartbeat(file: String)
    /// Events of a transaction that were compressed together.
    case transaction([UInt8])
    case other
}

struct QueryEvent {
    var threadID: UInt32
    var errorCode: UInt16
    var database: String
    var sql: String
}

struct GTIDEvent {
    /// `domain-server-sequence`, or `uuid:number`; nil for anonymous ones.
    var gtid: String?
    /// The one event behind it is a transaction of its own (a definition), and none ends it.
    var isStandalone: Bool
    /// A transaction begins here; MariaDB writes no BEGIN.
    var begins: Bool
}

/// Which table a number means in the row events that follow, and how its columns are stored.
struct TableMap: Sendable {
    var number: UInt64
    var id: TableID
    var types: [UInt8]
    /// Of each column, as its type has it.
    var metadata: [UInt16]
}

/// Rows of one table that were inserted, changed or deleted.
struct RowsEvent {
    typealias Operation = RowEmitter.Operation

    var operation: Operation
    var number: UInt64
    var columnCount: Int
    /// One bit per column: which of them the images hold.
    var before: [UInt8]
    var after: [UInt8]
    /// The images; from the event itself when nil.
    var inflated: [UInt8]?
    /// Where the images begin in the event.
    var start: Int
    /// Where they end in the event.
    var end: Int
}
