import Testing

@testable import ConnectCore

@Suite struct ErrantRecordsTests {
    /// By upstream's `SinkConnectorConfig.enableErrantRecordReporter`, where failures are tolerated.
    @Test(
        arguments: [
            ([:], false), (["errors.tolerance": "all"], false), (["errors.log.enable": "true"], false),
            (["errors.tolerance": "all", "errors.log.enable": "true"], true),
            (["errors.tolerance": " ALL ", "errors.log.enable": "True"], true),
            (["errors.tolerance": "all", "errors.log.enable": "false"], false),
            (["errors.tolerance": "all", "errors.deadletterqueue.topic.name": "letters"], true),
            (["errors.tolerance": "all", "errors.deadletterqueue.topic.name": " "], false),
            (["errors.tolerance": "none", "errors.deadletterqueue.topic.name": "letters"], false),
        ] as [([String: String], Bool)])
    func `records are passed over only where something tells of them`(properties: [String: String], expected: Bool) {
        #expect(ErrantRecords.areReported(by: properties) == expected)
    }
}
