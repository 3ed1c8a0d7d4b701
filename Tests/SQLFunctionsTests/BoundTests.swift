import SQLTypes
import Testing

@testable import SQLFunctions

/// What one call may build has a bound, so that nobody fills the memory of all by a statement.
@Suite struct BoundTests {
    private static func calls() -> Calls {
        var limits = FunctionLimits()
        limits.byteCountMax = 100
        limits.elementsMax = 10
        limits.keptByteCountMax = 1000
        return Calls(limits: limits)
    }

    private static let text = SQLValue.string(String(repeating: "x", count: 60))
    private static let bytes = SQLValue.bytes(Array(repeating: 1, count: 60))
    private static func map(_ keys: Range<Int32>) -> SQLValue {
        .map(SQLMap(keys.map { (key: .string("\($0)"), value: .int($0)) }))
    }
    private static let list = SQLValue.array((0..<6).map { .int($0) })

    @Test(
        arguments: [
            ("CONCAT", [text, text]), ("CONCAT", [bytes, bytes]), ("CONCAT_WS", [text, text, text]),
            ("CONCAT_WS", [bytes, bytes, bytes]), ("ARRAY_JOIN", [list, text]), ("ARRAY_CONCAT", [list, list]),
            ("JSON_CONCAT", [text, text]), ("TO_JSON_STRING", [.array([text, text])]),
            ("ENCODE", [text, "ascii", "hex"]), ("SPLIT", [text, ""]),
            ("SPLIT", [text, "x"]), ("SPLIT", [bytes, .bytes([])]), ("SPLIT", [bytes, .bytes([1])]),
            ("REGEXP_SPLIT_TO_ARRAY", [text, "x"]), ("REGEXP_EXTRACT_ALL", ["x", text]),
            ("MAP_UNION", [map(0..<6), map(6..<12)]),
            ("TO_JSON_STRING", [.map(SQLMap([(key: "a", value: text), (key: "b", value: text)]))]),
        ] as [(String, [SQLValue])])
    func `a result that is too long is an error`(name: String, values: [SQLValue]) {
        var calls = Self.calls()
        #expect(throws: EvaluationError.self) { try calls.call(name, values.map { Calls.Argument.plain($0) }) }
    }

    @Test func `what was long already passes`() throws {
        var calls = Self.calls()
        let long = SQLValue.string(String(repeating: "x", count: 200))
        #expect(try calls.call("UCASE", long) == .string(String(repeating: "X", count: 200)))
        #expect(try calls.call("CONCAT", Self.text, "y").string?.count == 61)
        #expect(try calls.call("ARRAY_JOIN", Self.list, ",") == "0,1,2,3,4,5")
    }

    @Test func `as many as may be pass`() throws {
        var calls = Self.calls()
        for (name, values) in [
            ("SPLIT", ["1,2,3,4,5,6,7,8,9,0", ","]), ("SPLIT", ["1234567890", ""]),
            ("REGEXP_EXTRACT_ALL", ["[0-9]", "1234567890"]), ("REGEXP_SPLIT_TO_ARRAY", ["1,2,3,4,5,6,7,8,9,0", ","]),
        ] as [(String, [SQLValue])] {
            #expect(try calls.call(name, values.map { Calls.Argument.plain($0) }).array?.count == 10)
        }
        #expect(try calls.call("MAP_UNION", Self.map(0..<6), Self.map(2..<10)).map?.count == 10)
    }

    /// Ten times 60 bytes fit, and so do 30 as each is there in turn.
    @Test(arguments: [("TRANSFORM", 10, true), ("TRANSFORM", 20, false), ("REDUCE", 30, true)])
    func `what lambdas return is kept up to a bound`(name: String, count: Int32, fits: Bool) throws {
        var calls = Self.calls()
        calls.context.limits.elementsMax = 100
        var arguments: [Calls.Argument] = [.value(.array((0..<count).map { .int($0) }), .array(.int))]
        if name == "REDUCE" { arguments.append(.value("", .string)) }
        arguments.append(.lambda(arguments.count, { _ in .string }, { _, _ throws(EvaluationError) in Self.text }))
        if fits {
            _ = try calls.call(name, arguments)
        } else {
            #expect(throws: EvaluationError.self) { try calls.call(name, arguments) }
        }
    }

    /// Each step doubles: after 50 there would be a petabyte.
    @Test func `a state that doubles ends`() throws {
        var calls = Self.calls()
        let steps = SQLValue.array((0..<50).map { .int($0) })
        for (start, name) in [(SQLValue.string("12345678"), "CONCAT"), (.array([1, 2, 3, 4]), "ARRAY_CONCAT")] {
            let function = try FunctionCatalog.builtIn.scalar(name)
            let type = start.plainType
            let bound = try function.bind([.type(type), .type(type)])
            #expect(throws: EvaluationError.self) {
                try calls.call(
                    "REDUCE",
                    [
                        .value(steps, .array(.int)), .value(start, type),
                        .lambda(2, { _ in type }) { parameters, context throws(EvaluationError) in
                            try bound([parameters[0], parameters[0]], &context)
                        },
                    ])
            }
        }
    }
}
