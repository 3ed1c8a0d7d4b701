internal import Bytes
internal import ConnectCore
internal import Synchronization

/// The thread of a task: snapshot, then the log, until the task is stopped.
final class SourceReader: SourceReading {
    private let config: MySQLConfig
    private let queue: RecordQueue
    private let inbox: SignalInbox
    private let version: String
    private let writings: RecordWritings
    private let log: @Sendable (TaskLogLevel, String) -> Void
    private let retries: Retries
    /// Connections that `stop` has to end.
    private let handles = Mutex<[SocketHandle]>([])

    init(
        _ config: MySQLConfig, queue: RecordQueue, inbox: SignalInbox, version: String,
        writings: @escaping RecordWritings, log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) {
        self.config = config
        self.queue = queue
        self.inbox = inbox
        self.version = version
        self.writings = writings
        self.log = log
        retries = Retries(options: config.shared, reconnects: config.reconnects, queue: queue, log: log)
    }

    func stop() {
        queue.stop()
        for handle in handles.withLock({ $0 }) { handle.interrupt() }
    }

    private func handle() -> SocketHandle {
        let handle = SocketHandle()
        handles.withLock { handles in
            // A few connections live at a time; old handles have no socket any more.
            if handles.count > 16 { handles.removeFirst() }
            handles.append(handle)
        }
        if queue.isStopped { handle.interrupt() }
        return handle
    }

    /// Blocks the calling thread for the task's whole life.
    func run(from offset: ConnectMap?, history: any SchemaHistory) {
        do {
            try read(from: offset, history)
            queue.finish(nil)
        } catch is StopError {
            queue.finish(nil)
        } catch let error as ConnectError {
            // The thread has tried and is gone: another poll would only find the same.
            queue.finish(error.isRetriable ? ConnectError(.connect, error.message) : error)
        } catch {
            queue.finish(ConnectError(.connect, "\(error)"))
        }
    }

    private func connect(readTimeout: Int) throws(MySQLError) -> MySQLServer {
        try MySQLServer(config, handle: handle(), readTimeout: readTimeout)
    }

    private func read(from offset: ConnectMap?, _ history: any SchemaHistory) throws {
        let context = try ReaderContext(
            config, history: history, queue: queue, version: version, writings: writings, log: log)
        let plan = try retries.insisting("Connecting to the database") {
            try StartPlan.make(config, offset: offset, context: context, server: try connect(readTimeout: 60), log: log)
        }
        var position: LogPosition
        switch plan {
        case .stream(let place):
            position = place
            context.notify(Notification(aggregate: .initial, kind: .skipped), offset: place.offset)
            try context.flush(endsTransaction: true)
        case .snapshot(let hasData):
            var triesSnapshotAgain = false
            position = try retries.insisting("The snapshot") {
                // Rows of a try that failed would come twice.
                if triesSnapshotAgain { try context.takeBack() }
                triesSnapshotAgain = true
                let server = try connect(readTimeout: max(60, config.queryTimeoutSeconds))
                let start = wallClockNanoseconds()
                let position = try Snapshot(context: context, server: server, hasData: hasData).run()
                log(
                    .info,
                    "the snapshot ended after \((wallClockNanoseconds() - start) / 1_000_000) ms at "
                        + "\(position.file):\(position.position)")
                return position
            }
        }
        guard StartPlan.streams(config) else { return }
        if case .snapshot = plan, config.streamingDelay > .zero, !queue.sleep(config.streamingDelay) {
            throw StopError()
        }
        try stream(context, &position)
    }

    // MARK: The log

    private func stream(_ context: ReaderContext, _ position: inout LogPosition) throws {
        var failureCount = 0
        var incremental: IncrementalSnapshot<MySQLServer>?
        while true {
            var stream: LogStream?
            do {
                let server = try connect(readTimeout: config.silenceSeconds * 2)
                let next = try open(context, server, position, after: incremental)
                stream = next
                while let packet = try server.connection.nextPacket() {
                    try next.read(packet)
                    try next.takeSignals(inbox)
                    if failureCount > 0 { failureCount = 0 }
                }
                if queue.isStopped { throw StopError() }
                throw MySQLError(number: 2013, message: "the server ended the log")
            } catch let error as MySQLError {
                if queue.isStopped { throw StopError() }
                // Where the last event left off, in the middle of a transaction, too.
                if let stream {
                    position = stream.restart
                    incremental = stream.incremental
                }
                failureCount += 1
                guard error.number != 1236 else { throw purged(error, position) }
                try retries.pause("Reading the binary log", error, failureCount)
            } catch let error as WireError {
                let place = stream?.position ?? position
                throw ConnectError(
                    .connect, "The binary log cannot be read behind \(place.file):\(place.position): \(error)")
            }
        }
    }

    private func purged(_ error: MySQLError, _ position: LogPosition) -> ConnectError {
        if error.message.contains("same server") {
            return ConnectError(
                .connect,
                "Another reader of the log has the database.server.id \(config.serverID): \(error). Every replica and "
                    + "connector needs a number of its own")
        }
        return ConnectError(
            .connect,
            "The connector is trying to read the binary log from \(position.file):\(position.position)"
                + (position.gtids.isEmpty ? "" : " (GTIDs \(position.gtids.text))")
                + ", but this is no longer available on the server: \(error). Set snapshot.mode=when_needed to take a new "
                + "snapshot, or delete the connector's offsets")
    }

    /// Asks the server for the log.
    private func open(
        _ context: ReaderContext, _ server: MySQLServer, _ position: LogPosition,
        after last: IncrementalSnapshot<MySQLServer>?
    ) throws -> LogStream {
        let connection = server.connection
        let checksum = try server.variable("binlog_checksum") ?? "NONE"
        try connection.execute("SET @master_binlog_checksum=\(sqlText(checksum))")
        if !server.isMariaDB { try connection.execute("SET @source_binlog_checksum=\(sqlText(checksum))") }
        var silence = Int64(config.silenceSeconds) * 1_000_000_000
        // Signals are looked at with each packet: heartbeats come while there is nothing else.
        if config.hasOuterSignals { silence = min(silence, 500_000_000) }
        try connection.execute("SET @master_heartbeat_period=\(max(1_000_000, silence / 2))")
        if !server.isMariaDB { try connection.execute("SET @source_heartbeat_period=\(max(1_000_000, silence / 2))") }
        if server.isMariaDB { try connection.execute("SET @mariadb_slave_capability=4") }
        try connection.execute("SET net_write_timeout=\(config.netWriteTimeout > 0 ? config.netWriteTimeout : 86_400)")
        if config.netReadTimeout > 0 { try connection.execute("SET net_read_timeout=\(config.netReadTimeout)") }
        let filter = try GTIDFilter(config)
        var usesGTIDs =
            !config.ignoresGTIDs && !position.gtids.isEmpty && (config.flavor == .mariadb || !server.isMariaDB)
        // The same server's files say more than identifiers; another one may have files of the same names.
        if usesGTIDs, server.isMariaDB, try server.variable("server_id").flatMap({ Int64($0) }) == position.serverID,
            try server.logFiles().contains(position.file)
        {
            usesGTIDs = false
        }
        if let reselection = config.shared.reselection {
            context.completion = try Reselector(reselection, context) { [self] in
                let server = try connect(readTimeout: 600)
                try server.normalise(config)
                return server
            }
        }
        // A request has 32 bits for the place: files that are longer are read from their beginning.
        let isFar = position.position > Int64(UInt32.max)
        let incremental =
            config.signalTable == nil && !config.hasOuterSignals
            ? nil
            : IncrementalSnapshot(context, entries: position.incremental, after: last) { [self] in
                let server = try connect(readTimeout: 600)
                try server.normalise(config)
                return server
            }
        let stream = LogStream(
            context, isMariaDB: server.isMariaDB, checksumByteCount: checksum.uppercased() == "CRC32" ? 4 : 0,
            position: position, passesOver: isFar && !usesGTIDs, gtidFilter: filter, incremental: incremental)
        if usesGTIDs, !server.isMariaDB {
            var gtids = position.gtids
            if config.properties["gtid.source.includes"] != nil || config.properties["gtid.source.excludes"] != nil {
                // What other sources have executed is not asked for.
                gtids = gtids.filtered { filter.keeps(source: $0) }
                let executed = GTIDSet(try server.variable("gtid_executed") ?? "")
                gtids = gtids.union(executed.filtered { !filter.keeps(source: $0) })
            }
            try connection.dump(gtids: gtids.encoded, serverID: config.serverID)
            return stream
        }
        let flags: UInt16 = server.isMariaDB && config.hasQuery ? 2 : 0
        if usesGTIDs {
            // Another server than before: only the identifiers mean the same there.
            try connection.execute("SET @slave_gtid_strict_mode=0, @slave_gtid_ignore_duplicates=0")
            try connection.execute("SET @slave_connect_state=\(sqlText(position.gtids.text))")
            try connection.dump(file: "", position: 4, serverID: config.serverID, flags: flags)
        } else {
            let place = isFar ? 4 : UInt32(max(4, position.position))
            try connection.dump(file: position.file, position: place, serverID: config.serverID, flags: flags)
        }
        return stream
    }
}
