import ConnectCore
import JSONFormat

/// A record on its way into a table.
struct Row: Sendable {
    var record: ConnectRecord
    /// What BigQuery tells it by.
    var insertID: String
    /// A JSON object.
    var json: [UInt8]

    /// What it is told by here.
    var place: RecordPlace { RecordPlace(record) }

    /// What it takes in a request, about.
    var byteCount: Int { json.count + insertID.utf8.count + 32 }

    /// Its record for people.
    var shownPlace: String {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return record.topic }
        return "record from topic=\(topic) partition=\(partition) offset=\(offset)"
    }
}

/// Where rows go: a table, or a day's partition of it.
struct RowTarget: Sendable, Hashable {
    var table: TableName
    /// `20200131`
    var decorator: String?
    /// Where rows go that are merged into the table from there.
    var intermediate: TableName?
}

/// Rows of one request.
struct RowChunk: Sendable {
    var target: RowTarget
    var rows: [Row]

    /// The body of `tabledata.insertAll`.
    var body: [UInt8] {
        var writer = JSONWriter(byteCapacity: rows.reduce(64) { $0 + $1.byteCount })
        writer.beginObject()
        writer.name("skipInvalidRows")
        writer.bool(false)
        writer.name("ignoreUnknownValues")
        writer.bool(false)
        writer.name("rows")
        writer.beginArray()
        for row in rows {
            writer.beginObject()
            writer.name("insertId")
            writer.string(row.insertID)
            writer.name("json")
            writer.raw(row.json)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// Rows in requests that are not too large; one row alone may be.
    static func cut(_ rows: [Row], for target: RowTarget, _ settings: BigQuerySettings) -> [RowChunk] {
        var chunks: [RowChunk] = []
        var open = RowChunk(target: target, rows: [])
        var byteCount = 0
        for row in rows {
            let size = row.byteCount
            if open.rows.count >= settings.requestRowCountMax
                || (!open.rows.isEmpty && byteCount + size > settings.requestByteCountMax)
            {
                chunks.append(open)
                open.rows = []
                byteCount = 0
            }
            open.rows.append(row)
            byteCount += size
        }
        if !open.rows.isEmpty { chunks.append(open) }
        return chunks
    }
}
