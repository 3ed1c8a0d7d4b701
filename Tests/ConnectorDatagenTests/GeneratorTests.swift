import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorDatagen

@Suite struct GeneratorTests {
    private func values(_ field: String, count: Int = 300, past: Int64 = 0, seed: Int64 = 1) throws -> [ConnectValue] {
        let text = #"{"type":"record","name":"r","fields":[{"name":"f",\#(field)}]}"#
        var generator = RecordGenerator(try GeneratorProgram(text, past: past), random: JavaRandom(seed: seed))
        return try (0..<count).map { _ in
            let structure = try #require(generator.next().structure)
            for (index, field) in structure.schema.fields.enumerated() {
                try field.schema.check(structure.values[index], field: field.name)
            }
            return structure.values[0]
        }
    }

    private func type(_ name: String, _ arguments: String) -> String {
        #""type":{"type":"\#(name)","arg.properties":\#(arguments)}"#
    }

    @Test func `ranges leave out their end`() throws {
        let ints = try values(type("int", #"{"range":{"min":1,"max":5}}"#)).compactMap(\.integer)
        #expect(Set(ints) == [1, 2, 3, 4])
        let longs = try values(type("long", #"{"range":{"min":-3}}"#)).compactMap(\.integer)
        #expect(longs.allSatisfy { $0 >= -3 })
        _ = try values(type("long", #"{"range":{"min":-9223372036854775808,"max":9223372036854775807}}"#))
        for value in try values(type("double", #"{"range":{"min":0.1,"max":10}}"#)) {
            guard case .float64(let number) = value else { throw ConnectError.data("not a double") }
            #expect((0.1..<10).contains(number))
        }
        for value in try values(type("float", #"{"range":{"max":-1.5}}"#)) {
            guard case .float32(let number) = value else { throw ConnectError.data("not a float") }
            #expect(number <= -1.5)
        }
    }

    /// The first numbers of `new Random(42)` put through the original's formulas.
    @Test func `a seed gives what it gives in the original`() throws {
        let ints = try values(type("int", #"{"range":{"min":0,"max":100}}"#), count: 1, seed: 42)
        #expect(ints == [.int32(72)])
        let options = try values(
            type("string", #"{"options":["a","b","c","d","e","f","g","h","i","j"]}"#), count: 3, seed: 42)
        #expect(options == [.string("a"), .string("d"), .string("i")])
    }

    @Test(
        arguments: [
            (#"{"iteration":{"start":1}}"#, 0, [1, 2, 3, 4]),
            (#"{"iteration":{"start":1,"step":10}}"#, 0, [1, 11, 21, 31]),
            (#"{"iteration":{"start":1,"step":10}}"#, 3, [31, 41, 51, 61]),
            (#"{"iteration":{"start":5,"restart":8}}"#, 0, [5, 6, 7, 5]),
            (#"{"iteration":{"start":5,"restart":8}}"#, 4, [6, 7, 5, 6]),
            (#"{"iteration":{"start":5,"restart":1,"step":-2}}"#, 0, [5, 3, 5, 3]),
            (#"{"iteration":{"start":5,"restart":2}}"#, 0, [5, 4, 3, 5]),
            (#"{"iteration":{"start":0,"restart":10,"step":4,"initial":2}}"#, 0, [2, 6, 0, 4]),
            (#"{"iteration":{"start":0,"restart":10,"step":4,"initial":2}}"#, 1, [6, 0, 4, 8]),
            (#"{"iteration":{"start":9223372036854775806}}"#, 0, [Int64.max - 1, .max - 1, .max - 1, .max - 1]),
        ] as [(String, Int64, [Int64])])
    func `iterations step and wrap`(arguments: String, past: Int64, expected: [Int64]) throws {
        #expect(try values(type("long", arguments), count: 4, past: past).compactMap(\.integer) == expected)
    }

    @Test func `iterations of other types`() throws {
        #expect(
            try values(type("double", #"{"iteration":{"start":0,"step":0.1}}"#), count: 4)
                == [.float64(0), .float64(0.1), .float64(0.2), .float64(0.3)])
        #expect(
            try values(type("double", #"{"iteration":{"start":0,"restart":0.3,"step":0.1}}"#), count: 4, past: 2)
                == [.float64(0.2), .float64(0), .float64(0.1), .float64(0.2)])
        #expect(
            try values(type("boolean", #"{"iteration":{"start":true}}"#), count: 3, past: 1)
                == [.boolean(false), .boolean(true), .boolean(false)])
        #expect(
            try values(type("string", #"{"iteration":{"start":7},"prefix":"p-","suffix":"!"}"#), count: 2)
                == [.string("p-7!"), .string("p-8!")])
        #expect(
            try values(
                #""type":{"type":"long","logicalType":"timestamp-millis","arg.properties":{"iteration":{"start":5,"step":2}}}"#,
                count: 2) == [.instant(5), .instant(7)])
    }

    @Test func `lengths, odds and kinds`() throws {
        #expect(try values(type("string", "{}")).allSatisfy { (8..<16).contains($0.string?.utf8.count ?? 0) })
        #expect(try values(type("bytes", #"{"length":3}"#)).allSatisfy { $0.bytes?.count == 3 })
        #expect(
            try values(#""type":{"type":"array","items":"int","arg.properties":{"length":{"min":1,"max":3}}}"#)
                .allSatisfy { (1..<3).contains($0.array?.count ?? 0) })
        #expect(try values(type("boolean", #"{"odds":1.0}"#)).allSatisfy { $0 == .boolean(true) })
        #expect(try values(type("string", #"{"kind":"uuid"}"#)).allSatisfy { $0.string?.count == 36 })
        #expect(
            try values(type("string", #"{"kind":"email"}"#)).allSatisfy { $0.string?.contains("@example.com") == true })
        let malformed = try values(type("string", #"{"kind":"uuid","malformed-rate":0.5}"#))
        #expect((50..<250).contains(malformed.filter { $0.string?.count == 36 }.count))
    }

    @Test func `maps have the keys they are given`() throws {
        let maps = try values(
            #""type":{"type":"map","values":"int","arg.properties":{"length":4,"keys":{"options":["a","b"]}}}"#)
        #expect(
            maps.allSatisfy { $0.map?.entries.allSatisfy { $0.key == .string("a") || $0.key == .string("b") } == true })
        let matching = try values(
            #""type":{"type":"map","values":"int","arg.properties":{"length":2,"keys":{"regex":"k[0-9]{7}"}}}"#)
        #expect(matching.allSatisfy { $0.map?.count == 2 })
    }

    @Test func `unions choose as they are told`() throws {
        let even = try values(#""type":["null","string"]"#)
        #expect((60..<240).contains(even.filter(\.isNull).count))
        let never = try values(#""type":["null","string"],"arg.properties":{"position":1}"#)
        #expect(never.allSatisfy { !$0.isNull })
        let mostly = try values(#""type":["null","int"],"arg.properties":{"distribution":{"0":0.9,"1":0.1}}"#)
        #expect((230..<300).contains(mostly.filter(\.isNull).count))
        let options = try values(
            #""type":["null",\#(String(type("string", #"{"options":["x"]}"#).dropFirst(7)))],"default":null"#)
        #expect(Set(options) == [.null, .string("x")])
        let both = try values(#""type":["int","string"]"#)
        #expect(both.allSatisfy { $0.structure?.values.filter { !$0.isNull }.count == 1 })
        let record = try values(
            #""type":["null",{"type":"record","name":"inner","fields":[{"name":"x","type":"int"}],"arg.properties":{"options":[{"x":1}]}}]"#
        )
        #expect(record.contains { $0.structure?["x"] == .int32(1) })
    }

    @Test func `decimals keep their scale and precision`() throws {
        let prices = try values(
            #""type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"arg.properties":{"range":{"min":10.0,"max":50.0}}}"#
        )
        for case .decimal(let price) in prices {
            #expect(price.scale == 2 && price.precision <= 4 && price.doubleValue >= 10 && price.doubleValue < 50)
        }
        for case .decimal(let number) in try values(
            #""type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":5}"#)
        {
            #expect(number.scale == 5 && number.precision <= 20)
        }
    }

    @Test func `options of every type`() throws {
        #expect(Set(try values(type("int", #"{"options":[3,4]}"#))) == [.int32(3), .int32(4)])
        #expect(Set(try values(type("double", #"{"options":[1]}"#))) == [.float64(1)])
        #expect(
            try values(#""type":{"type":"enum","name":"e","symbols":["A","B"]}"#).allSatisfy {
                ["A", "B"].contains($0.string)
            })
        #expect(try values(#""type":{"type":"fixed","name":"x","size":3}"#).allSatisfy { $0.bytes?.count == 3 })
    }

    @Test(arguments: [
        (#"{"options":[]}"#, "options property cannot be empty"),
        (#"{"options":["x"]}"#, "Invalid option for int schema"),
        (#"{"options":[1],"range":{"min":1}}"#, "Cannot specify range prop when options prop is given"),
        (#"{"range":{"min":5,"max":5}}"#, "'min' field must be strictly less than 'max' field"),
        (#"{"range":{"min":"a"}}"#, "'min' field must be an integral number"),
        (#"{"range":{"max":99999999999}}"#, "beyond what the type can hold"),
        (#"{"range":7}"#, "range property must be an object"),
        (#"{"iteration":{}}"#, "iteration property must contain start field"),
        (#"{"iteration":{"start":1,"restart":1}}"#, "cannot be equal"),
        (#"{"iteration":{"start":1,"step":0}}"#, "cannot be zero"),
        (#"{"iteration":{"start":1,"restart":5,"step":-1}}"#, "must be positive"),
        (#"{"options":{"file":"/no/such/file","encoding":"json"}}"#, "Unable to read options file '/no/such/file'"),
        (#"7"#, "has to be an object"),
    ])
    func `says what is wrong`(arguments: String, words: String) throws {
        let failure = #expect(throws: ConnectError.self) { try values(type("int", arguments), count: 1) }
        #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("'f'") == true)
    }

    @Test(arguments: ["", "{", "\"string\"", #"{"type":"array","items":"int"}"#, #"{"type":"record","name":"r"}"#])
    func `refuses schemas that are none`(text: String) {
        #expect(throws: ConnectError.self) { try GeneratorProgram(text) }
    }
}
