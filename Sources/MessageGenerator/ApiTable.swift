/// Prints `ApiKey`: the keys, names, versions and header versions of all APIs.
struct ApiTable {
    struct Row {
        var key: Int
        var name: String
        var versions: VersionRange
        var flexible: VersionRange

        init(name: String, request: Definition, response: Definition) throws {
            guard let key = request.apiKey, response.apiKey == key else { throw GeneratorError("\(name): api key") }
            guard request.validVersions == response.validVersions else {
                throw GeneratorError("\(name): request and response have different versions")
            }
            guard request.flexibleVersions == response.flexibleVersions else {
                throw GeneratorError("\(name): request and response are flexible in different versions")
            }
            self.key = key
            self.name = name
            versions = request.validVersions
            flexible = request.flexibleVersions
        }
    }

    var rows: [Row]

    func source(header: String) -> String {
        var source = SourceText()
        source.line("/// The requests we know. A request with any other key closes the connection, as in Kafka.")
        source.block("package enum ApiKey: Int16, CaseIterable, Sendable") { source in
            for row in rows { source.line("case \(row.name.lowercasedFirst) = \(row.key)") }
            source.line()
            source.line("/// The name in Kafka's definitions and documentation, such as \"Produce\".")
            printTable("name: String", to: &source) { "\"\($0.name)\"" }
            source.line()
            source.line("/// The versions the definitions have; what a broker offers is its own choice among them.")
            printTable("versions: ClosedRange<Int16>", to: &source) { "\($0.versions.low)...\($0.versions.high)" }
            source.line()
            source.line("/// The first flexible version (KIP-482), nil where there is none.")
            printTable("firstFlexibleVersion: Int16?", to: &source) { row in
                row.flexible.isEmpty ? "nil" : "\(row.flexible.low)"
            }
        }
        return header + "\n" + source.text
    }

    private func printTable(_ declaration: String, to source: inout SourceText, value: (Row) -> String) {
        source.block("package var \(declaration)") { source in
            source.line("switch self {")
            for row in rows { source.line("case .\(row.name.lowercasedFirst): \(value(row))") }
            source.line("}")
        }
    }
}
