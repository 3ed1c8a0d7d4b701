import Bytes
import Cluster
package import JSONFormat

/// What flows where: connectors, topics, queries and consumer groups as a graph, with what moves along its edges.
package struct Lineage: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case source = "connector-source", topic, query, sink = "connector-sink", group
    }

    package struct Node: Sendable, Equatable {
        package var id: String
        package var kind: Kind
        package var name: String
        package var state: String
        package var detail: String
        package var link: String
    }

    package struct Edge: Sendable, Equatable {
        package var from: String
        package var to: String
        /// Records per second; nil while it is not known.
        package var rate: Double?
        /// Records that were not read yet; nil where nothing is read.
        package var lag: Int64?
    }

    package private(set) var nodes: [Node] = []
    package private(set) var edges: [Edge] = []
    /// Why a service did not answer: what it has is missing here.
    package private(set) var problems: [ConsoleUpstream: String] = [:]
    private var ids: Set<String> = []

    package static func == (a: Lineage, b: Lineage) -> Bool {
        a.nodes == b.nodes && a.edges == b.edges && a.problems == b.problems
    }

    /// - Parameters:
    ///   - sample: for topics, groups and what moves.
    ///   - surroundings: connectors and queries.
    package init(_ sample: Sample, _ surroundings: Surroundings) {
        problems = surroundings.problems
        let topics = Dictionary(sample.topics.map { ($0.name, $0) }) { first, _ in first }
        var ownGroups: Set<String> = []
        for connector in surroundings.connectors {
            let kind = connector.isSource ? Kind.source : .sink
            let id = "connector:" + connector.name
            add(
                Node(
                    id: id, kind: kind, name: connector.name, state: connector.state, detail: connector.kind,
                    link: "/connectors/" + PercentEncoding.encoded(connector.name)))
            let group = sample.groups["connect-" + connector.name]
            if let group { ownGroups.insert(group.id) }
            for topic in connector.topics where connector.isSource || !Self.isHidden(topic) {
                addTopic(topic, topics[topic] != nil)
                if connector.isSource {
                    edges.append(Edge(from: id, to: "topic:" + topic, rate: sample.rates[topic]))
                } else {
                    edges.append(reading(topic, id, group, sample))
                }
            }
            if let letters = connector.deadLetterTopic {
                addTopic(letters, topics[letters] != nil)
                edges.append(Edge(from: id, to: "topic:" + letters, rate: sample.rates[letters]))
            }
        }
        for query in surroundings.queries {
            let id = "query:" + query.id
            add(
                Node(
                    id: id, kind: .query, name: query.id, state: query.state, detail: query.statement,
                    link: "/queries/" + PercentEncoding.encoded(query.id)))
            // Kafka Streams names a query's group by the query's id at the end.
            let group = sample.groups.values.first { $0.id.hasSuffix("query_" + query.id) }
            if let group { ownGroups.insert(group.id) }
            for topic in Set(query.sources.compactMap { surroundings.topics[$0] }).sorted() {
                addTopic(topic, topics[topic] != nil)
                edges.append(reading(topic, id, group, sample))
            }
            for topic in Set(query.sinks.compactMap { surroundings.topics[$0] }).sorted() {
                addTopic(topic, topics[topic] != nil)
                edges.append(Edge(from: id, to: "topic:" + topic, rate: sample.rates[topic]))
            }
        }
        for group in sample.groups.values.sorted(by: { $0.id < $1.id }) where !ownGroups.contains(group.id) {
            let read = group.topics.filter { !Self.isHidden($0) }
            guard !read.isEmpty, !group.id.hasPrefix("_"), !group.id.hasPrefix("swiftwater-redrive-") else { continue }
            let id = "group:" + group.id
            add(
                Node(
                    id: id, kind: .group, name: group.id, state: group.state.rawValue,
                    detail: group.memberCount == 1 ? "1 member" : "\(group.memberCount) members",
                    link: "/groups/" + PercentEncoding.encoded(group.id)))
            for topic in read {
                addTopic(topic, topics[topic] != nil)
                edges.append(reading(topic, id, group, sample))
            }
        }
    }

    private func reading(_ topic: String, _ reader: String, _ group: Sample.Group?, _ sample: Sample) -> Edge {
        Edge(
            from: "topic:" + topic, to: reader, rate: group?.rates[topic] ?? (group == nil ? sample.rates[topic] : nil),
            lag: group?.lags[topic])
    }

    private mutating func add(_ node: Node) {
        if ids.insert(node.id).inserted { nodes.append(node) }
    }

    private mutating func addTopic(_ topic: String, _ exists: Bool) {
        add(
            Node(
                id: "topic:" + topic, kind: .topic, name: topic, state: exists ? "OK" : "MISSING", detail: "",
                link: "/topics/" + PercentEncoding.encoded(topic)))
    }

    /// Topics that services keep for themselves.
    package static func isHidden(_ topic: String) -> Bool {
        topic.hasPrefix("_") || topic.hasPrefix("connect-configs") || topic.hasPrefix("connect-offsets")
            || topic.hasPrefix("connect-status") || topic.hasSuffix("-changelog") || topic.hasSuffix("-repartition")
    }

    package var json: JSONValue {
        .object([
            (
                "nodes",
                .array(
                    nodes.map { node in
                        .object([
                            ("id", .string(node.id)), ("kind", .string(node.kind.rawValue)),
                            ("name", .string(node.name)), ("state", .string(node.state)),
                            ("detail", .string(node.detail)), ("link", .string(node.link)),
                        ])
                    })
            ),
            (
                "edges",
                .array(
                    edges.map { edge in
                        .object([
                            ("from", .string(edge.from)), ("to", .string(edge.to)),
                            ("rate", ConsoleAPI.rate(edge.rate)), ("lag", edge.lag.map { .number($0) } ?? .null),
                        ])
                    })
            ),
            (
                "problems",
                .array(
                    problems.sorted { $0.key.rawValue < $1.key.rawValue }.map { service, message in
                        .object([("service", .string(service.rawValue)), ("message", .string(message))])
                    })
            ),
        ])
    }
}
