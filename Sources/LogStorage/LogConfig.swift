/// Settings of one partition log, by the names and defaults of Kafka's topic configuration.
package struct LogConfig: Sendable, Equatable {
    /// `segment.bytes`: a segment is closed before it would grow beyond; at most 2 GiB because positions are 32 bits.
    package var segmentBytes: Int32 = 1 << 30
    /// `segment.ms`: a segment older than this is closed.
    package var segmentMs: Int64 = 7 * 86_400_000
    /// `segment.jitter.ms`: taken off `segmentMs` at random, so that segments do not all close at once.
    package var segmentJitterMs: Int64 = 0
    /// `segment.index.bytes`: the segment is closed when its offset index reached this size.
    package var segmentIndexBytes: Int32 = 10 << 20
    /// `index.interval.bytes`: at least so many bytes lie between two index entries.
    package var indexIntervalBytes: Int32 = 4096
    /// `retention.ms`: -1 keeps for ever.
    package var retentionMs: Int64 = 7 * 86_400_000
    /// `retention.bytes` of this partition: -1 is unlimited.
    package var retentionBytes: Int64 = -1
    /// `cleanup.policy` has `delete`: old segments go by time and size.
    package var deletes = true
    /// `cleanup.policy` has `compact`: of the records with the same key only the last stays.
    package var compacts = false
    /// `min.cleanable.dirty.ratio`: a log is cleaned when more of it was not cleaned yet.
    package var minCleanableDirtyRatio = 0.5
    /// `delete.retention.ms`: how long tombstones and transaction markers stay after they were first cleaned.
    package var deleteRetentionMs: Int64 = 86_400_000
    /// `min.compaction.lag.ms`: younger records are not cleaned.
    package var minCompactionLagMs: Int64 = 0
    /// `max.compaction.lag.ms`: a log with older records that were not cleaned is cleaned.
    package var maxCompactionLagMs: Int64 = .max

    package init() {}

    /// The age at which the active segment is closed: records of a compacted log must become cleanable in time.
    var segmentMsMax: Int64 { compacts && maxCompactionLagMs > 0 ? min(segmentMs, maxCompactionLagMs) : segmentMs }
}
