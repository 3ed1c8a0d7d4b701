import ArgumentParser
import Bytes
import Cluster
import JSONFormat
import NIOCore
import RecordBatches
import SchemaRules

/// The parts of a record that `consume --print` names.
enum RecordField: String, CaseIterable {
    case topic, partition, offset, timestamp, key, value, headers
}

/// How consumed records are printed.
struct RecordPrinter {
    enum Layout {
        /// The fields of each record in this order, with a separator between them.
        case text([RecordField], separator: String)
        /// Aligned for a person's eyes: control characters are shown, not sent to the terminal.
        case terminal
        /// One JSON object per record.
        case json
    }

    var layout: Layout
    var keyFormat: ByteFormat = .string
    var valueFormat: ByteFormat = .string
    /// What stands for a null key or value in text.
    var nullText = "null"
    /// Whether lines for a terminal say which topic they are of.
    var showsTopic = false

    /// The record's line, with its end.
    func line(_ record: ConsumerRecord) -> [UInt8] {
        var output: [UInt8] = []
        switch layout {
        case .json: output = json(record).bytes
        case .terminal:
            let place = (showsTopic ? record.topic + " " : "") + "\(record.partition):\(record.offset)"
            output += (place + String(repeating: " ", count: max(0, 10 - place.count)) + "  ").utf8
            output += "\(Timestamps.text(milliseconds: record.timestamp))  ".utf8
            output +=
                Self.visible(text(record.key, keyFormat)) + "  ".utf8 + Self.visible(text(record.value, valueFormat))
            if !record.headers.isEmpty { output += "  ".utf8 + Self.visible(headers(record)) }
        case .text(let fields, let separator):
            for (index, field) in fields.enumerated() {
                if index > 0 { output += separator.utf8 }
                output += text(field, of: record)
            }
        }
        output.append(UInt8(ascii: "\n"))
        return output
    }

    private func text(_ field: RecordField, of record: ConsumerRecord) -> [UInt8] {
        switch field {
        case .topic: Array(record.topic.utf8)
        case .partition: Array(String(record.partition).utf8)
        case .offset: Array(String(record.offset).utf8)
        case .timestamp: Array(String(record.timestamp).utf8)
        case .key: text(record.key, keyFormat)
        case .value: text(record.value, valueFormat)
        case .headers: headers(record)
        }
    }

    private func text(_ bytes: ByteBuffer?, _ format: ByteFormat) -> [UInt8] {
        bytes.map { format.encode($0.readableBytesView) } ?? Array(nullText.utf8)
    }

    /// `name=value,name=value`
    private func headers(_ record: ConsumerRecord) -> [UInt8] {
        var output: [UInt8] = []
        for (index, header) in record.headers.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            output += Array(header.key.utf8) + [UInt8(ascii: "=")] + (header.value ?? Array(nullText.utf8))
        }
        return output
    }

    /// Control characters and bytes that are not UTF-8 become visible ones, so that a record cannot steer the terminal.
    static func visible(_ bytes: [UInt8]) -> [UInt8] { Array(visible(String(decoding: bytes, as: UTF8.self)).utf8) }

    /// As for bytes.
    static func visible(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x09: output += "\\t"
            case 0x0A: output += "\\n"
            case 0x0D: output += "\\r"
            case 0..<0x20, 0x7F..<0xA0: output += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }

    /// Bytes that the member cannot hold as text come as hexadecimal digits in a member whose name ends in `Hex`.
    private func json(_ record: ConsumerRecord) -> JSONValue {
        .object([
            ("topic", .string(record.topic)),
            ("partition", .number(Int64(record.partition))),
            ("offset", .number(record.offset)),
            ("timestamp", .number(record.timestamp)),
            ("timestampType", .string(record.timestampType.rawValue)),
            Self.member("key", record.key.map { Array($0.readableBytesView) }, keyFormat),
            Self.member("value", record.value.map { Array($0.readableBytesView) }, valueFormat),
            (
                "headers",
                .array(
                    record.headers.map {
                        .object([("key", .string($0.key)), Self.member("value", $0.value, .string)])
                    })
            ),
        ])
    }

    /// A key or value as a member of an object.
    static func member(_ name: String, _ bytes: [UInt8]?, _ format: ByteFormat) -> (String, JSONValue) {
        guard let bytes else { return (name, .null) }
        switch format {
        case .json where JSONText.isValid(bytes): return (name, .raw(JSONText.compact(bytes)))
        case .hex: return (name + "Hex", .string(String(decoding: ByteFormat.hex(bytes), as: UTF8.self)))
        case .base64: return (name, .string(Base64.encode(bytes)))
        case .short, .int, .long, .float, .double:
            guard let number = format.number(bytes) else {
                return (name + "Hex", .string(String(decoding: ByteFormat.hex(bytes), as: UTF8.self)))
            }
            // JSON has no NaN and no Infinity.
            let isJSON = JSONText.isValid(Array(number.utf8))
            return (name, isJSON ? .raw(Array(number.utf8)) : .string(number))
        case .string, .json:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return (name + "Hex", .string(String(decoding: ByteFormat.hex(bytes), as: UTF8.self)))
            }
            return (name, .string(text))
        }
    }
}

/// Which parts of records are promised to be of a format, for who reads the output by a program.
///
/// Values in the format `json` are, and all numbers. Keys are JSON where the format is theirs: with the one for both, texts
/// are as good a key.
struct StrictFormats {
    /// nil: whatever the bytes are.
    var key: ByteFormat?
    var value: ByteFormat?

    func check(_ record: ConsumerRecord) throws(SchemaFailure) {
        try Self.check(record.key, .key, key)
        try Self.check(record.value, .value, value)
    }

    private static func check(_ bytes: ByteBuffer?, _ part: RecordPart, _ format: ByteFormat?) throws(SchemaFailure) {
        guard let bytes, let format else { return }
        let text = Array(bytes.readableBytesView)
        guard !format.fits(text) else { return }
        guard format == .json else {
            throw SchemaFailure("the \(part.rawValue) has \(counted(text.count, "byte")), so it is not \(format.noun)")
        }
        throw SchemaFailure(
            text.isEmpty
                ? "the \(part.rawValue) is empty, which is not JSON"
                : "the \(part.rawValue) is not JSON: \(ByteFormat.shortened(text))")
    }
}

/// How lines become records to produce.
struct RecordParser {
    enum Input: String, CaseIterable, ExpressibleByArgument {
        /// A line is a value, or key and value with a separator between them.
        case text
        /// A line is a JSON object as `consume -o json` prints it.
        case json
    }

    var input = Input.text
    /// What stands behind the headers at the beginning of a line; nil where lines have none.
    var headerSeparator: String?
    var keySeparator: String?
    var key: [UInt8]?
    var keyFormat = ByteFormat.string
    var valueFormat = ByteFormat.string
    /// Serialize what the formats read, by a schema; nil leaves it as it is.
    var keyEncoder: RegistryEncoder?
    var valueEncoder: RegistryEncoder?
    /// The value that stands for null.
    var nullText: String?
    var headers: [RecordHeader] = []
    var partition: Int32?
    var timestamp: Int64?

    /// - Throws: `CommandFailure` when the line is not what the options say.
    func record(_ line: [UInt8]) throws -> ProducerRecord {
        var record =
            switch input {
            case .text: try text(line)
            case .json: try object(line)
            }
        record.key = try Self.encoded(record.key, .key, keyEncoder)
        record.value = try Self.encoded(record.value, .value, valueEncoder)
        return record
    }

    private static func encoded(
        _ bytes: ByteBuffer?, _ part: RecordPart, _ encoder: RegistryEncoder?
    ) throws -> ByteBuffer? {
        guard let bytes, let encoder else { return bytes }
        do {
            return ByteBuffer(bytes: try encoder.bytes(json: Array(bytes.readableBytesView)))
        } catch { throw CommandFailure("the \(part.rawValue) does not fit the schema: \(error.message)") }
    }

    private func text(_ line: [UInt8]) throws -> ProducerRecord {
        var key = key
        var value = line[...]
        var own: [RecordHeader] = []
        if let headerSeparator {
            guard let found = value.firstRange(of: Array(headerSeparator.utf8)) else {
                throw CommandFailure("no header separator '\(headerSeparator)'")
            }
            own = try Self.headers(value[..<found.lowerBound])
            value = value[found.upperBound...]
        }
        if let keySeparator {
            guard let found = value.firstRange(of: Array(keySeparator.utf8)) else {
                throw CommandFailure("no key separator '\(keySeparator)'")
            }
            key = try keyFormat.decode(value[..<found.lowerBound])
            value = value[found.upperBound...]
        }
        let isNull = nullText.map { value.elementsEqual($0.utf8) } ?? false
        return ProducerRecord(
            partition: partition, key: key.map { ByteBuffer(bytes: $0) },
            value: isNull ? nil : ByteBuffer(bytes: try valueFormat.decode(value)), headers: headers + own,
            timestamp: timestamp)
    }

    /// `name=value,name=value`, as `consume` prints headers.
    private static func headers(_ text: ArraySlice<UInt8>) throws -> [RecordHeader] {
        try text.split(separator: UInt8(ascii: ",")).map { part in
            guard let at = part.firstIndex(of: UInt8(ascii: "=")), at > part.startIndex else {
                throw CommandFailure("a header is NAME=VALUE, not \(ByteFormat.shortened(Array(part)))")
            }
            return RecordHeader(key: String(decoding: part[..<at], as: UTF8.self), value: Array(part[(at + 1)...]))
        }
    }

    private func object(_ line: [UInt8]) throws -> ProducerRecord {
        var scanner = JSONScanner(line)
        scanner.skipSpace()
        guard String(validating: line, as: UTF8.self) != nil, let members = scanner.members() else {
            throw CommandFailure("not a JSON object")
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { throw CommandFailure("something behind the JSON object") }
        var record = ProducerRecord(
            partition: partition, key: key.map { ByteBuffer(bytes: $0) }, value: nil, headers: headers,
            timestamp: timestamp)
        for (name, value) in members {
            switch name {
            case "key", "keyHex": record.key = try bytes(name, value, keyFormat).map { ByteBuffer(bytes: $0) }
            case "value", "valueHex": record.value = try bytes(name, value, valueFormat).map { ByteBuffer(bytes: $0) }
            case "headers": record.headers += try headers(value)
            case "partition": record.partition = try Int32(clamping: number(name, value))
            case "timestamp": record.timestamp = try number(name, value)
            case "topic", "offset", "timestampType": continue  // where the record was before
            default: throw CommandFailure("unknown member '\(name)' of a record")
            }
        }
        return record
    }

    /// A string stands for itself, anything else for its JSON text; in the format `json` a string does so too.
    private func bytes(_ name: String, _ text: [UInt8], _ format: ByteFormat) throws -> [UInt8]? {
        var scanner = JSONScanner(text)
        let string = scanner.string()
        if name.hasSuffix("Hex") {
            guard let string, let bytes = ByteFormat.bytes(hex: string.utf8) else {
                throw CommandFailure("'\(name)' is not a string of hexadecimal digits")
            }
            return bytes
        }
        if text.elementsEqual("null".utf8) { return nil }
        switch format {
        case .json: return text
        case .hex, .base64, .short, .int, .long, .float, .double:
            return try format.decode(string.map { Array($0.utf8) } ?? text)
        case .string: return string.map { Array($0.utf8) } ?? text
        }
    }

    private func number(_ name: String, _ text: [UInt8]) throws -> Int64 {
        guard let number = Int64(String(decoding: text, as: UTF8.self)) else {
            throw CommandFailure("'\(name)' is not a whole number")
        }
        return number
    }

    /// `[{"key": .., "value": ..}]`, or an object of names and values.
    private func headers(_ text: [UInt8]) throws -> [RecordHeader] {
        var scanner = JSONScanner(text)
        if let elements = scanner.elements() {
            return try elements.map { element in
                var scanner = JSONScanner(element)
                guard let members = scanner.members() else { throw CommandFailure("a header is not a JSON object") }
                var header = RecordHeader(key: "", value: nil)
                for (name, value) in members {
                    switch name {
                    case "key":
                        var scanner = JSONScanner(value)
                        guard let key = scanner.string() else { throw CommandFailure("a header's key is not a string") }
                        header.key = key
                    case "value", "valueHex": header.value = try bytes(name, value, .string)
                    default: throw CommandFailure("unknown member '\(name)' of a header")
                    }
                }
                return header
            }
        }
        scanner = JSONScanner(text)
        guard let members = scanner.members() else {
            if text.elementsEqual("null".utf8) { return [] }
            throw CommandFailure("'headers' is neither an array nor an object")
        }
        return try members.map { RecordHeader(key: $0.name, value: try bytes("value", $0.value, .string)) }
    }
}
