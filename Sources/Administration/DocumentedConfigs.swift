package import Cluster
import KafkaMessages

extension Cluster {
    /// What the configurations of a topic mean, by name; empty where the cluster does not tell (before Kafka 2.6).
    package func configDocumentation(ofTopic topic: String) async throws(ClusterError) -> [String: String] {
        let answer: DescribeConfigsResponse
        do throws(ClusterError) {
            answer = try await requests.call(to: .anyBroker, versions: 3...4, timeout: requests.timeout) { _ in
                var request = DescribeConfigsRequest()
                var resource = DescribeConfigsRequest.DescribeConfigsResource()
                resource.resourceType = 2  // a topic
                resource.resourceName = topic
                resource.configurationKeys = nil
                request.resources = [resource]
                request.includeDocumentation = true
                return request
            }
        } catch {
            guard error.code == .unsupportedVersion else { throw error }
            return [:]
        }
        var texts: [String: String] = [:]
        for result in answer.results where result.errorCode == 0 {
            for config in result.configs { texts[config.name] = config.documentation ?? "" }
        }
        return texts
    }
}

extension Cluster {
    /// One configuration of many topics, in one request. Topics that do not tell it are left out.
    package func config(
        _ name: String, ofTopics topics: [String]
    ) async throws(ClusterError) -> [String: String] {
        guard !topics.isEmpty else { return [:] }
        let answer = try await requests.call(to: .anyBroker, versions: 1...4, timeout: requests.timeout) { _ in
            var request = DescribeConfigsRequest()
            request.resources = topics.map { topic in
                var resource = DescribeConfigsRequest.DescribeConfigsResource()
                resource.resourceType = 2  // a topic
                resource.resourceName = topic
                resource.configurationKeys = [name]
                return resource
            }
            return request
        }
        var values: [String: String] = [:]
        for result in answer.results where result.errorCode == 0 {
            values[result.resourceName] = result.configs.first { $0.name == name }?.value
        }
        return values
    }
}
