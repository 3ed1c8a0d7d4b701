import Bytes
import ConnectCore
import Crypto
import CryptoExtras
import HTTPCalls
import JSONFormat
import Testing

@testable import ConnectorSnowflake

@Suite struct SettingsTests {
    /// The last number of a name is Java's hash of the topic, by hand: "a.b" is 97 * 961 + 46 * 31 + 98.
    @Test(arguments: [
        ("orders", "orders"), ("Or_ders$1", "Or_ders$1"), ("a.b", "a_b_94741"), ("1a", "_1a_1616"), ("x", "x_120"),
    ])
    func `topics name tables`(_ topic: String, _ table: String) {
        #expect(TableNames.valid(topic) == table)
    }

    @Test(arguments: [
        ("orders", "DB.S.ORDERS"), ("special", "DB.S.MINE"), ("log-7", "DB.S.LOGS"), ("far", "OTHER.PLACE.FAR"),
    ])
    func `tables are in the schema unless they say another`(_ topic: String, _ table: String) throws {
        let settings = try SnowflakeSettings(
            properties("http://a.b.c", ["snowflake.topic2table.map": "special:mine, log-.*:logs,far:other.place.far"]))
        #expect(try settings.names.table(topic).description == table)
    }

    @Test func `names in quotes stand for themselves`() throws {
        let settings = try SnowflakeSettings(
            properties("http://a.b.c", ["snowflake.database.name": "\"my \"\"db\"", "snowflake.role.name": "Loader"]))
        #expect(try settings.names.table("orders").sql == #""my ""db"."S"."ORDERS""#)
        #expect(settings.role?.plain == "LOADER")
        #expect(settings.names.database.plain == #""my ""db""#)
    }

    @Test(arguments: [
        ("acme-x1.snowflakecomputing.com", "https://acme-x1.snowflakecomputing.com:443", "ACME-X1"),
        ("HTTPS://ab12.eu-west-1.snowflakecomputing.com/", "https://ab12.eu-west-1.snowflakecomputing.com:443", "AB12"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127"),
    ])
    func `addresses name accounts`(_ text: String, _ address: String, _ account: String) throws {
        let url = try AccountURL(text, option: "snowflake.url.name")
        #expect(url.address == address)
        #expect(url.account == account)
    }

    @Test(arguments: [
        ("snowflake.url.name", "localhost"), ("snowflake.url.name", "https://u:p@a.b.c"),
        ("snowflake.url.name", "a.b.c:99999"), ("snowflake.url.name", "a..c"), ("snowflake.private.key", "abc"),
        ("snowflake.private.key", ""), ("snowflake.authenticator", "oauth"), ("snowflake.role.name", ""),
        ("snowflake.topic2table.map", "a"), ("snowflake.topic2table.map", "a:b c"),
        ("snowflake.topic2table.map", "a:bb,a:cc"), ("snowflake.topic2table.map", "(:bb"),
        ("delivery.guarantee", "at_least_once"), ("delivery.guarantee", "twice"),
        ("snowflake.streaming.iceberg.enabled", "true"), ("buffer.flush.time", "0"),
        ("buffer.count.records", "0"), ("buffer.size.bytes", "0"), ("behavior.on.null.values", "fail"),
        ("snowflake.ingestion.method", "MAIL"), ("jvm.proxy.host", "p"), ("jvm.proxy.port", "80"),
    ])
    func `what is wrong is refused by its name`(_ option: String, _ value: String) async throws {
        let problems = await SnowflakeSinkPlugin(version: "1").problems(
            with: properties("http://a.b.c", [option: value]))
        let problem = try #require(problems.first)
        if !option.hasPrefix("jvm") { #expect(problem.option == option) }
        #expect(!problem.message.contains("BEGIN"))
    }

    @Test func `the two methods have checks and defaults of their own`() throws {
        let pipe = properties("http://a.b.c", ["snowflake.ingestion.method": "SNOWPIPE"])
        let settings = try SnowflakeSettings(pipe)
        #expect(settings.flushTime == .seconds(120))
        #expect(settings.flushByteCount == 5_000_000)
        #expect(throws: ConnectError.self) { try SnowflakeSettings(pipe.merging(["buffer.flush.time": "9"]) { $1 }) }
        #expect(throws: ConnectError.self) {
            try SnowflakeSettings(pipe.merging(["snowflake.enable.schematization": "true"]) { $1 })
        }
        let streaming = try SnowflakeSettings(properties("http://a.b.c"))
        #expect(streaming.flushTime == .seconds(10))
        #expect(streaming.flushByteCount == 20_000_000)
        #expect(throws: ConnectError.self) {
            try SnowflakeSettings(
                properties(
                    "http://a.b.c",
                    [
                        "snowflake.enable.schematization": "true",
                        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
                    ]))
        }
    }

    @Test func `a proxy is passed by where it is to be`() throws {
        let given = ["jvm.proxy.host": "p", "jvm.proxy.port": "3128"]
        #expect(try SnowflakeSettings(properties("http://a.b.c", given)).caller.proxy?.port == 3128)
        for pattern in ["a.b.c", "x|*.b.c", "a.*"] {
            let more = given.merging(["jvm.nonProxy.hosts": pattern]) { $1 }
            #expect(try SnowflakeSettings(properties("http://a.b.c", more)).caller.proxy == nil)
        }
    }

    /// As Snowflake's documentation of key-pair authentication has it: who issued it, whom it is of, and not for long.
    @Test func `tokens are what Snowflake takes`() throws {
        let body = keyText.split(separator: "\n").dropFirst().dropLast().joined()
        for text in [keyText, body, keyText.replacing("\n", with: "\\n"), keyText.replacing("\n", with: "")] {
            let key = try AccountKey(text, passphrase: nil, account: "ACME", user: "kafka")
            let parts = try key.token(now: 1_700_000_000_500).split(separator: ".").map(String.init)
            func decoded(_ text: String) throws -> [UInt8] {
                var text = text.replacing("-", with: "+").replacing("_", with: "/")
                while text.count % 4 != 0 { text += "=" }
                return try #require(Base64.decode(text))
            }
            let claims = try #require(JSONValue.parse(try decoded(parts[1])))
            let publicKey = try #require(signingKey).publicKey
            let print = "SHA256:" + Base64.encode(Array(SHA256.hash(data: publicKey.derRepresentation)))
            #expect(key.fingerprint == print)
            #expect(claims["iss"]?.text == "ACME.KAFKA.\(print)")
            #expect(claims["sub"]?.text == "ACME.KAFKA")
            #expect(claims["iat"]?.integer == 1_700_000_000)
            #expect(claims["exp"]?.integer == 1_700_000_300)
            #expect(
                publicKey.isValidSignature(
                    .init(rawRepresentation: try decoded(parts[2])),
                    for: SHA256.hash(data: Array("\(parts[0]).\(parts[1])".utf8)), padding: .insecurePKCS1v1_5))
        }
    }

    @Test func `a session begins with a token, a role and a warehouse`() async throws {
        try await SnowflakeServer.run { url, server in
            let settings = try SnowflakeSettings(properties(url, ["snowflake.warehouse.name": "wh"]))
            let client = try SnowflakeClient(settings, now: { 0 }, pause: TaskPause())
            try await client.prepare()
            try await client.prepare()
            await client.close()
            #expect(server.logins.count == 1)
            let data = try #require(server.logins.first?["data"])
            #expect(data["AUTHENTICATOR"]?.text == "SNOWFLAKE_JWT")
            #expect(data["LOGIN_NAME"]?.text == "kafka")
            #expect(data["ACCOUNT_NAME"]?.text == "127")
            #expect(data["SESSION_PARAMETERS"]?["TIMEZONE"]?.text == "UTC")
            #expect(data["TOKEN"]?.text?.split(separator: ".").count == 3)
        }
    }
}
