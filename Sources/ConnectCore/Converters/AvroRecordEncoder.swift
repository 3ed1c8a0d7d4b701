package import Avro

/// Values of one Connect schema as Avro, without a registry: what files of Avro are made of.
package struct AvroRecordEncoder: Sendable {
    /// The Avro schema that the Connect schema becomes.
    package let schema: AvroSchema
    private let connect: ConnectSchema
    private let encoder: AvroEncoder
    private let writer: AvroValueWriter
    private let program: AvroValueProgram?

    /// - Throws: `.data` for what Avro cannot hold.
    package init(_ connect: ConnectSchema, _ options: AvroMapping.Options = .init()) throws(ConnectError) {
        let text = try AvroSchemaWriter.text(connect, options)
        let schema = try AvroValueWriter.avro { () throws(AvroError) in try AvroSchema(text) }
        self.connect = connect
        self.schema = schema
        encoder = AvroEncoder(schema: schema)
        writer = AvroValueWriter(schema: schema, options: options)
        program = AvroValueProgram.make(connect, schema, options)
    }

    /// Appends the value's encoding. When this throws, a part of it may have been appended.
    ///
    /// - Throws: `.data` for a value that is not of the schema.
    package func encode(_ value: ConnectValue, to output: inout [UInt8]) throws(ConnectError) {
        if let program {
            let start = output.count
            if try program.write(value, to: &output) { return }
            output.removeSubrange(start...)
        }
        let avro = try writer.value(value, connect, schema.root)
        do throws(AvroError) { try encoder.encode(avro, to: &output) } catch { throw .data(error.message) }
    }
}
