import Avro
import Compression
import ConnectCore

/// How records become the bytes of an object.
enum ObjectFormat: Sendable, Hashable {
    case json, avro, parquet, bytes, text

    /// By the names of the original's classes.
    static let classNames: [(name: String, format: ObjectFormat)] = [
        ("io.confluent.connect.s3.format.avro.AvroFormat", .avro),
        ("io.confluent.connect.s3.format.json.JsonFormat", .json),
        ("io.confluent.connect.s3.format.parquet.ParquetFormat", .parquet),
        ("io.confluent.connect.s3.format.bytearray.ByteArrayFormat", .bytes),
    ]

    /// Those of the sinks of HDFS.
    static let hdfsClassNames: [(name: String, format: ObjectFormat)] = ["hdfs3", "hdfs"].flatMap { package in
        [("avro.Avro", avro), ("json.Json", json), ("parquet.Parquet", parquet), ("string.String", text)].map {
            ("io.confluent.connect.\(package).\($0.0)Format", $0.1)
        }
    }

    /// Those of the sink of Google Cloud Storage.
    static let gcsClassNames: [(name: String, format: ObjectFormat)] = classNames.map {
        ($0.name.replacing(".s3.", with: ".gcs."), $0.format)
    }

    /// Those that a sink's options name.
    static func classNames(_ flavour: ObjectStoreSinkPlugin.Flavour) -> [(name: String, format: ObjectFormat)] {
        switch flavour {
        case .hdfs: Array(hdfsClassNames.prefix(4))
        case .gcs: gcsClassNames
        case .s3, .folder: classNames
        }
    }

    static func defaultName(_ flavour: ObjectStoreSinkPlugin.Flavour) -> String {
        let format = flavour == .folder ? ObjectFormat.parquet : .avro
        return classNames(flavour).first { $0.format == format }?.name ?? ""
    }

    /// - Parameter name: of a class, with or without its package.
    static func named(_ name: String) -> ObjectFormat? {
        (classNames + gcsClassNames + hdfsClassNames).first {
            $0.name == name || ObjectStoreSettings.simple($0.name) == name
        }?.format
    }
}

/// What all formats are told.
struct FormatOptions: Sendable {
    var avroCodec = AvroContainer.Codec.null
    var avroMapping = AvroMapping.Options()
    var parquetCodec = Codec.snappy
    /// For JSON and bytes: nil without compression, else gzip's level.
    var gzipLevel: Int?
    var bytesExtension = ".bin"
    /// Behind each value of the bytes format.
    var bytesSeparator: [UInt8] = [0x0A]
    var writesDecimalsAsNumbers = false
    /// Whether the names of Parquet files tell how their pages are compressed.
    var parquetExtensionHasCodec = true

    /// The end of an object's name.
    func fileExtension(_ format: ObjectFormat) -> String {
        let gzip = gzipLevel == nil ? "" : ".gz"
        switch format {
        case .json: return ".json" + gzip
        case .bytes: return bytesExtension + gzip
        case .text: return ".txt" + gzip
        case .avro: return ".avro"
        case .parquet where !parquetExtensionHasCodec: return ".parquet"
        case .parquet:
            switch parquetCodec {
            case .none, .lz4: return ".parquet"
            case .snappy: return ".snappy.parquet"
            case .gzip: return ".gz.parquet"
            case .zstd: return ".zstd.parquet"
            }
        }
    }

    func contentType(_ format: ObjectFormat) -> String {
        format == .json && gzipLevel == nil ? "application/json" : "application/octet-stream"
    }

    /// - Parameters:
    ///   - schema: of all values.
    ///   - name: of the object; what is random in a file is made from it, so that a second writing gives the same bytes.
    func encoder(
        _ format: ObjectFormat, _ schema: ConnectSchema?, name: String
    ) throws(ConnectError) -> any ObjectEncoder {
        switch format {
        case .json: try LineEncoder(.json(decimalsAsNumbers: writesDecimalsAsNumbers), [0x0A], gzipLevel)
        case .bytes: try LineEncoder(.bytes, bytesSeparator, gzipLevel)
        case .text: try LineEncoder(.text, [0x0A], gzipLevel)
        case .avro: try AvroObjectEncoder(schema, self, name: name)
        case .parquet: try ParquetObjectEncoder(schema, parquetCodec)
        }
    }
}

/// Makes the bytes of one object. The same values give the same bytes.
protocol ObjectEncoder: Sendable {
    /// Adds a value; one that does not fit leaves nothing behind.
    ///
    /// - Throws: `.data` for such a value; anything else when the object is lost.
    mutating func append(_ value: SchemaAndValue, topic: String) throws(ConnectError)
    /// Takes what is ready; what is taken, in order, is the object.
    mutating func take() throws(ConnectError) -> [UInt8]
    /// Ends the object and takes the rest.
    mutating func finish() throws(ConnectError) -> [UInt8]
    /// Bytes held in memory, about.
    var byteCount: Int { get }
}
