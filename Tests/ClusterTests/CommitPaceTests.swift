import Cluster
import Testing

@Suite("The pace of commits")
struct CommitPaceTests {
    private let start = ContinuousClock.now

    private func at(_ milliseconds: Double) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    /// How many commits of `took` milliseconds each begin within a time when there is always something to commit.
    private func count(_ took: Double, within milliseconds: Double, interval: Duration = .milliseconds(100)) -> Int {
        var pace = CommitPace(now: start)
        var now = start
        var count = 0
        while now < at(milliseconds) {
            pace.note(from: now, to: now + .milliseconds(took), waitingAtMost: interval)
            count += 1
            now = max(now + .milliseconds(took), pace.next)
        }
        return count
    }

    @Test func theFirstOnesFollowEachOtherAtOnce() {
        var pace = CommitPace(now: start)
        for number in 0..<10 {
            let began = at(Double(number) * 3)
            #expect(pace.next <= began)
            pace.note(from: began, to: at(Double(number) * 3 + 3), waitingAtMost: .milliseconds(100))
        }
    }

    @Test(arguments: [0.2, 1, 3, 8])
    func theyTakeATenthOfTheTime(took: Double) {
        let most = 10_000 / took / 10
        let burst = 300 / took / 10
        let count = Double(count(took, within: 10_000))
        #expect(count <= most + burst + 2)
        #expect(count >= most)
    }

    @Test func aSlowOneWaitsNoLongerThanTheInterval() {
        #expect(count(50, within: 15_000) >= 100)
        var pace = CommitPace(now: start)
        for number in 0..<100 {
            let began = at(Double(number) * 1000)
            pace.note(from: began, to: at(Double(number) * 1000 + 900), waitingAtMost: .milliseconds(20))
            #expect(pace.next <= at(Double(number) * 1000 + 920))
        }
    }

    @Test func noIntervalIsNoWait() {
        #expect(count(10, within: 1000, interval: .zero) == 100)
    }

    @Test func aPauseMakesUpForWhatWasBefore() {
        var pace = CommitPace(now: start)
        for number in 0..<200 {
            pace.note(
                from: at(Double(number)), to: at(Double(number) + 1), waitingAtMost: .milliseconds(100))
        }
        #expect(pace.next > at(200))
        #expect(pace.next <= at(300))
    }
}
