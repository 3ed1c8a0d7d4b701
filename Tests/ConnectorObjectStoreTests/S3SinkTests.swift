import ConnectCore
import Environment
import Foundation
import Testing

@testable import ConnectorObjectStore

@Suite struct S3SinkTests {
    private func made(
        _ url: String, _ properties: [String: String] = [:], _ context: SinkContext = SinkContext()
    ) throws -> any SinkTask {
        try ObjectStoreSinkPlugin(.s3, version: "1", surroundings()).makeTask(
            [
                "store.url": url, "s3.bucket.name": "b", "flush.size": "3", "s3.region": "us-east-1",
                "aws.access.key.id": "testkey", "aws.secret.access.key": "verysecret", "s3.retry.backoff.ms": "0",
                "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            ].merging(properties) { $1 }, context)
    }

    @Test func `small objects take one signed request`() async throws {
        try await ObjectServer.run { url, server in
            let task = try made(url, ["s3.ssea.name": "AES256", "s3.acl.canned": "private"])
            try await task.start()
            try await task.put(numbered(0..<3))
            #expect(
                server.objects == [
                    "/b/topics/t/partition%3D0/t%2B0%2B0000000000.json": Array("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n".utf8)
                ])
            let put = try #require(server.requests.last)
            #expect(put.headers["x-amz-server-side-encryption"] == "AES256" && put.headers["x-amz-acl"] == "private")
            #expect(put.headers["x-amz-content-sha256"] == RequestSigner.hash(put.body))
            #expect(
                put.headers["authorization"]?.hasPrefix("AWS4-HMAC-SHA256 Credential=testkey/20130524/us-east-1/s3/")
                    == true)
            #expect(try await task.preCommit([:]).values.map { $0 } == [3])
            await task.stop()
        }
    }

    @Test func `large objects go in parts`() async throws {
        try await ObjectServer.run { url, server in
            let context = SinkContext()
            let task = try made(
                url,
                [
                    "s3.part.size": "5242880", "flush.size": "12", "s3.object.tagging": "true",
                    "format.class": "io.confluent.connect.s3.format.bytearray.ByteArrayFormat",
                    "format.bytearray.separator": "|",
                ], context)
            try await task.start()
            let chunk = [UInt8](repeating: 7, count: 1 << 20)
            for n in Int64(0)..<12 {
                try await task.put([sinkRecord(.bytes(chunk), .optionalBytes, offset: n)])
                if n == 6 { #expect(server.requests.contains { $0.path.contains("partNumber=1") }) }
            }
            let (key, bytes) = try #require(server.objects.first)
            #expect(key == "/b/topics/t/partition%3D0/t%2B0%2B0000000000.bin")
            let record = chunk + [0x7C]
            #expect(bytes == Array(repeatElement(record, count: 12).joined()))
            #expect(server.requests.filter { $0.path.contains("partNumber=") }.count == 3)
            let tags = try #require(server.requests.last)
            #expect(tags.path.hasSuffix("?tagging="))
            #expect(String(decoding: tags.body, as: UTF8.self).contains("<Key>endOffset</Key><Value>11</Value>"))
            await task.stop()
        }
    }

    @Test func `what fails is tried again, then left to the worker, then goes on`() async throws {
        try await ObjectServer.run({ request, number in
            // Nothing is taken before the eighth request.
            request.method == "PUT" && number < 8 ? (503, "<Error><Code>SlowDown</Code></Error>") : nil
        }) { url, server in
            let task = try made(url, ["s3.part.retries": "2"])
            try await task.start()
            var failures = 0
            while true {
                do throws(ConnectError) {
                    try await task.put(numbered(0..<4))
                    break
                } catch {
                    #expect(error.isRetriable && !error.message.contains("verysecret"))
                    failures += 1
                    try #require(failures < 10)
                }
            }
            #expect(failures == 2)
            #expect(server.objects.count == 1)
            #expect(try await task.preCommit([:]).values.map { $0 } == [3])
            await task.stop()
        }
    }

    @Test(arguments: [
        ("403", "SignatureDoesNotMatch", "check aws.secret.access.key"),
        ("403", "InvalidAccessKeyId", "aws.access.key.id"),
        ("403", "RequestTimeTooSkewed", "set the clocks right"), ("404", "NoSuchBucket", "Non-existent S3 bucket: b"),
    ])
    func `refusals say what to do and no secrets`(status: String, code: String, hint: String) async throws {
        try await ObjectServer.run({ _, _ in
            (Int(status) ?? 0, "<Error><Code>\(code)</Code><Message>no verysecret</Message></Error>")
        }) { url, server in
            let task = try made(url)
            do throws(ConnectError) {
                try await task.start()
                Issue.record("it started")
            } catch {
                #expect(error.code == .connect && error.message.contains(hint), "\(error)")
                #expect(!error.message.contains("verysecret"))
            }
            #expect(server.requests.count == 1)
            await task.stop()
        }
    }

    @Test func `a task that ends takes its parts away`() async throws {
        try await ObjectServer.run { url, server in
            let task = try made(
                url,
                ["s3.part.size": "5242880", "format.class": "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"])
            try await task.start()
            try await task.put([sinkRecord(.bytes([UInt8](repeating: 7, count: 6 << 20)), .optionalBytes, offset: 0)])
            await task.stop()
            #expect(server.requests.last.map { $0.method == "DELETE" && $0.path.hasSuffix("uploadId=u1") } == true)
            #expect(server.objects.isEmpty)
        }
    }

    @Test func `credentials are looked for in the original's order`() throws {
        func found(_ properties: [String: String], _ surroundings: Surroundings) throws -> String {
            let settings = try ObjectStoreSettings(
                ["s3.bucket.name": "b", "flush.size": "1"].merging(properties) { $1 }, .s3, surroundings)
            guard case .s3(let s3) = settings.target else { return "" }
            return
                "\(s3.credentials.accessKey) \(s3.credentials.secretKey) \(s3.credentials.sessionToken ?? "-") \(s3.host)"
        }
        let file = "[default]\naws_access_key_id = a\n# no\n[work]\naws_access_key_id=w\naws_secret_access_key = s=1\n"
        let variables = [
            "AWS_ACCESS_KEY_ID": "v", "AWS_SECRET_ACCESS_KEY": "vs", "AWS_SESSION_TOKEN": "t",
            "AWS_REGION": "eu-west-1",
        ]
        #expect(
            try found(["aws.access.key.id": "p", "aws.secret.access.key": "ps"], surroundings(variables: variables))
                == "p ps - s3.eu-west-1.amazonaws.com")
        #expect(
            try found(["s3.region": "cn-north-1"], surroundings(variables: variables))
                == "v vs t s3.cn-north-1.amazonaws.com.cn")
        #expect(
            try found(
                [:],
                surroundings(variables: ["HOME": "/h", "AWS_PROFILE": "work"], files: ["/h/.aws/credentials": file]))
                == "w s=1 - s3.us-west-2.amazonaws.com")
        #expect(throws: ConnectError.self) { try found([:], surroundings()) }
    }

    @Test(
        arguments: [
            (["partitioner.class": "FieldPartitioner"], "partition.field.name"),
            (["partitioner.class": "TimeBasedPartitioner"], "Partition duration needs to be a positive."),
            (["partitioner.class": "HourlyPartitioner"], "Locale cannot be empty."),
            (["partitioner.class": "HourlyPartitioner", "locale": "en-US"], "Timezone cannot be empty."),
            (
                ["partitioner.class": "HourlyPartitioner", "locale": "en-US", "timezone": "Mars/X"],
                "'Mars/X' is not recognised"
            ),
            (
                ["partitioner.class": "TimeBasedPartitioner", "partition.duration.ms": "1", "path.format": ""],
                "Path format cannot be empty."
            ),
            (["rotate.schedule.interval.ms": "1000"], "timezone"),
            (["format.class": "x.Y"], "Class x.Y could not be found."),
            (["s3.part.size": "1000"], "Value must be at least 5242880"),
            (["flush.size": "0"], "Value must be at least 1"),
            (["store.url": "ftp://x"], "store.url"), (["store.url": "http://u:p@x"], "store.url"),
            (["aws.secret.access.key": ""], "must be set both"), (["avro.codec": "lzo"], "avro.codec"),
            (["s3.acl.canned": "x"], "Value must be one of"), (["schema.compatibility": "x"], "schema.compatibility"),
            (["behavior.on.null.values": "write"], "store.kafka.keys"), (["parquet.codec": "lz4"], "parquet.codec"),
        ] as [([String: String], String)])
    func `what is wrong with a configuration`(properties: [String: String], words: String) {
        do throws(ConnectError) {
            _ = try ObjectStoreSettings(
                [
                    "s3.bucket.name": "b", "flush.size": "1", "aws.access.key.id": "k", "aws.secret.access.key": "hush",
                ].merging(properties) { $1 }, .s3, surroundings())
            Issue.record("it was taken")
        } catch {
            #expect(error.message.contains(words) && !error.message.contains("hush"), "\(error)")
        }
    }

    private static let server = ProcessInfo.processInfo.environment["SWIFTWATER_TEST_S3"]

    /// `SWIFTWATER_TEST_S3=http://host:port/bucket` runs this against a real server with the AWS variables' credentials.
    @Test(.enabled(if: server != nil, "no server is named"), arguments: ["json", "avro", "parquet", "bytearray"])
    func `a real server takes objects`(format: String) async throws {
        let place = try #require(Self.server.flatMap { URL(string: $0) })
        let bucket = place.lastPathComponent
        let url = "\(place.scheme ?? "http")://\(place.host() ?? ""):\(place.port ?? 80)"
        let variables = ProcessInfo.processInfo.environment
        let names = ["json": "Json", "avro": "Avro", "parquet": "Parquet", "bytearray": "ByteArray"]
        let folder = "test-\(UUID().uuidString)"
        var properties = [
            "store.url": url, "s3.bucket.name": bucket, "flush.size": "20000", "s3.region": "us-east-1",
            "s3.part.size": "5242880", "topics.dir": folder + "/ü +=&?%", "s3.object.tagging": "true",
            "s3.object.behavior.on.tagging.error": "fail",
            "format.class": "io.confluent.connect.s3.format.\(format).\(names[format] ?? "")Format",
            "s3.ssea.name": "AES256",
        ]
        let schema = ConnectSchema.structure([.init("n", .int64), .init("text", .string)])
        func value(_ n: Int64) -> ConnectRecord {
            let text = String(repeating: String(n &* 0x1E37_79B9_7F4A_7C15, radix: 36), count: 40)
            if format == "bytearray" { return sinkRecord(.bytes(Array(text.utf8)), .optionalBytes, offset: n) }
            return sinkRecord(
                .structure(ConnectStruct(schema, values: [.int64(n), .string(text)])), schema, offset: n)
        }
        let context = SinkContext(now: Int64(Date().timeIntervalSince1970 * 1000))
        let plugin = ObjectStoreSinkPlugin(.s3, version: "1", surroundings(variables: variables))
        let task = try plugin.makeTask(properties, context)
        try await task.start()
        let start = ContinuousClock.now
        for batch in stride(from: Int64(0), to: 20_000, by: 500) {
            try await task.put((batch..<batch + 500).map { value($0) })
        }
        #expect(try await task.preCommit([:]).values.map { $0 } == [20_000])
        await task.stop()
        print("\(format): \(ContinuousClock.now - start)")

        properties["aws.access.key.id"] = variables["AWS_ACCESS_KEY_ID"]
        properties["aws.secret.access.key"] = "not the right one"
        let stranger = try plugin.makeTask(properties, context)
        do throws(ConnectError) {
            try await stranger.start()
            Issue.record("a wrong secret was taken")
        } catch {
            #expect(error.message.contains("SignatureDoesNotMatch") && !error.message.contains("not the right one"))
        }
        await stranger.stop()
        properties["aws.secret.access.key"] = variables["AWS_SECRET_ACCESS_KEY"]
        properties["s3.bucket.name"] = "no-such-bucket-\(UUID().uuidString.lowercased())"
        let lost = try plugin.makeTask(properties, context)
        await #expect(throws: ConnectError.self) { try await lost.start() }
        await lost.stop()
    }

    @Test(arguments: [
        ("com.amazonaws.auth.DefaultAWSCredentialsProviderChain", true),
        ("software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider", true),
        ("io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider", false),
        ("com.amazonaws.auth.InstanceProfileCredentialsProvider", false),
    ])
    func `providers of credentials that stand for others are refused`(name: String, isTaken: Bool) {
        let errors = ObjectStoreSettings.definition(.s3).validate(["s3.credentials.provider.class": name])
            .filter { $0.option.name == "s3.credentials.provider.class" }.flatMap(\.errors)
        #expect(errors.isEmpty == isTaken, "\(errors)")
    }
}
