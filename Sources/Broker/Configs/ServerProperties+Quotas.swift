extension ServerProperties {
    /// How rates of quotas are measured, by Kafka's names and with its defaults.
    ///
    /// - SeeAlso: upstream `QuotaConfig`.
    static let quotas: [ConfigDefinition] = {
        let count: ConfigDefinition.Rule = .range(1...Self.quotaWindowCountMax)
        let seconds: ConfigDefinition.Rule = .range(1...Self.quotaWindowSecondsMax)
        let property = ConfigDefinition.ofServer
        return [
            property("quota.window.num", .int, "11", count, "Windows of time over which rates of quotas are measured."),
            property("quota.window.size.seconds", .int, "1", seconds, "Length of such a window, in seconds."),
            property(
                "controller.quota.window.num", .int, "11", count,
                "Windows of time whose changes a client may make at once, for controller_mutation_rate."),
            property(
                "controller.quota.window.size.seconds", .int, "1", seconds, "Length of such a window, in seconds."),
            property(
                "max.connection.creation.rate", .int, "2147483647", .range(0...Int64(Int32.max)),
                "Connections in a second; what is more waits. See also the quota connection_creation_rate."),
        ]
    }()

    /// Each client with a quota has as many windows in memory.
    private static let quotaWindowCountMax: Int64 = 1000
    private static let quotaWindowSecondsMax: Int64 = 86_400

    var quotaWindows: ClientQuotas.Windows {
        ClientQuotas.Windows(
            count: Int(number("quota.window.num")), seconds: number("quota.window.size.seconds"),
            mutationCount: Int(number("controller.quota.window.num")),
            mutationSeconds: number("controller.quota.window.size.seconds"))
    }

    /// `max.connection.creation.rate`; nil where it is no bound.
    var connectionRateMax: Double? {
        let limit = number("max.connection.creation.rate")
        return limit < Int64(Int32.max) ? Double(limit) : nil
    }
}
