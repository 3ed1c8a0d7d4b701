/// What becomes of records that the target of a sink refuses.
package enum ErrantRecords {
    /// Whether such a record may be passed over: failures are tolerated, and leave a trace in the dead letter topic or in
    /// the log. Upstream's workers give a task no reporter without one of the two, and its sinks then fail rather than
    /// lose records in silence.
    ///
    /// - SeeAlso: KIP-610; upstream `SinkConnectorConfig.enableErrantRecordReporter`.
    package static func areReported(by properties: [String: String]) -> Bool {
        func text(_ name: String) -> String { (properties[name] ?? "").trimmed.lowercased() }
        return text("errors.tolerance") == "all"
            && (!text("errors.deadletterqueue.topic.name").isEmpty || text("errors.log.enable") == "true")
    }
}
