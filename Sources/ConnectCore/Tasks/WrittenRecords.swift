/// How records of two schemas become bytes.
package struct RecordWriting: Sendable {
    /// nil: keys are null.
    package var key: PayloadWriting?
    package var value: PayloadWriting

    package init(key: PayloadWriting?, value: PayloadWriting) {
        self.key = key
        self.value = value
    }
}

/// Records of one topic that a source has written itself, as the converters of its task would have: one array of bytes for
/// all of them, and one offset.
package struct WrittenRecords: Sendable {
    package struct Place: Sendable {
        /// nil for a null key or value.
        package var key: Range<Int>?
        package var value: Range<Int>?
    }

    package let topic: String
    /// The source's partition, as in `ConnectRecord.Origin`.
    package let partition: ConnectMap
    /// Where to go on after the last record.
    package var offset: ConnectMap
    /// How many of the poll's records that came as values stand before these.
    package var recordsBefore: Int
    /// Of each of them.
    package let headers: [ConnectHeader]
    package private(set) var bytes: [UInt8] = []
    package private(set) var places: [Place] = []

    package init(
        topic: String, partition: ConnectMap, offset: ConnectMap, recordsBefore: Int, headers: [ConnectHeader] = []
    ) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.recordsBefore = recordsBefore
        self.headers = headers
    }

    package var count: Int { places.count }

    /// Adds a record: `write` appends its value to the bytes, and answers whether there is one.
    package mutating func append(key: [UInt8]?, _ write: (inout [UInt8]) -> Bool) {
        var place = Place()
        let start = bytes.count
        if let key {
            bytes += key
            place.key = start..<bytes.count
        }
        let end = bytes.count
        if write(&bytes) { place.value = end..<bytes.count }
        places.append(place)
    }
}
