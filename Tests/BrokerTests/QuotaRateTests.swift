import KafkaMessages
import TestKit
import Testing

@testable import Broker

/// Rates and buckets at given times.
@Suite struct QuotaRateTests {
    private static func windows(_ count: Int = 11, _ length: Int64 = 1000) -> RateWindows {
        RateWindows(count: count, length: length)
    }

    @Test func `a burst is measured over all windows but one`() {
        var windows = Self.windows()
        windows.record(1000, at: 5_000)
        let rate = windows.rate(at: 5_000)
        #expect(rate.perSecond == 100)
        #expect(rate.time == 10_000)
        // 1000 in ten seconds where 50 a second may be: ten seconds more.
        #expect(windows.excess(over: 50, at: 5_000) == 10_000)
        #expect(windows.excess(over: 100, at: 5_000) == 0)
    }

    @Test func `a rate falls with time, and is forgotten with its window`() {
        var windows = Self.windows()
        windows.record(1000, at: 0)
        #expect(windows.rate(at: 999).perSecond < 100)
        #expect(windows.rate(at: 10_500).perSecond > 90)
        #expect(windows.rate(at: 10_999).perSecond > 90)
        #expect(windows.rate(at: 11_000).perSecond == 0)
    }

    @Test func `windows begin with counts`() {
        var windows = Self.windows(3, 1000)
        for time in stride(from: 0 as Int64, to: 10_000, by: 500) { windows.record(1, at: time) }
        // The one that ended three windows ago is forgotten; of those that are left the oldest began at 7000.
        let rate = windows.rate(at: 9_500)
        #expect(rate.time == 2_500)
        #expect(abs(rate.perSecond - 2.4) < 0.001)
    }

    @Test func `what is taken back at the same time leaves nothing`() {
        var windows = Self.windows()
        windows.record(100, at: 0)
        windows.record(1_000_000, at: 3_000)
        windows.record(-1_000_000, at: 3_000)
        #expect(windows.excess(over: 20, at: 3_000) == 0)
    }

    @Test func `one window is enough`() {
        var windows = Self.windows(1, 1000)
        windows.record(10, at: 0)
        #expect(windows.rate(at: 0).time == 1)
        #expect(windows.rate(at: 500).perSecond == 20)
        #expect(windows.rate(at: 1000).perSecond == 0)
    }

    @Test func `a time is what the protocol can tell`() {
        var windows = Self.windows()
        windows.record(1e300, at: 0)
        #expect(windows.excess(over: 1e-9, at: 0) == Int64(Int32.max))
        #expect(windows.excess(over: 0, at: 0) == Int64(Int32.max))
    }

    /// A client that keeps to the times that it is told stays within its quota in the long run. Requests of several seconds
    /// are forgotten with their windows before they are paid for: they may come to a little more, in Kafka, too.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64], [[1, 1], [8, 1.2]])
    func `over a long run the rate stays within the quota`(seed: UInt64, of bounds: [Double]) {
        var random = SeededRandom(seed: seed)
        let limit = Double.random(in: 10...1_000_000, using: &random)
        let sensor = RateSensor(limit: limit, Self.windows(), at: 0)
        let largest = limit * Double.random(in: 0.01...bounds[0], using: &random)
        var now: Int64 = 0
        var total = 0.0
        while now < 1_800_000 {
            let value = Double.random(in: 0...largest, using: &random)
            let throttle = sensor.record(value, at: now)
            total += value
            now += throttle + Int64.random(in: 0...20, using: &random)
        }
        // What may be at once besides: the windows of the beginning, and the last request.
        let most = limit * (Double(now) / 1000 + 10) + largest
        #expect(total <= most * bounds[1], "\(total) of \(most)")
        // And it is not held up for more than that.
        if largest > limit / 10 { #expect(total > limit * Double(now) / 1000 * 0.9) }
    }

    @Test func `a bucket is full at first and fills up with time`() {
        var bucket = TokenBucket(seconds: 11)
        #expect(bucket.level(2, at: 1_000_000) == 22)
        bucket.take(30, 2, at: 1_000_000)
        #expect(bucket.debt(2, at: 1_000_000) == 4_000)
        #expect(bucket.debt(2, at: 1_003_000) == 1_000)
        #expect(bucket.debt(2, at: 1_004_000) == 0)
        #expect(bucket.level(2, at: 9_000_000) == 22)
    }

    @Test func `a strict charge takes any number, and nothing as long as there is a debt`() throws {
        let sensor = TokenSensor(limit: 1, TokenBucket(seconds: 10), at: 0)
        var charge = MutationCharge(sensor, isStrict: true)
        try charge.take(15, at: 0)
        #expect(charge.throttle(at: 0) == 0)
        let refusal = #expect(throws: ControlError.self) { try charge.take(1, at: 1_000) }
        #expect(refusal?.code == .throttlingQuotaExceeded)
        #expect(charge.throttle(at: 1_000) == 4_000)
        #expect(charge.throttle(at: 3_000) == 2_000)
        #expect(charge.throttle(at: 9_000) == 0)
        try charge.take(1, at: 6_000)
    }

    @Test func `a permissive charge takes everything and tells the time`() throws {
        let sensor = TokenSensor(limit: 1, TokenBucket(seconds: 10), at: 0)
        var charge = MutationCharge(sensor, isStrict: false)
        try charge.take(15, at: 0)
        #expect(charge.throttle(at: 0) == 5_000)
        try charge.take(1, at: 0)
        #expect(charge.throttle(at: 0) == 6_000)
        var free = MutationCharge(nil, isStrict: true)
        try free.take(1_000_000)
        #expect(free.throttle() == 0)
    }
}
