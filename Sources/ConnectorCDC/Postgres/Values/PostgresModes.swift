/// How values of types that Connect does not have are written.
struct PostgresModes: Sendable, Hashable {
    enum Times: String, Sendable, CaseIterable {
        case adaptive
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
        case isostring, connect, microseconds, nanoseconds
    }
    enum HStores: String, Sendable, CaseIterable { case json, map }
    enum Intervals: String, Sendable, CaseIterable { case numeric, string }

    var decimals = HandlingModes.Decimals.precise
    var times = Times.adaptive
    var bytes = HandlingModes.Bytes.bytes
    var hstores = HStores.json
    var intervals = Intervals.numeric
    var moneyFractionDigits = 2
    /// `event.converting.failure.handling.mode=fail`: values that the modes cannot express end the task.
    var failsOnConversion = false
    /// Values of types that are not known are bytes; otherwise their columns are left out.
    var includesUnknown = false
    /// Stands for a long value that an update left as it was.
    var placeholder = "__debezium_unavailable_value"
}
