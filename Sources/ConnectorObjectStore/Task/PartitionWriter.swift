import ConnectCore
import SQLTypes

/// What a task knows of one partition of a topic: its open objects, which all become complete together, so that one offset
/// says what is done.
///
/// `@unchecked Sendable`: only the task has it, which has one caller at a time.
final class PartitionWriter: @unchecked Sendable {
    /// Of an object within the partition.
    struct Place: Hashable, Comparable {
        var folder: String
        /// Empty for values.
        var suffix: String

        static func < (a: Self, b: Self) -> Bool { (a.folder, a.suffix) < (b.folder, b.suffix) }
    }

    private let settings: ObjectStoreSettings
    private let store: any ObjectStore
    private let origin: SinkPartition
    private(set) var objects: [Place: OpenObject] = [:]
    /// No more records go in, and they are not all complete.
    private(set) var closing: [OpenObject] = []
    /// Of records in open objects; keys and headers do not count.
    private var recordCount = 0
    /// The offset after the last record that was taken or passed over.
    private(set) var nextOffset: Int64?
    /// What `closing` brings when it is done.
    private var offsetAfterClosing: Int64?
    private var completeOffset: Int64?
    private var firstTime: Int64?
    /// Where the last record that was not late went.
    private var currentFolder: String?
    private var nextScheduled: Int64?
    /// What a worker before this one has published, until a record tells whether it was committed.
    private var written: Range<Int64>?
    /// The first record in open objects, in those that are closing, and of what was published and may not be committed.
    private var firstOffset: Int64?
    private var firstClosing: Int64?
    private var firstUncommitted: Int64?
    /// The offset after what was published last.
    private var publishedOffset: Int64?
    /// Whether what the store has noted is committed, or is about other records.
    private var isSettled = false

    /// - Parameter written: see `ObjectStore.resume`.
    init(
        _ settings: ObjectStoreSettings, _ store: any ObjectStore, _ origin: SinkPartition, written: Range<Int64>? = nil
    ) {
        self.settings = settings
        self.store = store
        self.origin = origin
        self.written = written
    }

    /// The offset to commit; nil leaves it where it is.
    var committable: Int64? { objects.isEmpty && closing.isEmpty ? nextOffset : completeOffset }

    /// Whether the record came before: batches come again after failures.
    func knows(_ offset: Int64) -> Bool {
        if let written {
            self.written = nil
            if written.contains(offset) {
                nextOffset = written.upperBound
                completeOffset = written.upperBound
                firstUncommitted = written.lowerBound
                publishedOffset = written.upperBound
            } else {
                // It was committed; or somebody went back, or the topic is another one by the same name.
                isSettled = true
            }
        }
        return nextOffset.map { offset < $0 } ?? false
    }

    func pass(_ offset: Int64) {
        firstOffset = firstOffset ?? offset
        nextOffset = offset + 1
    }

    /// A record with all that has to be found out before it is written.
    struct Prepared {
        var record: ConnectRecord
        var origin: SinkPartition
        var offset: Int64
        var folder: String
        /// Where it goes if it is the first one.
        var ownFolder: String
        var time: Int64?
        /// Values, keys, headers, each with its place.
        var views: [(suffix: String, format: ObjectFormat, value: SchemaAndValue)]
    }

    /// - Throws: `.data` for a record that cannot be written.
    func prepare(_ record: ConnectRecord, _ now: Int64) throws(ConnectError) -> Prepared {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else {
            throw ConnectError(.connect, "a record without a place in a topic")
        }
        let isTombstone = record.value.value.isNull
        var time: Int64?
        switch settings.partitioner {
        case .byTime(let partitioner) where !isTombstone: time = try partitioner.extractor.millis(record, now: now)
        default:
            if settings.rotateInterval != nil { time = settings.extractor == .wallclock ? now : record.timestamp }
        }
        let folder =
            isTombstone
            ? settings.tombstonePartition
            : settings.schemaAffix.path(
                try settings.partitioner.path(record, delimiter: settings.directoryDelimiter, millis: time),
                record.value.schema, delimiter: settings.directoryDelimiter)
        if case .hdfs = settings.target, (record.topic + folder).contains(":") {
            throw .data(
                "HDFS takes no colon in the name of a folder: '\(record.topic)/\(folder)' of \(RecordPlace.text(record))"
            )
        }
        var views: [(suffix: String, format: ObjectFormat, value: SchemaAndValue)] = []
        if !isTombstone { views.append(("", settings.format, record.value)) }
        if let keys = settings.keys {
            guard !record.key.value.isNull else {
                throw .data("Key cannot be null for SinkRecord: \(RecordPlace.text(record))")
            }
            views.append((keys.suffix, keys.format, record.key))
        }
        if let headers = settings.headers {
            views.append((headers.suffix, headers.format, try HeaderList.value(record.headers)))
        }
        let own = record.topic + settings.directoryDelimiter + folder
        let isLate = settings.appendsLateData && !isTombstone && isLate(time)
        return Prepared(
            record: record, origin: SinkPartition(topic: topic, partition: partition), offset: offset,
            folder: isLate ? currentFolder ?? own : own, ownFolder: own, time: time, views: views)
    }

    /// Whether a record is earlier than the first of the open objects, where folders are by time.
    private func isLate(_ time: Int64?) -> Bool {
        guard case .byTime = settings.partitioner, let time, let firstTime else { return false }
        return time < firstTime
    }

    /// Whether the open objects have to become complete before the record.
    ///
    /// - Throws: `.schemaProjection`.
    func hasToClose(before prepared: Prepared, _ now: Int64) throws(ConnectError) -> Bool {
        guard recordCount > 0 else { return false }
        if isDue(prepared.time, folder: prepared.folder, now) { return true }
        for view in prepared.views {
            guard let object = objects[Place(folder: prepared.folder, suffix: view.suffix)] else { continue }
            if try settings.compatibility.needsNewObject(object.schema, view.value.schema) { return true }
        }
        return false
    }

    private func isDue(_ time: Int64?, folder: String?, _ now: Int64) -> Bool {
        if let interval = settings.rotateInterval, let firstTime, let time {
            // Times are whatever records say: a span may be more than a number holds.
            if time >= firstTime, UInt64(bitPattern: time &- firstTime) >= UInt64(interval) { return true }
            if case .byTime = settings.partitioner, !settings.appendsLateData, let folder, let currentFolder,
                folder != currentFolder
            {
                return true
            }
        }
        if let nextScheduled, now >= nextScheduled { return true }
        return false
    }

    /// Whether time has come although no record has.
    func isDue(_ now: Int64) -> Bool {
        guard recordCount > 0 else { return false }
        return isDue(settings.extractor == .wallclock ? now : nil, folder: nil, now)
    }

    /// Writes a record.
    ///
    /// - Returns: objects that have much to send.
    /// - Throws: `.data` when nothing of it was written; anything else ends the task.
    func append(_ prepared: Prepared, _ now: Int64) throws(ConnectError) -> [OpenObject] {
        var full: [OpenObject] = []
        for (index, view) in prepared.views.enumerated() {
            do throws(ConnectError) {
                let place = Place(folder: prepared.folder, suffix: view.suffix)
                let object: OpenObject
                if let known = objects[place] {
                    object = known
                } else {
                    object = try open(place, view.format, view.value.schema, prepared)
                }
                try object.append(view.value, topic: prepared.record.topic, offset: prepared.offset)
                objects[place] = object
                if object.isFull { full.append(object) }
            } catch {
                // With the value already written, the record would be there in part.
                guard index > 0 else { throw error }
                throw ConnectError(.connect, "\(RecordPlace.text(prepared.record)): \(error.message)")
            }
        }
        if recordCount == 0 {
            firstOffset = firstOffset ?? prepared.offset
            firstTime = prepared.time
            if let interval = settings.scheduledInterval {
                nextScheduled = Self.next(now, interval, settings.zone)
            }
        }
        // Values that are late do not go where keys without values are.
        if !isLate(prepared.time), !(settings.appendsLateData && prepared.record.value.value.isNull) {
            currentFolder = prepared.folder
        }
        recordCount += 1
        nextOffset = prepared.offset + 1
        return full
    }

    var isFull: Bool { recordCount >= settings.flushCount }

    private func open(
        _ place: Place, _ format: ObjectFormat, _ schema: ConnectSchema?, _ prepared: Prepared
    ) throws(ConnectError) -> OpenObject {
        let ending = place.suffix + settings.formatOptions.fileExtension(format)
        let key = ObjectName.key(
            settings, folder: place.folder, origin: origin, offsets: [prepared.offset], ending: ending)
        return OpenObject(
            store.upload(key, contentType: settings.formatOptions.contentType(format), of: origin),
            try settings.formatOptions.encoder(format, schema, name: key), schema,
            place: (place.folder, ending), firstOffset: prepared.offset)
    }

    /// The next multiple of the interval, counted from midnight.
    static func next(_ now: Int64, _ interval: Int64, _ zone: TimeZoneID) -> Int64 {
        let offset = Int64(zone.offset(at: Int64(floorDiv(Int(now), 1000)))) * 1000
        let ofDay = Int64(floorMod(Int(now + offset), 86_400_000))
        // No overflow: not above the milliseconds of the day.
        let (next, overflows) = (now - ofDay + ofDay / interval * interval).addingReportingOverflow(interval)
        return overflows ? .max : next
    }

    /// Takes the open objects out of the records' way.
    func close() {
        guard closing.isEmpty else { return }
        closing = objects.sorted { $0.key < $1.key }.map(\.value)
        offsetAfterClosing = nextOffset
        firstClosing = firstOffset
        firstOffset = nil
        objects = [:]
        recordCount = 0
        firstTime = nil
        currentFolder = nil
    }

    /// Makes visible what was closed and is complete.
    func publish() async throws(ConnectError) {
        guard let next = offsetAfterClosing, let first = firstUncommitted ?? firstClosing, first <= next else { return }
        let objects = closing.map { object in
            let key =
                store.namesObjectsAtTheirEnd
                ? ObjectName.key(
                    settings, folder: object.place.folder, origin: origin,
                    offsets: [object.firstOffset, object.lastOffset], ending: object.place.ending)
                : object.upload.key
            return (upload: object.upload, key: key)
        }
        isSettled = false
        try await store.publish(objects, of: origin, offsets: first..<next)
        firstUncommitted = first
        publishedOffset = next
    }

    /// All that was closed is complete and visible.
    func closed() {
        closing = []
        completeOffset = offsetAfterClosing
    }

    func committed(_ offset: Int64) {
        if let publishedOffset, offset >= publishedOffset { isSettled = true }
        // What was passed over since needs no note.
        if objects.isEmpty, closing.isEmpty, offset == nextOffset { firstOffset = nil }
    }

    /// Tells the store that what it published is committed, if it is.
    func settle() async throws(ConnectError) {
        guard isSettled, closing.isEmpty else { return }
        try await store.settle(origin)
        isSettled = false
        firstUncommitted = nil
        publishedOffset = nil
    }

    func abort() async {
        for object in closing + objects.values where !object.isComplete { await object.upload.abort() }
        closing = []
        objects = [:]
    }
}

/// Names of objects: `topics/T/partition=0/T+0+0000000000.json`.
enum ObjectName {
    /// - Parameters:
    ///   - folder: the topic's, which transforms may have changed, and the partition's in it.
    ///   - origin: where the records come from: two topics whose records go into one folder do not meet in one name.
    ///   - offsets: of the first record, or of the first and the last.
    static func key(
        _ settings: ObjectStoreSettings, folder: String, origin: SinkPartition, offsets: [Int64], ending: String
    ) -> String {
        let padded = offsets.map { offset in
            let digits = String(offset)
            return String(repeating: "0", count: max(0, settings.offsetWidth - digits.utf8.count)) + digits
        }
        let name =
            ([origin.topic, String(origin.partition)] + padded).joined(separator: settings.fileDelimiter) + ending
        let parts = (settings.topicsDirectory.isEmpty ? [] : [settings.topicsDirectory]) + [folder, name]
        return parts.joined(separator: settings.directoryDelimiter)
    }
}

/// Headers as a value: a list of names and texts.
enum HeaderList {
    private static let entry = ConnectSchema.structure(
        [
            .init("key", .string), .init("value", .optionalString),
        ], name: "Header")
    private static let schema = ConnectSchema.array(entry)

    static func value(_ headers: [ConnectHeader]) throws(ConnectError) -> SchemaAndValue {
        var values: [ConnectValue] = []
        for header in headers {
            let text = try StringConverter().bytes(SchemaAndValue(header.schema, header.value), topic: "")
            values.append(
                .structure(
                    ConnectStruct(
                        entry,
                        values: [
                            .string(header.name), text.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null,
                        ])))
        }
        return SchemaAndValue(schema, .array(values))
    }
}
