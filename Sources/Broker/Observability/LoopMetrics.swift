import KafkaMessages
import Observability

/// What one event loop counts of its requests. Written on the loop only, so that counting costs no locked instruction;
/// read from any thread.
final class LoopMetrics: Sendable {
    private static let bounds = HistogramBounds.latency
    /// Requests, bytes in, bytes out, then the histogram of durations: its ranges, the one without end, the sum.
    private static let durationsAt = 3
    private static let cellsPerApi = durationsAt + bounds.upper.count + 2
    private static let apiCount = Int(ApiKey.allCases.map(\.rawValue).max() ?? 0) + 1

    private let cells = AtomicCells(count: apiCount * cellsPerApi)

    private func place(_ apiKey: ApiKey) -> Int { Int(apiKey.rawValue) * Self.cellsPerApi }

    /// - Parameter byteCount: with the length prefix.
    func noteRequest(_ apiKey: ApiKey, byteCount: Int) {
        let place = place(apiKey)
        cells.addAsOnlyWriter(1, at: place)
        cells.addAsOnlyWriter(Int64(byteCount), at: place + 1)
    }

    func noteAnswer(_ apiKey: ApiKey, byteCount: Int, nanoseconds: Int64) {
        let place = place(apiKey)
        cells.addAsOnlyWriter(Int64(byteCount), at: place + 2)
        let durations = place + Self.durationsAt
        cells.addAsOnlyWriter(1, at: durations + Self.bounds.index(of: nanoseconds))
        cells.addAsOnlyWriter(nanoseconds, at: durations + Self.bounds.upper.count + 1)
    }

    /// Of one API.
    struct Figures {
        var requestCount: Int64 = 0
        var bytesIn: Int64 = 0
        var bytesOut: Int64 = 0
        var durations = HistogramFigures(bounds)

        mutating func add(_ other: Figures) {
            requestCount &+= other.requestCount
            bytesIn &+= other.bytesIn
            bytesOut &+= other.bytesOut
            durations.add(other.durations)
        }
    }

    func figures(_ apiKey: ApiKey) -> Figures {
        let place = place(apiKey)
        return Figures(
            requestCount: cells.load(at: place), bytesIn: cells.load(at: place + 1),
            bytesOut: cells.load(at: place + 2),
            durations: HistogramFigures(Self.bounds, cells, at: place + Self.durationsAt))
    }
}
