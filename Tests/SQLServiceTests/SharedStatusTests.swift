import JSONFormat
import SQLRuntime
import StreamEngine
import Testing

@testable import SQLService

@Suite struct SharedStatusTests {
    private static func status(_ state: QueryStatus.State, partition: Int32, committed: Int64) -> QueryStatus {
        var status = QueryStatus(id: "Q", state: state)
        status.errors = [(timestamp: Int64(partition), message: "m\(partition)")]
        var counters = OperatorCounters()
        counters.input = 5
        counters.stateBytes = 7
        status.steps = [.init(name: "Project", operation: "select", counters: counters)]
        status.positions = [
            .init(topic: "t", partition: partition, committed: committed, start: 1, end: 20),
            .init(topic: "t", partition: 9, committed: committed, start: 0, end: 20),
        ]
        status.tasks = ["0_\(partition)"]
        status.streamTime = Int64(partition)
        status.lastMessage = committed
        status.stateBytes = 3
        status.consumed = 10
        status.produced = 2
        status.failed = 1
        return status
    }

    @Test func `a status travels whole`() throws {
        let sent = NodeStatus(
            queries: [Self.status(.rebalancing, partition: 2, committed: 4), QueryStatus(id: "R", state: .paused)],
            clients: [.init(id: "c", statement: "SELECT 1;")])
        let json = try JSONValue.read(String(decoding: sent.json.bytes, as: UTF8.self))
        let got = try #require(NodeStatus(json))
        #expect(got.clients == sent.clients)
        #expect(got.json.bytes == sent.json.bytes)
        #expect(got.queries[0].positions.count == 2)
        #expect(got.queries[1].streamTime == nil)
    }

    @Test(arguments: ["{}", #"{"queries":[{"id":"Q","state":"ODD"}],"clients":[]}"#, #"{"queries":[],"clients":[{}]}"#])
    func `what is no status is told`(text: String) throws {
        #expect(NodeStatus(try JSONValue.read(text)) == nil)
    }

    @Test func `hosts are one query together`() throws {
        let shared = SharedStatus(hosts: [
            .init(
                address: "a:1",
                status: NodeStatus(queries: [Self.status(.running, partition: 0, committed: 4)], clients: [])),
            .init(
                address: "b:2",
                status: NodeStatus(queries: [Self.status(.rebalancing, partition: 1, committed: 6)], clients: [])),
            .init(address: "c:3", status: nil),
        ])
        let merged = try #require(shared.merged("Q"))
        #expect(merged.state == .rebalancing)
        #expect(merged.consumed == 20)
        #expect(merged.steps.map(\.counters.input) == [10])
        #expect(merged.steps.map(\.counters.stateBytes) == [14])
        #expect(merged.positions.map(\.partition) == [0, 1, 9])
        #expect(merged.positions.last?.committed == 6)
        #expect(merged.tasks == ["0_0", "0_1"])
        #expect(merged.errors.map(\.message) == ["m0", "m1"])
        #expect(shared.merged("X") == nil)
        #expect(SharedStatus.state(of: ["RUNNING", "UNRESPONSIVE"]) == "UNRESPONSIVE")
        #expect(SharedStatus.state(of: ["RUNNING", "ERROR", "PAUSED"]) == "ERROR")
        #expect(SharedStatus.state(of: ["CREATED"]) == "CREATED")
    }
}
