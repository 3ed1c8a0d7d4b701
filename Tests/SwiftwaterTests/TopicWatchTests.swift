import Cluster
import Testing

@testable import swiftwater

/// Which partitions `consume --include` opens and closes as topics come and go.
@Suite struct TopicWatchTests {
    private static let place = TopicPartition("t", 0)

    /// Partition 0 of the topic `t` with this id.
    private static func there(_ id: String?) -> [TopicPartition: String?] { [place: id] }

    /// - Returns: what one look gives; what is to be opened is opened.
    private static func look(
        _ watched: inout WatchedPartitions, _ there: [TopicPartition: String?]
    ) -> (gone: [TopicPartition], new: [TopicPartition: LogPosition]) {
        let (gone, new) = watched.look(at: there)
        for (partition, id, _) in new { watched.opened(partition, id) }
        return (gone, Dictionary(uniqueKeysWithValues: new.map { ($0.partition, $0.start) }))
    }

    @Test func `new partitions are read from their beginning, those that are read stay`() {
        var watched = WatchedPartitions(reading: Self.there("A"))
        let other = TopicPartition("u", 3)
        let there: [TopicPartition: String?] = [Self.place: "A", other: nil]
        let first = Self.look(&watched, there)
        #expect(first.gone.isEmpty)
        #expect(first.new == [other: .beginning])
        let second = Self.look(&watched, there)
        #expect(second.gone.isEmpty && second.new.isEmpty)
    }

    @Test func `a topic that is made anew is closed and read from its beginning`() {
        var watched = WatchedPartitions(reading: Self.there("A"))
        let first = Self.look(&watched, Self.there("B"))
        #expect(first.gone == [Self.place])
        #expect(first.new.isEmpty)
        #expect(Self.look(&watched, Self.there("B")).new == [Self.place: .beginning])
    }

    @Test(arguments: ["A", nil] as [String?])
    func `one that comes back is read on`(id: String?) {
        var watched = WatchedPartitions(reading: Self.there("A"))
        watched.lost(Self.place, at: 100)
        #expect(Self.look(&watched, [:]).new.isEmpty)
        #expect(Self.look(&watched, Self.there(id)).new == [Self.place: .offset(100)])
        let last = Self.look(&watched, Self.there("A"))
        #expect(last.gone.isEmpty && last.new.isEmpty)
    }

    @Test func `one that comes back as another is read from its beginning`() {
        var watched = WatchedPartitions(reading: Self.there("A"))
        watched.lost(Self.place, at: 100)
        #expect(Self.look(&watched, Self.there("C")).new == [Self.place: .beginning])
    }

    /// One look may not be told ids.
    @Test func `one that comes back as another is read from its beginning once its id is told`() {
        var watched = WatchedPartitions(reading: Self.there("A"))
        watched.lost(Self.place, at: 100)
        #expect(Self.look(&watched, Self.there(nil)).new == [Self.place: .offset(100)])
        #expect(Self.look(&watched, Self.there("C")).gone == [Self.place])
        #expect(Self.look(&watched, Self.there("C")).new == [Self.place: .beginning])
    }

    @Test func `an id that is told later is the one that is read`() {
        var watched = WatchedPartitions(reading: Self.there(nil))
        #expect(Self.look(&watched, Self.there("A")).gone.isEmpty)
        #expect(Self.look(&watched, Self.there(nil)).gone.isEmpty)
        #expect(Self.look(&watched, Self.there("B")).gone == [Self.place])
    }
}
