import JSONFormat
import SchemaRules

/// The converters by the names of their classes.
package enum ConverterPlugins {
    static let json = "org.apache.kafka.connect.json.JsonConverter"
    /// The converter of connectors and workers that name none.
    package static let defaultName = json
    static let simpleHeader = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
    private static let string = "org.apache.kafka.connect.storage.StringConverter"
    private static let avro = "io.confluent.connect.avro.AvroConverter"
    private static let jsonSchema = "io.confluent.connect.json.JsonSchemaConverter"
    private static let protobuf = "io.confluent.connect.protobuf.ProtobufConverter"
    private static let numbers = "org.apache.kafka.connect.converters."

    private static let plain = [
        "BooleanConverter", "ByteArrayConverter", "DoubleConverter", "FloatConverter", "IntegerConverter",
        "LongConverter", "ShortConverter",
    ].map { numbers + $0 }

    /// Sorted.
    package static let names = [avro, jsonSchema, protobuf] + plain + [json, string]
    package static let headerNames = plain + [json, simpleHeader, string]

    /// Snowflake's converters, of which two do what others do: `SnowflakeJsonConverter` reads JSON without an envelope.
    private static let snowflake = "com.snowflake.kafka.connector.records."
    private static let snowflakeJSON = snowflake + "SnowflakeJsonConverter"

    /// The class that does what another one did in somebody else's plugin; the name itself for all others.
    static func modern(_ name: String) -> String {
        switch name {
        case snowflakeJSON: json
        case snowflake + "SnowflakeAvroConverter": avro
        default: name
        }
    }

    /// What to take instead of a class that is not there; nil where nobody knows.
    static func advice(_ name: String) -> String? {
        name == snowflake + "SnowflakeAvroConverterWithoutSchemaRegistry"
            ? "Avro with its schema in every record is not read; write with a schema registry and take \(avro)." : nil
    }

    /// Whether a class is one of these: in full, by its last part, or in a package that the class had before.
    static func isKnown(_ name: String, among names: [String]) -> Bool { resolve(name, names) != nil }

    private static func resolve(_ name: String, _ names: [String]) -> String? {
        let name = modern(name)
        if names.contains(name) { return name }
        // Replicator and Debezium ship a byte array converter of their own that does the same.
        if ["io.confluent.connect.replicator.util.ByteArrayConverter", "io.debezium.converters.ByteArrayConverter"]
            .contains(name)
        {
            return names.first { $0.hasSuffix(".ByteArrayConverter") }
        }
        return name.contains(".")
            ? nil : names.first { $0.hasSuffix("." + name) || $0.hasSuffix("." + name + "Converter") }
    }

    /// The type of schemas that a converter has in a registry; nil for those without one.
    static func schemaType(of name: String) -> SchemaType? {
        switch resolve(name.trimmed, names) {
        case avro: .avro
        case jsonSchema: .json
        case protobuf: .protobuf
        default: nil
        }
    }

    /// Makes the converter that a configuration names.
    ///
    /// - Parameters:
    ///   - option: `key.converter` or `value.converter`; its options have this prefix and a dot.
    ///   - registry: the registry at the addresses of `schema.registry.url`, with the converter's options for
    ///     authentication.
    /// - Returns: nil when `properties` do not name one: the worker's counts.
    /// - Throws: `.config` in Connect's words.
    package static func converter(
        _ option: String, _ properties: [String: String],
        registry: (_ addresses: [String], _ options: [String: String]) throws(ConnectError) -> any ConverterRegistry
    ) throws(ConnectError) -> (any Converter)? {
        guard let given = properties[option]?.trimmed else { return nil }
        guard let name = resolve(given, names) else {
            throw .config(option, given, "Class \(given) could not be found.")
        }
        let options = self.options(option, properties)
        switch name {
        case json:
            let isBare = given == snowflakeJSON
            return try jsonConverter(
                isBare ? options.merging(["schemas.enable": "false"]) { $1 } : options, hasSchemas: true)
        case string: return StringConverter()
        case avro, jsonSchema, protobuf:
            let values = try ConverterOptions.definition(name)?.parse(options)
            let link = try registry(values?.list("schema.registry.url") ?? [], options)
            let shared = try RegistryOptions(options, isKey: option.hasPrefix("key"))
            switch name {
            case avro: return AvroConverter(link, shared, try AvroMapping.Options(options))
            case jsonSchema:
                return JSONSchemaConverter(
                    link, shared, try jsonOptions(options, hasSchemas: false), try JSONSchemaOptions(options))
            default: return ProtobufConverter(link, shared, try ProtobufOptions(options))
            }
        default: return plainConverter(name)
        }
    }

    /// Makes the header converter that a configuration names; `SimpleHeaderConverter` when it names none.
    package static func headerConverter(_ properties: [String: String]) throws(ConnectError) -> any HeaderConverter {
        let option = "header.converter"
        guard let given = properties[option]?.trimmed else { return SimpleHeaderConverter() }
        guard let name = resolve(given, headerNames) else {
            throw .config(option, given, "Class \(given) could not be found.")
        }
        switch name {
        case simpleHeader: return SimpleHeaderConverter()
        case json: return try jsonConverter(options(option, properties), hasSchemas: true)
        case string: return ConverterForHeaders(StringConverter())
        default: return ConverterForHeaders(plainConverter(name))
        }
    }

    static func options(_ option: String, _ properties: [String: String]) -> [String: String] {
        var options: [String: String] = [:]
        for (name, value) in properties where name.hasPrefix(option + ".") {
            options[String(name.dropFirst(option.count + 1))] = value
        }
        return options
    }

    private static func plainConverter(_ name: String) -> any Converter {
        let word = name.dropFirst(numbers.count).replacing("Converter", with: "").lowercased()
        guard let kind = NumberConverter.Kind(rawValue: word) else { return ByteArrayConverter() }
        return NumberConverter(kind)
    }

    private static func jsonOptions(
        _ options: [String: String], hasSchemas: Bool
    ) throws(ConnectError) -> JSONConverter.Options {
        var result = JSONConverter.Options()
        result.hasSchemas = hasSchemas
        if hasSchemas { result.hasSchemas = try ConfigItem.flag("schemas.enable", options, true) }
        // The plain converter and the registry's have the same choice by different names.
        result.replacesNull =
            hasSchemas
            ? try ConfigItem.flag("replace.null.with.default", options, true)
            : try !ConfigItem.flag("ignore.default.for.nullables", options, false)
        if let text = options["decimal.format"] {
            try ConfigValidator.oneOf(["BASE64", "NUMERIC"], ignoresCase: true).check("decimal.format", .string(text))
            result.writesDecimalsAsNumbers = text.uppercased() == "NUMERIC"
        }
        return result
    }

    private static func jsonConverter(
        _ options: [String: String], hasSchemas: Bool
    ) throws(ConnectError) -> JSONConverter {
        var fixed: ConnectSchema?
        if let text = options["schema.content"], !text.trimmed.isEmpty {
            guard let json = JSONValue.parse(Array(text.utf8)) else {
                throw .config("schema.content", text, "Failed to parse schema: no JSON")
            }
            fixed = try JSONSchemaText.schema(json)
        }
        return JSONConverter(try jsonOptions(options, hasSchemas: hasSchemas), fixedSchema: fixed)
    }
}
