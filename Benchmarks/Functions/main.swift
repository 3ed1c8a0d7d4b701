import SQLFunctions
import SQLTypes
import TestKit

// Measures functions, casts and aggregates as the row interpreter calls them: one call at a time, arguments in an array.
//
//     FunctionBench [--smoke] [NAME...]
//
// NAMEs pick benchmarks by a part of their name. --smoke does each once, to see that all work. One line each: name,
// nanoseconds per call (the best of five runs, as neighbours only make it worse), number of results that are not null.

let isSmoke = CommandLine.arguments.contains("--smoke")
let wanted = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }
let rowCount = 1000

/// Runs `body` over and over, `rowCount` calls each, and prints what one call takes.
func measure(_ name: String, _ body: () throws -> Int) rethrows {
    guard wanted.isEmpty || wanted.contains(where: { name.contains($0) }) else { return }
    let clock = ContinuousClock()
    var best = Double.infinity
    var result = 0
    var count = 1
    if !isSmoke {
        var elapsed = Duration.zero
        while elapsed < .milliseconds(30) {
            count *= 2
            elapsed = try clock.measure { for _ in 0..<count { result = try body() } }
        }
    }
    for _ in 0..<(isSmoke ? 1 : 5) {
        let elapsed = try clock.measure { for _ in 0..<count { result = try body() } }
        best = min(best, elapsed / .seconds(1) / Double(count * rowCount))
    }
    let tenths = Int((best * 1e10).rounded())
    let padding = String(repeating: " ", count: max(1, 34 - name.count))
    print("\(name)\(padding)\(tenths / 10).\(tenths % 10) ns  [\(result)]")
}

var random = SeededRandom(seed: 1)
var context = EvaluationContext(now: { 0 }, random: { 4 })

let names: [SQLValue] = (0..<rowCount).map { _ in .string("User_\(Int.random(in: 0..<100_000, using: &random)) of town")
}
let numbers: [SQLValue] = (0..<rowCount).map { _ in .double(Double.random(in: -1000...1000, using: &random)) }
let whole: [SQLValue] = (0..<rowCount).map { _ in .int(Int32.random(in: -1000...1000, using: &random)) }
let moments: [SQLValue] = (0..<rowCount).map { _ in .timestamp(Int64.random(in: 0...2_000_000_000_000, using: &random))
}
let prices: [SQLValue] = whole.map { .decimal(SQLDecimal(unscaled: Int64($0.int ?? 0), scale: 2)) }
let documents: [SQLValue] = (0..<rowCount).map {
    .string("{\"id\":\($0),\"user\":{\"name\":\"n\($0)\",\"tags\":[\"a\",\"b\"]},\"score\":\($0).5}")
}
let days: [SQLValue] = moments.map { .string(TimeText.timestamp($0.timestamp ?? 0)) }

func bench(_ name: String, _ types: [SQLType], _ columns: [SQLValue], _ constants: SQLValue...) throws {
    let bound = try FunctionCatalog.builtIn.scalar(name).bind(types.map { .type($0) })
    try measure(name) {
        var count = 0
        for value in columns where try !bound([value] + constants, &context).isNull { count += 1 }
        return count
    }
}

func bench(aggregate name: String, _ type: SQLType, _ column: [SQLValue]) throws {
    let aggregate = try FunctionCatalog.builtIn.aggregate(name).bind([.type(type)]).implementation
    try measure("aggregate \(name)") {
        var state = aggregate.initial
        for value in column { try aggregate.add([value], &state, &context) }
        return aggregate.result(state).isNull ? 0 : 1
    }
}

func bench(cast from: SQLType, to: SQLType, _ column: [SQLValue]) throws {
    let cast = try SQLCast(from: from, to: to)
    try measure("cast \(from.base.rawValue) to \(to.base.rawValue)") {
        var count = 0
        for value in column where try !cast(value).isNull { count += 1 }
        return count
    }
}

try bench("UCASE", [.string], names)
try bench("LEN", [.string], names)
try bench("SUBSTRING", [.string, .int, .int], names, .int(2), .int(4))
try bench("CONCAT", [.string, .string], names, .string("!"))
try bench("REPLACE", [.string, .string, .string], names, .string("of"), .string("from"))
try bench("SPLIT", [.string, .string], names, .string("_"))
try bench("MASK", [.string], names)
try bench("INSTR", [.string, .string], names, .string("town"))
try bench("REGEXP_EXTRACT_ALL", [.string, .string], documents, .string("[a-z]+"))
try bench("EXTRACTJSONFIELD", [.string, .string], documents, .string("$.user.name"))
try bench("ABS", [.double], numbers)
try bench("ROUND", [.double, .int], numbers, .int(2))
try bench("FORMAT_TIMESTAMP", [.timestamp, .string], moments, .string("yyyy-MM-dd HH:mm:ss.SSS"))
try bench("PARSE_TIMESTAMP", [.string, .string], days, .string("yyyy-MM-dd'T'HH:mm:ss.SSS"))
try bench(aggregate: "COUNT", .string, names)
try bench(aggregate: "SUM", .double, numbers)
try bench(aggregate: "AVG", .int, whole)
try bench(aggregate: "MAX", .string, names)
try bench(aggregate: "COUNT_DISTINCT", .string, names)
try bench(cast: .double, to: .string, numbers)
try bench(cast: .string, to: .timestamp, days)
try bench(cast: .double, to: .decimal(precision: 10, scale: 2), numbers)
try bench(cast: .decimal(precision: 10, scale: 2), to: .string, prices)
