import Bytes

/// Collects what a decompressor produces, up to a limit.
///
/// The storage doubles from a few kilobytes on, so that it stays within twice of what was produced: the answer to a
/// payload of a few bytes that claims or really holds gigabytes.
struct BoundedOutput: ~Copyable {
    private(set) var bytes: [UInt8] = []
    private let limit: Int
    private let codec: String

    /// - Parameter inputByteCount: bytes of the payload; the first guess at the output is four times as much.
    init(codec: String, limit: Int, inputByteCount: Int) {
        self.codec = codec
        self.limit = max(0, limit)
        bytes.reserveCapacity(min(capacityMax, max(1024, 4 * inputByteCount)))
    }

    /// One byte more than the limit: a decompressor that fills it has more to say than it may.
    private var capacityMax: Int { limit == .max ? .max : limit + 1 }

    /// Lets `step` write into free space, at least one byte.
    ///
    /// - Parameter step: returns how many bytes it wrote.
    /// - Throws: what `step` throws, and `.corrupt` when the output is beyond the limit.
    mutating func produce(
        _ step: (UnsafeMutableRawBufferPointer) throws(WireError) -> Int
    ) throws(WireError) {
        if bytes.count == bytes.capacity {
            bytes.reserveCapacity(min(capacityMax, 2 * bytes.capacity))
        }
        let room = min(bytes.capacity, capacityMax) - bytes.count
        try bytes.append(addingCapacity: room) { (output: inout OutputSpan<UInt8>) throws(WireError) in
            try output.withUnsafeMutableBufferPointer { (free, count) throws(WireError) in
                count = try step(UnsafeMutableRawBufferPointer(free))
            }
        }
        guard bytes.count <= limit else { throw Self.exceeded(codec, limit) }
    }

    /// The error of every codec for output beyond the limit.
    static func exceeded(_ codec: String, _ limit: Int) -> WireError {
        .corrupt("\(codec) data decompresses to more than the \(limit) bytes allowed")
    }
}
