internal import ConnectCore

extension EventOptions {
    /// The channels of `signal.enabled.channels` besides the table.
    ///
    /// - Throws: `ConnectError` when a topic's cluster cannot be used.
    func signalWays(_ clusters: CDCPlugin.ClusterProvider?) async throws(ConnectError) -> [any SignalChannel] {
        var channels: [any SignalChannel] = []
        if signalChannels.contains("file") { channels.append(FileSignals(path: signalFile, interval: signalInterval)) }
        guard signalChannels.contains("kafka") else { return channels }
        guard let clusters else {
            throw .config("The channel kafka of signal.enabled.channels needs a cluster, and this process has none")
        }
        func text(_ name: String) -> String? {
            properties["signal." + name].map(\.trimmingSpaces).flatMap { $0.isEmpty ? nil : $0 }
        }
        var connection: [String: String] = [:]
        connection["bootstrap.servers"] = text("kafka.bootstrap.servers") ?? text("consumer.bootstrap.servers")
        for (name, value) in properties where name.hasPrefix("signal.consumer.") {
            let option = name.dropFirst("signal.".count)
            let isOfConnections = ["security.", "ssl.", "sasl."].contains { option.hasPrefix("consumer." + $0) }
            if isOfConnections { connection[String(option)] = value }
        }
        let reset = text("consumer.auto.offset.reset")?.lowercased()
        channels.append(
            TopicSignals(
                cluster: try await clusters(connection), topic: text("kafka.topic") ?? prefix + "-signal",
                group: text("consumer.group.id") ?? text("kafka.groupId") ?? "kafka-signal", key: prefix,
                startsAtEnd: reset == "latest", interval: signalInterval))
        return channels
    }
}
