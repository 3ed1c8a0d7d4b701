import ConnectCore
import JSONFormat

/// How a table's columns become what records need.
///
/// - SeeAlso: the original's `SchemaManager`, which looks at columns only; here the rules hold for fields of RECORDs, too.
struct SchemaChange: Sendable {
    var allowsNewFields: Bool
    var allowsRelaxation: Bool
    /// Columns that records do not have become NULLABLE.
    var unites: Bool

    init(_ settings: BigQuerySettings) {
        allowsNewFields = settings.allowsNewFields
        allowsRelaxation = settings.allowsRelaxation
        unites = settings.unites
    }

    /// Whether records have fields that a table has not.
    static func hasNewFields(_ proposed: [BigQueryField], beside existing: [BigQueryField]) -> Bool {
        let known = Dictionary(existing.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        return proposed.contains { field in
            guard let there = known[field.identity] else { return true }
            return there.type == "RECORD" && field.type == "RECORD" && hasNewFields(field.fields, beside: there.fields)
        }
    }

    /// A name in a row that no column has; nil when all are there.
    ///
    /// - Returns: with the names of the RECORDs that it is in: `customer.city`.
    static func unknownName(in row: JSONValue, beside fields: [BigQueryField]) -> String? {
        let known = Dictionary(fields.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        for (name, value) in row.members ?? [] {
            guard let field = known[BigQueryField.identity(name)] else { return name }
            guard field.type == "RECORD" else { continue }
            for part in value.elements ?? [value] {
                if let inner = unknownName(in: part, beside: field.fields) { return "\(name).\(inner)" }
            }
        }
        return nil
    }

    /// The columns that are there, with what others have and may bring. A column keeps its type: whether values of another
    /// fit is BigQuery's to say.
    ///
    /// - Parameter lacksColumns: rows were refused because they lack columns that are REQUIRED.
    /// - Throws: `.data` in the original's words for a field that must not be added.
    func merged(
        _ existing: [BigQueryField], with proposed: [BigQueryField], lacksColumns: Bool = false
    ) throws(ConnectError) -> [BigQueryField] {
        let others = Dictionary(proposed.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        var result: [BigQueryField] = []
        for field in existing {
            var field = field
            if let other = others[field.identity] {
                if field.mode == .required, other.mode == .nullable, allowsRelaxation { field.mode = .nullable }
                if field.type == "RECORD", other.type == "RECORD" {
                    field.fields = try merged(field.fields, with: other.fields, lacksColumns: lacksColumns)
                }
            } else if unites || lacksColumns, field.mode == .required, allowsRelaxation {
                field.mode = .nullable
            }
            result.append(field)
        }
        var known = Set(existing.map(\.identity))
        for var field in proposed where known.insert(field.identity).inserted {
            guard allowsNewFields, field.mode != .required || allowsRelaxation else {
                throw .data(
                    "New Field found with the name \(field.name) Ensure that allowNewBigQueryFields is true and "
                        + "allowBigQueryRequiredFieldRelaxation is true if \(field.name) has mode REQUIRED in order to update "
                        + "the Schema")
            }
            // Rows that are there have no value of it.
            if field.mode == .required { field.mode = .nullable }
            result.append(field)
        }
        return result
    }
}
