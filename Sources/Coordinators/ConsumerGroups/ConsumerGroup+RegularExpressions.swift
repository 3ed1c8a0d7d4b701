import KafkaMessages
import Patterns

extension ConsumerGroup {
    /// Topics that come in quick succession are looked at together.
    static let expressionsIntervalMs: Int64 = 1000

    /// Whether the regular expressions have to be resolved anew: there are topics that they have not seen, or the last
    /// time is long ago.
    func areExpressionsDue(_ context: ConsumerGroupContext) -> Bool {
        guard !regularExpressions.isEmpty else { return false }
        guard let expressionsTime else { return true }
        let age = context.time.monotonic - expressionsTime
        guard age >= Self.expressionsIntervalMs else { return false }
        return context.topics.version == nil || context.topics.version != expressionsVersion
            || age > Int64(context.settings.regexRefreshIntervalMs)
    }
}

extension ConsumerGroupDraft {
    /// Resolves the expression that a member has newly brought, forgets the one that nobody has any more, and looks at
    /// new topics with all of them when it is time.
    ///
    /// Upstream does this in the background; here it is part of the decision, in bounded time.
    ///
    /// - Returns: whether the member's expression or the topics of any have changed.
    /// - Throws: 128.
    mutating func updateExpressions(
        _ member: ConsumerGroupMember, from before: ConsumerGroupMember, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> Bool {
        var isChanged = member.subscribedTopicRegex != before.subscribedTopicRegex
        if isChanged {
            try removeUnusedExpressions()
            let expression = member.subscribedTopicRegex
            if !expression.isEmpty, group.regularExpressions[expression] == nil {
                let resolved: ResolvedRegularExpression
                do throws(PatternError) {
                    resolved = try resolve(expression, context)
                } catch {
                    throw ConsumerGroupError(
                        .invalidRegularExpression,
                        "SubscribedTopicRegex `\(expression)` is not a valid regular expression: \(error.message).")
                }
                try add(.regularExpression(expression, resolved))
                if group.expressionsTime == nil, group.regularExpressions.count == 1 {
                    group.expressionsTime = context.time.monotonic
                    group.expressionsVersion = context.topics.version
                }
            }
        }
        if group.areExpressionsDue(context), try refreshExpressions(context) { isChanged = true }
        return isChanged
    }

    private mutating func refreshExpressions(_ context: ConsumerGroupContext) throws(ConsumerGroupError) -> Bool {
        var isChanged = false
        for (expression, old) in group.regularExpressions.sorted(by: { $0.key < $1.key }) {
            // An expression that has become too complex for the topics of today keeps those that it has.
            guard let resolved = try? resolve(expression, context), resolved.topics != old.topics else { continue }
            try add(.regularExpression(expression, resolved))
            isChanged = true
        }
        group.expressionsTime = context.time.monotonic
        group.expressionsVersion = context.topics.version
        return isChanged
    }

    mutating func removeUnusedExpressions() throws(ConsumerGroupError) {
        guard !group.regularExpressions.isEmpty else { return }
        let used = Set(group.members.values.map(\.subscribedTopicRegex))
        for expression in group.regularExpressions.keys.sorted() where !used.contains(expression) {
            try add(.regularExpression(expression, nil))
        }
        if group.regularExpressions.isEmpty { group.expressionsTime = nil }
    }

    private func resolve(
        _ expression: String, _ context: ConsumerGroupContext
    ) throws(PatternError) -> ResolvedRegularExpression {
        let pattern = try RegularExpression(re2: expression)
        let names = context.topics.names
        // Some ten times what expressions of this kind need, and less than a tenth of a second for a thousand topics.
        var budget = 100_000 + 2000 * names.count
        var topics: [String] = []
        for name in names where try pattern.matches(name, budget: &budget) { topics.append(name) }
        return ResolvedRegularExpression(
            topics: topics.sorted(), version: Int64(truncatingIfNeeded: context.topics.version ?? 0),
            timestamp: context.time.wall)
    }
}
