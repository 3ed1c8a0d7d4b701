import Bytes
import Glibc
import JSONFormat
import NIOCore

/// Times of records, as counts in buckets that are 3 % wide, so that any number of records takes little memory.
struct Latencies: Sendable {
    private var counts: [Int: Int] = [:]
    private(set) var count = 0
    private var sum = 0.0
    /// In milliseconds.
    private(set) var largest = 0.0

    private static let growth = 1.03

    mutating func add(_ duration: Duration, count new: Int) {
        let milliseconds = max(duration.milliseconds, 0.001)
        counts[Int((log(milliseconds) / log(Self.growth)).rounded(.up)), default: 0] += new
        count += new
        sum += milliseconds * Double(new)
        largest = max(largest, milliseconds)
    }

    /// In milliseconds.
    var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// The time in milliseconds that `share` of the records took at most, to within 3 %.
    func percentile(_ share: Double) -> Double {
        let wanted = Int((share * Double(count)).rounded(.up))
        var passed = 0
        for (bucket, count) in counts.sorted(by: { $0.key < $1.key }) {
            passed += count
            if passed >= wanted { return min(largest, pow(Self.growth, Double(bucket))) }
        }
        return largest
    }
}

/// What a measurement gave, as it is printed.
struct PerfReport {
    var count: Int
    var byteCount: Int64
    var elapsed: Duration
    var latencies: Latencies?

    private static let percentiles = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)]

    /// - Parameter done: what was done with the records.
    func show(_ done: String, _ format: OutputFormat) throws {
        let seconds = max(elapsed.milliseconds / 1000, 1e-9)
        let perSecond = Double(count) / seconds
        let megabytes = Double(byteCount) / 1e6 / seconds
        switch format {
        case .json:
            var members: [(String, JSONValue)] = [
                ("records", .number(Int64(count))), ("bytes", .number(byteCount)),
                ("seconds", Self.number(seconds)), ("recordsPerSecond", Self.number(perSecond)),
                ("megabytesPerSecond", Self.number(megabytes)),
            ]
            if let latencies {
                var values: [(String, JSONValue)] = [("mean", Self.number(latencies.mean))]
                values += Self.percentiles.map { ($0.0, Self.number(latencies.percentile($0.1))) }
                values.append(("max", Self.number(latencies.largest)))
                members.append(("latencyMs", .object(values)))
            }
            try Output.standard.write(JSONValue.object(members).pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line(
                "\(done) \(counted(count, "record")) in \(Self.text(seconds)) s: \(Self.text(perSecond)) records/s, "
                    + "\(Self.text(megabytes)) MB/s")
            guard let latencies else { return }
            let values = Self.percentiles.map { "\($0.0) \(Self.text(latencies.percentile($0.1)))" }
            try Output.standard.line(
                "latency in ms: mean \(Self.text(latencies.mean)), \(values.joined(separator: ", ")), "
                    + "max \(Self.text(latencies.largest))")
        }
    }

    private static func number(_ value: Double) -> JSONValue { .raw(Array(text(value).utf8)) }

    /// Three digits behind the point for small numbers, none for large ones.
    private static func text(_ value: Double) -> String {
        let digits = value >= 1000 ? 0 : value >= 10 ? 1 : 3
        let factor = pow(10, Double(digits))
        let whole = Int64((min(value, 1e15) * factor).rounded())
        guard digits > 0 else { return String(whole) }
        let fraction = String(whole % Int64(factor))
        return "\(whole / Int64(factor))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}

/// Values of letters by chance, cut out of a pool: making them costs next to nothing, and they compress like text by chance.
struct RandomValues: Sendable {
    private let pool: ByteBuffer
    private let size: Int

    init(size: Int) {
        var random = SystemRandomNumberGenerator()
        let count = size + (64 << 10)
        pool = ByteBuffer(bytes: (0..<count).map { _ in UInt8.random(in: 65...90, using: &random) })
        self.size = size
    }

    func next(_ random: inout some RandomNumberGenerator) -> ByteBuffer {
        let start = Int.random(in: 0...(pool.readableBytes - size), using: &random)
        return pool.getSlice(at: start, length: size) ?? ByteBuffer()
    }
}

extension Duration {
    fileprivate var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}

/// Blocks the calling thread, which must be one of our own.
func sleepBlocking(_ pause: Duration) {
    let parts = pause.components
    var wanted = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
    var left = timespec()
    while nanosleep(&wanted, &left) != 0, errno == EINTR { wanted = left }
}
