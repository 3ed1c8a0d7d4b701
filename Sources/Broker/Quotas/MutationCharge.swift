import KafkaMessages

/// What one request to create or delete partitions takes of its client's quota (KIP-599).
///
/// Since the versions that can tell THROTTLING_QUOTA_EXCEEDED a quota is strict: what comes while there is a debt is
/// refused. Before, it is done, and the client is held up.
///
/// - SeeAlso: upstream `StrictControllerMutationQuota`, `PermissiveControllerMutationQuota`.
struct MutationCharge: Sendable {
    private let sensor: TokenSensor?
    private let isStrict: Bool
    private var debt: (milliseconds: Int64, at: Int64)?

    /// - Parameter sensor: nil without a quota.
    init(_ sensor: TokenSensor?, isStrict: Bool) {
        self.sensor = sensor
        self.isStrict = isStrict
    }

    /// - Parameter count: of partitions.
    /// - Throws: THROTTLING_QUOTA_EXCEEDED.
    mutating func take(_ count: Int, at now: Int64 = QuotaTime.now) throws(ControlError) {
        guard let sensor else { return }
        let milliseconds = sensor.take(Double(count), isStrict: isStrict, at: now)
        guard milliseconds > 0 else { return }
        debt = (milliseconds, now)
        if isStrict { throw ControlError(.throttlingQuotaExceeded, "The throttling quota has been exceeded.") }
    }

    /// For how long the client is to be held up by now, in milliseconds.
    func throttle(at now: Int64 = QuotaTime.now) -> Int64 {
        debt.map { max(0, $0.milliseconds - (now - $0.at)) } ?? 0
    }
}
