import ArgumentParser
import Cluster
import JSONFormat
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

    /// What is wrong with `-X` is wrong with the command line: 64, as cli.md says.
    @Test(arguments: [
        ("sesion.timeout.ms=5", "'session.timeout.ms'"), ("message.max.bytes=abc", "message.max.bytes"),
    ])
    func `properties that there are not end a command as misused`(property: String, words: String) async throws {
        let options = try ConnectionOptions.parse(["-b", "127.0.0.1:1", "-X", property])
        let failure = await #expect(throws: CommandFailure.self) { _ = try await options.connect() }
        #expect(failure?.kind == .usage && failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test(arguments: [
        (["t", "-c", "retention.ms=5", "--reset", "retention.ms"], "'retention.ms' is given twice"),
        (["t", "-c", "retention.ms=5", "-c", "retention.ms=6"], "'retention.ms' is given twice"),
        (["t", "--reset", "retention.ms", "--reset", "retention.ms"], "'retention.ms' is given twice"),
        (["t", "-p", "0"], "at least 1 partition"),
    ])
    func `a change of a topic says one thing of a setting`(arguments: [String], words: String) throws {
        let failure = #expect(throws: (any Error).self) { try TopicAlter.parse(arguments) }
        #expect(failure.map { TopicAlter.message(for: $0) }?.contains(words) == true)
        guard !arguments.contains("--reset") else { return }
        let other = #expect(throws: (any Error).self) { try TopicCreate.parse(arguments) }
        #expect(other.map { TopicCreate.message(for: $0) }?.contains(words) == true)
    }

    @Test func `an id that is not known is left out`() {
        var topic = TopicDescription(name: "t", isInternal: false, partitions: [])
        func names(_ topic: TopicDescription) -> String {
            let details = TopicDescribe.Details(topic: topic, starts: [:], ends: [:], configs: [])
            return String(decoding: details.json.bytes, as: UTF8.self)
        }
        #expect(!names(topic).contains("\"id\""))
        topic.id = "AAAAAAAAAAAAAAAAAAAAAQ"
        #expect(names(topic).contains("\"id\":\"AAAAAAAAAAAAAAAAAAAAAQ\""))
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
