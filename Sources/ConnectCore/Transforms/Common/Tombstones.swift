import Compression

/// `TombstoneHandler`, Confluent's and Aiven's: records without a value are dropped or fail.
struct TombstoneHandler: Transformation {
    private let fails: Bool

    /// Confluent's.
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "behavior", .string, .value(.string("warn")), .oneOf(["ignore", "warn", "fail"], ignoresCase: true),
            .medium,
            "What becomes of a record without a value: ignore and warn drop it, neither with a line in the log; fail "
                + "fails it.")
        return definition
    }()

    static let aivenDefinition: ConfigDef = {
        let names = ["drop_silent", "drop_warn", "fail"]
        var definition = ConfigDef()
        definition.define(
            "behavior", .string, .required,
            ConfigValidator { (name, value) throws(ConnectError) in
                guard let text = value.text, !text.isEmpty else {
                    throw .config(name, value.text, "String must be non-empty")
                }
                guard !names.contains(text.lowercased()) else { return }
                throw .config(
                    name, text,
                    "Unsupported behavior name: \(text). Supported are: \(names.joined(separator: ","))")
            }, .medium,
            "What becomes of a record without a value: drop_silent and drop_warn drop it, neither with a line in the log; "
                + "fail fails it.")
        return definition
    }()

    init(_ values: ConfigValues) { fails = values.string("behavior")?.lowercased() == "fail" }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard record.value.value.isNull else { return record }
        guard fails else { return nil }
        throw .data("Tombstone record encountered, failing due to configured 'fail' behavior")
    }
}

/// `MakeTombstone` of Aiven's, `SetNull` of the common transforms: no key or value, and no schema of one.
struct SetNull: Transformation {
    static let definition = ConfigDef()

    let part: RecordPart

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? { record.with(part, nil, .null) }
}

/// `io.confluent.connect.transforms.GzipDecompress`: what was compressed with gzip.
struct GzipDecompress: Transformation {
    static let definition = ConfigDef()
    /// As large as a record's batch may become.
    private static let byteCountMax = 256 << 20

    let part: RecordPart

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        guard case .bytes(let bytes) = current.value else {
            throw .data("GzipDecompress takes bytes, found: \(current.value.javaClass)")
        }
        let output: [UInt8]
        do {
            output = try Codec.gzip.decompress(bytes.span.bytes, limit: Self.byteCountMax)
        } catch {
            throw .data("What is to be decompressed is no gzip: \(error)")
        }
        return record.with(part, current.schema, .bytes(output))
    }
}
