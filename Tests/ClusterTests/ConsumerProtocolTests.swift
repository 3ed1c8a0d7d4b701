import NIOCore
import Testing

@testable import Cluster

@Suite struct ConsumerProtocolTests {
    @Test func `user data come back as they were`() throws {
        let data = ByteBuffer(string: "something that the assignor knows")
        let subscription = ConsumerProtocol.Subscription(
            topics: ["a", "b"], owned: [TopicPartition("a", 1)], generation: 7, userData: data)
        #expect(try ConsumerProtocol.subscription(ConsumerProtocol.encode(subscription)) == subscription)
        let partitions = [TopicPartition("a", 0), TopicPartition("a", 2), TopicPartition("b", 1)]
        let assignment = ConsumerProtocol.encode(partitions, userData: data)
        #expect(try ConsumerProtocol.assignment(assignment) == partitions)
        #expect(try ConsumerProtocol.assignmentUserData(assignment) == data)
        #expect(try ConsumerProtocol.assignmentUserData(ConsumerProtocol.encode(partitions)) == nil)
        #expect(try ConsumerProtocol.assignmentUserData(ByteBuffer()) == nil)
    }
}
