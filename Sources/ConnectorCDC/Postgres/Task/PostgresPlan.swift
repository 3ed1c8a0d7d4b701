internal import ConnectCore

/// How a task begins: with a snapshot, or at a place in the log.
enum PostgresPlan {
    /// nil: where a slot begins that has to be made.
    case stream(PostgresPosition?)
    /// With the slot that is there.
    case snapshot(PostgresServer.Slot?)
    /// The one snapshot is done.
    case finished

    static func make(
        _ config: PostgresConfig, _ offset: ConnectMap?, _ server: PostgresServer, _ log: (TaskLogLevel, String) -> Void
    ) throws -> PostgresPlan {
        let slot = config.snapshotMode.streams ? try server.checkedSlot() : nil
        guard let offset, !SnapshotOffset.isUnfinished(offset), let position = PostgresPosition(offset) else {
            if offset != nil { log(.warning, "the snapshot did not end: it is taken again") }
            guard config.snapshotMode == .noData else { return .snapshot(slot) }
            guard let slot else { return .stream(nil) }
            guard !slot.isLost, let confirmed = slot.confirmed else { throw unusable(config) }
            return .stream(PostgresPosition(at: confirmed))
        }
        if config.snapshotMode == .always {
            log(.info, "snapshot.mode=always: a new snapshot is taken")
            return .snapshot(slot)
        }
        guard config.snapshotMode.streams else { return .finished }
        guard let slot else {
            if config.snapshotMode == .whenNeeded {
                log(.warning, "the slot '\(config.slot)' is gone: a new snapshot is taken")
                return .snapshot(nil)
            }
            if config.dropsSlot {
                log(.warning, "slot.drop.on.stop: changes since the last stop are not seen")
                return .stream(nil)
            }
            throw ConnectError(
                .connect,
                "The replication slot '\(config.slot)' does not exist any more, and with it the log behind "
                    + "\(position.commitLSN). " + advice)
        }
        // In the other modes the slot may be ahead of what is stored.
        let isAhead = config.flushing == .connector && (slot.confirmed.map { $0 > position.commitLSN } ?? false)
        if slot.isLost || (isAhead && config.checksLogPosition) {
            guard config.snapshotMode == .whenNeeded else { throw lost(config, position, nil) }
            log(.warning, "the log behind \(position.commitLSN) is gone: a new snapshot is taken")
            if slot.isLost {
                try server.dropSlot()
                return .snapshot(nil)
            }
            return .snapshot(slot)
        }
        return .stream(position)
    }

    private static let advice =
        "Set snapshot.mode=when_needed to take a new snapshot, or delete the connector's offsets"

    private static func unusable(_ config: PostgresConfig) -> ConnectError {
        ConnectError(
            .connect,
            "The server has thrown away what the replication slot '\(config.slot)' needs. Drop it: SELECT "
                + "pg_drop_replication_slot('\(config.slot)'); max_slot_wal_keep_size says how much is kept")
    }

    static func lost(_ config: PostgresConfig, _ position: PostgresPosition, _ error: PostgresError?) -> ConnectError {
        ConnectError(
            .connect,
            "The connector is trying to read change stream starting at \(position.commitLSN), but this is no longer "
                + "available on the server" + (error.map { ": \($0)" } ?? ", whose slot '\(config.slot)' begins later")
                + ". " + advice)
    }
}
