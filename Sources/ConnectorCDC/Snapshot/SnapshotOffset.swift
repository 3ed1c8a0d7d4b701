internal import ConnectCore

/// What offsets say of snapshots.
enum SnapshotOffset {
    /// Whether an offset was written in the middle of a snapshot.
    static func isUnfinished(_ offset: ConnectMap) -> Bool {
        guard offset["snapshot_completed"]?.boolean != true, offset["last_snapshot_record"]?.boolean != true else {
            return false
        }
        return switch offset["snapshot"] {
        case .boolean(let flag)?: flag
        case .string(let text)?: !["", "false", "last"].contains(text.lowercased())
        default: false
        }
    }
}
