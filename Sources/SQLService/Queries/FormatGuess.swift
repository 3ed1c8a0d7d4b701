import JSONFormat
import SQLFormats
import SQLTypes

/// What the bytes of a topic's keys or values may be, and how they read as text: what PRINT shows.
///
/// Formats that fit every record so far stay; the first of them prints. Where none fits all, the formats are mixed, and each
/// record is printed by the first that fits it.
struct FormatGuess {
    /// In the order in which they are tried.
    enum Format: Hashable {
        case avro, protobuf, jsonSR, json, int, bigint, double, string, bytes

        var name: String {
            switch self {
            case .avro: "AVRO"
            case .protobuf: "PROTOBUF"
            case .jsonSR: "JSON_SR"
            case .json: "JSON"
            case .int: "KAFKA_INT"
            case .bigint: "KAFKA_BIGINT"
            case .double: "KAFKA_DOUBLE"
            case .string: "KAFKA_STRING"
            case .bytes: "UNRECOGNISED_BYTES"
            }
        }

        static let all: [Format] = [.avro, .protobuf, .jsonSR, .json, .int, .bigint, .double, .string, .bytes]
    }

    enum Window: Hashable { case none, session, hopping, tumbling }

    struct Candidate: Hashable {
        var window: Window
        var format: Format

        var name: String {
            switch window {
            case .none: format.name
            case .session: "SESSION(\(format.name))"
            case .hopping: "HOPPING(\(format.name))"
            case .tumbling: "TUMBLING(\(format.name))"
            }
        }
    }

    static let noData = "¯\\_(ツ)_/¯ - no data processed"

    private let isKey: Bool
    private let schemas: SchemaTexts
    private var candidates: [Candidate]?
    private var isMixed = false

    init(isKey: Bool, schemas: SchemaTexts) {
        self.isKey = isKey
        self.schemas = schemas
    }

    /// "JSON or KAFKA_STRING"
    var description: String {
        if isMixed { return "MIXED" }
        guard let candidates else { return Self.noData }
        // Bytes are what is left when nothing else fits.
        let known = candidates.filter { $0.format != .bytes }
        return (known.isEmpty ? candidates : known).map(\.name).joined(separator: " or ")
    }

    /// Takes a record into account, and gives its text.
    mutating func text(_ bytes: [UInt8]?) -> String {
        guard let bytes else { return "<null>" }
        let fitting = fits(bytes)
        if !isMixed {
            let left = candidates.map { $0.filter { fitting[$0] != nil } } ?? order.filter { fitting[$0] != nil }
            let isPlain = left.contains { $0.format != .bytes }
            if let before = candidates, before.contains(where: { $0.format != .bytes }), !isPlain {
                isMixed = true
            } else {
                candidates = left
            }
        }
        let shown = isMixed ? order.first { fitting[$0] != nil } : candidates?.first
        return shown.flatMap { fitting[$0] } ?? "<\(Hexadecimals.text(bytes))>"
    }

    private var order: [Candidate] {
        Format.all.flatMap { format in
            let windows: [Window] = isKey && format != .bytes ? [.session, .hopping, .tumbling, .none] : [.none]
            return windows.map { Candidate(window: $0, format: format) }
        }
    }

    private func fits(_ bytes: [UInt8]) -> [Candidate: String] {
        var found: [Candidate: String] = [:]
        for format in Format.all {
            if let text = text(bytes, format) { found[Candidate(window: .none, format: format)] = text }
        }
        guard isKey else { return found }
        if let (key, start, end) = WindowedKey.split(bytes, isSession: true), let end, !key.isEmpty, start <= end,
            Self.isPlausible(start), Self.isPlausible(end)
        {
            for format in Format.all where format != .bytes {
                guard let text = text(key, format) else { continue }
                found[Candidate(window: .session, format: format)] = "[\(text)@\(start)/\(end)]"
            }
        }
        if let (key, start, _) = WindowedKey.split(bytes, isSession: false), !key.isEmpty, Self.isPlausible(start) {
            for format in Format.all where format != .bytes {
                guard let text = text(key, format) else { continue }
                // How long the window is, the bytes do not tell.
                for window in [Window.hopping, .tumbling] {
                    found[Candidate(window: window, format: format)] = "[\(text)@\(start)/-]"
                }
            }
        }
        return found
    }

    /// Milliseconds between 1970 and 2200: what else could be bytes of a text is far beyond.
    private static func isPlausible(_ time: Int64) -> Bool { 0...7_258_118_400_000 ~= time }

    private func text(_ bytes: [UInt8], _ format: Format) -> String? {
        switch format {
        case .avro: return schemas.text(bytes, .avro)
        case .protobuf: return schemas.text(bytes, .protobuf)
        case .jsonSR: return schemas.text(bytes, .jsonSR)
        case .json:
            guard bytes.first != 0, JSONValue.parse(bytes) != nil else { return nil }
            return String(validating: bytes, as: UTF8.self)
        case .int:
            guard bytes.count == 4 else { return nil }
            return String(Int32(truncatingIfNeeded: Self.number(bytes)))
        case .bigint:
            guard bytes.count == 8 else { return nil }
            return String(Self.number(bytes))
        case .double:
            guard bytes.count == 8 else { return nil }
            return DoubleText.text(Double(bitPattern: UInt64(bitPattern: Self.number(bytes))))
        case .string: return String(validating: bytes, as: UTF8.self)
        case .bytes: return Hexadecimals.text(bytes)
        }
    }

    private static func number(_ bytes: [UInt8]) -> Int64 {
        bytes.reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
}

/// Bytes as digits.
private enum Hexadecimals {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Payloads of registry formats as text, by the schemas that their ids name. One user at a time; its questions to the registry
/// block.
final class SchemaTexts {
    private struct Reader {
        var format: SQLFormat
        var columns: [SQLField]
        var isUnwrapped: Bool
        /// nil for JSON, which is text already.
        var decoder: (any RowDecoder)?
    }

    private let schemas: SQLSchemas?
    /// By id and what is looked for; nil for ids that are none.
    private var readers: [Int32: Reader?] = [:]

    init(_ schemas: SQLSchemas?) { self.schemas = schemas }

    func text(_ bytes: [UInt8], _ format: SQLFormat) -> String? {
        guard bytes.count > 5, bytes[0] == 0, let reader = reader(bytes), reader.format == format else { return nil }
        if format == .jsonSR {
            let text = Array(bytes[5...])
            return JSONValue.parse(text) == nil ? nil : String(validating: text, as: UTF8.self)
        }
        guard let row = try? reader.decoder?.row(bytes) else { return nil }  // then it is of another format
        var output: [UInt8] = []
        if reader.isUnwrapped, let column = reader.columns.first {
            RowText.append(row.first ?? .null, column.type, to: &output)
        } else {
            output.append(UInt8(ascii: "{"))
            for (index, (column, value)) in zip(reader.columns, row).enumerated() {
                if index > 0 { output += ", ".utf8 }
                JSONText.quote(column.name, to: &output)
                output += ": ".utf8
                RowText.append(value, column.type, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
        return String(decoding: output, as: UTF8.self)
    }

    private func reader(_ bytes: [UInt8]) -> Reader? {
        let id = bytes[1..<5].reduce(Int32(0)) { $0 << 8 | Int32($1) }
        if let known = readers[id] { return known }
        let made = make(id)
        if readers.count >= 1000 { readers.removeAll() }
        readers[id] = .some(made)
        return made
    }

    private func make(_ id: Int32) -> Reader? {
        guard let schemas, let schema = (try? schemas.schema(id: id)) ?? nil else { return nil }
        let name: SQLFormat
        switch schema.type {
        case "AVRO": name = .avro
        case "PROTOBUF": name = .protobuf
        default: return Reader(format: .jsonSR, columns: [], isUnwrapped: false, decoder: nil)
        }
        for isUnwrapped in name == .avro ? [false, true] : [false] {
            let format = SerdeFormat(FormatInfo(name), features: isUnwrapped ? [.unwrapSingles] : [])
            do throws(FormatError) {
                let columns = try RegistrySchemas.columns(
                    of: schema,
                    references: { reference throws(FormatError) in
                        try schemas.schema(of: reference.subject, version: reference.version)
                    }, format: format, isKey: false, keepsNames: true)
                let decoder = try RecordFormats(schemas: schemas).rowDecoder(
                    format, topic: "", isKey: false, columns: columns)
                return Reader(format: name, columns: columns, isUnwrapped: isUnwrapped, decoder: decoder)
            } catch { continue }  // the schema is a bare value, or of no use to SQL
        }
        return nil
    }
}
