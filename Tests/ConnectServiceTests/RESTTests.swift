import ConnectCore
import JSONFormat
import Testing

@testable import ConnectService

@Suite(.serialized) struct RESTTests {
    private static let source = ["connector.class": "test.CountingSourceConnector", "topic": "lines", "count": "20"]

    @Test func `nothing answers below admin where admin listeners is empty`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker(["admin.listeners": " "]) { worker in
                for (method, path) in [("GET", "/admin/loggers"), ("GET", "/admin/loggers/root")] {
                    #expect(try await worker.ask(method, path).status == 404)
                }
                let set = try await worker.ask("PUT", "/admin/loggers/root", #"{"level":"WARN"}"#)
                #expect(set.status == 404 && set.message == "HTTP 404 Not Found")
            }
        }
    }

    @Test(arguments: [
        ("admin.listeners", "http://:8084", "where the worker listens"),
        ("response.http.headers.config", "set X-Frame-Options: DENY", "headers of answers"),
    ])
    func `a worker refuses what it does not have`(name: String, value: String, reason: String) {
        #expect {
            _ = try WorkerSettings([name: value])
        } throws: { error in
            "\(error)".contains(reason)
        }
    }

    @Test func `connectors are created, changed, listed and deleted`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                #expect(try await worker.ask("GET", "/connectors").text == "[]")
                #expect(try await worker.ask("GET", "/health").json["status"]?.text == "healthy")
                let root = try await worker.ask("GET", "/").json
                #expect(root.members?.map(\.0) == ["version", "commit", "kafka_cluster_id"])
                #expect(root["version"]?.text == "4.3.0")
                #expect(root["commit"]?.text == "swiftwater-test")
                let body =
                    #"{"name":"s","config":{"connector.class":"CountingSource","topic":"lines"},"initial_state":"STOPPED"}"#
                let made = try await worker.ask("POST", "/connectors", body)
                #expect(made.status == 201, "\(made)")
                #expect(made.location?.hasSuffix("/connectors/s") == true)
                #expect(made.json["type"]?.text == "source")
                try await eventually("stopped") { try await worker.states("s") == "STOPPED / " }
                let again = try await worker.ask("POST", "/connectors", body)
                #expect(again.status == 409)
                #expect(again.message == "Connector s already exists")
                #expect(try await worker.ask("PUT", "/connectors/s/resume").status == 202)
                try await eventually("running") { try await worker.states("s") == "RUNNING / RUNNING" }
                let patched = try await worker.ask(
                    "PATCH", "/connectors/s/config", #"{"count":"107","topic":"other","batch":null}"#)
                #expect(patched.status == 200, "\(patched)")
                #expect(patched.json["config"]?["count"]?.text == "107")
                // How many of them were written before the change is a matter of time.
                try await eventually("all, and some in the other topic") {
                    let lines = (try? await platform.records("lines").count) ?? 0
                    let others = (try? await platform.records("other").count) ?? 0
                    return lines + others == 107 && others >= 7
                }
                let info = try await worker.ask("GET", "/connectors/s").json
                #expect(info["tasks"]?.elements?.count == 1)
                #expect(
                    try await worker.ask("GET", "/connectors/s/tasks").json.elements?[0]["config"]?["task.class"]?.text
                        == "test.CountingSourceTask")
                #expect(try await worker.ask("DELETE", "/connectors/s").status == 204)
                #expect(try await worker.ask("DELETE", "/connectors/s").message == "Connector s not found")
                #expect(
                    try await worker.ask("GET", "/connectors/s/status").message == "No status found for connector s")
            }
        }
    }

    @Test(
        arguments: [
            ("GET", "/nope", nil, 404, "HTTP 404 Not Found"),
            ("DELETE", "/", nil, 405, "HTTP 405 Method Not Allowed"),
            ("GET", "/connectors/n", nil, 404, "Connector n not found"),
            ("GET", "/connectors/n/status", nil, 404, "No status found for connector n"),
            ("GET", "/connectors/n/tasks/3/status", nil, 404, "No status found for task n-3"),
            ("PUT", "/connectors/n/pause", nil, 404, "Unknown connector n"),
            ("POST", "/connectors/n/restart", nil, 404, "Unknown connector: n"),
            ("GET", "/connector-plugins/Nope/config", nil, 404, "Unknown plugin Nope."),
            ("PUT", "/admin/loggers/root", "{}", 400, "Desired 'level' parameter was not specified in request."),
            ("PUT", "/admin/loggers/root", #"{"level":"X"}"#, 404, "invalid log level 'X'."),
            (
                "POST", "/connectors", #"{"name":"x","config":{"name":"y"}}"#, 400,
                "Connector name configuration (y) doesn't match connector name in the URL (x)"
            ),
            ("POST", "/connectors", "{", 400, "The body of the request is no JSON"),
            (
                "PUT", "/connectors/x/config", #"{"connector.class":"CountingSource"}"#, 400,
                "Connector configuration is invalid and contains the following 1 error(s):\nMissing required configuration "
                    + "\"topic\" which has no default value.\nYou can also find the above list of errors at the endpoint "
                    + "`/connector-plugins/{connectorType}/config/validate`"
            ),
        ] as [(String, String, String?, Int, String)])
    func `what goes wrong is told in the original's words`(
        method: String, path: String, body: String?, status: Int, message: String
    ) async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                let answer = try await worker.ask(method, path, body)
                #expect(answer.status == status, "\(answer)")
                #expect(answer.message == message)
            }
        }
    }

    @Test func `a class that is not there is answered with those that are`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                let answer = try await worker.create("x", ["connector.class": "a.CountingSourceConector"])
                #expect(answer.status == 400)
                #expect(
                    answer.message.hasPrefix(
                        "Failed to find any class that implements Connector and which name matches a.CountingSourceConector, available connectors are: "
                    ))
                #expect(answer.message.contains("test.CountingSourceConnector"))
                #expect(answer.message.contains("Did you mean CountingSourceConnector?"))
                // What lacks a word is not a word of another that is as long.
                let short = try await worker.create("x", ["connector.class": "CountingConnector"])
                #expect(short.message.contains("Did you mean CountingSourceConnector?"))
            }
        }
    }

    @Test func `offsets are shown, altered and taken back while the connector is stopped`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                _ = try await worker.create("s", Self.source)
                try await eventually("read") { (try? await platform.records("lines").count) == 20 }
                let change = #"{"offsets":[{"partition":{"task":"0"},"offset":{"next":15}}]}"#
                #expect(try await worker.ask("PATCH", "/connectors/s/offsets", change).status == 400)
                #expect(try await worker.ask("PUT", "/connectors/s/stop").status == 204)
                let changed = try await worker.ask("PATCH", "/connectors/s/offsets", change)
                #expect(
                    changed.message == "The offsets for this connector have been altered successfully", "\(changed)")
                let bad = try await worker.ask(
                    "PATCH", "/connectors/s/offsets", #"{"offsets":[{"partition":{"task":"0"},"offset":{"x":1}}]}"#)
                #expect(bad.status == 500)
                #expect(try await worker.ask("PATCH", "/connectors/s/offsets", "{}").status == 400)
                #expect(try await worker.ask("GET", "/connectors/s/offsets").text == change)
                #expect(try await worker.ask("PUT", "/connectors/s/resume").status == 202)
                try await eventually("read again") { try await platform.records("lines").count == 25 }
            }
        }
    }

    @Test func `offsets of a sink that cannot be are refused in the original's words`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withWorker { worker in
                _ = try await worker.create("k", ["connector.class": "KeepingSink", "topics": "lines"])
                #expect(try await worker.ask("PUT", "/connectors/k/stop").status == 204)
                try await eventually("stopped") { try await worker.states("k") == "STOPPED / " }
                let keys = "must contain the keys 'kafka_topic' and 'kafka_partition'"
                for (place, offset, message) in [
                    ("null", "null", "The partition for a sink connector offset cannot be null or missing"),
                    (#"{"kafka_topic":"lines"}"#, "null", "The partition for a sink connector offset \(keys)"),
                    (
                        #"{"kafka_topic":null,"kafka_partition":0}"#, "null",
                        "Kafka topic names must be valid strings and may not be null"
                    ),
                    (
                        #"{"kafka_topic":"lines","kafka_partition":null}"#, "null",
                        "Kafka partitions must be valid numbers and may not be null"
                    ),
                    (
                        #"{"kafka_topic":"lines","kafka_partition":"x"}"#, "null",
                        "Failed to parse the following Kafka partition value in the provided offsets: 'x'. Partition "
                            + "values for sink connectors need to be integers."
                    ),
                    (
                        #"{"kafka_topic":"lines","kafka_partition":"0"}"#, #"{"x":1}"#,
                        "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
                    ),
                    (
                        #"{"kafka_topic":"lines","kafka_partition":0}"#, #"{"kafka_offset":1.5}"#,
                        "Failed to parse the following Kafka offset value in the provided offsets: '1.5'. Offset values "
                            + "for sink connectors need to be integers."
                    ),
                    (
                        #"{"kafka_topic":"lines","kafka_partition":0}"#, #"{"kafka_offset":-1}"#,
                        "Invalid negative offset -1"
                    ),
                ] {
                    let answer = try await worker.ask(
                        "PATCH", "/connectors/k/offsets",
                        "{\"offsets\":[{\"partition\":\(place),\"offset\":\(offset)}]}")
                    #expect(answer.status == 400, "\(answer)")
                    #expect(answer.message == message)
                }
                // A topic that is not there is nothing that trying again would mend.
                let place = #"{"kafka_topic":"nope","kafka_partition":0}"#
                let nope = try await worker.ask(
                    "PATCH", "/connectors/k/offsets",
                    #"{"offsets":[{"partition":\#(place),"offset":{"kafka_offset":1}}]}"#)
                #expect(nope.status == 500)
                let start = "Failed to alter consumer group offsets for connector k: UNKNOWN_TOPIC_OR_PARTITION"
                #expect(nope.message.hasPrefix(start), "\(nope)")
                #expect(nope.message.contains("nope"))
            }
        }
    }

    @Test func `values of providers are used and not shown`() async throws {
        try await TestPlatform.with { platform in
            let worker = [
                "config.providers": "env",
                "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            ]
            try await platform.withWorker(worker) { worker in
                var config = Self.source
                config["topic"] = "${env:CONNECT_TEST_TOPIC_THAT_IS_NOT_SET}"
                let unset = try await worker.create("s", config)
                #expect(unset.status == 201)
                #expect(try await worker.ask("GET", "/connectors/s/config").json["topic"]?.text == config["topic"])
                try await eventually("laid out") {
                    try await worker.ask("GET", "/connectors/s/tasks").json.elements?.count == 1
                }
                #expect(
                    try await worker.ask("GET", "/connectors/s/tasks").json.elements?[0]["config"]?["topic"]?.text
                        == config["topic"])
            }
        }
    }
}
