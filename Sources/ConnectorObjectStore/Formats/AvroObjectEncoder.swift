import Avro
import ConnectCore
import Crypto

/// An Avro container file.
struct AvroObjectEncoder: ObjectEncoder {
    private let encoder: AvroRecordEncoder
    private var writer: AvroContainerWriter
    private var scratch: [UInt8] = []

    init(_ schema: ConnectSchema?, _ options: FormatOptions, name: String) throws(ConnectError) {
        guard let schema else {
            throw .data(
                "Avro files need records with a schema: take a converter that has schemas, or JsonFormat as format.class"
            )
        }
        encoder = try AvroRecordEncoder(schema, options.avroMapping)
        do throws(AvroError) {
            // The marker has to be unlikely in the data, not secret; made from the name it is the same again.
            writer = try AvroContainerWriter(
                schema: encoder.schema, codec: options.avroCodec,
                sync: Array(SHA256.hash(data: Array(name.utf8)).prefix(16)))
        } catch {
            throw ConnectError(.connect, error.message)
        }
    }

    /// The open block is bounded by the container writer.
    var byteCount: Int { scratch.count }

    mutating func append(_ value: SchemaAndValue, topic: String) throws(ConnectError) {
        scratch.removeAll(keepingCapacity: true)
        try encoder.encode(value.value, to: &scratch)
        do throws(AvroError) { try writer.append(encoded: scratch) } catch {
            throw ConnectError(.connect, error.message)
        }
    }

    mutating func take() -> [UInt8] { writer.take() }

    mutating func finish() throws(ConnectError) -> [UInt8] {
        do throws(AvroError) { return try writer.finish() } catch { throw ConnectError(.connect, error.message) }
    }
}
