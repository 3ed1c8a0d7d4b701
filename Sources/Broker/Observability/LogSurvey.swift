import LogStorage
import Synchronization

/// The sizes of all logs at one look, in all and by topic.
///
/// By topic for at most `topicCountMax` topics, the first in the order of names, so that a cluster of thousands of topics
/// does not flood the one who collects; the others are summed up under a name that no topic can have.
final class LogSurvey: Sendable {
    static let otherTopics = "(other)"

    struct Figures: Sendable, Equatable {
        var partitionCount: Int64 = 0
        var segmentCount: Int64 = 0
        var byteCount: Int64 = 0
        var unflushedByteCount: Int64 = 0
        var appendedByteCount: Int64 = 0
        var logStart: Int64 = 0
        var logEnd: Int64 = 0

        mutating func add(_ log: LogFigures) {
            partitionCount += 1
            segmentCount += Int64(log.segmentCount)
            byteCount &+= log.byteCount
            unflushedByteCount &+= log.unflushedByteCount
            appendedByteCount &+= log.appendedByteCount
            logStart &+= log.logStart
            logEnd &+= log.logEnd
        }

        mutating func add(_ other: Figures) {
            partitionCount &+= other.partitionCount
            segmentCount &+= other.segmentCount
            byteCount &+= other.byteCount
            unflushedByteCount &+= other.unflushedByteCount
            appendedByteCount &+= other.appendedByteCount
            logStart &+= other.logStart
            logEnd &+= other.logEnd
        }
    }

    private struct State {
        var topicCount = 0
        var total = Figures()
        var topics: [(name: String, figures: Figures)] = []
    }
    private let topicCountMax: Int
    private let state = Mutex(State())

    init(topicCountMax: Int) { self.topicCountMax = topicCountMax }

    var topicCount: Int { state.withLock { $0.topicCount } }
    var total: Figures { state.withLock { $0.total } }
    var topics: [(name: String, figures: Figures)] { state.withLock { $0.topics } }

    func look(_ topics: [Topic]) {
        var all = topics.map { topic in
            var figures = Figures()
            for partition in topic.partitions { figures.add(partition.log.figures) }
            return (name: topic.name, figures: figures)
        }
        let state = State(
            topicCount: all.count, total: Self.sum(all[...]), topics: [])
        if all.count > topicCountMax {
            let rest = Self.sum(all[topicCountMax...])
            all.removeSubrange(topicCountMax...)
            // With a bound of 0 there are no series by topic at all.
            if topicCountMax > 0 { all.append((Self.otherTopics, rest)) }
        }
        let named = all
        self.state.withLock {
            $0 = state
            $0.topics = named
        }
    }

    private static func sum(_ topics: ArraySlice<(name: String, figures: Figures)>) -> Figures {
        var sum = Figures()
        for topic in topics { sum.add(topic.figures) }
        return sum
    }
}
