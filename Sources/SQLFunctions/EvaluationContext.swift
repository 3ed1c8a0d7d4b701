package import Patterns
package import SQLTypes

/// Why a function has no result for its arguments. The column becomes null and the processing log has the message.
package struct EvaluationError: Error, Equatable, CustomStringConvertible {
    package var message: String
    package init(_ message: String) { self.message = message }
    package init(_ error: SQLTypesError) { message = error.message }
    package init(_ error: PatternError) { message = error.message }
    package var description: String { message }
}

extension FunctionLimits {
    /// Lambdas in lambdas would keep a thread for hours that others wait for.
    package func check(lambdaStepCount: Int) throws(EvaluationError) {
        guard lambdaStepCount <= lambdaStepsMax else {
            throw EvaluationError("the lambdas of one function take more than \(lambdaStepsMax) steps for one row")
        }
    }

    /// How many steps it takes to build a value, beside the call: a step is about as long as a lambda's call is.
    package static func steps(building value: SQLValue) -> Int {
        switch value {
        case .string(let text): text.utf8.count / 1024
        case .bytes(let bytes): bytes.count / 1024
        case .array(let elements): elements.count / elementsPerStep
        case .map(let map): map.count / 16
        default: 0
        }
    }

    static let elementsPerStep = 64

    /// - Parameter counts: lengths of what is to be put together.
    package func check(_ counts: some Sequence<Int>, _ name: String) throws(EvaluationError) {
        var sum = 0
        for count in counts {
            let (next, isBeyond) = sum.addingReportingOverflow(count)
            guard !isBeyond, next <= byteCountMax else { throw EvaluationError("the result of \(name) is too long") }
            sum = next
        }
    }

    /// The same of elements.
    func check(elementCount: Int, _ name: String) throws(EvaluationError) {
        guard elementCount <= elementsMax else { throw EvaluationError("the result of \(name) is too long") }
    }
}

/// What functions know of the world, given from outside so that a run can be repeated. One for each thread.
package struct EvaluationContext {
    /// Milliseconds since 1970, UTC.
    package var now: () -> Int64
    /// The next 64 random bits.
    package var random: () -> UInt64
    /// The zone of the server, which a few older functions use.
    package var zone: TimeZoneID
    package let zones: TimeZones
    package var limits: FunctionLimits
    /// Grows by one with every value that LATEST_BY_OFFSET and EARLIEST_BY_OFFSET keep, which tells the order of values
    /// when sessions merge. Whoever restores states sets it beyond all numbers in them.
    package var sequence: Int64 = 0
    /// Steps of lambdas for the call of a function that is under way, where whoever evaluates counts them here.
    package var lambdaStepCount = 0
    /// Patterns that have been compiled, by their text.
    let cache = PatternCache()

    package init(
        now: @escaping () -> Int64, random: @escaping () -> UInt64, zone: TimeZoneID = .utc,
        zones: TimeZones = .offsetsOnly, limits: FunctionLimits = FunctionLimits()
    ) {
        self.now = now
        self.random = random
        self.zone = zone
        self.zones = zones
        self.limits = limits
    }
}

/// Bounds of what one call may build.
package struct FunctionLimits: Sendable {
    /// Elements of an array that a function makes up: GENERATE_SERIES, combinations of CUBE_EXPLODE.
    package var elementsMax = 10_000_000
    /// Bytes of a text that a function makes up: LPAD, RPAD, REPLACE, CONCAT.
    package var byteCountMax = Self.textByteCountMax
    /// Steps of the lambdas of one call of a function, those of lambdas inside included: calls, what functions build in
    /// them (64 elements or 1024 bytes are a step), and what they return.
    package var lambdaStepsMax = 10_000_000
    /// Bytes, about, that one call of TRANSFORM or REDUCE keeps of what its lambdas return.
    package var keptByteCountMax = 256 << 20
    /// The bound of texts where nothing else is said, that of the operator `+` included.
    package static let textByteCountMax = 64 << 20
    /// Values that COLLECT_LIST and COLLECT_SET keep; later ones are ignored. `ksql.functions.collect_list.limit` and
    /// `ksql.functions.collect_set.limit`; negative means no limit.
    package var collectListMax = Int.max
    package var collectSetMax = Int.max
    /// `ksql.functions.substring.legacy.args`: SUBSTRING counts from 0 and its third argument is the end.
    package var usesLegacySubstring = false
    /// `ksql.nested.error.set.null`: a part that fails, such as a CAST or an element of ARRAY, is null on its own.
    package var isolatesNestedErrors = true

    package init() {}

    /// From properties such as "ksql.functions.substring.legacy.args".
    package init(properties: [String: String]) {
        if let text = properties["ksql.functions.substring.legacy.args"] {
            usesLegacySubstring = NumberText.boolean(NumberText.trim(text))
        }
        if let text = properties["ksql.nested.error.set.null"] {
            isolatesNestedErrors = NumberText.boolean(NumberText.trim(text))
        }
        func limit(_ name: String) -> Int {
            let value = properties["ksql.functions.\(name).limit"].flatMap { Int(NumberText.trim($0)) } ?? -1
            return value < 0 ? Int.max : value
        }
        collectListMax = limit("collect_list")
        collectSetMax = limit("collect_set")
    }
}

/// Compiled patterns of texts that come again and again, usually constants of the statement.
final class PatternCache {
    private static let countMax = 1000
    private var expressions: [String: JavaPattern] = [:]
    private var dates: [String: DateTimePattern] = [:]
    private var caseInsensitiveDates: [String: DateTimePattern] = [:]
    private var simpleDates: [String: SimpleDatePattern] = [:]
    private var paths: [String: JSONPath] = [:]

    func expression(_ text: String) throws(EvaluationError) -> JavaPattern {
        if let known = expressions[text] { return known }
        let made: JavaPattern
        do { made = try JavaPattern(text) } catch { throw EvaluationError(error) }
        if expressions.count >= Self.countMax { expressions = [:] }
        expressions[text] = made
        return made
    }

    func date(_ text: String, isCaseInsensitive: Bool = false) throws(EvaluationError) -> DateTimePattern {
        if let known = isCaseInsensitive ? caseInsensitiveDates[text] : dates[text] { return known }
        let made: DateTimePattern
        do { made = try DateTimePattern(text, isCaseInsensitive: isCaseInsensitive) } catch {
            throw EvaluationError(error)
        }
        if isCaseInsensitive {
            if caseInsensitiveDates.count >= Self.countMax { caseInsensitiveDates = [:] }
            caseInsensitiveDates[text] = made
        } else {
            if dates.count >= Self.countMax { dates = [:] }
            dates[text] = made
        }
        return made
    }

    func simpleDate(_ text: String) throws(EvaluationError) -> SimpleDatePattern {
        if let known = simpleDates[text] { return known }
        let made: SimpleDatePattern
        do { made = try SimpleDatePattern(text, allowsStandaloneMonth: false) } catch { throw EvaluationError(error) }
        if simpleDates.count >= Self.countMax { simpleDates = [:] }
        simpleDates[text] = made
        return made
    }

    func path(_ text: String) throws(EvaluationError) -> JSONPath {
        if let known = paths[text] { return known }
        let made = try JSONPath(text)
        if paths.count >= Self.countMax { paths = [:] }
        paths[text] = made
        return made
    }
}
