import ArgumentParser
import Testing

@testable import swiftwater

/// What the parser of the command line takes, refuses and completes.
@Suite struct CommandLineTests {
    @Test func `states of groups are a list, as Kafka's tool takes them`() throws {
        _ = try GroupList.parse(["--state", "Stable,Empty", "--state", "dead"])
        let failure = #expect(throws: (any Error).self) { try GroupList.parse(["--state", "stble"]) }
        #expect(failure.map { GroupList.message(for: $0) }?.contains("'stable'") == true)
    }

    @Test func `a setting that no registry has is refused with the nearest`() throws {
        _ = try SchemaConfig.parse(["s", "--set", "normalize=true"])
        let failure = #expect(throws: (any Error).self) { try SchemaConfig.parse(["s", "--set", "normalise=true"]) }
        #expect(failure.map { SchemaConfig.message(for: $0) }?.contains("'normalize'") == true)
    }

    @Test func `statements may begin with a comment`() throws {
        #expect(try SQLCommand.parse(["-e", "-- all\nSHOW STREAMS;"]).execute == ["-- all\nSHOW STREAMS;"])
    }

    @Test(
        arguments: [
            (["-b", "a:1", "-X", "bootstrap.servers=b:2"], [:], "a:1"),
            (["-X", "bootstrap.servers=b:2,c"], [:], "b:2,c:9092"),
            (["-X", "linger.ms=2"], ["bootstrap.servers": "d:4"], "d:4"), ([], [:], "e:5"),
        ] as [([String], [String: String], String)])
    func `the brokers are those of the option, else of the properties`(
        arguments: [String], file: [String: String], servers: String
    ) throws {
        let options = try ConnectionOptions.parse(arguments)
        #expect(try options.bootstrapServers(file: file, environment: { _ in "e:5" }) == servers)
        #expect(try options.clientProperties()["bootstrap.servers"] == nil)
    }

    @Test func `options for files complete names of files`() {
        let script = Swiftwater.completionScript(for: .fish)
        for (command, option) in [("sql", "file"), ("sql", "config-file"), ("start", "data-dir")] {
            let lines = script.split(separator: "\n").filter {
                $0.contains(command) && ($0.contains("-l '\(option)'") || $0.contains("-l \(option) "))
            }
            #expect(lines.contains { !$0.contains("-rfka ''") }, "\(command) \(option)")
        }
    }
}
