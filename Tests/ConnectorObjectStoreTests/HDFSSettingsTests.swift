import ConnectCore
import Testing

@testable import ConnectorObjectStore

@Suite struct HDFSSettingsTests {
    private func settings(
        _ properties: [String: String], variables: [String: String] = [:]
    ) throws(ConnectError) -> WebHDFSClient.Settings? {
        let settings = try ObjectStoreSettings(
            ["flush.size": "3"].merging(properties) { $1 }, .hdfs, surroundings(variables: variables))
        guard case .hdfs(let hdfs, _) = settings.target else { return nil }
        return hdfs
    }

    @Test(arguments: [
        (["hdfs.url": "webhdfs://nn:9870"], ["http://nn:9870"]),
        (["hdfs.url": "swebhdfs://nn:9871/"], ["https://nn:9871"]),
        (["store.url": "http://gateway:14000/webhdfs/v1"], ["http://gateway:14000"]),
        (
            ["hdfs.url": "hdfs://nn:8020", "webhdfs.url": "http://a:9870, http://b:9870"],
            ["http://a:9870", "http://b:9870"]
        ),
        (["hdfs.url": "http://a:1", "store.url": "http://b:2"], ["http://a:1"]),
    ])
    func `reads addresses`(_ properties: [String: String], _ addresses: [String]) throws {
        #expect(try settings(properties)?.addresses == addresses)
    }

    @Test(arguments: [
        ([:], "hdfs.url", "has to be named"), (["hdfs.url": "nn:9870"], "hdfs.url", "is no address"),
        (["hdfs.url": "hdfs://nn:8020"], "hdfs.url", "add webhdfs.url=http://nn:9870"),
        (["hdfs.url": "http://nn:1/path"], "hdfs.url", "has to be scheme, host and port"),
        (["hdfs.url": "http://a:1", "hive.integration": "true"], "hive.integration", "external table"),
        (
            ["hdfs.url": "http://a:1", "hdfs.authentication.kerberos": "true"], "hdfs.authentication.kerberos",
            "gateway"
        ),
        (["hdfs.url": "http://a:1", "topics.dir": "../up"], "topics.dir", "has to be a folder"),
        (["hdfs.url": "http://a:1", "logs.dir": "/"], "logs.dir", "has to be a folder"),
        (
            ["hdfs.url": "http://a:1", "format.class": "io.confluent.connect.hdfs3.orc.OrcFormat"], "format.class",
            "could not"
        ),
    ])
    func `wrong options are told`(_ properties: [String: String], _ option: String, _ words: String) async {
        let problems = await ObjectStoreSinkPlugin(.hdfs, version: "1", surroundings()).problems(
            with: ["flush.size": "3"].merging(properties) { $1 })
        #expect(problems.map(\.option) == [option])
        #expect(problems.first?.message.contains(words) == true, "\(problems)")
    }

    @Test func `writes as who it is told`() throws {
        let address = ["hdfs.url": "http://a:1"]
        #expect(try settings(address)?.user == "hdfs")
        #expect(try settings(address, variables: ["USER": "me"])?.user == "me")
        #expect(try settings(address, variables: ["USER": "me", "HADOOP_USER_NAME": "you"])?.user == "you")
        #expect(try settings(address.merging(["hdfs.user": "etl"]) { $1 })?.user == "etl")
    }

    /// Configurations written for the originals run unchanged.
    @Test(arguments: [
        ("io.confluent.connect.hdfs3.avro.AvroFormat", ".avro"), ("io.confluent.connect.hdfs.json.JsonFormat", ".json"),
        ("io.confluent.connect.hdfs3.parquet.ParquetFormat", ".parquet"), ("StringFormat", ".txt"),
        ("io.confluent.connect.hdfs.string.StringFormat", ".txt"),
    ])
    func `knows the originals' formats`(_ className: String, _ ending: String) throws {
        let settings = try ObjectStoreSettings(
            [
                "flush.size": "3", "hdfs.url": "http://a:1", "format.class": className,
                "partitioner.class": "io.confluent.connect.hdfs.partitioner.FieldPartitioner",
                "partition.field.name": "f",
            ], .hdfs, surroundings())
        #expect(settings.formatOptions.fileExtension(settings.format) == ending)
        guard case .byField(["f"]) = settings.partitioner else {
            Issue.record("\(settings.partitioner)")
            return
        }
    }

    @Test func `names lead nowhere else`() {
        #expect(HDFSStore.path("topics/../t/f=1/x") == "/topics/%2E%2E/t/f=1/x")
    }

    @Test func `a note is read as it was written`() throws {
        let note = PublishNote(objects: [("/a", "/b \"c\""), ("/d", "/e")], offsets: 3..<9)
        let read = try PublishNote(note.bytes, "p")
        #expect(
            read.offsets == 3..<9 && read.objects.map(\.from) == ["/a", "/d"]
                && read.objects.map(\.to) == ["/b \"c\"", "/e"])
    }

    @Test(arguments: [
        "", "{", "[]", "{\"version\":2}", "{\"version\":1,\"from\":5,\"to\":3,\"files\":[]}",
        "{\"version\":1,\"from\":1,\"to\":3}",
        "{\"version\":1,\"from\":1,\"to\":3,\"files\":[{}]}",
    ])
    func `a note that is broken is told`(_ text: String) {
        let error = #expect(throws: ConnectError.self) { try PublishNote(Array(text.utf8), "/logs/t/0/log") }
        #expect(error?.message.contains("'/logs/t/0/log'") == true)
    }
}
