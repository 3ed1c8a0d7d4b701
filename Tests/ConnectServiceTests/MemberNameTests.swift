import ConnectCore
import Testing

@testable import ConnectService

@Suite struct MemberNameTests {
    private static func names(_ identity: String?) throws -> MemberNames {
        var settings = try WorkerSettings([:])
        settings.identity = identity
        return MemberNames(settings)
    }

    @Test func `a name comes back with the process, and is given once in its life`() throws {
        let task = TaskIdentity(connector: "sink", task: 0)
        let names = try Self.names("node 1")
        let name = try #require(names.name(of: task, in: "connect-sink"))
        #expect(name.utf8.count == 32)
        #expect(names.name(of: task, in: "connect-sink") == nil)
        #expect(try Self.names("node 1").name(of: task, in: "connect-sink") == name)
    }

    @Test func `workers, tasks and groups have names of their own`() throws {
        var all: Set<String> = []
        for worker in ["node 1", "node 2"] {
            let names = try Self.names(worker)
            for connector in ["a", "b"] {
                for number in 0..<2 {
                    for group in ["g", "h"] {
                        let task = TaskIdentity(connector: connector, task: number)
                        all.insert(try #require(names.name(of: task, in: group)))
                    }
                }
            }
        }
        #expect(all.count == 16)
        #expect(try Self.names(nil).name(of: TaskIdentity(connector: "a", task: 0), in: "g") == nil)
    }
}
