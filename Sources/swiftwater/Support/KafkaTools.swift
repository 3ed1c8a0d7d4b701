import Bytes

/// What stands for the programs of other distributions, for people who type their names out of habit.
enum KafkaTools {
    /// Commands of this program, by the other's name without `.sh` and the like.
    static let commands: [String: [String]] = [
        "kafka-topics": ["topic"],
        "kafka-console-producer": ["produce"],
        "kafka-console-consumer": ["consume"],
        "kafka-consumer-groups": ["group"],
        "kafka-groups": ["group"],
        "kafka-share-groups": ["group"],
        "kafka-streams-groups": ["group"],
        "kafka-acls": ["acl"],
        "kafka-delegation-tokens": ["token"],
        "kafka-configs": ["topic alter", "broker alter", "group alter", "quota", "user"],
        "kafka-get-offsets": ["topic offsets"],
        "kafka-delete-records": ["topic delete-records"],
        "kafka-reassign-partitions": ["topic reassign"],
        "kafka-leader-election": ["topic elect-leaders"],
        "kafka-streams-application-reset": ["group reset-offsets", "topic delete"],
        "kafka-log-dirs": ["broker log-dirs"],
        "kafka-broker-api-versions": ["broker api-versions"],
        "kafka-features": ["cluster features"],
        "kafka-metadata-quorum": ["cluster quorum"],
        "kafka-cluster": ["cluster describe"],
        "kafka-transactions": ["transaction"],
        "kafka-dump-log": ["log dump"],
        "kafka-producer-perf-test": ["perf produce"],
        "kafka-consumer-perf-test": ["perf consume"],
        "kafka-e2e-latency": ["perf latency"],
        "kafka-server-start": ["start"],
        "kafka-storage": ["start"],
        "kafka-avro-console-producer": ["produce"],
        "kafka-avro-console-consumer": ["consume"],
        "kafka-protobuf-console-producer": ["produce"],
        "kafka-protobuf-console-consumer": ["consume"],
        "kafka-json-schema-console-producer": ["produce"],
        "kafka-json-schema-console-consumer": ["consume"],
        "connect-distributed": ["start", "connect"],
        "connect-standalone": ["start", "connect"],
        "schema-registry-start": ["start", "schema"],
        "ksql": ["sql"],
        "ksql-server-start": ["start"],
        "ksql-test-runner": ["test"],
        "ksql-datagen": ["connect"],
        "kcat": ["consume", "produce"],
        "kafkacat": ["consume", "produce"],
    ]

    /// What other programs of the kind call it, by verbs of this one.
    private static let verbs: [String: [String]] = [
        "list": ["ls", "all"],
        "describe": ["show", "get", "info", "desc", "inspect", "status"],
        "create": ["add", "new", "make"],
        "add": ["create", "new"],
        "alter": ["set", "update", "change", "edit", "config", "configure", "modify"],
        "set": ["alter", "update", "add", "create"],
        "delete": ["rm", "remove", "del", "drop"],
        "remove": ["rm", "delete", "del", "drop"],
        "produce": ["producer", "write", "publish", "send", "put"],
        "consume": ["consumer", "read", "subscribe", "tail", "cat"],
        "start": ["server", "serve", "run", "up"],
        "register": ["add", "create", "put"],
        "offsets": ["get-offsets"],
        "dump": ["show", "cat"],
    ]

    /// What a word was probably meant to be, among the commands that there are; nil when that cannot be told.
    static func meant(_ word: String, among names: [String], isFirst: Bool) -> String? {
        if isFirst, let commands = commands[name(word)] {
            return commands.map { "swiftwater \($0)" }.joined(separator: "' or '")
        }
        let word = word.lowercased()
        return names.first { verbs[$0]?.contains(word) == true }
    }

    /// Without what the names of scripts end in.
    private static func name(_ word: String) -> String {
        let word = word.lowercased()
        for ending in [".sh", ".bat"] where word.hasSuffix(ending) { return String(word.dropLast(ending.count)) }
        return word
    }
}
