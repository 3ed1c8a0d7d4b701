import Testing

@testable import Observability

@Suite struct MetricTests {
    private func text(_ registry: MetricRegistry, _ format: MetricText.Format = .prometheus) -> String {
        String(decoding: MetricText.write(registry.look(), as: format), as: UTF8.self)
    }

    /// By the text format 0.0.4 of Prometheus' documentation.
    @Test func `writes Prometheus' text format`() {
        let registry = MetricRegistry()
        let requests = registry.counter("swiftwater_requests_total", "Requests.", [("api", "Produce")])
        let other = registry.counter("swiftwater_requests_total", "Requests.", [("api", "Fetch")])
        registry.gauge("swiftwater_lag_seconds", "Lag,\nin seconds \\ \"exact\".") { 0.25 }
        requests.add(3)
        other.add()
        #expect(
            text(registry) == """
                # HELP swiftwater_lag_seconds Lag,\\nin seconds \\\\ "exact".
                # TYPE swiftwater_lag_seconds gauge
                swiftwater_lag_seconds 0.25
                # HELP swiftwater_requests_total Requests.
                # TYPE swiftwater_requests_total counter
                swiftwater_requests_total{api="Produce"} 3
                swiftwater_requests_total{api="Fetch"} 1

                """)
    }

    /// By the OpenMetrics 1.0.0 specification: counters are named without their ending, and the text has an end.
    @Test func `writes OpenMetrics`() {
        let registry = MetricRegistry()
        registry.counter("swiftwater_requests_total", "Requests.").add(7)
        #expect(
            text(registry, .openMetrics) == """
                # HELP swiftwater_requests Requests.
                # TYPE swiftwater_requests counter
                swiftwater_requests_total 7
                # EOF

                """)
    }

    @Test func `writes the ranges of a histogram as running sums in the unit of its name`() {
        let registry = MetricRegistry()
        let bounds = HistogramBounds(upper: [250_000, 1_000_000_000], scale: 1e-9)
        let durations = registry.histogram("swiftwater_wait_seconds", "Waits.", [("kind", "a")], bounds)
        for nanoseconds in [0, 250_000, 250_001, 2_000_000_000] as [Int64] { durations.record(nanoseconds) }
        let lines = text(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            lines == [
                "swiftwater_wait_seconds_bucket{kind=\"a\",le=\"0.00025\"} 2",
                "swiftwater_wait_seconds_bucket{kind=\"a\",le=\"1\"} 3",
                "swiftwater_wait_seconds_bucket{kind=\"a\",le=\"+Inf\"} 4",
                "swiftwater_wait_seconds_sum{kind=\"a\"} 2.000500001",
                "swiftwater_wait_seconds_count{kind=\"a\"} 4",
            ])
    }

    @Test func `escapes what a label may hold`() {
        let registry = MetricRegistry()
        registry.samples("swiftwater_topic_bytes", "By topic.", .gauge) {
            [.init([("topic", "a\"b\\c\nd")], 1), .init([("topic", "é")], .infinity), .init([("topic", "n")], .nan)]
        }
        let lines = text(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            lines == [
                "swiftwater_topic_bytes{topic=\"a\\\"b\\\\c\\nd\"} 1", "swiftwater_topic_bytes{topic=\"é\"} +Inf",
                "swiftwater_topic_bytes{topic=\"n\"} NaN",
            ])
    }

    @Test func `leaves out families without samples, and looks ahead of each look`() {
        let registry = MetricRegistry()
        let looks = Counter()
        registry.beforeEachLook { looks.add() }
        registry.samples("swiftwater_nothing", "Nothing.", .gauge) { [] }
        registry.counter("swiftwater_looks_total", "Looks.") { Double(looks.total) }
        #expect(!text(registry).contains("nothing"))
        #expect(text(registry).contains("swiftwater_looks_total 2\n"))
        #expect(registry.catalog.map(\.name) == ["swiftwater_looks_total", "swiftwater_nothing"])
    }

    /// `Accept` headers as Prometheus 2 and 3, curl and browsers send them.
    @Test(
        arguments: [
            (nil, false), ("*/*", false), ("text/html,application/xhtml+xml", false),
            ("application/openmetrics-text", true), ("application/openmetrics-text;q=0", false),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true
            ),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false), (";;,,=", false),
        ] as [(String?, Bool)])
    func `chooses the format by what is accepted`(accept: String?, isOpenMetrics: Bool) {
        let format = MetricText.Format(accept: accept)
        #expect(format.contentType.contains("openmetrics") == isOpenMetrics)
    }

    @Test func `loses no count of many threads`() async {
        let counter = Counter()
        let histogram = Histogram(.latency)
        await withDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for index in 0..<1000 {
                        counter.add()
                        histogram.record(Int64(index) * 10_000)
                    }
                }
            }
        }
        #expect(counter.total == 8000)
        #expect(histogram.figures.count == 8000)
        #expect(histogram.figures.sum == 8 * 10_000 * 499_500)
    }

    @Test func `adds histograms of the same bounds`() {
        let bounds = HistogramBounds(upper: [1, 2], scale: 1)
        let a = Histogram(bounds)
        let b = Histogram(bounds)
        a.record(1)
        b.record(2)
        b.record(9)
        var sum = a.figures
        sum.add(b.figures)
        #expect(sum.counts == [1, 1, 1])
        #expect(sum.sum == 12)
    }
}

@Suite struct ReadinessTests {
    @Test func `is ready when nothing holds it`() {
        let readiness = Readiness()
        #expect(readiness.problems.isEmpty)
        readiness.hold("broker", because: "loading")
        readiness.hold("admin", because: "starting")
        #expect(readiness.problems == ["admin: starting", "broker: loading"])
        readiness.release("broker")
        readiness.release("admin")
        #expect(readiness.problems.isEmpty)
    }

    @Test func `asks its checks at every look`() {
        let readiness = Readiness()
        let isBroken = Gauge()
        readiness.check("storage") { isBroken.current > 0 ? "failed" : nil }
        #expect(readiness.problems.isEmpty)
        isBroken.set(1)
        #expect(readiness.problems == ["storage: failed"])
    }

    @Test func `is never ready again once the process stops`() {
        let readiness = Readiness()
        readiness.stop()
        readiness.release("process")
        #expect(readiness.problems == ["process: stopping"])
    }
}

@Suite struct ProcessFigureTests {
    /// By the field numbers of proc_pid_stat(5), with the worst that a program's name can be.
    @Test func `reads what the kernel tells`() {
        let text =
            "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 33 0 4711 123456 789 18446744073709551615 1 1"
        let stat = ProcStat(text)
        #expect(stat.threadCount == 33)
        #expect(stat.startTicks == 4711)
        #expect(stat.virtualByteCount == 123_456)
        #expect(stat.residentPageCount == 789)
    }

    @Test(arguments: ["", ")", "1 (x) S 1", "no brackets at all"])
    func `takes what is missing for 0`(text: String) {
        #expect(ProcStat(text).residentPageCount == 0)
    }

    @Test func `knows this process`() {
        let figures = ProcessFigures.now()
        #expect(figures.residentByteCount > 1 << 20)
        #expect(figures.cpuSeconds > 0)
        #expect(figures.threadCount > 0)
        #expect(figures.openDescriptorCount >= 3)
        #expect(figures.descriptorCountMax >= figures.openDescriptorCount)
        #expect(figures.startSeconds > 1.5e9)
    }
}
