package import Cluster
import NIOCore
import SQLFormats
package import SQLPlan
import SQLTypes

/// A row of INSERT as the record that it becomes. Making it may ask the registry, and block.
package struct ProducedRow: Sendable {
    package var record: ProducerRecord

    /// - Throws: 40001 in the original's words.
    package init(_ row: InsertedRow, _ engine: SQLEngine, text: String) throws(KsqlFailure) {
        let source = row.source
        do throws(FormatError) {
            let formats = RecordFormats(schemas: engine.schemas)
            let key = try formats.rowEncoder(
                source.keyFormat, topic: source.topic, isKey: true,
                columns: source.keyColumns.map { SQLField($0.name, $0.type) }
            ).bytes(row.key)
            let value = try formats.rowEncoder(
                source.valueFormat, topic: source.topic, isKey: false,
                columns: source.valueColumns.map { SQLField($0.name, $0.type) }
            ).bytes(row.value)
            record = ProducerRecord(
                key: key.map { ByteBuffer(bytes: $0) }, value: value.map { ByteBuffer(bytes: $0) },
                timestamp: row.timestamp)
        } catch {
            throw .badStatement("Failed to insert values into '\(source.name)'. \(error.message)", text)
        }
    }
}
