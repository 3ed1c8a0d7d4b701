import Bytes
import CRdKafka
import Glibc
import Logging
import Synchronization

/// One librdkafka client and the thread that serves its events.
///
/// The client lives as long as this object: whoever uses `client` holds the handle. The thread owns the client and
/// destroys it after the handle is gone, so that nobody else ever waits for that.
final class ClientHandle: Sendable {
    enum Kind { case consumer, producer }

    let shared: Shared

    /// What the event thread and librdkafka's callbacks see. Outlives the handle until the client is destroyed.
    final class Shared: @unchecked Sendable {
        // rd_kafka_t and rd_kafka_queue_t lock themselves; both pointers are set once, before the thread starts, and
        // freed by that thread when nobody else is left.
        fileprivate(set) var client: OpaquePointer!
        fileprivate var mainQueue: OpaquePointer!
        fileprivate let logger: Logger
        fileprivate let isProducer: Bool
        fileprivate let relay: SecureRelay?
        fileprivate let state = Mutex(State())
        fileprivate let deliveries = Signal()

        fileprivate init(logger: Logger, isProducer: Bool, relay: SecureRelay?) {
            self.logger = logger
            self.isProducer = isProducer
            self.relay = relay
        }

        /// `rd_kafka_topic_t` by topic, kept until the end: librdkafka's per-topic state hangs on them.
        fileprivate struct State: @unchecked Sendable {
            var topics: [String: OpaquePointer] = [:]
            /// By the prefix of their texts, `TOPIC [PARTITION]`, until the reader of that partition takes them.
            var partitionErrors: [String: (code: rd_kafka_resp_err_t, text: String)] = [:]
            var connectionError: (code: rd_kafka_resp_err_t, text: String)?
            var isStopping = false
        }
    }

    /// - Parameter properties: librdkafka's names; the later ones of the caller win over those of the kind.
    init(_ kind: Kind, _ configuration: RemoteConfiguration, properties: [String: String]) throws(ClusterError) {
        let relay = try SecureRelay(configuration)
        let shared = Shared(logger: configuration.logger, isProducer: kind == .producer, relay: relay)
        guard let conf = rd_kafka_conf_new() else { throw ClusterError(.unknownServerError, "out of memory") }
        var ownsConf = true
        defer { if ownsConf { rd_kafka_conf_destroy(conf) } }
        var text = [CChar](repeating: 0, count: 512)
        var all = properties.merging(configuration.properties) { $1 }
        // Tokens are the relay's business, and librdkafka may not know all of these.
        for name in Array(all.keys) where RemoteConfiguration.isOfTokens(name) { all[name] = nil }
        if let relay {
            all["security.protocol"] = "plaintext"
            // What librdkafka asks first waits until the relay has come through TLS and SASL.
            let patience = min(max(60_000, 2 * relay.timeout.milliseconds), 300_000)
            all["api.version.request.timeout.ms"] = all["api.version.request.timeout.ms"] ?? "\(patience)"
        }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) + [
            ("bootstrap.servers", configuration.bootstrapServers)
        ] {
            switch rd_kafka_conf_set(conf, name, value, &text, text.count) {
            case RD_KAFKA_CONF_OK: break
            case RD_KAFKA_CONF_UNKNOWN:
                let nearest = nearestName(to: name, among: JavaProperties.namesOfLibrary())
                throw ClusterError(
                    .invalidConfig,
                    "there is no client property '\(name)'" + (nearest.map { ": did you mean '\($0)'?" } ?? ""))
            default: throw ClusterError(.invalidConfig, Self.string(text))
            }
        }
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR)
        rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(shared).toOpaque())
        rd_kafka_conf_set_log_cb(conf) { client, level, facility, message in
            guard let opaque = rd_kafka_opaque(client), let facility, let message else { return }
            let shared = Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue()
            let line = "\(String(cString: facility)): \(String(cString: message))"
            if level <= LOG_WARNING { shared.logger.debug("\(line)") } else { shared.logger.trace("\(line)") }
        }
        if relay != nil {
            rd_kafka_conf_set_socket_cb(conf) { _, _, _, opaque in
                guard let opaque else { return -1 }
                return Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue().relay?.socket() ?? -1
            }
            rd_kafka_conf_set_connect_cb(conf) { socket, _, _, name, opaque in
                guard let opaque, let name else { return EINVAL }
                let shared = Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue()
                return shared.relay?.connect(socket, to: String(cString: name)) ?? EINVAL
            }
        }
        // For errors in the queues of readers: librdkafka calls it from within `rd_kafka_consume_*` of that reader.
        rd_kafka_conf_set_error_cb(conf) { _, code, reason, opaque in
            guard let opaque, let reason else { return }
            let shared = Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue()
            shared.notePartitionError(rd_kafka_resp_err_t(code), String(cString: reason))
        }
        let type = kind == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        guard let client = rd_kafka_new(type, conf, &text, text.count) else {
            throw ClusterError(.invalidConfig, Self.string(text))
        }
        ownsConf = false  // the client took it
        shared.client = client
        shared.mainQueue = rd_kafka_queue_get_main(client)
        self.shared = shared  // last: an initializer that throws before it runs no deinit
        startThread { shared.serveEvents() }
    }

    deinit {
        // Within the lock: the thread that sees it destroys the queue.
        shared.state.withLock { state in
            state.isStopping = true
            rd_kafka_queue_yield(shared.mainQueue)
        }
    }

    /// The `rd_kafka_t`. Valid while the handle is held.
    var client: OpaquePointer { shared.client }
    /// The queue that the event thread serves; results of admin calls go there.
    var mainQueue: OpaquePointer { shared.mainQueue }

    /// The `rd_kafka_topic_t` of a topic, made when first asked for. Valid while the handle is held.
    func topic(_ name: String) throws(ClusterError) -> OpaquePointer {
        let topic = shared.state.withLock { state -> OpaquePointer? in
            if let topic = state.topics[name] { return topic }
            state.topics[name] = rd_kafka_topic_new(shared.client, name, nil)
            return state.topics[name]
        }
        guard let topic else { throw ClusterError(rdkafka: rd_kafka_last_error(), "topic '\(name)'") }
        return topic
    }

    /// Notified after deliveries have been reported, which makes room in a producer's queue.
    var deliveries: Signal { shared.deliveries }

    /// The last failure to reach a broker or to authenticate, until a connection is known to work.
    var connectionError: (code: rd_kafka_resp_err_t, text: String)? {
        get { shared.state.withLock { $0.connectionError } }
        set { shared.state.withLock { $0.connectionError = newValue } }
    }

    /// Takes the last error that librdkafka told about a partition without a message in the partition's queue: the
    /// topic was deleted.
    func takePartitionError(_ partition: TopicPartition) -> (code: rd_kafka_resp_err_t, text: String)? {
        shared.state.withLock { state in
            state.partitionErrors.isEmpty
                ? nil : state.partitionErrors.removeValue(forKey: "\(partition.topic) [\(partition.partition)]")
        }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension ClientHandle.Shared {
    fileprivate func serveEvents() {
        while !state.withLock({ $0.isStopping }) {
            guard let event = rd_kafka_queue_poll(mainQueue, 1000) else { continue }
            serve(event)
        }
        // What a producer still holds fails now: whoever waits for a receipt gets an answer.
        if isProducer {
            rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
            while rd_kafka_outq_len(client) > 0 {
                if let event = rd_kafka_queue_poll(mainQueue, 100) { serve(event) }
            }
        }
        for topic in state.withLock({ $0.topics.values.map { $0 } }) { rd_kafka_topic_destroy(topic) }
        rd_kafka_queue_destroy(mainQueue)
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
    }

    private func serve(_ event: OpaquePointer) {
        switch rd_kafka_event_type(event) {
        case RD_KAFKA_EVENT_DR:
            while let message = rd_kafka_event_message_next(event) { PendingWrite.deliver(message) }
            deliveries.notify()
        case RD_KAFKA_EVENT_ERROR:
            let code = rd_kafka_event_error(event)
            let text = rd_kafka_event_error_string(event).map { String(cString: $0) } ?? ""
            logger.debug("\(text)")
            noteError(code, text)
        default:
            if let opaque = rd_kafka_event_opaque(event) {
                Unmanaged<AdminReply>.fromOpaque(opaque).takeRetainedValue().handle(event)
            }
        }
        rd_kafka_event_destroy(event)
    }

    fileprivate func notePartitionError(_ code: rd_kafka_resp_err_t, _ text: String) {
        logger.debug("\(text)")
        guard let end = text.firstRange(of: "]: ") else { return noteError(code, text) }
        state.withLock { $0.partitionErrors[text[..<end.lowerBound] + "]"] = (code, text) }
    }

    private func noteError(_ given: rd_kafka_resp_err_t, _ givenText: String) {
        var (code, text) = (given, givenText)
        // A relay that could not connect knows more than that the connection ended.
        if code == RD_KAFKA_RESP_ERR__TRANSPORT, let failure = relay?.failure { (code, text) = failure.ofConnection }
        state.withLock { state in
            // "all brokers are down" follows the error that says why, which is the better text.
            if code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, let known = state.connectionError {
                if known.code != RD_KAFKA_RESP_ERR__AUTHENTICATION { state.connectionError = (code, known.text) }
            } else if state.connectionError?.code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
                code == RD_KAFKA_RESP_ERR__TRANSPORT
            {
                // Another attempt failed. That all brokers are down still holds, and is not told a second time.
                state.connectionError?.text = text
            } else {
                state.connectionError = (code, text)
            }
        }
    }
}

/// Who waits for the result event of an admin call.
final class AdminReply: Sendable {
    let handle: @Sendable (OpaquePointer) -> Void
    init(_ handle: @escaping @Sendable (OpaquePointer) -> Void) { self.handle = handle }
}
