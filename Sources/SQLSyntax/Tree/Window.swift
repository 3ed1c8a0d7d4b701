/// A unit of time in windows, joins and functions; its raw value is how ksqlDB prints it.
package enum TimeUnit: String, Hashable, Sendable, CaseIterable {
    case milliseconds = "MILLISECONDS"
    case seconds = "SECONDS"
    case minutes = "MINUTES"
    case hours = "HOURS"
    case days = "DAYS"

    /// Singular or plural, in upper case.
    package init?(word: String) {
        switch word {
        case "MILLISECOND", "MILLISECONDS": self = .milliseconds
        case "SECOND", "SECONDS": self = .seconds
        case "MINUTE", "MINUTES": self = .minutes
        case "HOUR", "HOURS": self = .hours
        case "DAY", "DAYS": self = .days
        default: return nil
        }
    }

    package var milliseconds: Int64 {
        switch self {
        case .milliseconds: 1
        case .seconds: 1_000
        case .minutes: 60_000
        case .hours: 3_600_000
        case .days: 86_400_000
        }
    }
}

/// A number and its unit. Whether it may be negative or zero is for who uses it.
package struct TimeSpan: Hashable, Sendable {
    package var count: Int64
    package var unit: TimeUnit
    package var position: Position

    package init(_ count: Int64, _ unit: TimeUnit, position: Position = Position()) {
        self.count = count
        self.unit = unit
        self.position = position
    }

    /// At the ends of the range where it would not fit.
    package var milliseconds: Int64 {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit.milliseconds)
        return overflow ? (count < 0 ? .min : .max) : product
    }

    package var sql: String { "\(count) \(unit.rawValue)" }
}

/// `WINDOW ...` of a query.
package struct WindowExpression: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case tumbling(size: TimeSpan)
        case hopping(size: TimeSpan, advance: TimeSpan)
        case session(gap: TimeSpan)
    }

    /// A name may be given; it means nothing.
    package var name: Identifier?
    package var kind: Kind
    package var retention: TimeSpan?
    package var grace: TimeSpan?
    package var position: Position

    package init(
        _ kind: Kind, name: Identifier? = nil, retention: TimeSpan? = nil, grace: TimeSpan? = nil,
        position: Position = Position()
    ) {
        self.kind = kind
        self.name = name
        self.retention = retention
        self.grace = grace
        self.position = position
    }
}

/// `WITHIN ...` of a join. One span is both.
package struct WithinExpression: Hashable, Sendable {
    package var before: TimeSpan
    package var after: TimeSpan
    package var grace: TimeSpan?
    package var position: Position

    package init(before: TimeSpan, after: TimeSpan, grace: TimeSpan? = nil, position: Position = Position()) {
        self.before = before
        self.after = after
        self.grace = grace
        self.position = position
    }
}
