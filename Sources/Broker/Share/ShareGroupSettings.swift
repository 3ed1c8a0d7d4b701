/// The settings of a share group that say how its records are delivered.
///
/// - SeeAlso: KIP-932, "Group configuration"; KIP-1240.
struct ShareGroupSettings: Sendable, Equatable {
    /// How long a member may keep a record that it neither acknowledged nor renewed, in milliseconds.
    var recordLockDurationMs: Int32
    /// How often a record is delivered at most; what is not accepted then is archived.
    var deliveryCountLimit: Int16
    /// How many records of a partition may be in flight.
    var partitionMaxRecordLocks: Int
    var offsetReset: ShareOffsetReset
    /// `share.isolation.level=read_committed`: records of aborted transactions are not delivered.
    var readsCommitted: Bool
    /// Whether members may renew their locks (KIP-1222).
    var renewsLocks: Bool

    /// - Parameter overrides: what the group has of its own; values that were checked when they were set.
    init(_ server: ServerProperties, overrides: [String: String]) {
        func number(_ name: String) -> Int64 {
            overrides["share.\(name)"].flatMap { Int64($0.trimmingSpaces) } ?? server.number("group.share.\(name)")
        }
        func text(_ name: String) -> String {
            overrides[name] ?? GroupConfigs.definition(name)?.defaultValue ?? ""
        }
        recordLockDurationMs = Int32(clamping: number("record.lock.duration.ms"))
        deliveryCountLimit = Int16(clamping: number("delivery.count.limit"))
        partitionMaxRecordLocks = Int(number("partition.max.record.locks"))
        offsetReset = ShareOffsetReset(text("share.auto.offset.reset")) ?? .latest
        readsCommitted = text("share.isolation.level") == "read_committed"
        renewsLocks = text("share.renew.acknowledge.enable").trimmingSpaces.lowercased() == "true"
    }
}

/// Where delivery of a partition starts that a share group has not read before (`share.auto.offset.reset`).
enum ShareOffsetReset: Sendable, Equatable {
    case earliest, latest
    /// At the first record that is not older, in milliseconds.
    case duration(milliseconds: Int64)

    /// Reads `earliest`, `latest` and `by_duration:PnDTnHnMn.nS`.
    init?(_ text: String) {
        let prefix = "by_duration:"
        switch text.lowercased() {
        case "earliest": self = .earliest
        case "latest": self = .latest
        case let text where text.hasPrefix(prefix):
            guard let milliseconds = Self.milliseconds(iso8601: text.dropFirst(prefix.count)) else { return nil }
            self = .duration(milliseconds: milliseconds)
        default: return nil
        }
    }

    /// A duration as Java's `Duration.parse` takes it, without signs: days and, after a `T`, hours, minutes and seconds
    /// with a fraction; at least one of them, each at most once and in this order.
    private static func milliseconds(iso8601 text: Substring) -> Int64? {
        guard text.first == "p" else { return nil }
        let units: [(name: Character, milliseconds: Int64, ofTime: Bool)] = [
            ("d", 86_400_000, false), ("h", 3_600_000, true), ("m", 60_000, true), ("s", 1000, true),
        ]
        var rest = text.dropFirst()
        var isTime = false
        var next = 0
        var total: Int64 = 0
        while let first = rest.first {
            if first == "t", !isTime {
                isTime = true
                rest.removeFirst()
                // Nothing may end with it.
                guard !rest.isEmpty else { return nil }
                continue
            }
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest.removeFirst(digits.count)
            var fraction: Int64 = 0
            var hasFraction = false
            if rest.first == "." || rest.first == "," {
                rest.removeFirst()
                let places = rest.prefix { $0.isASCII && $0.isNumber }
                rest.removeFirst(places.count)
                guard places.count <= 9 else { return nil }
                hasFraction = true
                fraction = Int64((places + "000").prefix(3)) ?? 0
            }
            guard let name = rest.popFirst(), let count = Int64(digits),
                let place = units[next...].firstIndex(where: { $0.name == name && $0.ofTime == isTime }),
                !hasFraction || name == "s"
            else { return nil }
            next = place + 1
            let (product, isTooLong) = count.multipliedReportingOverflow(by: units[place].milliseconds)
            let (sum, isTooMuch) = total.addingReportingOverflow(product)
            let (whole, overflows) = sum.addingReportingOverflow(fraction)
            guard !isTooLong, !isTooMuch, !overflows else { return nil }
            total = whole
        }
        return next > 0 ? total : nil
    }
}
