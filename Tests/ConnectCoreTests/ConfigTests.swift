import JSONFormat
import Testing

@testable import ConnectCore

@Suite struct ConfigTests {
    private static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("topic", .string, .required, .notEmpty, .high)
        definition.define("tasks.max", .int, .value(.integer(1)), .atLeast(1), .high)
        definition.define("names", .list, .value(.list([])), .uniqueNames)
        definition.define("flag", .boolean, .value(.boolean(true)))
        return definition
    }()

    /// Messages as a recorded worker gives them.
    @Test func `validation names everything that is wrong`() {
        let findings = Self.definition.validate(["tasks.max": "x", "names": "a,a", "flag": "maybe"])
        #expect(
            findings.flatMap(\.errors) == [
                "Missing required configuration \"topic\" which has no default value.",
                "Invalid value x for configuration tasks.max: Not a number of type INT",
                "Invalid value null for configuration tasks.max: Value must be non-null",
                "Invalid value [a, a] for configuration names: Duplicate alias provided.",
                "Invalid value maybe for configuration flag: Expected value to be either true or false",
            ])
        let zero = Self.definition.validate(["tasks.max": "0", "topic": "t"]).flatMap(\.errors)
        #expect(zero == ["Invalid value 0 for configuration tasks.max: Value must be at least 1"])
    }

    @Test func `unknown names are shown with the nearest known one`() {
        let unknown = Self.definition.unknown(
            in: ["task.max", "topic", "transforms.x.type", "zzz"], ignoring: ["transforms."])
        #expect(unknown.map { "\($0.name):\($0.nearest ?? "")" } == ["task.max:tasks.max", "zzz:"])
    }

    private struct Secrets: ConfigProvider {
        func values(path: String, keys: Set<String>) async throws(ConnectError) -> [String: String] {
            Dictionary(uniqueKeysWithValues: keys.filter { $0 != "missing" }.map { ($0, "<\(path)|\($0)>") })
        }
    }

    @Test func `placeholders of providers are replaced`() async throws {
        let resolved = try await ConfigPlaceholders.resolved(
            ["a": "x${file:/etc/s.properties:pw}y${env:HOME}", "b": "${file:/p:missing} ${other:k} ${topic}"],
            providers: ["file": Secrets(), "env": Secrets()])
        #expect(resolved["a"] == "x</etc/s.properties|pw>y<|HOME>")
        #expect(resolved["b"] == "${file:/p:missing} ${other:k} ${topic}")
    }

    /// By the rules of `java.util.Properties.load`.
    @Test func `properties files are read as Java reads them`() {
        let properties = PropertiesText.parse("# c\na=1\nb : two \\\n   words\nc\\:d=\\u00fc\\n\n! no\nempty\n")
        #expect(properties == ["a": "1", "b": "two words", "c:d": "ü\n", "empty": ""])
    }

    @Test(arguments: [
        (["transforms": "a,a"], "Invalid value [a, a] for configuration transforms: Duplicate alias provided."),
        (["transforms": "a"], "Invalid value null for configuration transforms.a.type: Not a Transformation"),
        (
            ["transforms": "a", "transforms.a.type": "no.Such"],
            "Invalid value no.Such for configuration transforms.a.type: Class no.Such could not be found."
        ),
        (
            ["transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.HoistField$Value"],
            "Missing required configuration \"field\" which has no default value."
        ),
    ])
    func `chains are refused in Connect's words`(properties: [String: String], message: String) {
        let error = #expect(throws: ConnectError.self) { try TransformChain(properties) }
        #expect(error?.message == message)
    }

    private static let insert = "org.apache.kafka.connect.transforms.InsertField"

    /// As a worker of Kafka 4.3 answers `validate`.
    @Test(arguments: [
        (
            ["transforms": "a,a"],
            [
                "transforms: Invalid value [a, a] for configuration transforms: Duplicate alias provided.",
                "transforms.a.type: Missing required configuration \"transforms.a.type\" which has no default value.",
            ]
        ),
        (
            ["transforms": "a", "transforms.a.type": insert],
            [
                "transforms.a.type: This class is abstract and cannot be created. Did you mean \(insert)$Key, "
                    + "\(insert)$Value?"
            ]
        ),
        (
            [
                "transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.Filter",
                "transforms.a.negate": "true",
            ],
            [
                "transforms.a.type: Config 'transforms.a.negate' was provided but there is no config "
                    + "'transforms.a.predicate' defining a predicate to be negated."
            ]
        ),
        (
            [
                "transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.RegexRouter",
                "transforms.a.regex": "(", "transforms.a.replacement": "x",
            ],
            [
                "transforms.a.regex: Invalid value ( for configuration regex: Invalid regex: Unclosed group near index 1\n("
            ]
        ),
        (["topics": "a,b,a"], ["topics: Configuration 'topics' values must not be duplicated."]),
        (["topics": "a,,b"], ["topics: Configuration 'topics' values must not be empty."]),
    ])
    func `configurations are found wrong`(properties: [String: String], errors: [String]) {
        var properties = properties
        properties["name"] = "n"
        properties["connector.class"] = "c"
        let found = ConnectorConfig.definition(.sink, properties, version: "1").validate(properties)
        #expect(found.flatMap { finding in finding.errors.map { finding.option.name + ": " + $0 } } == errors)
    }

    @Test func `options of transforms stand in Kafka's order`() {
        let properties = [
            "transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.TimestampConverter$Value",
        ]
        let names = ConnectorConfig.definition(.sink, properties, version: "1").names.filter {
            $0.hasPrefix("transforms.")
        }
        #expect(
            names.map { String($0.dropFirst("transforms.a.".count)) } == [
                "type", "plugin.version", "target.type", "field", "format", "negate", "predicate",
                "replace.null.with.default", "unix.precision",
            ])
    }

    @Test func `the transform at which a record fails is known`() throws {
        let apache = "org.apache.kafka.connect.transforms."
        let chain = try TransformChain([
            "transforms": "a,b", "transforms.a.type": apache + "HoistField$Value", "transforms.a.field": "f",
            "transforms.b.type": apache + "Cast$Value", "transforms.b.spec": "f:int32",
        ])
        let record = ConnectRecord(
            topic: "t", value: SchemaAndValue(.string, .string("x")),
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .none))
        #expect(throws: ConnectError.self) { try chain.apply(record) }
        #expect(chain.failingClass(record) == apache + "Cast$Value")
    }

    @Test func `predicates decide, and may be negated`() throws {
        var properties = [
            "transforms": "f", "transforms.f.type": "org.apache.kafka.connect.transforms.Filter",
            "transforms.f.predicate": "p", "predicates": "p",
            "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            "predicates.p.pattern": "drop-.*",
        ]
        func record(_ topic: String) -> ConnectRecord {
            ConnectRecord(topic: topic, origin: .sink(topic: topic, partition: 0, offset: 0, timestampKind: .none))
        }
        var chain = try TransformChain(properties)
        #expect(try chain.apply(record("drop-1")) == nil)
        #expect(try chain.apply(record("keep")) != nil)
        properties["transforms.f.negate"] = "true"
        chain = try TransformChain(properties)
        #expect(try chain.apply(record("drop-1")) != nil)
        #expect(try chain.apply(record("keep")) == nil)
    }

    private static let configurations = sharedJSON("connector-configs-demo-scene.json")?.elements

    /// Real configurations: whatever names transforms and converters of ours is taken.
    @Test(.enabled(if: configurations != nil, "no configurations: set SWIFTWATER_SHARED"))
    func `real configurations make chains`() throws {
        var made = 0
        var refused: [String: Int] = [:]
        for entry in Self.configurations ?? [] {
            var properties: [String: String] = [:]
            for (name, value) in entry["config"]?.members ?? [] { properties[name] = value.text ?? value.line }
            guard properties["transforms"] != nil else { continue }
            do throws(ConnectError) {
                _ = try TransformChain(properties)
                made += 1
            } catch {
                refused[error.message, default: 0] += 1
            }
        }
        print("real chains: made \(made), refused:")
        for (message, count) in refused.sorted(by: { $0.key < $1.key }) { print("  \(count) \(message)") }
        // Others' plugins and excerpts without a type are refused; nothing else may be.
        #expect(refused.keys.allSatisfy { $0.hasSuffix("could not be found.") || $0.hasSuffix("Not a Transformation") })
        #expect(made > 0)
    }
}
