// Measures the formats of schemas on the demonstration's ratings: Avro, Protocol Buffers, JSON and JSON Schema, between
// bytes, columns, value trees and texts.
//
//     SchemaBench [--smoke] [NAME...]
//
// NAMEs pick loops by a part of their name. --smoke does each once, with little data, to see that all work.

let bench = Bench(arguments: CommandLine.arguments.dropFirst())
try avroLoops(bench)
try protobufLoops(bench)
try jsonLoops(bench)
