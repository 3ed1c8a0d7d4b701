/// A range of versions in the notation of Kafka's definitions: `"3"`, `"0-12"`, `"4+"`, `"none"`.
struct VersionRange: Equatable, Sendable {
    static let none = VersionRange(low: 0, high: -1)
    static let all = VersionRange(low: 0, high: unbounded)
    private static let unbounded = Int(Int16.max)

    var low: Int
    var high: Int

    init(low: Int, high: Int) {
        self.low = low
        self.high = high
    }

    init(_ text: String) throws {
        let pieces = text.split(separator: "-").map { Int($0) }
        if text == "none" {
            self = .none
        } else if text.hasSuffix("+"), let low = Int(text.dropLast()) {
            self.init(low: low, high: Self.unbounded)
        } else if pieces.count == 1, let version = pieces[0] {
            self.init(low: version, high: version)
        } else if pieces.count == 2, let low = pieces[0], let high = pieces[1] {
            self.init(low: low, high: high)
        } else {
            throw GeneratorError("\"\(text)\" is not a range of versions")
        }
    }

    var isEmpty: Bool { low > high }

    func contains(_ version: Int) -> Bool { low <= version && version <= high }

    func intersection(_ other: VersionRange) -> VersionRange {
        let both = VersionRange(low: max(low, other.low), high: min(high, other.high))
        return both.isEmpty ? .none : both
    }

    /// The range from the lower low to the higher high: definitions have no gaps between releases.
    func union(_ other: VersionRange) -> VersionRange {
        if isEmpty { return other }
        if other.isEmpty { return self }
        return VersionRange(low: min(low, other.low), high: max(high, other.high))
    }

    /// Swift that is true for exactly the versions of this range, given that `version` is in `context`.
    func condition(in context: VersionRange) -> Condition {
        let range = intersection(context)
        if range.isEmpty { return .never }
        if range == context { return .always }
        if range.high == context.high { return .when("version >= \(range.low)") }
        if range.low == context.low { return .when("version <= \(range.high)") }
        if range.low == range.high { return .when("version == \(range.low)") }
        return .when("\(range.low)...\(range.high) ~= version")
    }

    enum Condition: Equatable {
        case always, never
        case when(String)

        /// The condition as a Swift expression.
        var expression: String {
            switch self {
            case .always: "true"
            case .never: "false"
            case .when(let text): text
            }
        }
    }
}

struct GeneratorError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
