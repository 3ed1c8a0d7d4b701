import Administration
import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat

/// Consumer groups: how far they are, and moving them.
extension ConsoleAPI {
    func addGroups(_ router: inout HTTPRouter) {
        let console = console
        on(.get, "/api/groups", &router) { _ in
            let sample = try await console.sampler.sample()
            return .json(
                .array(
                    sample.groups.values.sorted { $0.id < $1.id }.map { group in
                        .object([
                            ("id", .string(group.id)), ("state", .string(group.state.rawValue)),
                            ("protocol", .string(group.protocolType)), ("members", .number(Int64(group.memberCount))),
                            ("topics", .array(group.topics.map { .string($0) })), ("lag", .number(group.lag)),
                        ])
                    }))
        }
        on(.get, "/api/groups/{group}", &router) { call in
            .json(try await Self.group(call.parameter("group"), console))
        }
        on(.delete, "/api/groups/{group}", &router) { call in
            try await console.cluster.deleteGroup(call.parameter("group"))
            await console.sampler.refresh()
            return .empty()
        }
        on(.post, "/api/groups/{group}/reset", &router) { call in
            .json(try await Self.reset(call.parameter("group"), try await call.json(), console))
        }
    }

    private static func group(_ id: String, _ console: Console) async throws -> JSONValue {
        let group = try await console.cluster.group(id)
        let positions = try await console.cluster.positions(of: id, group.type)
        let partitions = Set(positions.offsets.keys).union(group.members.flatMap(\.assignment))
        let ends = try await GroupProgress.ends(of: partitions, in: console.cluster)
        let progress = GroupProgress(positions, group.members, ends: ends)
        // Makes the sampler look, so that the history grows while the page is open.
        _ = try await console.sampler.sample()
        let history = await console.sampler.history(of: id)
        func number(_ value: Int64?) -> JSONValue { value.map { .number($0) } ?? .null }
        return .object([
            ("id", .string(id)), ("state", .string(group.state.rawValue)), ("type", .string(group.type.rawValue)),
            ("protocol", .string(group.protocolType)), ("assignor", .string(group.assignor)),
            ("coordinator", .string(group.coordinator.map { "\($0.host):\($0.port)" })),
            ("lag", .number(progress.totalLag)),
            (
                "members",
                .array(
                    group.members.map { member in
                        .object([
                            ("id", .string(member.id)), ("instance_id", .string(member.instanceId)),
                            ("client_id", .string(member.clientId)), ("host", .string(member.host)),
                            (
                                "assignments",
                                .array(
                                    member.assignment.map {
                                        .object([
                                            ("topic", .string($0.topic)), ("partition", .number(Int64($0.partition))),
                                        ])
                                    })
                            ),
                        ])
                    })
            ),
            (
                "offsets",
                .array(
                    progress.rows.map { row in
                        .object([
                            ("topic", .string(row.partition.topic)),
                            ("partition", .number(Int64(row.partition.partition))),
                            ("committed", number(row.current)), ("end", number(row.end)), ("lag", number(row.lag)),
                            ("member", .string(row.member?.id)),
                        ])
                    })
            ),
            (
                "history",
                .array(history.map { .object([("time", .number($0.time)), ("lag", .number($0.lag))]) })
            ),
        ])
    }

    /// `{"topics": ["ratings"] or null, "to": "earliest", "dry_run": true}`: the rules are those of the command line.
    private static func reset(_ id: String, _ body: JSONValue, _ console: Console) async throws -> JSONValue {
        let cluster = console.cluster
        guard let target = (body["to"]?.text).flatMap({ target($0) }) else {
            throw HTTPFailure(
                .badRequest, "to is earliest, latest, current, time:MILLISECONDS, offset:N or shift:N")
        }
        let isDry = body["dry_run"]?.flag ?? true
        var type: GroupType?
        do {
            let group = try await cluster.group(id)
            type = group.type
            guard !group.state.isActive else {
                throw HTTPFailure(
                    .conflict,
                    "group '\(id)' has \(group.members.count) members: offsets can be reset only while it has none",
                    code: 40901)
            }
        } catch let error as ClusterError where error.code == .groupIdNotFound {
            // One that is not there is made, as on the command line; but only for topics that are named.
            guard body["topics"]?.elements?.isEmpty == false else { throw error }
        }
        let committed = try await cluster.positions(of: id, type).offsets
        let partitions: [TopicPartition]
        if let topics = body["topics"]?.elements, !topics.isEmpty {
            var chosen: Set<TopicPartition> = []
            for topic in topics.compactMap(\.text) {
                for partition in try await cluster.topic(topic).partitions {
                    chosen.insert(TopicPartition(topic, partition.partition))
                }
            }
            partitions = chosen.sorted()
        } else {
            guard !committed.isEmpty else {
                throw HTTPFailure(.badRequest, "group '\(id)' has committed no offsets: name topics")
            }
            partitions = try await GroupProgress.ends(of: committed.keys, in: cluster).keys.sorted()
        }
        let plan = try await OffsetPlan.make(target, partitions, committed, in: cluster)
        if !isDry {
            try await cluster.alterPositions(
                of: id, type, Dictionary(plan.rows.map { ($0.partition, $0.new) }) { first, _ in first })
            await console.sampler.refresh()
        }
        return .object([
            (
                "plan",
                .array(
                    plan.rows.map { row in
                        .object([
                            ("topic", .string(row.partition.topic)),
                            ("partition", .number(Int64(row.partition.partition))),
                            ("from", row.old.map { .number($0) } ?? .null), ("to", .number(row.new)),
                            ("note", .string(row.note)),
                        ])
                    })
            ), ("applied", .bool(!isDry)),
        ])
    }

    static func target(_ text: String) -> OffsetPlan.Target? {
        switch text {
        case "earliest": return .position(.beginning)
        case "latest": return .position(.end)
        case "current": return .current
        default: break
        }
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let number = Int64(parts[1]) else { return nil }
        switch parts[0] {
        case "time" where number >= 0: return .position(.timestamp(number))
        case "offset" where number >= 0: return .position(.offset(number))
        case "shift": return .shift(number)
        default: return nil
        }
    }
}
