import SQLTypes
import Testing

@testable import SQLFunctions

/// What one call may build has a bound, so that nobody fills the memory of all by a statement.
@Suite struct BoundTests {
    private static func calls() -> Calls {
        var limits = FunctionLimits()
        limits.byteCountMax = 100
        limits.elementsMax = 10
        return Calls(limits: limits)
    }

    private static let text = SQLValue.string(String(repeating: "x", count: 60))
    private static let bytes = SQLValue.bytes(Array(repeating: 1, count: 60))
    private static let list = SQLValue.array((0..<6).map { .int($0) })

    @Test(
        arguments: [
            ("CONCAT", [text, text]), ("CONCAT", [bytes, bytes]), ("CONCAT_WS", [text, text, text]),
            ("CONCAT_WS", [bytes, bytes, bytes]), ("ARRAY_JOIN", [list, text]), ("ARRAY_CONCAT", [list, list]),
            ("JSON_CONCAT", [text, text]), ("TO_JSON_STRING", [.array([text, text])]),
            ("ENCODE", [text, "ascii", "hex"]), ("SPLIT", [text, ""]),
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
