import JSONFormat
import Testing

@testable import ConnectCore

/// Definitions and findings as a recorded worker shows them, without prose: it is ours.
@Suite struct RecordedValidationTests {
    private static let exchanges = sharedJSON("connect-golden/rest-standalone.json")?["exchanges"]?.elements

    private static let parts = [
        "name", "type", "required", "default_value", "importance", "group", "order_in_group", "width", "display_name",
        "dependents",
    ]

    private static func shape(_ definition: JSONValue?) -> String {
        JSONValue.array(parts.map { definition?[$0] ?? .null }).line
    }

    @Test(.enabled(if: exchanges != nil, "no recordings: set SWIFTWATER_SHARED"))
    func `options of transforms are listed as the original lists them`() throws {
        var count = 0
        for exchange in Self.exchanges ?? [] where exchange["method"]?.text == "GET" {
            guard let path = exchange["path"]?.text, path.hasPrefix("/connector-plugins/"), path.hasSuffix("/config"),
                exchange["status"]?.integer == 200
            else { continue }
            let name = path.split(separator: "/")[1]
            guard
                let definition = TransformPlugins.transform(String(name))?.definition
                    ?? TransformPlugins.predicate(String(name))?.definition
            else { continue }
            let want = (exchange["response"]?.elements ?? []).map { Self.shape($0) }
            let got = definition.options.filter { !$0.isInternal }.map { Self.shape($0.json) }
            #expect(got == want, "\(name)")
            count += 1
        }
        #expect(count > 0)
        print("recorded definitions:", count)
    }

    @Test(.enabled(if: exchanges != nil, "no recordings: set SWIFTWATER_SHARED"))
    func `configurations are found valid and invalid as by the original`() throws {
        var count = 0
        for exchange in Self.exchanges ?? [] where exchange["path"]?.text?.hasSuffix("/config/validate") ?? false {
            guard let response = exchange["response"], let configs = response["configs"]?.elements else { continue }
            var properties: [String: String] = [:]
            for (name, value) in exchange["request"]?.members ?? [] { properties[name] = value.text ?? value.line }
            let isSource = properties["connector.class"]?.contains("Source") ?? false
            // The worker's version is whatever it was recorded with.
            let version = configs.first { $0["definition"]?["name"]?.text == "connector.plugin.version" }?["value"]?[
                "value"]?.text
            let definition = ConnectorConfig.definition(isSource ? .source : .sink, properties, version: version ?? "")
            var want: [String] = []
            for config in configs where definition[config["definition"]?["name"]?.text ?? ""] != nil {
                want.append(
                    Self.shape(config["definition"]) + (config["value"]?["value"]?.line ?? "")
                        + (config["value"]?["errors"]?.line ?? ""))
            }
            let got = definition.validate(properties).filter { !$0.option.isInternal }.map { finding in
                Self.shape(finding.json["definition"]) + (finding.json["value"]?["value"]?.line ?? "")
                    + (finding.json["value"]?["errors"]?.line ?? "")
            }
            #expect(got == want)
            for (a, b) in zip(got, want) where a != b { print("got  \(a)\nwant \(b)") }
            count += 1
        }
        #expect(count > 0)
        print("recorded validations:", count)
    }

    private static let plugins = sharedJSON("connect-golden/plugin-configs.json")

    /// Titles apart, which are prose.
    @Test(
        .enabled(if: plugins != nil, "no recordings: set SWIFTWATER_SHARED"),
        arguments: ["ExtractNewRecordState", "ByLogicalTableRouter", "outbox.EventRouter"])
    func `options of Debezium's transforms have the original's types and defaults`(name: String) throws {
        let parts = ["name", "type", "required", "default_value", "importance"]
        func shape(_ definition: JSONValue) -> String { JSONValue.array(parts.map { definition[$0] ?? .null }).line }
        let name = "io.debezium.transforms." + name
        let want = (Self.plugins?[name]?.elements ?? []).map(shape)
        let definition = try #require(TransformPlugins.transform(name)?.definition)
        #expect(definition.options.filter { !$0.isInternal }.map { shape($0.json) } == want)
    }
}
