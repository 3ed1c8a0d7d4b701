import SQLTypes

/// LPAD and RPAD.
enum PaddingFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "LPAD", .string, "The value with padding in front of it, or cut off, so that it has the given length.",
            overloads(isLeft: true)),
        ScalarFunction(
            "RPAD", .string, "The value with padding behind it, or cut off, so that it has the given length.",
            overloads(isLeft: false)),
    ]

    private static func overloads(isLeft: Bool) -> [FunctionOverload] {
        [
            .plain(["input": .string, "targetLen": .int, "padding": .string], .string) {
                values, context throws(EvaluationError) in
                let padded = try pad(
                    Array(values[0].textArgument.utf16), values[1].intArgument, Array(values[2].textArgument.utf16),
                    isLeft, context.limits)
                return padded.map { .string(String(decoding: $0, as: UTF16.self)) } ?? .null
            },
            .plain(["input": .bytes, "targetLen": .int, "padding": .bytes], .bytes) {
                values, context throws(EvaluationError) in
                let padded = try pad(
                    values[0].bytesArgument, values[1].intArgument, values[2].bytesArgument, isLeft, context.limits)
                return padded.map { .bytes($0) } ?? .null
            },
        ]
    }

    private static func pad<Unit>(
        _ input: [Unit], _ length: Int, _ padding: [Unit], _ isLeft: Bool, _ limits: FunctionLimits
    ) throws(EvaluationError) -> [Unit]? {
        guard length >= 0, !padding.isEmpty else { return nil }
        guard length <= limits.byteCountMax else { throw EvaluationError("the result of padding is too long") }
        if length <= input.count { return Array(input[..<length]) }
        let fill = (0..<(length - input.count)).map { padding[$0 % padding.count] }
        return isLeft ? fill + input : input + fill
    }
}
