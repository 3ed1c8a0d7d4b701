import Avro
import ProtobufFormat
package import SchemaRules

/// What a converter makes of the schemas of a registry, without records and without asking one.
package struct RegistryConverter: Sendable {
    package let type: SchemaType
    package let options: RegistryOptions
    private let avro: AvroMapping.Options
    private let json: JSONSchemaOptions
    private let protobuf: ProtobufOptions

    /// - Parameters:
    ///   - option: `key.converter` or `value.converter`; its options have this prefix and a dot.
    /// - Returns: nil for converters without a registry, and for what is no converter.
    /// - Throws: `.config` for options that the converter does not take.
    package init?(_ option: String, _ properties: [String: String]) throws(ConnectError) {
        guard let type = ConverterPlugins.schemaType(of: properties[option] ?? "") else { return nil }
        let own = ConverterPlugins.options(option, properties)
        self.type = type
        options = try RegistryOptions(own, isKey: option.hasPrefix("key"))
        avro = type == .avro ? try AvroMapping.Options(own) : AvroMapping.Options()
        json = type == .json ? try JSONSchemaOptions(own) : JSONSchemaOptions()
        protobuf = type == .protobuf ? try ProtobufOptions(own) : ProtobufOptions()
    }

    /// The schema of the values that the converter reads from records of a registered schema.
    ///
    /// - Throws: `.data` for schemas that it cannot read.
    package func connectSchema(_ registered: RegistrySchema) throws(ConnectError) -> ConnectSchema? {
        switch type {
        case .avro:
            let schema = try AvroValueWriter.avro { () throws(AvroError) in
                try AvroSchema(registered.text, references: registered.references.map(\.text))
            }
            return try AvroSchemaReader(schema, avro).root
        case .json: return try JSONSchemaReader(registered, json).schema()
        case .protobuf:
            let schema = try ProtobufConverter.schema(registered)
            guard let index = schema.mainMessageIndex else { throw .data("the schema has no messages") }
            return try ProtobufMapping(schema, index, protobuf).connect
        }
    }
}
