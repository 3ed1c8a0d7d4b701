/// Metrics as text, as Prometheus reads it.
package enum MetricText {
    package enum Format: Sendable {
        /// Prometheus' text format 0.0.4.
        case prometheus
        /// OpenMetrics 1.0.0.
        case openMetrics

        package var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }

        /// The format that an `Accept` header asks for. Only whoever names OpenMetrics gets it, as scrapers do that know
        /// it; a quality of 0 refuses it.
        package init(accept: String?) {
            let wanted = (accept ?? "").split(separator: ",").contains { part in
                let fields = part.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
                guard fields.first == "application/openmetrics-text" else { return false }
                let quality = fields.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) }
                return (quality ?? 1) > 0
            }
            self = wanted ? .openMetrics : .prometheus
        }
    }

    package static func write(_ families: [MetricRegistry.Family], as format: Format) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(64 << 10)
        for family in families {
            // OpenMetrics names a family of counters without the ending that its samples have.
            let isBare = format == .openMetrics && family.kind == .counter
            let name = isBare ? String(family.name.dropLast("_total".count)) : family.name
            output += "# HELP \(name) ".utf8
            escape(family.help, quotes: format == .openMetrics, to: &output)
            output += "\n# TYPE \(name) \(family.kind.rawValue)\n".utf8
            for sample in family.samples { write(sample, of: family.name, to: &output) }
        }
        if format == .openMetrics { output += "# EOF\n".utf8 }
        return output
    }

    private static func write(_ sample: MetricRegistry.Sample, of name: String, to output: inout [UInt8]) {
        switch sample.value {
        case .number(let value): line(name, sample.labels, value, to: &output)
        case .histogram(let figures):
            var count: Int64 = 0
            for (index, rangeCount) in figures.counts.enumerated() {
                count &+= rangeCount
                let upper = figures.bounds.upper
                let end = index < upper.count ? number(Double(upper[index]) * figures.bounds.scale) : "+Inf"
                line(name + "_bucket", sample.labels + [("le", end)], Double(count), to: &output)
            }
            line(name + "_sum", sample.labels, Double(figures.sum) * figures.bounds.scale, to: &output)
            line(name + "_count", sample.labels, Double(count), to: &output)
        }
    }

    private static func line(
        _ name: String, _ labels: MetricRegistry.Labels, _ value: Double, to output: inout [UInt8]
    ) {
        output += name.utf8
        if !labels.isEmpty {
            output.append(UInt8(ascii: "{"))
            for (index, label) in labels.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                output += label.name.utf8
                output += "=\"".utf8
                escape(label.value, quotes: true, to: &output)
                output.append(UInt8(ascii: "\""))
            }
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: " "))
        output += number(value).utf8
        output.append(UInt8(ascii: "\n"))
    }

    /// A whole number without a fraction, anything else in the fewest digits that mean it.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        // 25 * 1e-5 is not the number nearest to 0.00025; twelve digits are more than any of our values has.
        let rounded = (value * 1e12).rounded() / 1e12
        return rounded == 0 ? value.description : rounded.description
    }

    private static func escape(_ text: String, quotes: Bool, to output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): output += "\\\\".utf8
            case UInt8(ascii: "\n"): output += "\\n".utf8
            case UInt8(ascii: "\"") where quotes: output += "\\\"".utf8
            default: output.append(byte)
            }
        }
    }
}
