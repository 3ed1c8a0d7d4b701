/// The statements that bring the rows of a round from the intermediate table into the destination.
///
/// The rows of a round are those of several batches, each with the records of one partition of a topic. `i` counts the rows
/// of a round in the order of their records.
///
/// - SeeAlso: the original's `MergeQueries`; `MERGE` in BigQuery's reference of its data manipulation language.
struct MergeQuery: Sendable {
    static let key = "key"
    static let value = "value"
    static let iteration = "i"
    static let partitionTime = "partitionTime"
    static let batchNumber = "batchNumber"

    var destination: TableName
    var intermediate: TableName
    /// The destination's column with the key.
    var keyColumn: String
    /// The fields in the key that are no structs, with the names of those they are in: `["id"]`, `["place", "city"]`.
    var keyFields: [[String]]
    /// Columns of the destination that come from values.
    var valueColumns: [String]
    /// Whether rows have values, if only such without columns.
    var hasValues: Bool
    var upserts: Bool
    var deletes: Bool
    /// Whether new rows say in which partition of the destination they go.
    var hasPartitionTime: Bool

    /// - Parameter batches: not empty.
    func merge(_ batches: [Int64]) -> String {
        var clauses: [String] = []
        let isDeletion = "src.value IS NULL"
        let isUpdate = "src.value IS NOT NULL"
        if upserts, !valueColumns.isEmpty {
            let columns = valueColumns.map { "\(Self.quoted($0)) = src.value.\(Self.quoted($0))" }
            clauses.append(
                "WHEN MATCHED\(deletes ? " AND \(isUpdate)" : "") THEN UPDATE SET \(columns.joined(separator: ", "))")
        }
        if deletes { clauses.append("WHEN MATCHED AND \(isDeletion) THEN DELETE") }
        if hasValues {
            var columns = [Self.quoted(keyColumn)]
            var values = ["src.key"]
            if hasPartitionTime {
                columns.append("_PARTITIONTIME")
                values.append("TIMESTAMP(DATE(src.partitionTime))")
            }
            columns += valueColumns.map(Self.quoted)
            values += valueColumns.map { "src.value.\(Self.quoted($0))" }
            clauses.append(
                "WHEN NOT MATCHED\(deletes ? " AND \(isUpdate)" : "") THEN INSERT (\(columns.joined(separator: ", "))) "
                    + "VALUES (\(values.joined(separator: ", ")))")
        }
        let match = "dst.\(Self.quoted(keyColumn)) = src.key"
        return
            "MERGE \(Self.quoted(destination)) dst USING (\(upserts ? lastOfEachKey(batches) : sinceDeletions(batches))) src "
            + "ON \(match)\(upserts ? "" : " AND \(isDeletion)") \(clauses.joined(separator: " "))"
    }

    /// What was merged need not stay. Rows that are still in the buffer of the streaming API have no partition yet, and a
    /// statement that meets them fails.
    func clear(upTo batch: Int64) -> String {
        "DELETE FROM \(Self.quoted(intermediate)) WHERE batchNumber <= \(batch) AND _PARTITIONTIME IS NOT NULL"
    }

    private func rows(_ batches: [Int64]) -> String {
        let numbers = batches.map(String.init).joined(separator: ", ")
        return
            "\(Self.quoted(intermediate)) x WHERE x.batchNumber\(batches.count == 1 ? " = \(numbers)" : " IN (\(numbers))")"
    }

    private var keys: String {
        keyFields.map { (["x", Self.key] + $0.map(Self.quoted)).joined(separator: ".") }.joined(separator: ", ")
    }

    /// A row may be there twice, as it may have been sent twice.
    private func lastOfEachKey(_ batches: [Int64]) -> String {
        "SELECT src.* FROM (SELECT ARRAY_AGG(x ORDER BY x.i DESC LIMIT 1)[OFFSET(0)] src FROM \(rows(batches)) "
            + "GROUP BY \(keys))"
    }

    /// All rows are kept, each once, but for those that a deletion of their key follows.
    private func sinceDeletions(_ batches: [Int64]) -> String {
        "SELECT x.* FROM \(rows(batches)) QUALIFY x.i >= COALESCE(MAX(IF(x.value IS NULL, x.i, NULL)) "
            + "OVER (PARTITION BY \(keys)), 0) AND ROW_NUMBER() OVER (PARTITION BY x.i ORDER BY x.i) = 1"
    }

    private static func quoted(_ table: TableName) -> String { "\(quoted(table.dataset)).\(quoted(table.table))" }

    /// - SeeAlso: "Quoted identifiers" in BigQuery's lexical structure.
    private static func quoted(_ name: String) -> String {
        "`" + name.replacing("\\", with: "\\\\").replacing("`", with: "\\`") + "`"
    }
}
