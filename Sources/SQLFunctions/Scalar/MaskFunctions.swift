import SQLTypes

/// Functions that hide characters.
enum MaskFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "MASK", .string,
            "The text with masks for its characters: X for capital letters, x for small ones, n for digits, - for others.",
            [
                .plain(["input": .string], .string) { values, _ throws(EvaluationError) in
                    .string(Masks().masked(values[0].textArgument) { _, _ in true })
                },
                .nullable(
                    ["input": .string, "upper": .string, "lower": .string, "digit": .string, "other": .string], .string,
                    "With masks of one's own; one that is null leaves its characters as they are."
                ) { values, _ throws(EvaluationError) in
                    guard let text = values[0].string else { return .null }
                    return .string(try Masks(values[1...]).masked(text) { _, _ in true })
                },
            ]),
        partial("MASK_KEEP_LEFT", "The text masked except for its first characters.") { at, count, total in at >= count
        },
        partial("MASK_KEEP_RIGHT", "The text masked except for its last characters.") { at, count, total in
            at < total - count
        },
        partial("MASK_LEFT", "The text with its first characters masked.") { at, count, total in at < count },
        partial("MASK_RIGHT", "The text with its last characters masked.") { at, count, total in at >= total - count },
    ]

    private static func partial(
        _ name: String, _ description: String, _ isMasked: @escaping @Sendable (Int, Int, Int) -> Bool
    ) -> ScalarFunction {
        @Sendable func mask(_ values: [SQLValue], _ masks: Masks) throws(EvaluationError) -> SQLValue {
            guard let text = values[0].string, !values[1].isNull else { return .null }
            let count = values[1].intArgument
            guard count >= 0 else {
                throw EvaluationError(
                    "function \(name.lowercased()) requires a non-negative number of characters to mask or skip")
            }
            return .string(masks.masked(text) { isMasked($0, count, $1) })
        }
        return ScalarFunction(
            name, .string, description,
            [
                .nullable(["input": .string, "numChars": .int], .string) { values, _ throws(EvaluationError) in
                    try mask(values, Masks())
                },
                .nullable(
                    [
                        "input": .string, "numChars": .int, "upper": .string, "lower": .string, "digit": .string,
                        "other": .string,
                    ], .string, "With masks of one's own; one that is null leaves its characters as they are."
                ) { values, _ throws(EvaluationError) in try mask(values, try Masks(values[2...])) },
            ])
    }

    private struct Masks {
        /// For capital letters, small ones, digits, others; nil leaves them.
        private var units: [[UInt16]?] = [[0x58], [0x78], [0x6E], [0x2D]]  // X x n -

        init() {}

        init(_ values: ArraySlice<SQLValue>) throws(EvaluationError) {
            units = []
            for value in values {
                guard let text = value.string else {
                    units.append(nil)
                    continue
                }
                guard text.utf16.count == 1 else {
                    throw EvaluationError("Invalid mask character. Must be only single character, but was '\(text)'")
                }
                units.append(Array(text.utf16))
            }
        }

        /// - Parameter isMasked: whether the character at a place, in UTF-16 units, of so many is masked.
        func masked(_ text: String, _ isMasked: (Int, Int) -> Bool) -> String {
            let total = text.utf16.count
            if total == text.utf8.count { return maskedASCII(Array(text.utf8), isMasked) }
            var output: [UInt16] = []
            output.reserveCapacity(total)
            var at = 0
            for scalar in text.unicodeScalars {
                let kind =
                    switch scalar.properties.generalCategory {
                    case .uppercaseLetter: 0
                    case .lowercaseLetter: 1
                    case .decimalNumber: 2
                    default: 3
                    }
                let own = Array(String(scalar).utf16)
                let mask = kind < units.count ? units[kind] : nil
                for unit in own {
                    if let mask, isMasked(at, total) { output += mask } else { output.append(unit) }
                    at += 1
                }
            }
            return String(decoding: output, as: UTF16.self)
        }

        private func maskedASCII(_ text: [UInt8], _ isMasked: (Int, Int) -> Bool) -> String {
            var output: [UInt16] = []
            output.reserveCapacity(text.count)
            for (at, byte) in text.enumerated() {
                let kind =
                    switch byte {
                    case 0x41...0x5A: 0
                    case 0x61...0x7A: 1
                    case 0x30...0x39: 2
                    default: 3
                    }
                if kind < units.count, let mask = units[kind], isMasked(at, text.count) {
                    output += mask
                } else {
                    output.append(UInt16(byte))
                }
            }
            return String(decoding: output, as: UTF16.self)
        }
    }
}
