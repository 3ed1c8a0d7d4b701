import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorBigQuery

@Suite struct RowTests {
    private func row(_ record: ConnectRecord, _ properties: [String: String] = [:]) throws -> String {
        let bytes = try RowConverter(settings("http://h", properties)).row(record, now: 1500)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func value(
        _ schema: ConnectSchema, _ value: ConnectValue, _ properties: [String: String] = [:]
    ) throws -> String {
        try row(ConnectorBigQueryTests.row([("f", schema, value)]), properties)
    }

    private static func named(_ kind: ConnectSchema.Kind, _ name: String) -> ConnectSchema {
        ConnectSchema(kind, name: name, version: 1)
    }

    /// Times by hand from the definitions; texts as the original's converters write them.
    @Test(
        arguments: [
            (.int8, .int8(-1), "-1"), (.int64, .int64(.max), "9223372036854775807"), (.boolean, .boolean(true), "true"),
            (.float32, .float32(0.1), "0.1"), (.float64, .float64(1e300), "1e+300"),
            (.string, .string("ä\""), #""ä\"""#),
            (.bytes, .bytes([0, 255]), #""AP8=""#), (.date, .instant(-86_400_000), #""1969-12-31""#),
            (.time, .instant(3_723_004), #""01:02:03.004""#),
            (.timestamp, .instant(-1), #""1969-12-31 23:59:59.999""#),
            (.timestamp, .instant(1_577_836_800_123), #""2020-01-01 00:00:00.123""#),
            (.decimal(scale: 2), .decimal(SQLDecimal(unscaled: 150, scale: 2)), "1.5"),
            (named(.int32, "io.debezium.time.Date"), .int32(18_262), #""2020-01-01""#),
            (named(.int32, "io.debezium.time.Time"), .int32(1), #""00:00:00.001""#),
            (named(.int64, "io.debezium.time.MicroTime"), .int64(86_399_999_999), #""23:59:59.999999""#),
            (named(.int64, "io.debezium.time.Timestamp"), .int64(0), #""1970-01-01 00:00:00.000""#),
            (named(.int64, "io.debezium.time.MicroTimestamp"), .int64(-1), #""1969-12-31 23:59:59.999999""#),
            (
                named(.int64, "io.debezium.time.MicroTimestamp"), .int64(1_577_836_800_000_001),
                #""2020-01-01 00:00:00.000001""#
            ),
            (
                named(.string, "io.debezium.time.ZonedTimestamp"), .string("2020-01-01T01:02:03.5+02:00"),
                #""2020-01-01 01:02:03.5+02:00""#
            ),
            (.array(.int32), .array([.int32(1), .int32(2)]), "[1,2]"),
            (
                .map(.string, .optionalInt32), .map(ConnectMap([("k", .int32(1)), ("n", .null)])),
                #"[{"key":"k","value":1},{"key":"n"}]"#
            ),
        ] as [(ConnectSchema, ConnectValue, String)])
    func `values of all types`(schema: ConnectSchema, value: ConnectValue, text: String) throws {
        #expect(try self.value(schema, value) == #"{"f":\#(text)}"#)
    }

    @Test func `the ends of time are texts, too`() throws {
        let micro = Self.named(.int64, "io.debezium.time.MicroTimestamp")
        for schema in [ConnectSchema.timestamp, .date, .time] {
            for number in [Int64.min, .max] { _ = try value(schema, .instant(number)) }
        }
        for number in [Int64.min, .max] { _ = try value(micro, .int64(number)) }
    }

    @Test func `decimals`() throws {
        let number = ConnectValue.decimal(SQLDecimal(unscaled: -150, scale: 2))
        #expect(try value(.decimal(scale: 2), number, ["decimalHandlingMode": "NUMERIC"]) == #"{"f":"-1.50"}"#)
        #expect(
            try value(.decimal(scale: 2), number, ["decimalHandlingMode": "RECORD"])
                == #"{"f":{"scale":2,"value":"/2o="}}"#)
        let schema = ConnectSchema(
            .structure, name: "io.debezium.data.VariableScaleDecimal",
            fields: [.init("scale", .int32), .init("value", .bytes)])
        let variable = ConnectValue.structure(ConnectStruct(schema, values: [.int32(1), .bytes([15])]))
        #expect(try value(schema, variable) == #"{"f":{"scale":1,"value":"Dw=="}}"#)
        #expect(try value(schema, variable, ["variableScaleDecimalHandlingMode": "BIGNUMERIC"]) == #"{"f":"1.5"}"#)
        let huge = ConnectValue.decimal(SQLDecimal(unscaled: 1, scale: -400))
        for mode in ["FLOAT", "NUMERIC", "BIGNUMERIC"] {
            for scale in [Int(Int32.min), -100_000_000, 10_001, Int(Int32.max)] {
                let failure = #expect(throws: ConnectError.self) {
                    try value(
                        .decimal(scale: 2), .decimal(SQLDecimal(unscaled: 1, scale: scale)),
                        ["decimalHandlingMode": mode])
                }
                #expect(failure?.code == .data && failure?.message.contains("scale \(scale)") == true)
            }
            let long = SQLDecimal(bigEndian: Array(repeating: 1, count: 10_000), scale: 0)
            let failure = #expect(throws: ConnectError.self) {
                try value(.decimal(scale: 2), .decimal(long), ["decimalHandlingMode": mode])
            }
            #expect(failure?.code == .data)
        }
        // No infinity, for which there is an option, and no NULL.
        let failure = #expect(throws: ConnectError.self) {
            try value(.decimal(scale: 2), huge, ["convertDoubleSpecialValues": "true"])
        }
        #expect(failure?.code == .data && failure?.message.contains("decimalHandlingMode=RECORD") == true)
        #expect(try value(.decimal(scale: 2), huge, ["decimalHandlingMode": "RECORD"]).contains(#""scale":-400"#))
        #expect(try value(.decimal(scale: 2), .decimal(SQLDecimal(unscaled: 1, scale: 400))) == #"{"f":0.0}"#)
        let large = ConnectValue.structure(ConnectStruct(schema, values: [.int32(-400), .bytes([1])]))
        #expect(throws: ConnectError.self) { try value(schema, large, ["variableScaleDecimalHandlingMode": "FLOAT"]) }
        let hostile = ConnectValue.structure(ConnectStruct(schema, values: [.int32(.min), .bytes([15])]))
        #expect(throws: ConnectError.self) {
            try value(schema, hostile, ["variableScaleDecimalHandlingMode": "NUMERIC"])
        }
    }

    @Test func `nulls, defaults and structs`() throws {
        #expect(try value(.optionalString, .null) == "{}")
        #expect(try value(.optionalString.with(defaultValue: .string("x")), .null) == #"{"f":"x"}"#)
        #expect(try value(.structure([]), .null) == "{}")
        for schema in SchemaTests.withoutColumn { #expect(try value(schema, .null) == "{}") }
        let half = ConnectSchema.structure([.init("e", .structure([])), .init("x", .int32)])
        let part = ConnectStruct(half, values: [.structure(ConnectStruct(.structure([]))), .int32(1)])
        #expect(try value(half, .structure(part)) == #"{"f":{"x":1}}"#)
        let failure = #expect(throws: ConnectError.self) { try value(.string, .null) }
        #expect(failure?.message == "f is not optional, but converting object had null value")
        let inner = ConnectSchema.structure([.init("a.b", .optionalInt32), .init("c", .optionalInt32)])
        let list = ConnectValue.array([.structure(ConnectStruct(inner, values: [.int32(1), .null]))])
        #expect(try value(.array(inner), list, ["sanitizeFieldNames": "true"]) == #"{"f":[{"a_b":1}]}"#)
        #expect(try value(.array(.optionalInt32), .array([.null])) == #"{"f":[null]}"#)
    }

    @Test(arguments: [(Double.infinity, "1.7976931348623157e+308"), (-.infinity, "5e-324"), (.nan, "5e-324")])
    func `doubles that no row can have`(number: Double, text: String) throws {
        let failure = #expect(throws: ConnectError.self) { try value(.float64, .float64(number)) }
        #expect(failure?.message.contains("convertDoubleSpecialValues") == true)
        #expect(try value(.float64, .float64(number), ["convertDoubleSpecialValues": "true"]) == #"{"f":\#(text)}"#)
    }

    @Test func `records without a schema`() throws {
        let value = object([
            ("a", .int64(1)), ("n", .null), ("l", .array([.string("x"), object([("y.z", .float64(1.5))])])),
            ("b", .bytes([1])),
        ])
        #expect(
            try row(record(value), ["sanitizeFieldNames": "true"]) == #"{"a":1,"l":["x",{"y_z":1.5}],"b":"AQ=="}"#)
        for (value, words) in [
            (ConnectValue.string("x"), "Only Map objects supported in absence of schema"),
            (.map(ConnectMap([(.int32(1), .int32(1))])), "needs to have string value keys"),
            (object([("t", .instant(1))]), "Unsupported class java.util.Date"),
        ] {
            let failure = #expect(throws: ConnectError.self) { try row(record(value)) }
            #expect(failure?.message.contains(words) == true && failure?.code == .data)
        }
    }

    @Test func `key and place`() throws {
        let key = SchemaAndValue(nil, object([("id", .int64(7))]))
        let text = try row(
            record(object([("a", .int64(1)), ("meta", .string("mine"))]), key: key, offset: 9),
            ["kafkaDataFieldName": "meta", "kafkaKeyFieldName": "key"])
        #expect(
            text
                == #"{"a":1,"meta":{"topic":"t","partition":0,"offset":9,"insertTime":1.5},"key":{"id":7}}"#)
        #expect(throws: ConnectError.self) {
            try row(record(object([]), key: SchemaAndValue(.string, .string("k"))), ["kafkaKeyFieldName": "key"])
        }
        // Names are the same in any case, and as they are shown.
        #expect(
            try row(
                record(object([("Meta.Data", .int64(1))]), offset: 9),
                ["kafkaDataFieldName": "meta.data", "sanitizeFieldNames": "true"])
                == #"{"meta_data":{"topic":"t","partition":0,"offset":9,"insertTime":1.5}}"#)
        let none = ConnectSchema.structure([])
        #expect(
            try row(
                record(object([]), key: SchemaAndValue(none, .structure(ConnectStruct(none)))),
                ["kafkaKeyFieldName": "key"]) == "{}")
        #expect(RowConverter.insertID(record(.null, offset: 9)) == "t-0-9")
    }

    @Test func `requests are cut`() throws {
        var settings = try settings()
        settings.requestRowCountMax = 2
        settings.requestByteCountMax = 1000
        func rows(_ sizes: [Int]) -> [Row] {
            sizes.map { Row(record: record(.null), insertID: "i", json: Array(repeating: 32, count: $0)) }
        }
        let target = RowTarget(table: try TableName(topic: "t", settings))
        func cut(_ sizes: [Int]) -> [Int] { RowChunk.cut(rows(sizes), for: target, settings).map(\.rows.count) }
        #expect(cut([1, 1, 1, 1, 1]) == [2, 2, 1])
        #expect(cut([900, 900, 1]) == [1, 2])
        #expect(cut([5000, 1]) == [1, 1])
        #expect(cut([]) == [])
    }
}
