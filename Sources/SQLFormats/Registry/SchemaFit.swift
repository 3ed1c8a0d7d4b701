import Columns
package import SQLTypes

/// How columns would be read from the records of a schema: what the decoders make of types, told without a record.
package struct SchemaFit: Sendable, Hashable {
    package enum Verdict: Sendable, Hashable {
        case reads
        /// Records do not have it: it is null.
        case missing
        /// Some values can be read, others make their record fail.
        case sometimes(String)
        /// Every record fails.
        case fails
    }

    /// A column, or a part of one: `ADDRESS->CITY`.
    package struct Part: Sendable, Hashable {
        package var path: String
        /// The column's index.
        package var column: Int
        package var declared: SQLType
        /// nil: the schema does not have it, or SQL has no such type.
        package var written: SQLType?
        package var verdict: Verdict
    }

    /// Why no record of the schema can be read at all; there are no parts then.
    package var problem: String?
    package var parts: [Part] = []

    /// - Parameter columns: all columns of the bytes, in order.
    package init(
        _ columns: [SQLField], in schema: RegistrySchema, references: RegistrySchemas.References, format: SerdeFormat
    ) {
        guard let wanted = Self.schemaType(of: format.info.format) else { return }
        guard schema.type == wanted else {
            problem =
                "the format \(format.info.format.rawValue) reads \(wanted) schemas, and this one is \(schema.type)"
            return
        }
        do throws(UnsupportedType) {
            let plain = try RegistrySchemas.type(
                of: schema, references: references, format: format, keepsNames: true, unwraps: false)
            let reading = Reading(format: format.info.format)
            let isUnwrapped = RecordFormats.isUnwrapped(format, columns)
            parts = try reading.parts(columns, in: plain, isUnwrapped: isUnwrapped)
            guard schema.type == "PROTOBUF", parts.contains(where: { $0.verdict == .fails }) else { return }
            // Messages that hold one value are read as either.
            let bare = try RegistrySchemas.type(
                of: schema, references: references, format: format, keepsNames: true, unwraps: true)
            let others = try reading.parts(columns, in: bare, isUnwrapped: isUnwrapped)
            for index in columns.indices where parts.contains(where: { $0.column == index && $0.verdict == .fails }) {
                parts = parts.filter { $0.column != index } + others.filter { $0.column == index }
            }
        } catch {
            parts = []
            problem = error.problem?.message ?? error.message
        }
    }

    private static func schemaType(of format: SQLFormat) -> String? {
        switch format {
        case .avro: "AVRO"
        case .jsonSR: "JSON"
        case .protobuf: "PROTOBUF"
        default: nil
        }
    }

    /// Compares types by the rules of one format's decoder.
    private struct Reading {
        let format: SQLFormat

        /// - Parameter root: what a record is.
        func parts(_ columns: [SQLField], in root: SQLType, isUnwrapped: Bool) throws(UnsupportedType) -> [Part] {
            if isUnwrapped { return parts(columns[0].name, 0, columns[0].type, root) }
            guard case .structure(let fields) = root else {
                throw UnsupportedType(message: "its values are no records: \(root)")
            }
            return columns.enumerated().flatMap { index, column in
                parts(column.name, index, column.type, written(for: index, of: columns, in: fields))
            }
        }

        /// The field that a column is read from.
        private func written(for index: Int, of columns: [SQLField], in fields: [SQLField]) -> SQLType? {
            fields.last { field in
                format == .avro
                    ? ConnectTypes.index(of: field.name, in: columns, AvroDerivation.fieldName) == index
                    : ConnectTypes.index(of: field.name, in: columns) == index
            }?.type
        }

        private func parts(_ path: String, _ column: Int, _ declared: SQLType, _ written: SQLType?) -> [Part] {
            guard let written else {
                return [Part(path: path, column: column, declared: declared, written: nil, verdict: .missing)]
            }
            switch (declared, written) {
            case (.array(let declared), .array(let written)): return parts(path + "[]", column, declared, written)
            case (.map(_, let declared), .map(_, let written)): return parts(path + "[]", column, declared, written)
            case (.structure(let declared), .structure(let written)):
                return declared.enumerated().flatMap { index, field in
                    parts(
                        path + "->" + field.name, column, field.type,
                        self.written(for: index, of: declared, in: written))
                }
            default:
                let verdict = format == .jsonSR ? json(declared, written) : connect(declared, written)
                return [Part(path: path, column: column, declared: declared, written: written, verdict: verdict)]
            }
        }

        /// Avro and Protobuf: types have to be those of the columns, but for what gets wider.
        private func connect(_ declared: SQLType, _ written: SQLType) -> Verdict {
            switch (declared, written) {
            case (.decimal(let precision, let scale), .decimal(let otherPrecision, let otherScale)):
                if otherScale > scale || otherPrecision - otherScale > precision - scale {
                    return .sometimes("values of more digits than \(declared) has make their record fail")
                }
                return .reads
            case (.decimal, _), (_, .decimal): return .fails
            // Protobuf's are messages, and read as what they hold.
            case (.date, .date), (.int, .date), (.bigint, .date), (.time, .time), (.int, .time), (.bigint, .time),
                (.timestamp, .timestamp), (.bigint, .timestamp):
                return .reads
            case (_, .date), (_, .time), (_, .timestamp):
                if format == .protobuf { return .fails }
                fallthrough
            default:
                let read = ConnectTypes.scalar(ConnectTypes.name(written), declared, "")
                do throws(FormatError) {
                    // Readers of what does not fit refuse even null.
                    _ = try read(.null)
                    return .reads
                } catch { return .fails }
            }
        }

        /// JSON is read by what stands there, so texts may be numbers, and everything is a text.
        private func json(_ declared: SQLType, _ written: SQLType) -> Verdict {
            switch (declared, written) {
            case (.string, _): return .reads
            case (.boolean, .boolean), (.bytes, .bytes): return .reads
            case (.bytes, .string): return .sometimes("texts that are no base 64 make their record fail")
            case (.structure, .map), (.map, .structure): return .reads
            case (.int, _), (.bigint, _), (.double, _), (.decimal, _), (.date, _), (.time, _), (.timestamp, _):
                switch written {
                case .int, .bigint, .double, .decimal, .date, .time, .timestamp: return .reads
                case .string: return .sometimes("texts that are no numbers make their record fail")
                default: return .fails
                }
            default: return .fails
            }
        }
    }
}
