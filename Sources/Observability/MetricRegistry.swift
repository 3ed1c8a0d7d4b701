import Synchronization

/// All metrics of the process, by name; what `/metrics` shows.
///
/// Parts register their metrics once, when they are made, and keep the counter they get: counting never comes here.
/// Values that something else knows already are not counted again but asked for when somebody looks:
///
///     let compactions = metrics.counter("swiftwater_compactions_total", "Runs of the compactor.")
///     metrics.gauge("swiftwater_groups", "Consumer groups.", [("state", "stable")]) { Double(groups.stableCount) }
///
/// Names follow Prometheus: `swiftwater_` first, the unit in the name, counters end in `_total`. Names, labels and kinds
/// are ours, so a mistake in them stops the program.
package final class MetricRegistry: Sendable {
    package typealias Labels = [(name: String, value: String)]

    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// One line of a family, or the lines of one histogram.
    package struct Sample: Sendable {
        package enum Value: Sendable {
            case number(Double)
            case histogram(HistogramFigures)
        }
        package var labels: Labels
        package var value: Value

        package init(_ labels: Labels = [], _ value: Double) {
            self.labels = labels
            self.value = .number(value)
        }

        package init(_ labels: Labels = [], _ figures: HistogramFigures) {
            self.labels = labels
            value = .histogram(figures)
        }
    }

    /// Everything under one name.
    package struct Family: Sendable {
        package var name: String
        package var help: String
        package var kind: Kind
        package var samples: [Sample]
    }

    private struct Entry: Sendable {
        var help: String
        var kind: Kind
        var sources: [@Sendable () -> [Sample]]
        /// Labels of sources that have the same ones always.
        var fixed: Set<String>
    }
    private let entries = Mutex<[String: Entry]>([:])
    private let beforeLooks = Mutex<[@Sendable () -> Void]>([])

    package init() {}

    // MARK: Counted by the caller

    package func counter(_ name: String, _ help: String, _ labels: Labels = []) -> Counter {
        let counter = Counter()
        register(name, help, .counter, labels) { [Sample(labels, Double(counter.total))] }
        return counter
    }

    package func gauge(_ name: String, _ help: String, _ labels: Labels = []) -> Gauge {
        let gauge = Gauge()
        register(name, help, .gauge, labels) { [Sample(labels, Double(gauge.current))] }
        return gauge
    }

    package func histogram(
        _ name: String, _ help: String, _ labels: Labels = [], _ bounds: HistogramBounds = .latency
    ) -> Histogram {
        let histogram = Histogram(bounds)
        register(name, help, .histogram, labels) { [Sample(labels, histogram.figures)] }
        return histogram
    }

    // MARK: Asked for

    /// A total that something else keeps. `value` is called on the thread of whoever looks and must not block.
    package func counter(
        _ name: String, _ help: String, _ labels: Labels = [], _ value: @escaping @Sendable () -> Double
    ) {
        register(name, help, .counter, labels) { [Sample(labels, value())] }
    }

    /// A value that something else keeps. `value` is called on the thread of whoever looks and must not block.
    package func gauge(
        _ name: String, _ help: String, _ labels: Labels = [], _ value: @escaping @Sendable () -> Double
    ) {
        register(name, help, .gauge, labels) { [Sample(labels, value())] }
    }

    /// Samples whose labels are found when somebody looks, such as one for each topic. Their number must have a bound.
    package func samples(
        _ name: String, _ help: String, _ kind: Kind, _ samples: @escaping @Sendable () -> [Sample]
    ) {
        register(name, help, kind, nil, samples)
    }

    /// Called before each look at the metrics, to take in one go what several of them show.
    package func beforeEachLook(_ body: @escaping @Sendable () -> Void) { beforeLooks.withLock { $0.append(body) } }

    // MARK: Looking

    /// All families with samples, by name; samples in the order of registration.
    package func look() -> [Family] {
        for body in beforeLooks.withLock({ $0 }) { body() }
        let entries = entries.withLock { $0 }
        return entries.sorted { $0.key < $1.key }.compactMap { name, entry in
            let samples = entry.sources.flatMap { $0() }
            return samples.isEmpty ? nil : Family(name: name, help: entry.help, kind: entry.kind, samples: samples)
        }
    }

    /// What is registered, by name, also what has no samples now.
    package var catalog: [(name: String, kind: Kind, help: String)] {
        entries.withLock { $0.map { ($0.key, $0.value.kind, $0.value.help) } }.sorted { $0.name < $1.name }
    }

    private func register(
        _ name: String, _ help: String, _ kind: Kind, _ labels: Labels?,
        _ source: @escaping @Sendable () -> [Sample]
    ) {
        precondition(Self.isName(name), "\"\(name)\" cannot be the name of a metric")
        precondition((kind == .counter) == name.hasSuffix("_total"), "counters, and only they, end in _total: \(name)")
        precondition((labels ?? []).allSatisfy { Self.isName($0.name) && $0.name != "le" }, "labels of \(name)")
        entries.withLock { entries in
            var entry = entries[name] ?? Entry(help: help, kind: kind, sources: [], fixed: [])
            precondition(entry.kind == kind && entry.help == help, "\(name) is registered as something else")
            if let labels {
                let key = labels.map { "\($0.name)=\($0.value)" }.sorted().joined(separator: ",")
                precondition(entry.fixed.insert(key).inserted, "\(name){\(key)} is registered already")
            }
            entry.sources.append(source)
            entries[name] = entry
        }
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.enumerated().allSatisfy { index, byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
                default: false
                }
            }
    }
}
