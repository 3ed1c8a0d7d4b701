import KafkaMessages
import Testing

@testable import Broker

/// Whose quota counts, and what changes are taken.
@Suite struct ClientQuotaTests {
    private typealias Part = QuotaEntity.Part

    private static func entity(_ user: String?, _ clientId: String?) -> QuotaEntity {
        func part(_ text: String?) -> Part? { text.map { $0 == "*" ? .default : .named($0) } }
        return QuotaEntity(user: part(user), clientId: part(clientId))
    }

    /// From the highest precedence to the lowest; `*` is the default.
    private static let precedence: [(user: String?, clientId: String?, scope: QuotaTable.Scope)] = [
        ("u", "c", .init(user: "u", clientId: "c")), ("u", "*", .init(user: "u", clientId: "c")),
        ("u", nil, .init(user: "u", clientId: "")), ("*", "c", .init(user: "u", clientId: "c")),
        ("*", "*", .init(user: "u", clientId: "c")), ("*", nil, .init(user: "u", clientId: "")),
        (nil, "c", .init(user: "", clientId: "c")), (nil, "*", .init(user: "", clientId: "c")),
    ]

    /// Each of the 256 sets of the eight kinds: the first one of the set counts.
    @Test func `the most specific quota counts`() {
        for set in 1..<256 {
            var table = QuotaTable()
            for (index, kind) in Self.precedence.enumerated() where set & (1 << index) != 0 {
                table.set(Self.entity(kind.user, kind.clientId), .producerByteRate, to: Double(index + 1))
            }
            // Other quotas, and those of others, do not matter.
            table.set(Self.entity("u", "c"), .consumerByteRate, to: 100)
            table.set(Self.entity("v", "c"), .producerByteRate, to: 100)
            table.set(Self.entity(nil, "d"), .producerByteRate, to: 100)
            let first = set.trailingZeroBitCount
            let found = table.limit(.producerByteRate, user: "u", clientId: "c")
            #expect(found?.value == Double(first + 1), "set \(set)")
            #expect(found?.scope == Self.precedence[first].scope, "set \(set)")
            #expect(table.limit(.producerByteRate, of: Self.precedence[first].scope) == Double(first + 1))
        }
    }

    @Test func `nothing is bound without a quota that fits`() {
        var table = QuotaTable()
        #expect(table.limit(.producerByteRate, user: "u", clientId: "c") == nil)
        table.set(Self.entity("u", "c"), .producerByteRate, to: 1)
        #expect(table.limit(.producerByteRate, user: "u", clientId: "d") == nil)
        #expect(table.limit(.producerByteRate, user: "u", clientId: "") == nil)
        table.set(Self.entity(nil, "*"), .producerByteRate, to: 2)
        #expect(table.limit(.producerByteRate, user: "u", clientId: "") == nil)
        #expect(table.limit(.producerByteRate, user: "u", clientId: "d")?.value == 2)
        table.set(Self.entity("u", "c"), .producerByteRate, to: nil)
        table.set(Self.entity(nil, "*"), .producerByteRate, to: nil)
        #expect(table.values.isEmpty)
    }

    @Test func `those of one scope share a sensor, and a change keeps what was counted`() throws {
        let quotas = ClientQuotas()
        #expect(quotas.revision == 0)
        var table = QuotaTable()
        table.set(Self.entity("u", nil), .producerByteRate, to: 100)
        table.set(Self.entity(nil, "*"), .consumerByteRate, to: 100)
        quotas.replace(table)
        let revision = quotas.revision
        #expect(revision > 0)
        let one = quotas.bind(user: "u", clientId: "a", at: 0)
        let other = quotas.bind(user: "u", clientId: "b", at: 0)
        #expect(one.produce === other.produce)
        #expect(one.fetch !== other.fetch)
        #expect(one.requestTime == nil && one.mutation == nil)
        #expect(quotas.bind(user: "v", clientId: "", at: 0).produce == nil)
        let sensor = try #require(one.produce)
        #expect(sensor.record(1000, at: 0) == 0)
        table.set(Self.entity("u", nil), .producerByteRate, to: 50)
        quotas.replace(table)
        #expect(quotas.revision > revision)
        #expect(quotas.bind(user: "u", clientId: "a", at: 0).produce === sensor)
        #expect(sensor.record(0, at: 0) == 10_000)
        quotas.replace(table)
        #expect(quotas.revision == revision + 1, "the same list is no change")
    }

    @Test func `a sensor that nobody used for an hour ends, and connections look up another`() {
        let quotas = ClientQuotas()
        var table = QuotaTable()
        table.set(Self.entity(nil, "*"), .producerByteRate, to: 100)
        table.set(Self.entity(nil, "*"), .controllerMutationRate, to: 1)
        quotas.replace(table)
        let early = quotas.bind(user: "u", clientId: "early", at: 0)
        let late = quotas.bind(user: "u", clientId: "late", at: 0)
        #expect(quotas.sensorCount == 4)
        _ = late.produce?.record(1, at: ClientQuotas.idleMax)
        _ = late.mutation?.take(1, isStrict: true, at: ClientQuotas.idleMax)
        let revision = quotas.revision
        quotas.expire(at: ClientQuotas.idleMax)
        #expect(quotas.sensorCount == 2)
        #expect(quotas.revision > revision)
        #expect(quotas.bind(user: "u", clientId: "late", at: ClientQuotas.idleMax).produce === late.produce)
        #expect(quotas.bind(user: "u", clientId: "early", at: ClientQuotas.idleMax).produce !== early.produce)
    }

    @Test func `clients that make up names do not fill the memory`() {
        let quotas = ClientQuotas()
        var table = QuotaTable()
        table.set(Self.entity(nil, "*"), .controllerMutationRate, to: 1)
        quotas.replace(table)
        for number in 0..<ClientQuotas.countMax + 100 {
            _ = quotas.bind(user: "u", clientId: "client-\(number)", at: Int64(number))
        }
        #expect(quotas.sensorCount <= ClientQuotas.countMax)
        let last = "client-\(ClientQuotas.countMax + 99)"
        let revision = quotas.revision
        _ = quotas.bind(user: "u", clientId: last, at: 0)
        #expect(quotas.revision == revision, "the youngest is still there")
    }

    /// Time is owed for a window at most, bytes for as long as they take.
    @Test func `a debt of time is bounded`() {
        let quotas = ClientQuotas()
        var table = QuotaTable()
        table.set(Self.entity(nil, "c"), .requestPercentage, to: 1)
        table.set(Self.entity(nil, "c"), .producerByteRate, to: 1)
        quotas.replace(table)
        let bound = quotas.bind(user: "u", clientId: "c", at: 0)
        #expect(bound.requestTime?.record(1_000_000, at: 0) == 1000)
        #expect(bound.produce?.record(1_000_000, at: 0) == 999_990_000)
        #expect(bound.fetch == nil)
    }

    // MARK: Addresses

    @Test func `connections of an address are bounded by its rate`() {
        let rates = ConnectionRates()
        #expect(rates.admit("10.0.0.7", limit: nil, at: 0) == .accept)
        var table = QuotaTable()
        table.set(QuotaEntity(ip: .named("10.0.0.7")), .connectionCreationRate, to: 2)
        rates.replace(table)
        for _ in 0..<20 { #expect(rates.admit("10.0.0.7", limit: nil, at: 0) == .accept) }
        #expect(rates.admit("10.0.0.7", limit: nil, at: 0) == .refuse(after: 500))
        #expect(rates.admit("::ffff:10.0.0.7", limit: nil, at: 0) == .refuse(after: 500), "the same address")
        #expect(rates.admit("10.0.0.8", limit: nil, at: 0) == .accept)
        #expect(rates.sensorCount == 1)
        // Those that were refused do not count.
        #expect(rates.admit("10.0.0.7", limit: nil, at: 1_500) == .accept)
        table.set(QuotaEntity(ip: .default), .connectionCreationRate, to: 1)
        rates.replace(table)
        for _ in 0..<10 { #expect(rates.admit("10.0.0.8", limit: nil, at: 0) == .accept) }
        #expect(rates.admit("10.0.0.8", limit: nil, at: 0) == .refuse(after: 1000))
        rates.replace(QuotaTable())
        #expect(rates.admit("10.0.0.7", limit: nil, at: 0) == .accept)
        rates.expire(at: ClientQuotas.idleMax * 2)
        #expect(rates.sensorCount == 0)
    }

    @Test func `connections of all addresses wait one behind the other`() {
        let rates = ConnectionRates()
        for _ in 0..<20 { #expect(rates.admit("a", limit: 2, at: 0) == .accept) }
        #expect(rates.admit("a", limit: 2, at: 0) == .delay(500))
        #expect(rates.admit("b", limit: 2, at: 0) == .delay(1000))
        #expect(rates.admit("b", limit: nil, at: 0) == .accept)
    }

    // MARK: Changes

    private static func change(
        _ entity: [(String, String?)], _ operations: [(String, Double?)]
    ) -> AlterClientQuotasRequest.EntryData {
        .init(
            entity: entity.map { .init(entityType: $0.0, entityName: $0.1) },
            ops: operations.map { .init(key: $0.0, value: $0.1 ?? 0, remove: $0.1 == nil) })
    }

    /// `ClientQuotaControlManager`'s refusals, all of them INVALID_REQUEST.
    @Test(
        arguments: [
            ([], [("producer_byte_rate", 1)], "Invalid empty client quota entity"),
            ([("group", "g")], [("producer_byte_rate", 1)], "Unhandled client quota entity type: group"),
            ([("user", "")], [("producer_byte_rate", 1)], "Empty user not supported"),
            ([("user", "a"), ("user", "b")], [("producer_byte_rate", 1)], "duplicate entity entry user"),
            ([("user", "a"), ("ip", "10.0.0.1")], [("producer_byte_rate", 1)], "should not be combined"),
            ([("ip", "nowhere.example")], [("connection_creation_rate", 1)], "is not a valid IP"),
            ([("ip", "10.0.0.1")], [("producer_byte_rate", 1)], "Invalid configuration key producer_byte_rate"),
            ([("user", "a")], [("connection_creation_rate", 1)], "Invalid configuration key"),
            ([("user", "a")], [("bytes", 1)], "Invalid configuration key bytes"),
            ([("user", "a")], [("producer_byte_rate", 0)], "must be greater than 0"),
            ([("user", "a")], [("producer_byte_rate", -1)], "must be greater than 0"),
            ([("user", "a")], [("request_percentage", .nan)], "must be greater than 0"),
            ([("user", "a")], [("producer_byte_rate", 1.5)], "cannot be a fractional value"),
            ([("user", "a")], [("producer_byte_rate", 1e19)], "too large for a LONG"),
            ([("ip", nil)], [("connection_creation_rate", 3e9)], "too large for an INT"),
            ([("user", "a")], [("producer_byte_rate", 1), ("producer_byte_rate", 2)], "Duplicate quota key"),
            ([("user", String(repeating: "x", count: 1025))], [("producer_byte_rate", 1)], "at most 1024 bytes"),
        ] as [([(String, String?)], [(String, Double?)], String)])
    func `what is wrong is refused`(
        entity: [(String, String?)], operations: [(String, Double?)], words: String
    ) throws {
        let request = AlterClientQuotasRequest(entries: [Self.change(entity, operations)])
        let found = try QuotaRules.changes(request, QuotaTable())
        #expect(found.records.isEmpty)
        let problem = try #require(found.outcomes.first?.problem)
        #expect(problem.code == .invalidRequest)
        #expect(problem.message?.contains(words) == true, "\(problem)")
    }

    @Test func `only what changes is written, and one that is wrong does not hinder others`() throws {
        var present = QuotaTable()
        let ann = Self.entity("ann", nil)
        present.set(ann, .producerByteRate, to: 100)
        let request = AlterClientQuotasRequest(entries: [
            Self.change(
                [("user", "ann")],
                [("producer_byte_rate", 100), ("request_percentage", 12.5), ("consumer_byte_rate", nil), ("x", nil)]),
            Self.change([("user", "bob")], [("producer_byte_rate", -1)]),
            Self.change([("client-id", nil)], [("controller_mutation_rate", 0.5)]),
            Self.change([("user", "ann")], [("producer_byte_rate", nil)]),
        ])
        let found = try QuotaRules.changes(request, present)
        #expect(
            found.records == [
                .clientQuota(ann, .requestPercentage, 12.5),
                .clientQuota(Self.entity(nil, "*"), .controllerMutationRate, 0.5),
            ])
        #expect(found.outcomes.map { $0.problem?.code } == [.invalidRequest, .invalidRequest, nil])
        #expect(found.outcomes[0].problem?.message?.contains("Ignoring duplicate entity") == true)
    }

    @Test func `too many changes at once are refused as a whole`() throws {
        let entries = (0...QuotaRules.changeCountMax).map {
            Self.change([("user", "user-\($0)")], [("producer_byte_rate", 1)])
        }
        let refusal = #expect(throws: ControlError.self) {
            try QuotaRules.changes(AlterClientQuotasRequest(entries: entries), QuotaTable())
        }
        #expect(refusal?.code == .policyViolation)
    }

    // MARK: Filters

    private static let entities: [QuotaEntity] = [
        entity("ann", nil), entity("ann", "app"), entity("*", nil), entity(nil, "app"), entity(nil, "*"),
        QuotaEntity(ip: .named("10.0.0.1")), QuotaEntity(ip: .default),
    ]

    @Test(
        arguments: [
            ([], false, [0, 1, 2, 3, 4, 5, 6]), ([], true, []),
            ([("user", 0, "ann")], false, [0, 1]), ([("user", 0, "ann")], true, [0]),
            ([("user", 1, nil)], false, [2]), ([("user", 2, nil)], false, [0, 1, 2]),
            ([("client-id", 0, "app")], false, [1, 3]), ([("client-id", 2, nil)], true, [3, 4]),
            ([("user", 0, "ann"), ("client-id", 2, nil)], true, [1]), ([("user", 0, "bob")], false, []),
            ([("ip", 2, nil)], false, [5, 6]), ([("ip", 1, nil)], true, [6]),
        ] as [([(String, Int8, String?)], Bool, [Int])])
    func `a filter matches parts by name, as default or at all`(
        components: [(String, Int8, String?)], isStrict: Bool, matches: [Int]
    ) throws {
        let filter = try QuotaFilter(
            DescribeClientQuotasRequest(
                components: components.map { .init(entityType: $0.0, matchType: $0.1, match: $0.2) },
                strict: isStrict))
        #expect(Self.entities.indices.filter { filter.matches(Self.entities[$0]) } == matches)
    }

    @Test(
        arguments: [
            ([("", 0, "a")], .invalidRequest), ([("group", 0, "a")], .unsupportedVersion),
            ([("user", 0, "a"), ("user", 2, nil)], .invalidRequest), ([("user", 0, nil)], .invalidRequest),
            ([("user", 1, "a")], .invalidRequest), ([("user", 2, "a")], .invalidRequest),
            ([("user", 3, nil)], .invalidRequest), ([("user", 2, nil), ("ip", 2, nil)], .invalidRequest),
        ] as [([(String, Int8, String?)], ErrorCode)])
    func `a filter that means nothing is refused`(components: [(String, Int8, String?)], code: ErrorCode) {
        let refusal = #expect(throws: ControlError.self) {
            try QuotaFilter(
                DescribeClientQuotasRequest(
                    components: components.map { .init(entityType: $0.0, matchType: $0.1, match: $0.2) }))
        }
        #expect(refusal?.code == code)
    }

    @Test func `entities have one order`() {
        let sorted = Self.entities.shuffled().sorted()
        #expect(sorted.map(\.description) == sorted.shuffled().sorted().map(\.description))
        #expect(sorted.first == Self.entity("*", nil))
        #expect(sorted.last == QuotaEntity(ip: .named("10.0.0.1")))
    }
}
