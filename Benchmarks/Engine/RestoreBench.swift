import SQLFormats
import SQLFunctions
import SQLTypes
import StreamEngine

/// A table of rows of about 100 bytes: written as a snapshot, taken by another task, and read by key.
func restore(rows: Int) throws {
    let statement = """
        CREATE TABLE OUT AS SELECT USER_ID, COUNT(*) AS N, SUM(RATING_ID) AS S, MAX(STARS) AS M, LATEST_BY_OFFSET(MESSAGE) AS T
        FROM RATINGS GROUP BY USER_ID;
        """
    guard let plan = try QueryBench.plan(statement) else { return }
    func task() throws -> QueryTask {
        try QueryTask(
            plan, functions: SQLFunctionLibrary(context: EvaluationContext(now: { 0 }, random: { 0 })),
            formats: SQLFormatLibrary(RecordFormats()))
    }
    let original = try task()
    var made = 0
    while made < rows {
        let count = min(4000, rows - made)
        let batch = SourceBatch(
            topic: "ratings",
            records: (made..<(made + count)).map { index in
                let text =
                    #"{"RATING_ID":\#(index),"USER_ID":\#(index),"STARS":3,"RATING_TIME":\#(index),"#
                    + #""MESSAGE":"your team here rocks, they said"}"#
                return (nil, [UInt8](text.utf8), Int64(index), Int64(index), [])
            })
        if let failure = original.process(batch).failure { throw failure }
        made += count
    }
    let other = try task()
    var changes = 0
    var bytes = 0
    let written = try seconds { try original.writeSnapshot { change in changes += 1 + 0 * change.key.count } }
    let both = try seconds {
        try original.writeSnapshot { change in
            bytes += change.key.count + (change.value?.count ?? 0)
            try other.apply(change)
        }
    }
    var found = 0
    let lookups = 200_000
    let read = try seconds {
        for index in 0..<lookups {
            let key = Int32(truncatingIfNeeded: index &* 7919 % rows)
            found += try other.read(TableRead(.keys([[.int(key)]]))).count
        }
    }
    print(
        "restore \(rows) rows: snapshot of \(changes) changes, \(bytes / max(1, changes)) bytes each, written in "
            + "\(Int(written * 1000)) ms, written and taken in \(Int(both * 1000)) ms; read by key "
            + "\(Int(read / Double(lookups) * 1e9)) ns, \(found) found")
}
