import ConnectCore
import Glibc
import Synchronization
import Testing

@testable import ConnectorJDBC

/// What ends the waiting for a database, and what it leaves alone.
@Suite struct QueryStopTests {
    /// Two ends of a connection, closed with the pair.
    private final class Pair {
        let ends: [Int32]

        init() throws {
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            self.ends = ends
        }

        deinit { for end in ends { close(end) } }

        /// Whether what one end writes comes to the other.
        var isOpen: Bool {
            var byte: UInt8 = 1
            return send(ends[1], &byte, 1, Int32(MSG_NOSIGNAL)) == 1
                && recv(ends[0], &byte, 1, Int32(MSG_DONTWAIT)) == 1
        }
    }

    @Test func `the connection is shut down, and once`() throws {
        let pair = try Pair()
        let stop = QueryStop()
        let count = Mutex(0)
        stop.arm(socket: pair.ends[0]) { count.withLock { $0 += 1 } }
        #expect(pair.isOpen && !stop.isBroken)
        stop.interrupt()
        #expect(!pair.isOpen && stop.isBroken && stop.isEnding && !stop.isStopped)
        stop.stop()
        #expect(count.withLock { $0 } == 1)
    }

    /// Drivers close the socket of a connection that they lose.
    @Test func `who has the number of a lost connection next is left alone`() throws {
        let lost = try Pair()
        let foreign = try Pair()
        let stop = QueryStop()
        stop.arm(socket: lost.ends[0]) {}
        // Closes it, and gives its number to the other: from here on the number is the foreign connection's.
        try #require(dup2(foreign.ends[0], lost.ends[0]) == lost.ends[0])
        stop.stop()
        #expect(foreign.isOpen)
    }

    @Test func `a connection that is given back is left alone`() throws {
        let pair = try Pair()
        let stop = QueryStop()
        stop.arm(socket: pair.ends[0]) { Issue.record("it is disarmed") }
        stop.disarm()
        stop.stop()
        #expect(pair.isOpen && !stop.isBroken)
    }

    @Test func `an interrupt is over with what it was meant for, a stop is not`() throws {
        let pair = try Pair()
        let stop = QueryStop()
        stop.interrupt()
        stop.arm(socket: pair.ends[0]) {}
        #expect(!pair.isOpen)
        stop.resume()
        #expect(!stop.isEnding)
        stop.stop()
        stop.resume()
        #expect(stop.isEnding)
    }
}
