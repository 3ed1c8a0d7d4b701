import SQLTypes

/// Functions of bytes, and of texts as bytes.
enum ByteFunctions {
    static let all: [ScalarFunction] = [
        number("BIGINT_FROM_BYTES", "BIGINT", .bigint, size: 8) { .bigint(Int64(bitPattern: $0)) },
        number("DOUBLE_FROM_BYTES", "DOUBLE", .double, size: 8) { .double(Double(bitPattern: $0)) },
        number("INT_FROM_BYTES", "INTEGER", .int, size: 4) { .int(Int32(truncatingIfNeeded: $0)) },
        ScalarFunction(
            "FROM_BYTES", .string, "The text of the bytes in an encoding: hex, utf8, ascii or base64.",
            [
                .plain(["value": .bytes, "encoding": .string], .string) { values, _ throws(EvaluationError) in
                    .string(try TextEncoding(values[1].textArgument).encode(values[0].bytesArgument, isUpperCase: true))
                }
            ]),
        ScalarFunction(
            "TO_BYTES", .string, "The bytes of a text in an encoding: hex, utf8, ascii or base64.",
            [
                .plain(["value": .string, "encoding": .string], .bytes) { values, _ throws(EvaluationError) in
                    .bytes(try TextEncoding(values[1].textArgument).decode(values[0].textArgument))
                }
            ]),
        ScalarFunction(
            "ENCODE", .string, "A text in one encoding (hex, utf8, ascii, base64) in another one.",
            [
                .plain(["str": .string, "inputEncoding": .string, "outputEncoding": .string], .string) {
                    values, _ throws(EvaluationError) in
                    .string(
                        try encode(values[0].textArgument, values[1].textArgument, values[2].textArgument))
                }
            ]),
    ]

    private static func number(
        _ name: String, _ typeName: String, _ type: ParameterType, size: Int,
        _ make: @escaping @Sendable (UInt64) -> SQLValue
    ) -> ScalarFunction {
        @Sendable func convert(_ bytes: [UInt8], _ order: String) throws(EvaluationError) -> SQLValue {
            guard bytes.count == size else {
                throw EvaluationError("Number of bytes must be equal to \(size), but found \(bytes.count)")
            }
            let ordered: [UInt8]
            switch order.uppercased() {
            case "BIG_ENDIAN": ordered = bytes
            case "LITTLE_ENDIAN": ordered = bytes.reversed()
            default:
                throw EvaluationError(
                    "Byte order must be BIG_ENDIAN or LITTLE_ENDIAN. Unknown byte order '\(order)'.")
            }
            return make(ordered.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        return ScalarFunction(
            name, .bytes, "The \(typeName) that \(size) bytes stand for.",
            [
                .plain(["value": .bytes], type, "The most significant byte is the first.") {
                    values, _ throws(EvaluationError) in try convert(values[0].bytesArgument, "BIG_ENDIAN")
                },
                .plain(["value": .bytes, "byteOrder": .string], type, "In the order BIG_ENDIAN or LITTLE_ENDIAN.") {
                    values, _ throws(EvaluationError) in try convert(values[0].bytesArgument, values[1].textArgument)
                },
            ])
    }

    private static func encode(_ text: String, _ input: String, _ output: String) throws(EvaluationError) -> String {
        guard let from = TextEncoding(rawValue: input.lowercased()),
            let to = TextEncoding(rawValue: output.lowercased()),
            from != to
        else { throw EvaluationError("Supported input and output encodings are: hex, utf8, ascii and base64") }
        let source = from == .hex ? stripped(text) : text
        return to.encode(try from.decode(source, isLenient: true), isUpperCase: false)
    }

    /// "0xAB" and "X'AB'" without what surrounds the digits; an odd number of them behind 0x gets a zero in front.
    private static func stripped(_ text: String) -> String {
        if text.hasPrefix("0x") { return (text.utf8.count % 2 == 0 ? "" : "0") + text.dropFirst(2) }
        if text.hasPrefix("x'") || text.hasPrefix("X'"), text.hasSuffix("'"), text.utf8.count >= 3 {
            return String(text.dropFirst(2).dropLast())
        }
        return text
    }
}
