import Synchronization

/// The size of a log at one moment, for metrics.
package struct LogFigures: Sendable, Equatable {
    package var segmentCount: Int
    package var byteCount: Int64
    /// Bytes appended since the log was opened.
    package var appendedByteCount: Int64
    /// Bytes appended since the last sync.
    package var unflushedByteCount: Int64
    package var logStart: Int64
    package var logEnd: Int64
}

extension PartitionLog {
    package var figures: LogFigures {
        state.withLock { state in
            LogFigures(
                segmentCount: state.segments.count, byteCount: state.byteCount,
                appendedByteCount: state.appendedByteCount,
                unflushedByteCount: state.appendedByteCount - state.syncedByteCount, logStart: state.logStart,
                logEnd: state.logEnd)
        }
    }
}
