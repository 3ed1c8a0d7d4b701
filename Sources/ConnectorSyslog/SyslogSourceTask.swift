import ConnectCore
import NIOCore
import NIOPosix
import Synchronization

/// Takes what the listener has received and reads it.
///
final class SyslogSourceTask: SourceTask {
    private let settings: SyslogSettings
    private let context: any SourceTaskContext
    private let queue: SyslogQueue
    private let names: SenderNames
    private let listener = Mutex<SyslogListener?>(nil)
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// The port that is listened on, once it has started.
    var port: Int? { listener.withLock { $0?.port } }

    init(_ settings: SyslogSettings, _ context: any SourceTaskContext) {
        self.settings = settings
        self.context = context
        queue = SyslogQueue(
            countMax: settings.queueCount, byteCountMax: max(4 << 20, SyslogListener.byteCountMax))
        names = SenderNames(age: settings.nameAge)
    }

    func start() async throws(ConnectError) {
        let listener = try await SyslogListener.open(settings, queue, context)
        self.listener.withLock { $0 = listener }
        context.log(
            .info, "listening for syslog on \(settings.host), \(settings.transport.rawValue) port \(listener.port)")
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        let received = await queue.take(
            settings.batchCount, waiting: .milliseconds(min(settings.wait, 1000)), on: loop)
        var records: [ConnectRecord] = []
        records.reserveCapacity(received.count)
        let known =
            settings.namesSenders ? await names.names(of: Set(received.compactMap(\.sender)), now: context.now) : [:]
        for item in received {
            let sender = item.sender.map { known[$0] ?? $0 }
            let message = SyslogParser.parse(item.bytes, now: item.time)
            records.append(
                ConnectRecord(
                    topic: settings.topic,
                    // One sender's messages stay in their order.
                    key: item.sender.map { SchemaAndValue(.optionalString, .string($0)) } ?? .null,
                    value: SchemaAndValue(SyslogMessage.schema, message.value(from: sender, received: item.time)),
                    // Not the sender's time: it may be in a zone that it does not tell, or far from right.
                    timestamp: item.time,
                    origin: .source(partition: ConnectMap(), offset: ConnectMap())))
        }
        return SourcePoll(records)
    }

    func stop() async {
        // Ends a wait first; what still comes in until the sockets are closed is lost with what waits.
        queue.end()
        let listener = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        await listener?.close()
        let count = queue.stop()
        await names.close()
        if count > 0 {
            context.log(.warning, "\(count) messages were received and not written, as the task was stopped")
        }
    }
}
