import Foundation

// Writes the Swift of Kafka's messages.
//
//     swift run MessageGenerator DEFINITIONS PACKAGE
//
// DEFINITIONS holds three folders of Kafka's JSON message definitions: `4.3.0` (the truth), `4.0-snapshot-2024-10-25`
// (before KIP-896 removed old versions) and `coordinator-records` (records of the internal topics). PACKAGE is the root of
// this repository.

guard CommandLine.arguments.count == 3 else {
    FileHandle.standardError.write(Data("usage: MessageGenerator DEFINITIONS PACKAGE\n".utf8))
    exit(2)
}

do {
    let generator = Generator(
        definitions: URL(filePath: CommandLine.arguments[1]), package: URL(filePath: CommandLine.arguments[2]))
    let count = try generator.run()
    print("\(count) files written")
} catch {
    FileHandle.standardError.write(Data("MessageGenerator: \(error)\n".utf8))
    exit(1)
}
