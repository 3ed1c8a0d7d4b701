import Testing

@testable import ConsoleService

@Suite struct RateWindowTests {
    private let start = ContinuousClock().now

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func `a counter is compared with its earliest count of the last seconds`() {
        var window = RateWindow<String>()
        #expect(window.add(["a": 10], at: at(0)) == [:])
        #expect(window.add(["a": 20], at: at(1)) == ["a": 10])
        #expect(window.add(["a": 20], at: at(2)) == ["a": 5])
        #expect(window.add(["a": 20], at: at(4)) == ["a": 2.5])
        #expect(window.add(["a": 20], at: at(5)) == ["a": 0])
    }

    @Test func `a new counter has a rate from its second count on`() {
        var window = RateWindow<String>()
        for second in 0..<4 { _ = window.add(["old": 0], at: at(Double(second))) }
        #expect(window.add(["old": 0, "new": 0], at: at(4)) == ["old": 0])
        #expect(window.add(["old": 0, "new": 30], at: at(5)) == ["old": 0, "new": 30])
    }

    @Test func `looks that are far apart have rates`() {
        var window = RateWindow<String>()
        #expect(window.add(["a": 0], at: at(0)) == [:])
        #expect(window.add(["a": 100], at: at(10)) == ["a": 10])
        #expect(window.add(["a": 300], at: at(30)) == ["a": 10])
    }

    @Test func `what goes back has no rate below 0, and what is gone none`() {
        var window = RateWindow<String>()
        _ = window.add(["a": 100, "b": 1], at: at(0))
        #expect(window.add(["a": 5], at: at(1)) == ["a": 0])
    }

    @Test func `looks at one moment are no rate`() {
        var window = RateWindow<String>()
        _ = window.add(["a": 0], at: at(0))
        #expect(window.add(["a": 100], at: at(0.1)) == [:])
        #expect(window.add(["a": 100], at: at(1)) == ["a": 100])
    }
}
