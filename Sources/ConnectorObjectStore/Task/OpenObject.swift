import ConnectCore

/// An object that records are added to.
///
/// `@unchecked Sendable`: only the task has it, which has one caller at a time and waits for what it starts.
final class OpenObject: @unchecked Sendable {
    let upload: any ObjectUpload
    let schema: ConnectSchema?
    /// Of its folder and how its name ends.
    let place: (folder: String, ending: String)
    let firstOffset: Int64
    private(set) var lastOffset: Int64
    private(set) var recordCount = 0
    private var encoder: any ObjectEncoder
    private var isFinished = false
    /// Whether the object is where it belongs, but for its tags.
    private(set) var isComplete = false

    /// How often what is ready is looked at, in records, and how much of it is worth a step.
    private static let lookInterval = 32
    private static let stepByteCount = 4 << 20

    init(
        _ upload: any ObjectUpload, _ encoder: any ObjectEncoder, _ schema: ConnectSchema?,
        place: (folder: String, ending: String), firstOffset: Int64
    ) {
        self.upload = upload
        self.encoder = encoder
        self.schema = schema
        self.place = place
        self.firstOffset = firstOffset
        lastOffset = firstOffset
    }

    /// - Throws: `.data` for a value that does not fit, which leaves nothing behind.
    func append(_ value: SchemaAndValue, topic: String, offset: Int64) throws(ConnectError) {
        var value = value
        if let schema, let given = value.schema, given != schema {
            value = SchemaAndValue(schema, try SchemaProjection.project(value.value, given, schema))
        }
        try encoder.append(value, topic: topic)
        recordCount += 1
        lastOffset = offset
    }

    /// Whether enough is ready that it should go on its way before the batch ends.
    var isFull: Bool { recordCount % Self.lookInterval == 0 && encoder.byteCount >= Self.stepByteCount }

    /// Brings what is ready to the upload's memory.
    func handOver() throws(ConnectError) {
        let bytes = try encoder.take()
        if !bytes.isEmpty { upload.append(bytes) }
    }

    /// Ends the object and makes it complete. May be called again after a `.retriable` error.
    func complete() async throws(ConnectError) {
        if !isFinished {
            let bytes = try encoder.finish()
            upload.append(bytes)
            isFinished = true
        }
        try await upload.send(early: false)
        try await upload.complete()
        isComplete = true
    }
}
