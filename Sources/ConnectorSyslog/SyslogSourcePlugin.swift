package import ConnectCore

/// `io.confluent.connect.syslog.SyslogSourceConnector`: what machines and devices log, by RFC 3164, RFC 5424 and in the
/// Common Event Format, over UDP, TCP (RFC 6587) and TLS (RFC 5425).
///
/// Delivery: at most once. Syslog knows no answers: what was received and is not written yet when the process dies is
/// gone.
package struct SyslogSourcePlugin: SourcePlugin {
    package let classNames = ["io.confluent.connect.syslog.SyslogSourceConnector"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef { SyslogSettings.definition }

    /// Licences and threads of the original.
    package var openPrefixes: [String] { ["confluent.", "netty."] }

    package func modernized(_ properties: [String: String]) -> [String: String] {
        guard properties["topic"] == nil, let topic = properties["topic.prefix"] else { return properties }
        return properties.merging(["topic": topic]) { $1 }
    }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try SyslogSettings(definition.parse(properties)).tls()
            return []
        } catch {
            let option = definition.names.first { error.message.contains("configuration \($0):") }
            return [ConfigProblem(option ?? "syslog.ssl.cert.chain.path", error.message)]
        }
    }

    /// A port has one listener, whatever `tasks.max` says.
    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] { [properties] }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        SyslogSourceTask(try SyslogSettings(definition.parse(modernized(properties))), context)
    }
}
