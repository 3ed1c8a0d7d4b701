import ArgumentParser
import Cluster
import JSONFormat
import KafkaMessages
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

    /// What people type who know Kafka's own tools.
    @Test(
        arguments: [
            (["consume", "t", "--from-beginning"], "--from beginning"),
            (["produce", "--topic", "t"], "without --topic"),
            (["topic", "--list"], "'swiftwater topic list'"), (["-b", "h:1", "topic", "list"], "behind the command"),
            (["group", "describe", "--group", "g"], "without --group"), (["topic", "list", "--json"], "-o json"),
            (["topic", "describe", "--unavailable-partitions"], "--only"),
            (["topic", "list", "--zookeeper", "z"], "-b "), (["topic", "list", "--topic", "t"], "--include"),
            (["perf", "produce", "--topic", "t"], "without --topic"),
        ] as [([String], String)])
    func `options of other tools are told by their names here`(arguments: [String], words: String) {
        let failure = #expect(throws: (any Error).self) { try Swiftwater.parseAsRoot(arguments) }
        let option = failure.flatMap { OptionHints.unknownOption(Swiftwater.message(for: $0)) }
        #expect(
            option.flatMap { OptionHints.hint(for: $0, in: arguments) }?.contains(words) == true, "\(option ?? "-")")
    }

    @Test func `a topic is asked for only where a command takes one`() {
        for command in [["connect", "list"], ["user", "list"], ["transaction", "list"], ["sql"]] {
            #expect(OptionHints.hint(for: "--topic", in: command + ["--topic", "t"]) == nil)
        }
    }

    @Test func `help is asked about what there is`() throws {
        let failure = #expect(throws: CommandFailure.self) {
            try CommandNames.check(["help", "topics"], in: Swiftwater.self)
        }
        #expect(failure?.message == "unknown command 'topics': did you mean 'topic'?")
        try CommandNames.check(["help", "topic", "list"], in: Swiftwater.self)
        try CommandNames.check(["topic", "help"], in: Swiftwater.self)
    }

    /// By hand from Kafka's rule for new topics: leaders go round, and further replicas begin one later with every round.
    @Test func `replicas are spread over brokers`() throws {
        func topic(_ name: String, _ partitions: Int32, replicas: [Int32]) -> TopicDescription {
            TopicDescription(
                name: name, isInternal: false,
                partitions: (0..<partitions).map {
                    PartitionDescription(partition: $0, leader: 1, replicas: replicas, inSyncReplicas: replicas)
                })
        }
        let plan = try ReassignmentPlan.spread([topic("t", 6, replicas: [1, 2])], over: [1, 2, 3], replicaCount: nil)
        #expect(plan.rows.map(\.replicas) == [[1, 2], [2, 3], [3, 1], [1, 3], [2, 1], [3, 2]])
        let two = try ReassignmentPlan.spread(
            [topic("t", 1, replicas: [1]), topic("u", 1, replicas: [1])], over: [4, 5], replicaCount: 2)
        #expect(two.rows.map(\.replicas) == [[4, 5], [5, 4]])
        #expect(
            try ReassignmentPlan.spread([topic("t", 1, replicas: [1])], over: [9], replicaCount: nil).rows[0].replicas
                == [9])
        #expect(throws: CommandFailure.self) {
            try ReassignmentPlan.spread([topic("t", 1, replicas: [1, 2])], over: [1], replicaCount: nil)
        }
        #expect(try ReassignmentPlan.parse(String(decoding: plan.json.bytes, as: UTF8.self), file: "f") == plan)
    }

    @Test(arguments: [
        "", "[]", #"{"partitions": []}"#, #"{"partitions": [{"topic": "t", "partition": 0}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1, 1]}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": ["/data"]}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": "any"}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 0, "replicas": ["1"]}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 99999999999, "replicas": [1]}]}"#,
        #"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1]}, {"topic": "t", "partition": 0, "replicas": [2]}]}"#,
    ])
    func `a plan that is none is refused`(text: String) {
        let failure = #expect(throws: CommandFailure.self) { try ReassignmentPlan.parse(text, file: "plan.json") }
        #expect(failure?.message.contains("plan.json") == true)
    }

    @Test func `folders that are left to the broker are no wish`() throws {
        let text = #"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2], "log_dirs": ["any", "any"]}]}"#
        #expect(try ReassignmentPlan.parse(text, file: "f").rows.map(\.replicas) == [[1, 2]])
    }

    @Test func `what is being moved is not moved again`() throws {
        let move = ReassignmentCalls.Move(
            place: TopicPartition("t", 1), replicas: [1, 2, 3], adding: [3], removing: [1])
        try ReassignmentPlan.refuse([TopicPartition("t", 0), TopicPartition("u", 1)], movedBy: [move])
        let failure = #expect(throws: CommandFailure.self) {
            try ReassignmentPlan.refuse([TopicPartition("t", 0), TopicPartition("t", 1)], movedBy: [move])
        }
        #expect(failure?.message == "partition \(move.place) is being moved already")
        #expect(failure?.hint?.contains("--cancel") == true)
    }

    @Test func `failures of moves name all partitions that they are about`() throws {
        func results(_ codes: [ErrorCode]) -> [ReassignmentCalls.Result] {
            codes.enumerated().map { .init(place: TopicPartition("t", Int32($0)), code: $1, message: nil) }
        }
        #expect(ReassignmentCalls.failure(of: results([.none, .none]), cancels: false) == nil)
        #expect(ReassignmentCalls.failure(of: results([.none, .noReassignmentInProgress]), cancels: true) == nil)
        let codes: [ErrorCode] = [
            .none, .noReassignmentInProgress, .invalidReplicaAssignment, .unknownTopicOrPartition,
        ]
        let cancelled = try #require(ReassignmentCalls.failure(of: results(codes), cancels: true))
        #expect(cancelled.message.hasPrefix("cancel the move of partition \(TopicPartition("t", 2))"))
        #expect(
            cancelled.hint == "the moves of these go on: \(TopicPartition("t", 2)), \(TopicPartition("t", 3)); "
                + "the others are cancelled")
        let moved = try #require(ReassignmentCalls.failure(of: results(codes), cancels: false))
        #expect(moved.message.hasPrefix("move partition \(TopicPartition("t", 1))"))
        #expect(moved.hint?.hasPrefix("these cannot be moved so: \(TopicPartition("t", 1)), ") == true)
        let one = ReassignmentCalls.failure(of: results([.invalidReplicaAssignment]), cancels: false)
        #expect(one != nil && one?.hint == nil)
    }

    @Test func `replicas that a move adds are not missing`() {
        let moved = PartitionDescription(partition: 0, leader: 1, replicas: [1, 2, 3], inSyncReplicas: [1, 2])
        #expect(PartitionTrouble.underReplicated.holds(of: moved, inSyncMin: 1))
        #expect(!PartitionTrouble.underReplicated.holds(of: moved, inSyncMin: 1, addingCount: 1))
    }

    @Test func `ids of groups may have what lines are made of`() throws {
        let expected = [TopicPartition("t", 0): Int64(5)]
        for (text, group) in [
            ("\"a,b\",t,0,5", "a,b"), ("\"say \"\"hi\"\"\",\"t\",\"0\",\"5\"", "say \"hi\""), ("\" g\",t,0,5", " g"),
            ("\u{FEFF}t,0,5", "g"), ("\u{FEFF}\"g\",t,0,5\r\n", "g"), ("\"x,y\",t,0,9\ng , t, 0, 5", "g"),
            ("\u{FEFF}{\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"offset\": 5}]}", "g"),
        ] {
            #expect(try OffsetFile.parse(text, of: group, file: "f") == expected, "\(text)")
        }
        for text in ["\"t\"x,0,5,", "\"t,0,5", "a,b,t,0,5", "\"\",0,5"] {
            #expect(throws: CommandFailure.self) { try OffsetFile.parse(text, of: "g", file: "f") }
        }
    }

    @Test func `offsets of a file are those of Kafka's tool, or of our own`() throws {
        let expected = [TopicPartition("t", 0): Int64(5), TopicPartition("t", 1): 6]
        for text in [
            "t,0,5\nt,1,6\n", "\"t\",0,5\r\nt, 1, 6", "g,t,0,5\nother,t,0,9\ng,t,1,6",
            #"{"group": "g", "partitions": [{"topic": "t", "partition": 0, "old": 1, "new": 5}, {"topic": "t", "partition": 1, "offset": 6}]}"#,
        ] {
            #expect(try OffsetFile.parse(text, of: "g", file: "f") == expected)
        }
        for text in ["", "t,0", "t,0,-1", "t,-1,0", "t,0,5\nt,0,6", "other,t,0,1", "{}", "{", #"{"partitions": [{}]}"#]
        {
            #expect(throws: CommandFailure.self) { try OffsetFile.parse(text, of: "g", file: "f") }
        }
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

    @Test(arguments: [
        ["t", "--records", "0"], ["t", "--records", "9223372036854775807"], ["t", "--size", "-1"],
        ["t", "--rate", "0"],
        ["t", "--rate", "nan"], ["t", "--acks", "1", "--idempotent"],
    ])
    func `a measurement without end or sense is refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try PerfProduce.parse(arguments) }
    }

    /// 100 records of 1 ms and one of 100 ms, to within the 3 % of a bucket.
    @Test func `percentiles are those of the times`() {
        var latencies = Latencies()
        #expect(latencies.percentile(0.5) == 0 && latencies.mean == 0)
        latencies.add(.milliseconds(1), count: 100)
        latencies.add(.milliseconds(100), count: 1)
        #expect(abs(latencies.percentile(0.5) - 1) <= 0.03 && abs(latencies.percentile(0.99) - 1) <= 0.03)
        #expect(latencies.percentile(0.999) == 100 && latencies.largest == 100)
        #expect(abs(latencies.mean - 200.0 / 101) < 1e-9)
    }

    @Test func `what a line says of the cluster is found for completion`() throws {
        let options = try #require(
            NameCompletion.options(of: ["swiftwater", "consume", "-b", "h:1", "--from", "end", "-X", "a=b"]))
        #expect(options.bootstrap == "h:1" && options.properties.last == "a=b")
        #expect(NameCompletion.options(of: ["swiftwater", "topic", "describe", "-b", "h:99999"]) == nil)
        #expect(try #require(NameCompletion.options(of: ["-b"])).bootstrap == nil)
    }

    @Test(
        arguments: [
            ("ratings", true), ("a-b_c.d:e/f@g+1", true), ("", false), ("-e", false), ("a b", false), ("é", false),
            ("$(touch${IFS}/tmp/x)x", false), ("a`b`", false), ("a;b", false), ("a\nb", false), ("~a", false),
            ("a*", false), ("{a,b}", false), ("a'b", false), ("a\\b", false),
        ])
    func `only names that a shell takes as they are complete a line`(name: String, isPlain: Bool) {
        #expect(NameCompletion.isPlain(name) == isPlain)
    }

    @Test(
        arguments: [
            ("log.cleaner.thread", "log.cleaner.threads"), ("log.cleaner.threads", nil),
            ("listener.name.log.cleaner.threads", nil), ("listener.name.tls.ssl.keystore.location", nil),
            ("a.plugin.of.ours", nil),
        ] as [(String, String?)])
    func `only a name of a configuration that is like another is a misspelling`(name: String, meant: String?) {
        #expect(ConfigCalls.meant(by: name, among: ["log.cleaner.threads", "ssl.keystore.location"]) == meant)
    }

    @Test func `sensitive values and control characters are not printed`() {
        let entry = ConfigCalls.Entry(
            name: "a", value: "secret", source: "UNKNOWN", isDefault: false, isReadOnly: false, isSensitive: true)
        #expect(!String(decoding: entry.json.bytes, as: UTF8.self).contains("secret"))
        var table = Table("ID", "STATE")
        table.add("a\u{1B}[2Jb\n", "Ongoing")
        #expect(table.text.split(separator: "\n").last == "a\\u{1b}[2Jb\\n  Ongoing")
    }

    @Test(
        arguments: [
            ("connect to h: broker certificate could not be verified, verify that", "ssl.ca.location=FILE"),
            ("error:0A000086:SSL routines::certificate verify failed", "ssl.ca.location=FILE"),
            ("failed to resolve 'nohost:9092': Name or service not known", "name of the host"),
            ("might be caused by incorrect security.protocol configuration (connecting to a SSL listener?)", "TLS"),
            (
                "disconnected: verify that security.protocol is correct, broker might require SASL auth",
                "sasl.mechanism"
            ),
            ("error:0A000126:SSL routines::unexpected eof while reading", "PLAINTEXT"),
            ("error:0A00010B:SSL routines::wrong version number", "PLAINTEXT"),
            ("error:0A0000C6:SSL routines::packet length too long", "PLAINTEXT"),
            (
                "error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
                "ssl.key.location"
            ),
            ("error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42", "ssl.key.location"),
            ("error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48", "ssl.key.location"),
        ])
    func `connections in the wrong way say what to set`(message: String, words: String) {
        #expect(ConnectionOptions.hint(connecting: message)?.contains(words) == true)
        #expect(ConnectionOptions.hint(connecting: "connection refused") == nil)
        #expect(ConnectionOptions.hint(connecting: "error:0A000102:SSL routines::unsupported protocol") == nil)
    }
}
