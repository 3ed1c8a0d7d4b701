import Foundation

/// Reads definitions, writes Swift: what is generated, from which release, into which file.
struct Generator {
    var definitions: URL
    var package: URL

    /// The APIs we may offer; every other key is unknown to us and its requests close the connection, as in Kafka.
    /// Not among them: what only brokers, controllers and log directories of a Kafka cluster say to each other.
    static let apis = [
        "Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup",
        "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups", "SaslHandshake", "ApiVersions",
        "CreateTopics", "DeleteTopics", "DeleteRecords", "InitProducerId", "OffsetForLeaderEpoch", "AddPartitionsToTxn",
        "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeAcls", "CreateAcls", "DeleteAcls",
        "DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs", "DescribeLogDirs", "SaslAuthenticate",
        "CreatePartitions", "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken",
        "DescribeDelegationToken", "DeleteGroups",
        "ElectLeaders", "IncrementalAlterConfigs", "AlterPartitionReassignments", "ListPartitionReassignments",
        "OffsetDelete", "DescribeClientQuotas", "AlterClientQuotas", "DescribeUserScramCredentials",
        "AlterUserScramCredentials", "DescribeQuorum", "UpdateFeatures", "DescribeCluster", "DescribeProducers",
        "UnregisterBroker", "DescribeTransactions", "ListTransactions", "ConsumerGroupHeartbeat",
        "ConsumerGroupDescribe",
        "GetTelemetrySubscriptions", "PushTelemetry", "ListConfigResources", "DescribeTopicPartitions",
        "ShareGroupHeartbeat", "ShareGroupDescribe", "ShareFetch", "ShareAcknowledge", "DescribeShareGroupOffsets",
        "AlterShareGroupOffsets", "DeleteShareGroupOffsets", "StreamsGroupHeartbeat", "StreamsGroupDescribe",
    ]

    /// APIs with versions that 4.3.0 dropped, and the lowest we need. librdkafka before 2.8 looks for Produce 0 in the
    /// list of versions before it compresses (KAFKA-18659).
    static let oldestVersions = ["Produce": 0]

    static let headers = ["RequestHeader", "ResponseHeader"]

    /// Keys and values of control records, and the member metadata of the consumer protocol.
    static let data = [
        "ControlRecordTypeSchema", "EndTxnMarker", "ConsumerProtocolSubscription", "ConsumerProtocolAssignment",
    ]

    /// Keys and values of `__consumer_offsets`, `__transaction_state` and `__share_group_state`.
    static let coordinatorRecords = [
        "OffsetCommitKey", "OffsetCommitValue", "GroupMetadataKey", "GroupMetadataValue", "ConsumerGroupMetadataKey",
        "ConsumerGroupMetadataValue", "ConsumerGroupPartitionMetadataKey", "ConsumerGroupPartitionMetadataValue",
        "ConsumerGroupMemberMetadataKey", "ConsumerGroupMemberMetadataValue",
        "ConsumerGroupTargetAssignmentMetadataKey",
        "ConsumerGroupTargetAssignmentMetadataValue", "ConsumerGroupTargetAssignmentMemberKey",
        "ConsumerGroupTargetAssignmentMemberValue", "ConsumerGroupCurrentMemberAssignmentKey",
        "ConsumerGroupCurrentMemberAssignmentValue", "TransactionLogKey", "TransactionLogValue",
        "ShareGroupMemberMetadataKey", "ShareGroupMemberMetadataValue", "ShareGroupMetadataKey",
        "ShareGroupMetadataValue", "ShareGroupTargetAssignmentMetadataKey", "ShareGroupTargetAssignmentMetadataValue",
        "ShareGroupTargetAssignmentMemberKey", "ShareGroupTargetAssignmentMemberValue",
        "ShareGroupCurrentMemberAssignmentKey", "ShareGroupCurrentMemberAssignmentValue",
        "ShareGroupStatePartitionMetadataKey", "ShareGroupStatePartitionMetadataValue",
        "ShareSnapshotKey", "ShareSnapshotValue", "ShareUpdateKey", "ShareUpdateValue",
    ]

    /// - Returns: the number of files written.
    func run() throws -> Int {
        var files: [String: String] = [:]
        var table: [ApiTable.Row] = []
        var models: [MessageModel] = []

        for api in Self.apis {
            let request = try message(api + "Request", api: api)
            let response = try message(api + "Response", api: api)
            models += [request, response]
            table.append(try ApiTable.Row(name: api, request: request.definition, response: response.definition))
            files[api + ".swift"] = source([
                MessagePrinter(model: request, request: (response.definition.name, api.lowercasedFirst)),
                MessagePrinter(model: response),
            ])
        }
        files["ErrorCodes.swift"] = ErrorCodePrinter(models: models).source(header: Self.header)
        files["ApiKey.swift"] = ApiTable(rows: table.sorted { $0.key < $1.key }).source(header: Self.header)
        for name in Self.headers + Self.data + Self.coordinatorRecords {
            let folder = Self.coordinatorRecords.contains(name) ? "coordinator-records" : "4.3.0"
            let model = try MessageModel(definition(name, in: folder).finished())
            models.append(model)
            files[name + ".swift"] = source([MessagePrinter(model: model)])
        }
        for definition in StreamsRecords.all {
            let model = try MessageModel(definition)
            models.append(model)
            files[definition.name + ".swift"] = source([MessagePrinter(model: model)])
        }
        try write(files, to: "Sources/KafkaMessages/Generated")

        var tests: [String: String] = ["AllMessages.swift": RandomPrinter.table(models, header: Self.header)]
        for model in models {
            tests[model.definition.name + "+Random.swift"] = RandomPrinter(model: model).source(header: Self.header)
        }
        try write(tests, to: "Sources/RandomMessages/Generated")
        return files.count + tests.count
    }

    static let header = """
        // Generated by MessageGenerator from Apache Kafka's message definitions; do not edit.
        // `swift run MessageGenerator DEFINITIONS .` writes it again.

        """

    private func source(_ printers: [MessagePrinter]) -> String {
        var source = SourceText()
        source.line("package import Bytes")
        if printers.contains(where: \.model.needsByteBuffer) { source.line("package import NIOCore") }
        for printer in printers {
            source.line()
            printer.print(to: &source)
        }
        return Self.header + "\n" + source.text
    }

    private func message(_ name: String, api: String) throws -> MessageModel {
        var definition = try definition(name, in: "4.3.0")
        if let oldest = Self.oldestVersions[api], oldest < definition.validVersions.low {
            let old = try self.definition(name, in: "4.0-snapshot-2024-10-25")
            definition = try definition.extended(downTo: oldest, by: old)
        }
        return try MessageModel(definition)
    }

    private func definition(_ name: String, in folder: String) throws -> Definition {
        try Definition(contentsOf: definitions.appending(path: "\(folder)/\(name).json"))
    }

    /// Replaces the Swift files in `folder`, so that none stays of a message no longer generated.
    private func write(_ files: [String: String], to folder: String) throws {
        let folder = package.appending(path: folder)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for old in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        where old.pathExtension == "swift" && files[old.lastPathComponent] == nil {
            try FileManager.default.removeItem(at: old)
        }
        for (name, text) in files {
            let file = folder.appending(path: name)
            // An unchanged file keeps its date, else the next build compiles it again.
            let existing = try? String(contentsOf: file, encoding: .utf8)  // none yet: write it
            if existing != text { try text.write(to: file, atomically: true, encoding: .utf8) }
        }
    }
}

extension String {
    var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
