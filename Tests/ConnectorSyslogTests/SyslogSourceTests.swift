import ConnectCore
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import ConnectorSyslog

/// What a worker offers, without a worker.
private final class Context: SourceTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    let lines = Mutex<[String]>([])
    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? { nil }
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] { [] }
    func requestReconfiguration() {}
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let line = message()
        lines.withLock { $0.append(line) }
    }
    var now: Int64 { 1_795_802_400_000 }
}

@Suite struct SyslogSourceTests {
    private let context = Context()

    /// On a port that is free.
    private func task(_ more: [String: String]) throws -> SyslogSourceTask {
        let properties = ["syslog.port": "1", "topic": "logs"].merging(more) { $1 }
        var settings = try SyslogSettings(SyslogSettings.definition.parse(properties))
        settings.port = 0
        return SyslogSourceTask(settings, context)
    }

    private func records(_ task: SyslogSourceTask, _ count: Int) async throws -> [ConnectRecord] {
        var records: [ConnectRecord] = []
        let deadline = ContinuousClock.now + .seconds(60)
        while records.count < count, .now < deadline { records += try await task.poll().records }
        return records
    }

    private func raw(_ records: [ConnectRecord]) -> [String] {
        records.compactMap { $0.value.value.structure?["rawMessage"]?.string }
    }

    private func connect(_ port: Int) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port)
            .get()
    }

    @Test func `takes datagrams`() async throws {
        let task = try task([:])
        try await task.start()
        let sender = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(
            host: "127.0.0.1", port: 0
        ).get()
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: try #require(task.port))
        for text in ["<13>Nov 27 17:59:59 h t: one\n", "", "what\0"] {
            try await sender.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(string: text)))
        }
        let records = try await records(task, 2)
        #expect(raw(records) == ["<13>Nov 27 17:59:59 h t: one", "what"])
        let first = try #require(records.first)
        #expect(first.topic == "logs" && first.key.value == .string("127.0.0.1") && first.timestamp == context.now)
        #expect(first.origin == .source(partition: ConnectMap(), offset: ConnectMap()))
        #expect(first.value.value.structure?["remoteAddress"] == .string("127.0.0.1"))
        await task.stop()
        try await sender.close()
    }

    @Test func `takes connections, and what one leaves unended`() async throws {
        let task = try task(["syslog.listener": "tcp"])
        try await task.start()
        let sender = try await connect(try #require(task.port))
        try await sender.writeAndFlush(ByteBuffer(string: "<1>a\n6 <2>b\nc<3>d"))
        try await sender.close()
        #expect(raw(try await records(task, 3)) == ["<1>a", "<2>b\nc", "<3>d"])
        await task.stop()
    }

    /// Nothing of it is lost: the sender waits, and goes on when there is room.
    @Test func `a full queue makes senders wait`() async throws {
        let task = try task([
            "syslog.listener": "TCP", "syslog.queue.max.size": "3", "syslog.queue.batch.size": "2",
        ])
        try await task.start()
        let sender = try await connect(try #require(task.port))
        let texts = (0..<20_000).map { "<13>message \($0) " + String(repeating: "x", count: 100) }
        async let written: Void = sender.writeAndFlush(ByteBuffer(string: texts.joined(separator: "\n") + "\n"))
        #expect(raw(try await records(task, texts.count)) == texts)
        try await written
        await task.stop()
        try? await sender.close()  // the task has closed it
    }

    @Test func `a stop ends a wait, and tells what is left`() async throws {
        let task = try task([
            "syslog.backoff.millis": "60000", "syslog.listener": "TCP", "syslog.queue.batch.size": "1",
        ])
        try await task.start()
        async let poll = task.poll()
        await task.stop()
        #expect(try await poll.records.isEmpty)
        #expect(try await task.poll().records.isEmpty)

        let queue = SyslogQueue(countMax: 2, byteCountMax: 100)
        queue.push([.init(bytes: [1], time: 0), .init(bytes: [2], time: 0)])
        #expect(!queue.hasRoom {})
        queue.end()
        // From a socket that is not closed yet.
        queue.push([.init(bytes: [3], time: 0)])
        #expect(!queue.hasRoom {})
        #expect(queue.stop() == 3)
    }

    @Test func `a wait ends in time`() async throws {
        let queue = SyslogQueue(countMax: 2, byteCountMax: 100)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        #expect(await queue.take(1, waiting: .milliseconds(1), on: loop).isEmpty)
        let waiter = Task { await queue.take(1, waiting: .hours(1), on: loop).count }
        waiter.cancel()
        #expect(await waiter.value == 0)
    }

    @Test func `a port that is taken is told with what to do`() async throws {
        let first = try task(["syslog.listener": "TCP"])
        try await first.start()
        var settings = try SyslogSettings(
            SyslogSettings.definition.parse(["syslog.port": "1", "syslog.listener": "TCP"]))
        settings.port = try #require(first.port)
        let second = SyslogSourceTask(settings, context)
        let error = await #expect(throws: ConnectError.self) { try await second.start() }
        #expect(
            error?.message
                == "TCP port \(settings.port) on 127.0.0.1 is already in use: stop what listens there, or change syslog.port"
        )
        await first.stop()
    }

    @Test(arguments: [
        (["syslog.port": "0"], "syslog.port", "Value must be at least 1"),
        (["syslog.listener": "SCTP"], "syslog.listener", "String must be one of"),
        (["syslog.listener": "TCPSSL"], "syslog.ssl.cert.chain.path", "needs the server's certificate"),
        (
            ["syslog.listener": "TCPSSL", "syslog.ssl.self.signed.certificate.enable": "true"],
            "syslog.ssl.self.signed.certificate.enable", "openssl req"
        ),
        (
            [
                "syslog.listener": "TCPSSL", "syslog.ssl.cert.chain.path": "/nothing/there.pem",
                "syslog.ssl.key.path": "/nothing/key.pem",
            ], "syslog.ssl.cert.chain.path", "'/nothing/there.pem' cannot be read"
        ),
    ])
    func `wrong options are told`(_ options: [String: String], _ option: String, _ words: String) async throws {
        let plugin = SyslogSourcePlugin(version: "1")
        let properties = ["syslog.port": "5514"].merging(options) { $1 }
        let single = plugin.definition.validate(properties).filter { !$0.errors.isEmpty }.map {
            ConfigProblem($0.option.name, $0.errors.joined())
        }
        let problems = single.isEmpty ? await plugin.problems(with: properties) : single
        #expect(problems.map(\.option) == [option])
        #expect(problems.first?.message.contains(words) == true)
    }

    @Test func `the topic's earlier name counts`() async throws {
        let plugin = SyslogSourcePlugin(version: "1")
        #expect(plugin.modernized(["topic.prefix": "a"])["topic"] == "a")
        #expect(plugin.modernized(["topic.prefix": "a", "topic": "b"])["topic"] == "b")
        #expect(try await plugin.taskConfigs(["syslog.port": "1"], countMax: 8).count == 1)
    }
}
