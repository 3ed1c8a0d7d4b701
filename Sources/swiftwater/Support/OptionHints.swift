/// What options of Kafka's own tools, which people type out of habit, are called here.
enum OptionHints {
    private struct Hint {
        /// The first words of the command; empty for all.
        var command: [String] = []
        var options: [String]
        var text: String
    }

    /// Commands that take topics without an option.
    private static let topicCommands = [
        ["produce"], ["consume"], ["topic"], ["perf"], ["transaction", "producers"], ["transaction", "find-hanging"],
        ["transaction", "abort"],
    ]

    private static let hints: [Hint] =
        [
            Hint(
                options: ["-b", "--bootstrap", "--bootstrap-server", "-X", "-o", "-v"],
                text: "options stand behind the command, as in 'swiftwater topic list -b HOST:PORT'"),
            Hint(command: ["topic"], options: ["--list"], text: "'swiftwater topic list'"),
            Hint(command: ["topic"], options: ["--create"], text: "'swiftwater topic create NAME'"),
            Hint(command: ["topic"], options: ["--describe"], text: "'swiftwater topic describe NAME'"),
            Hint(command: ["topic"], options: ["--alter"], text: "'swiftwater topic alter NAME'"),
            Hint(command: ["topic"], options: ["--delete"], text: "'swiftwater topic delete NAME'"),
            Hint(
                command: ["topic", "describe"],
                options: [
                    "--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions",
                    "--at-min-isr-partitions",
                ], text: "--only under-replicated, unavailable, under-min-isr or at-min-isr"),
            Hint(command: ["group"], options: ["--list"], text: "'swiftwater group list'"),
            Hint(command: ["group", "describe"], options: ["--all-groups"], text: "without names it shows all"),
            Hint(command: ["group"], options: ["--all-groups"], text: "name the groups behind the command"),
            Hint(
                command: ["group"], options: ["--group"], text: "the group stands behind the command, without --group"),
            Hint(command: ["group"], options: ["--describe"], text: "'swiftwater group describe NAME'"),
            Hint(command: ["group"], options: ["--delete"], text: "'swiftwater group delete NAME'"),
            Hint(command: ["group"], options: ["--reset-offsets"], text: "'swiftwater group reset-offsets NAME'"),
            Hint(
                command: ["group"], options: ["--delete-offsets"],
                text: "'swiftwater group delete NAME --offsets --topic TOPIC'"),
            Hint(command: ["consume"], options: ["--from-beginning"], text: "--from beginning"),
            Hint(command: ["consume"], options: ["--offset"], text: "--from OFFSET"),
            Hint(command: ["consume"], options: ["--whitelist"], text: "--include REGEX"),
            Hint(command: ["consume"], options: ["--timeout-ms"], text: "--exit-at-end ends at the end of the topic"),
            Hint(command: ["consume"], options: ["--skip-message-on-error"], text: "--skip-errors"),
            Hint(command: ["consume"], options: ["--isolation-level"], text: "--isolation"),
            Hint(
                command: ["consume"], options: ["--formatter", "--formatter-config"],
                text: "--print says which fields, --key-format and --value-format how"),
            Hint(
                command: ["consume"], options: ["--key-deserializer", "--value-deserializer"],
                text: "--key-format and --value-format, as in --key-format int"),
            Hint(command: ["produce"], options: ["--request-required-acks"], text: "--acks"),
            Hint(command: ["produce"], options: ["--compression-codec"], text: "--compression"),
            Hint(command: ["produce"], options: ["--batch-size"], text: "-X batch.size=BYTES"),
            Hint(
                command: ["produce"], options: ["--line-reader", "--reader-config"],
                text: "--key-separator, --header-separator"),
            Hint(
                options: ["--consumer-property", "--producer-property", "--reader-property"],
                text: "-X NAME=VALUE sets a client's property"),
            Hint(
                options: [
                    "--consumer.config", "--producer.config", "--consumer-config", "--producer-config", "--config-file",
                ], text: "--command-config FILE takes a file of client properties"),
            Hint(
                options: ["--zookeeper", "--broker-list", "--bootstrap-servers"], text: "-b HOST:PORT names the cluster"
            ),
            Hint(command: ["connect"], options: ["--name"], text: "the name stands behind the command, without --name"),
            Hint(options: ["--json"], text: "-o json"),
            Hint(command: ["topic", "list"], options: ["--topic"], text: "--include REGEX"),
        ]
        + topicCommands.map {
            Hint(command: $0, options: ["--topic"], text: "the topic stands behind the command, without --topic")
        }

    /// - Parameters:
    ///   - option: one that the command does not have.
    ///   - arguments: the command line.
    /// - Returns: what to write instead; nil when that cannot be told.
    static func hint(for option: String, in arguments: [String]) -> String? {
        let words = Array(arguments.prefix { !$0.hasPrefix("-") })
        return hints.first { hint in
            hint.options.contains(option) && words.starts(with: hint.command)
                // Those of every command are unknown only where no command stands before them.
                && (!["-b", "--bootstrap", "--bootstrap-server", "-X", "-o", "-v"].contains(option) || words.isEmpty)
        }?.text
    }

    /// The option that the argument parser's message says is unknown.
    static func unknownOption(_ message: String) -> String? {
        let start = "Unknown option '"
        guard message.hasPrefix(start) else { return nil }
        return String(message.dropFirst(start.count).prefix { $0 != "'" })
    }

    /// Properties of the formatters and readers of Kafka's console tools.
    static func hint(forProperty name: String) -> String? {
        switch name {
        case _ where name.hasPrefix("print."): "--print says which fields, as in --print key,value"
        case "parse.key", "key.separator": "--key-separator TEXT"
        case "parse.headers", "headers.delimiter", "headers.separator": "--header-separator TEXT"
        case "null.marker", "null.literal": "--null-value TEXT"
        case "line.separator": "a line is a record"
        case "ignore.error": "a line that is not what the options say ends the command"
        case "key.deserializer", "value.deserializer": "--key-format and --value-format, as in --key-format int"
        case "schema.registry.url": "--registry URL"
        default: nil
        }
    }
}
