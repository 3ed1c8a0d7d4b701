// Queries on a broker of the same process: what they cost from topic to topic, how soon rows come, what idle ones cost, how
// fast state is read back. Each prints its unit; CPU seconds are those of the whole process, the broker included.
//
//     RuntimeBench flow [Q1 Q3 Q4b] [millions of records]
//     RuntimeBench idle [queries]
//     RuntimeBench latency
//     RuntimeBench pull [seconds]
//     RuntimeBench restore [rows]
let arguments = Array(CommandLine.arguments.dropFirst())
let numbers = arguments.compactMap { Int($0) }
switch arguments.first ?? "" {
case "flow":
    let only = arguments.dropFirst().filter { $0.hasPrefix("Q") }
    try await withBench { try await $0.flow(Set(only), records: 1_000_000 * (numbers.first ?? 1)) }
case "idle": try await withBench { try await $0.idle(numbers.first ?? 200) }
case "latency": try await withBench { try await $0.latency() }
case "pull": try await withBench { try await $0.pull(seconds: numbers.first ?? 5) }
case "restore": try await withBench { try await $0.restore(rows: numbers.first ?? 5_000_000) }
default: print("usage: RuntimeBench flow|idle|latency|pull|restore")
}
