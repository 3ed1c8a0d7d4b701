import Synchronization
import Testing

@testable import Broker

@Suite struct RequestMemoryTests {
    private final class Log: Sendable {
        let names = Mutex<[String]>([])
        func note(_ name: String) { names.withLock { $0.append(name) } }
    }

    @Test func `lets those who wait go on in their order as memory comes back`() {
        let memory = RequestMemory(budget: 100)
        let log = Log()
        #expect(memory.reserve(60) {})
        #expect(!memory.reserve(70) { log.note("large") })
        // It would fit, but then a stream of small ones could starve the large one.
        #expect(!memory.reserve(10) { log.note("small") })
        memory.release(60)
        #expect(log.names.withLock { $0 } == ["large", "small"])
        #expect(memory.reserve(20) {})
        #expect(!memory.reserve(1) { log.note("last") })
        memory.release(70)
        #expect(log.names.withLock { $0 } == ["large", "small", "last"])
    }

    @Test func `gives a frame that is larger than the budget all of it`() {
        let memory = RequestMemory(budget: 100)
        #expect(memory.reserve(1000) {})
        #expect(!memory.reserve(1) {})
        memory.release(1000)
        #expect(memory.reserve(99) {})
    }
}

@Suite struct ConnectionGateTests {
    @Test func `bounds connections in all and by address`() {
        let gate = ConnectionGate(totalMax: 3, perAddressMax: 2)
        #expect(gate.enter("a") == nil)
        #expect(gate.enter("a") == nil)
        #expect(gate.enter("a") == "max.connections.per.ip")
        #expect(gate.enter("b") == nil)
        #expect(gate.enter("c") == "max.connections")
        gate.left("a")
        #expect(gate.enter("c") == nil)
        #expect(gate.count == 3)
    }
}
