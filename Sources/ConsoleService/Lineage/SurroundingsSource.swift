import JSONFormat
import NIOCore
import NIOHTTP1

/// Asks the services, at most once in a short while however many pages want to know.
actor SurroundingsSource {
    private let registry: UpstreamClient
    private let connect: UpstreamClient
    private let sql: UpstreamClient
    private var known: (value: Surroundings, at: ContinuousClock.Instant)?
    private var asking: Task<Surroundings, Never>?
    private let clock = ContinuousClock()

    static let freshness = Duration.seconds(2)
    private static let connectorsAtATime = 8

    init(_ settings: ConsoleSettings) {
        registry = UpstreamClient(upstream: .registry, addresses: settings.registry)
        connect = UpstreamClient(upstream: .connect, addresses: settings.connect)
        sql = UpstreamClient(upstream: .sql, addresses: settings.sql)
    }

    func now() async -> Surroundings {
        if let known, clock.now - known.at < Self.freshness { return known.value }
        if let asking { return await asking.value }
        let (registry, connect, sql) = (registry, connect, sql)
        let task = Task {
            async let problem = Self.problem(registry)
            async let connectors = Self.connectors(connect)
            async let queries = Self.queries(sql)
            var all = await connectors
            let own = await queries
            all.queries = own.queries
            all.topics = own.topics
            all.problems.merge(own.problems) { first, _ in first }
            if let problem = await problem { all.problems[.registry] = problem }
            return all
        }
        asking = task
        let value = await task.value
        asking = nil
        known = (value, clock.now)
        return value
    }

    private static func problem(_ client: UpstreamClient) async -> String? {
        guard !client.addresses.isEmpty else { return nil }
        do throws(UpstreamClient.Failure) {
            _ = try await client.json(.GET, ["schemas", "types"], timeout: .seconds(3))
            return nil
        } catch {
            // Any answer at all is one of a registry that is there.
            if case .refused(let status, _) = error, status < 500 { return nil }
            return error.words
        }
    }

    private static func connectors(_ client: UpstreamClient) async -> Surroundings {
        var found = Surroundings()
        guard !client.addresses.isEmpty else { return found }
        do throws(UpstreamClient.Failure) {
            found.take(
                connect: try await client.json(
                    .GET, ["connectors"], [("expand", "info"), ("expand", "status")], timeout: .seconds(5)))
        } catch {
            found.problems[.connect] = error.words
            return found
        }
        let names = found.connectors.map(\.name)
        let topics = await withTaskGroup(of: (String, [String], String?).self) { group in
            var rest = names[...]
            func next() {
                guard let name = rest.popFirst() else { return }
                group.addTask {
                    do throws(UpstreamClient.Failure) {
                        let answer = try await client.json(.GET, ["connectors", name, "topics"], timeout: .seconds(3))
                        return (name, (answer[name]?["topics"]?.elements ?? []).compactMap(\.text), nil)
                    } catch {
                        // A worker that does not track topics shows its sinks' topics by their configurations, and a
                        // connector may be deleted meanwhile.
                        if case .refused(403, _) = error { return (name, [], nil) }
                        if case .refused(404, _) = error { return (name, [], nil) }
                        return (name, [], "topics of connector '\(name)': \(error.words)")
                    }
                }
            }
            for _ in 0..<connectorsAtATime { next() }
            var found: [String: (topics: [String], problem: String?)] = [:]
            for await (name, topics, problem) in group {
                found[name] = (topics, problem)
                next()
            }
            return found
        }
        if let problem = names.lazy.compactMap({ topics[$0]?.problem }).first { found.problems[.connect] = problem }
        for index in found.connectors.indices {
            let connector = found.connectors[index]
            var all = Set(connector.topics).union(topics[connector.name]?.topics ?? [])
            if let letters = connector.deadLetterTopic { all.remove(letters) }
            found.connectors[index].topics = all.sorted()
        }
        return found
    }

    private static func queries(_ client: UpstreamClient) async -> Surroundings {
        var found = Surroundings()
        guard !client.addresses.isEmpty else { return found }
        let body = JSONValue.object([
            ("ksql", .string("SHOW QUERIES EXTENDED; SHOW STREAMS; SHOW TABLES;")), ("streamsProperties", .object([])),
        ])
        do throws(UpstreamClient.Failure) {
            found.take(sql: try await client.json(.POST, ["ksql"], [], body, timeout: .seconds(5)))
        } catch {
            found.problems[.sql] = error.words
        }
        return found
    }
}
