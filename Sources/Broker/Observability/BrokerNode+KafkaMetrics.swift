import LogStorage
import Observability

/// Metrics by the names under which dashboards for Kafka look for its MBeans: those that Prometheus' JMX exporter makes of
/// them with the rules in common use, all in small letters. What they count is counted under names of our own, too.
extension BrokerNode {
    /// - Parameter survey: looked at before each look at the registry.
    func registerKafkaMetrics(_ survey: LogSurvey) {
        let registry = metrics.registry
        let topics = "kafka_server_brokertopicmetrics"
        // The sum of all others falls when one of them is deleted, which a counter must not.
        let single: @Sendable () -> [(name: String, figures: LogSurvey.Figures)] = {
            survey.topics.filter { $0.name != LogSurvey.otherTopics }
        }
        registry.samples(
            "\(topics)_messagesin_total",
            "BrokerTopicMetrics MessagesInPerSec: records appended since the start; by topic the ends of its logs.",
            .counter
        ) { [metrics] in
            [MetricRegistry.Sample([], Double(metrics.producedRecords.total))]
                + single().map { MetricRegistry.Sample([("topic", $0.name)], Double($0.figures.logEnd)) }
        }
        registry.samples(
            "\(topics)_bytesin_total",
            "BrokerTopicMetrics BytesInPerSec: bytes appended since the start, and by topic.", .counter
        ) { [metrics] in
            [MetricRegistry.Sample([], Double(metrics.producedBytes.total))]
                + single().map {
                    MetricRegistry.Sample([("topic", $0.name)], Double($0.figures.appendedByteCount))
                }
        }
        registry.samples(
            "\(topics)_bytesout_total", "BrokerTopicMetrics BytesOutPerSec: bytes sent to consumers.", .counter
        ) { [metrics] in [MetricRegistry.Sample([], Double(metrics.fetchedBytes.total))] }
        registry.samples(
            "kafka_network_requestmetrics_requests_total", "RequestMetrics RequestsPerSec: requests, by API.", .counter
        ) { [metrics] in
            metrics.requests().map { .init([("request", $0.name)], Double($0.figures.requestCount)) }
        }
        let partitions: @Sendable () -> Double = { Double(survey.total.partitionCount) }
        let gauges: [(name: String, help: String, value: @Sendable () -> Double)] = [
            ("server_replicamanager_partitioncount", "ReplicaManager PartitionCount: partitions.", partitions),
            (
                "server_replicamanager_leadercount", "ReplicaManager LeaderCount: partitions; this broker leads all.",
                partitions
            ),
            (
                "server_replicamanager_underreplicatedpartitions",
                "ReplicaManager UnderReplicatedPartitions: none, as each partition has one replica.", { 0 }
            ),
            (
                "server_replicamanager_underminisrpartitioncount",
                "ReplicaManager UnderMinIsrPartitionCount: partitions whose min.insync.replicas is above 1.",
                { [catalog] in
                    let short = catalog.snapshot.byName.values.filter { $0.config.minInsyncReplicas > 1 }
                    return Double(short.reduce(0) { $0 + $1.partitions.count })
                }
            ),
            (
                "server_replicamanager_offlinereplicacount",
                "ReplicaManager OfflineReplicaCount: partitions, once the disk has failed.",
                { [directory] in directory.health.failure == nil ? 0 : partitions() }
            ),
            (
                "controller_kafkacontroller_activecontrollercount",
                "KafkaController ActiveControllerCount: 1, this broker is its controller.", { 1 }
            ),
            (
                "controller_kafkacontroller_activebrokercount", "KafkaController ActiveBrokerCount: 1.", { 1 }
            ),
            (
                "controller_kafkacontroller_globaltopiccount", "KafkaController GlobalTopicCount: topics.",
                { Double(survey.topicCount) }
            ),
            (
                "controller_kafkacontroller_globalpartitioncount",
                "KafkaController GlobalPartitionCount: partitions.", partitions
            ),
            (
                "controller_kafkacontroller_offlinepartitionscount",
                "KafkaController OfflinePartitionsCount: partitions, once the disk has failed.",
                { [directory] in directory.health.failure == nil ? 0 : partitions() }
            ),
        ]
        for gauge in gauges { registry.gauge("kafka_\(gauge.name)", gauge.help) { gauge.value() } }
    }
}
