// Queries on a broker of the same process: what they cost from topic to topic, how soon rows come, what idle ones cost, how
// fast state is read back. Each prints its unit; CPU seconds are those of the whole process, the broker included.
//
//     RuntimeBench flow [Q1 Q3 Q4b] [millions of records]
//     RuntimeBench idle [queries]
//     RuntimeBench latency
//     RuntimeBench pull [seconds]
//     RuntimeBench restore [rows]
try await runBench(Array(CommandLine.arguments.dropFirst()))
