/// `output.data.format` of sources and `input.data.format` of sinks: how configurations of hosted connectors name a
/// converter. A converter that a configuration names itself comes first.
package enum HostedFormats {
    /// The formats and the classes that they stand for.
    private static let classes: [(format: String, className: String)] = [
        ("AVRO", "io.confluent.connect.avro.AvroConverter"),
        ("BYTES", "org.apache.kafka.connect.converters.ByteArrayConverter"),
        ("JSON", ConverterPlugins.json), ("JSON_SR", "io.confluent.connect.json.JsonSchemaConverter"),
        ("PROTOBUF", "io.confluent.connect.protobuf.ProtobufConverter"),
        ("STRING", "org.apache.kafka.connect.storage.StringConverter"),
    ]

    private static func prefix(_ role: ConnectorConfig.Role) -> String { role == .source ? "output" : "input" }

    /// Formats that there are none of.
    package static func problems(
        _ role: ConnectorConfig.Role, _ properties: [String: String]
    ) -> [ConfigProblem] {
        ["data", "key"].compactMap { part in
            let option = prefix(role) + ".\(part).format"
            guard let given = properties[option], className(given) == nil else { return nil }
            return ConfigProblem(
                option,
                "Invalid value \(given) for configuration \(option): Format must be one of: "
                    + classes.map(\.format).joined(separator: ", "))
        }
    }

    private static func className(_ format: String) -> String? {
        let wanted = format.trimmed.uppercased()
        return classes.first { $0.format == wanted }?.className
    }

    /// A configuration with the converters that its formats stand for. JSON is without schemas.
    ///
    /// - Throws: `.config` for a format that there is not.
    package static func converters(
        _ role: ConnectorConfig.Role, _ properties: [String: String]
    ) throws(ConnectError) -> [String: String] {
        let prefix = prefix(role)
        guard let value = properties[prefix + ".data.format"] ?? properties[prefix + ".key.format"] else {
            return properties
        }
        if let problem = problems(role, properties).first { throw .config(problem.message) }
        var result = properties
        func name(_ converter: String, _ format: String) {
            guard properties[converter] == nil, let className = className(format) else { return }
            result[converter] = className
            if className == ConverterPlugins.json, properties[converter + ".schemas.enable"] == nil {
                result[converter + ".schemas.enable"] = "false"
            }
        }
        if let format = properties[prefix + ".data.format"] { name("value.converter", format) }
        name("key.converter", properties[prefix + ".key.format"] ?? keyFormat(role, properties, value))
        return result
    }

    /// Keys of change events are structs, which are as the values; others are texts.
    private static func keyFormat(
        _ role: ConnectorConfig.Role, _ properties: [String: String], _ value: String
    ) -> String {
        let name = (properties["connector.class"] ?? "").lowercased()
        return role == .source && (name.hasPrefix("io.debezium.") || name.contains("cdc")) ? value : "STRING"
    }
}
