import SQLTypes

/// Counts what a function with lambdas keeps of their results for a row, which is values in values: about, and as if nothing
/// were shared.
struct KeptResults {
    private let name: String
    private let limits: FunctionLimits
    private var byteCount = 0
    /// Counting takes time as well, where a REDUCE does it again and again.
    private var countedCount = 0

    init(_ name: String, _ limits: FunctionLimits) {
        self.name = name
        self.limits = limits
    }

    /// - Throws: where there is too much.
    mutating func add(_ value: SQLValue) throws(EvaluationError) {
        try count(value)
        try limits.check(lambdaStepCount: countedCount / FunctionLimits.elementsPerStep)
    }

    /// In place of all that was kept before.
    mutating func replace(with value: SQLValue) throws(EvaluationError) {
        byteCount = 0
        try add(value)
    }

    /// Ends with the first part that is too much, whatever comes behind.
    private mutating func count(_ value: SQLValue) throws(EvaluationError) {
        countedCount += 1
        byteCount += 16
        switch value {
        case .string(let text): byteCount += text.utf8.count
        case .bytes(let bytes): byteCount += bytes.count
        case .array(let elements), .structure(let elements):
            byteCount += 32
            for element in elements { try count(element) }
        case .map(let map):
            byteCount += 64
            for (key, value) in map.entries {
                try count(key)
                try count(value)
            }
        default: break
        }
        guard byteCount <= limits.keptByteCountMax else {
            throw EvaluationError(
                "what the lambdas of \(name) return for one row takes more than \(limits.keptByteCountMax) bytes")
        }
    }
}
