import KafkaMessages

extension Cluster {
    /// Ids of topics as Kafka's base64url texts, by the names of the topics.
    ///
    /// Topics of which the cluster does not tell are missing, and all of them where connections of our own cannot be made
    /// or do not answer soon, or where the brokers are older than ids (KIP-516): nothing may depend on them. Waits two
    /// seconds at most.
    package func topicIds(of names: some Sequence<String>) async -> [String: String] {
        let topics = names.map { MetadataRequest.MetadataRequestTopic(name: $0) }
        guard !topics.isEmpty else { return [:] }
        // Without an answer there are none, as said above.
        let answer = try? await requests.call(
            to: .anyBroker, versions: 10...12, timeout: min(requests.timeout, .seconds(2))
        ) { _ in MetadataRequest(topics: topics, allowAutoTopicCreation: false) }
        var ids: [String: String] = [:]
        for topic in answer?.topics ?? [] where topic.errorCode == 0 && topic.topicId != .zero {
            if let name = topic.name { ids[name] = topic.topicId.description }
        }
        return ids
    }
}
