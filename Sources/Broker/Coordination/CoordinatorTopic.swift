import Coordinators
import KafkaMessages
import LogStorage
import NIOPosix
import Synchronization

/// All shards of one internal topic. There are none until the topic exists, which it does from the first request for a
/// coordinator on.
final class CoordinatorTopic<Shard: CoordinatorShard>: Sendable {
    let topic: InternalTopic
    private let environment: CoordinationEnvironment
    private let makeShard: @Sendable (_ partition: Int32) -> Shard
    private let execute: @Sendable (ShardHost<Shard>, [Shard.Order]) -> Void
    private let hostList = Mutex<[ShardHost<Shard>]>([])

    init(
        _ topic: InternalTopic, _ environment: CoordinationEnvironment,
        makeShard: @escaping @Sendable (_ partition: Int32) -> Shard,
        execute: @escaping @Sendable (ShardHost<Shard>, [Shard.Order]) -> Void
    ) {
        self.topic = topic
        self.environment = environment
        self.makeShard = makeShard
        self.execute = execute
    }

    var hosts: [ShardHost<Shard>] { hostList.withLock { $0 } }

    /// The shard that keeps `key`; nil before the topic exists.
    func host(of key: String) -> ShardHost<Shard>? {
        hostList.withLock { hosts in
            hosts.isEmpty ? nil : hosts[Int(coordinatorPartition(of: key, count: Int32(clamping: hosts.count)))]
        }
    }

    func host(partition: Int32) -> ShardHost<Shard>? {
        hostList.withLock { 0..<Int32(clamping: $0.count) ~= partition ? $0[Int(partition)] : nil }
    }

    /// Takes the shards of a topic that exists into service. Those whose log is empty are ready at once.
    ///
    /// - Returns: the ones that have to be loaded.
    func attach() -> [ShardHost<Shard>] {
        guard let found = environment.catalog.topic(named: topic.rawValue) else { return [] }
        let added = hostList.withLock { hosts -> [ShardHost<Shard>] in
            guard hosts.isEmpty else { return [] }
            hosts = found.partitions.map { partition in
                ShardHost(partition, makeShard(partition.index), environment, execute: execute)
            }
            return hosts
        }
        var loading: [ShardHost<Shard>] = []
        for host in added {
            let offsets = host.partition.log.offsets
            if offsets.logStart == offsets.logEnd { host.load() } else { loading.append(host) }
        }
        return loading
    }

    /// Calls `done` when the topic exists, with the reason when it cannot be made.
    func prepare(_ controller: Controller, _ done: @escaping @Sendable (ControlError?) -> Void) {
        if hostList.withLock({ !$0.isEmpty }) { return done(nil) }
        controller.perform { [self] controller in
            if environment.catalog.topic(named: topic.rawValue) == nil {
                let results = controller.createTopics([topic.creation(controller.server)], validateOnly: false)
                if case .failure(let error)? = results.first, error.code != .topicAlreadyExists { return done(error) }
            }
            let loading = attach()
            if !loading.isEmpty { environment.diskPool.submit { _ in for host in loading { host.load() } } }
            done(nil)
        }
    }

    func close() { for host in hosts { host.close() } }
}
