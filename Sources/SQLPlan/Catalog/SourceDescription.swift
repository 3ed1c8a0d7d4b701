package import SQLSyntax
package import SQLTypes

/// A stream or table as the catalog knows it.
package struct SourceDescription: Hashable, Sendable {
    package var name: String
    package var kind: SourceKind
    /// As declared; of results of queries the key columns come first.
    package var columns: [SQLColumn]
    package var topic: String
    package var keyFormat: SerdeFormat
    /// Set where keys are those of windows.
    package var window: WindowInfo?
    package var valueFormat: SerdeFormat
    package var timestamp: TimestampColumn?
    /// CREATE SOURCE: nothing is inserted, altered or deleted.
    package var isReadOnly: Bool
    /// Made by CREATE ... AS.
    package var isResultOfQuery: Bool
    package var statement: String

    package init(
        name: String, kind: SourceKind, columns: [SQLColumn], topic: String, keyFormat: SerdeFormat,
        window: WindowInfo?,
        valueFormat: SerdeFormat, timestamp: TimestampColumn? = nil, isReadOnly: Bool = false,
        isResultOfQuery: Bool = false, statement: String = ""
    ) {
        self.name = name
        self.kind = kind
        self.columns = columns
        self.topic = topic
        self.keyFormat = keyFormat
        self.window = window
        self.valueFormat = valueFormat
        self.timestamp = timestamp
        self.isReadOnly = isReadOnly
        self.isResultOfQuery = isResultOfQuery
        self.statement = statement
    }

    package var keyColumns: [SQLColumn] { columns.filter { $0.role == .key } }
    package var valueColumns: [SQLColumn] { columns.filter { $0.role == .value } }
    package var headerColumns: [SQLColumn] { columns.filter { $0.isHeader } }
    package var isWindowed: Bool { window != nil }
    package var isTable: Bool { kind == .table }

    package func column(_ name: String) -> SQLColumn? { columns.first { $0.name == name } }

    /// "`ID` BIGINT KEY, `NAME` STRING"
    package var schemaText: String { SQLColumn.list(columns) }
}

extension SQLColumn {
    package var isHeader: Bool {
        switch role {
        case .headers, .header: true
        case .key, .value: false
        }
    }

    static func list(_ columns: [SQLColumn]) -> String { columns.map(\.description).joined(separator: ", ") }
}

extension SourceKind {
    /// "stream" or "table", as messages have it.
    package var lowercased: String { self == .stream ? "stream" : "table" }
    package var capitalized: String { self == .stream ? "Stream" : "Table" }
}
