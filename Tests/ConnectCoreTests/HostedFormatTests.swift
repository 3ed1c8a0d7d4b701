import Testing

@testable import ConnectCore

@Suite struct HostedFormatTests {
    @Test(
        arguments: [
            (["output.data.format": "JSON"], "org.apache.kafka.connect.storage.StringConverter", ConverterPlugins.json),
            (
                ["output.data.format": "avro", "output.key.format": "AVRO"], "io.confluent.connect.avro.AvroConverter",
                "io.confluent.connect.avro.AvroConverter"
            ),
            (
                ["output.data.format": "JSON_SR", "connector.class": "io.debezium.connector.mysql.MySqlConnector"],
                "io.confluent.connect.json.JsonSchemaConverter", "io.confluent.connect.json.JsonSchemaConverter"
            ),
            (
                ["output.data.format": "PROTOBUF", "value.converter": "mine"],
                "org.apache.kafka.connect.storage.StringConverter", "mine"
            ),
            (["output.key.format": "BYTES"], "org.apache.kafka.connect.converters.ByteArrayConverter", nil),
            // What a sink writes is the sink's affair.
            (["input.data.format": "AVRO"], nil, nil), ([:], nil, nil),
        ] as [([String: String], String?, String?)])
    func `formats stand for converters`(properties: [String: String], key: String?, value: String?) throws {
        let found = try HostedFormats.converters(.source, properties)
        #expect(found["key.converter"] == key && found["value.converter"] == value)
        #expect(found["value.converter.schemas.enable"] == (value == ConverterPlugins.json ? "false" : nil))
    }

    @Test func `sinks have their own`() throws {
        let found = try HostedFormats.converters(.sink, ["input.data.format": "JSON", "output.data.format": "PARQUET"])
        #expect(found["value.converter"] == ConverterPlugins.json)
        #expect(HostedFormats.problems(.sink, ["output.data.format": "PARQUET"]).isEmpty)
    }

    @Test func `a format that there is not is told`() {
        let problems = HostedFormats.problems(.source, ["output.data.format": "XML", "output.key.format": "JSON"])
        #expect(problems.map(\.option) == ["output.data.format"])
        #expect(throws: ConnectError.self) { try HostedFormats.converters(.source, ["output.data.format": "XML"]) }
    }
}
