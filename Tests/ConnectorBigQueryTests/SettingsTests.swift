import ConnectCore
import Foundation
import HTTPCalls
import TestKit
import Testing

@testable import ConnectorBigQuery

@Suite struct SettingsTests {
    private func options(_ properties: [String: String]) async -> [String] {
        await BigQuerySinkPlugin(version: "1").problems(
            with: ["project": "p", "defaultDataset": "d", "bigQueryEndpoint": "http://h"].merging(properties) { $1 }
        ).map(\.option)
    }

    @Test(
        arguments: [
            ([:], []), (["bigQueryEndpoint": "h:9050"], ["bigQueryEndpoint"]),
            (["bigQueryEndpoint": "https://h/path"], ["bigQueryEndpoint"]),
            (["bigQueryEndpoint": "ftp://h"], ["bigQueryEndpoint"]),
            (["bigQueryEndpoint": ""], ["keyfile"]), (["enableBatchLoad": "t"], ["enableBatchLoad"]),
            (["enableBatchLoad": ""], []), (["upsertEnabled": "true"], ["upsertEnabled"]),
            (["deleteEnabled": "true"], ["deleteEnabled"]), (["useStorageWriteApi": "true"], ["useStorageWriteApi"]),
            (["upsertEnabled": "true", "kafkaKeyFieldName": "k"], []),
            (["deleteEnabled": "true", "kafkaKeyFieldName": "k"], []),
            (["deleteEnabled": "true", "kafkaKeyFieldName": "k", "mergeIntervalMs": "-1"], ["deleteEnabled"]),
            (
                [
                    "deleteEnabled": "true", "kafkaKeyFieldName": "k", "mergeIntervalMs": "-1",
                    "mergeRecordsThreshold": "9",
                ], []
            ),
            (["upsertEnabled": "false", "mergeIntervalMs": "-1"], []),
            (["enableBatchMode": "true"], ["enableBatchMode"]),
            (["useCredentialsProjectId": "true"], ["useCredentialsProjectId"]),
            (["schemaRetriever": "com.example.Mine"], ["schemaRetriever"]),
            (["schemaRetriever": "com.wepay.kafka.connect.bigquery.retrieve.IdentitySchemaRetriever"], []),
            (["topic2TableMap": "a"], ["topic2TableMap"]), (["topic2TableMap": "a:b,a:c"], ["topic2TableMap"]),
            (["clusteringPartitionFieldNames": "a,b,c,d,e"], ["clusteringPartitionFieldNames"]),
            (["partitionExpirationMs": "0"], ["partitionExpirationMs"]),
            (["timePartitioningType": "WEEK"], ["timePartitioningType"]),
            (["timePartitioningType": "hour"], ["timePartitioningType"]),
            (["timePartitioningType": "hour", "bigQueryPartitionDecorator": "false"], []),
            (["timestampPartitionFieldName": "ts"], ["timestampPartitionFieldName"]),
            (["timestampPartitionFieldName": "ts", "bigQueryPartitionDecorator": "false"], []),
            (["keySource": "URL"], ["keySource"]), (["keyfile": "/nowhere/key.json"], ["keyfile"]),
            (["keyfile": "{}", "keySource": "JSON"], ["keyfile"]),
            (["keyfile": "x", "keySource": "APPLICATION_DEFAULT"], ["keyfile"]),
            (["threadPoolSize": "0"], ["threadPoolSize"]), (["mergeIntervalMs": "0"], ["mergeIntervalMs"]),
            (["decimalHandlingMode": "TEXT"], ["decimalHandlingMode"]),
        ] as [([String: String], [String])])
    func `options that cannot be`(properties: [String: String], wrong: [String]) async {
        #expect(await options(properties) == wrong)
    }

    /// Of the original's `BigQuerySinkConfig`.
    @Test func `defaults`() throws {
        let settings = try BigQuerySettings(
            ["project": "p", "defaultDataset": "d", "keyfile": key(), "keySource": "JSON"], { _ in nil })
        #expect(settings.endpoint == "https://bigquery.googleapis.com")
        #expect(
            settings.createsTables && settings.hasDecorator && !settings.allowsNewFields && !settings.allowsRelaxation)
        #expect(
            settings.partitioning?.type == "DAY" && settings.decimals == .float && settings.variableDecimals == .record)
        #expect(settings.inFlightCountMax == 10 && settings.retryCount == 0 && settings.retryWait == .seconds(1))
        #expect(settings.restartCountMax == 10)
        #expect(BigQuerySettings.definition.options.contains { $0.name == "keyfile" && $0.kind == .password })
    }

    private func key(_ changes: [String: String] = [:]) throws -> String {
        let members = [
            "type": "service_account", "client_email": "me@p", "private_key": RSATestKey.pkcs8, "private_key_id": "k1",
            "token_uri": "https://h/token",
        ].merging(changes) { $1 }.filter { !$0.value.isEmpty }
        return String(decoding: try JSONEncoder().encode(members), as: UTF8.self)
    }

    @Test(
        arguments: [
            (["type": "external_account"], "service_account and authorized_user"),
            (["client_email": ""], "no 'client_email'"),
            (["private_key": "SECRET"], "no RSA key"), (["token_uri": "http://h/token"], "begins with https://"),
        ] as [([String: String], String)])
    func `keys that cannot be used show nothing`(changes: [String: String], words: String) throws {
        let failure = try #require(throws: ConnectError.self) {
            _ = try BigQuerySettings(
                ["project": "p", "defaultDataset": "d", "keyfile": try key(changes), "keySource": "JSON"], { _ in nil })
        }
        #expect(failure.message.contains(words) && !failure.message.contains("SECRET"))
    }

    @Test func `credentials of the worker`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bq-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // a leftover of a test
        let file = folder.appending(path: "application_default_credentials.json")
        func credentials(_ surroundings: [String: String]) throws -> String {
            switch try GoogleCredentials.applicationDefault({ surroundings[$0] }) {
            case .serviceAccount(let email, _, let keyID, let url): "\(email) \(keyID ?? "") \(url)"
            case .user(let id, _, _, let url): "\(id) \(url)"
            case .machine(let host): host
            }
        }
        #expect(try credentials([:]) == "metadata.google.internal")
        #expect(try credentials(["HOME": folder.path]) == "metadata.google.internal")
        #expect(try credentials(["GCE_METADATA_HOST": "h:1"]) == "h:1")
        try #"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}"#
            .write(to: file, atomically: true, encoding: .utf8)
        #expect(try credentials(["CLOUDSDK_CONFIG": folder.path]) == "i https://oauth2.googleapis.com/token")
        try key().write(to: file, atomically: true, encoding: .utf8)
        #expect(try credentials(["GOOGLE_APPLICATION_CREDENTIALS": file.path]) == "me@p k1 https://h/token")
        #expect(throws: ConnectError.self) { try credentials(["GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"]) }
    }
}
