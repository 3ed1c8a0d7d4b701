import Cluster
import JSONFormat
import NIOCore
import Testing

@testable import RegistryService

/// Encryption keys of clients. What is asked and answered is by the original's sources (`DekRegistryResource`,
/// `AbstractDekRegistry`, `DekRegistryErrors`).
@Suite struct KeyTests {
    private static let keks = "/dek-registry/v1/keks"

    private func talk(_ node: Node, _ lines: [(String, String?, Int, String)]) async throws {
        for (request, body, status, expected) in lines {
            let parts = request.split(separator: " ").map(String.init)
            let answer = try await node.ask(parts[0], Self.keks + (parts.count > 1 ? parts[1] : ""), body)
            #expect(answer.status == status, "\(request): \(answer)")
            #expect(answer.text.contains(expected), "\(request): \(answer) lacks \(expected)")
        }
    }

    private let kek = #"{"name":"k1","kmsType":"AWS","kmsKeyId":"arn:1","kmsProps":{"b":"2","a":"1"},"doc":"d"}"#
    private let dek = #"{"subject":"s-value","encryptedKeyMaterial":"AAEC"}"#

    @Test func `key encryption keys are made, changed, deleted and taken back`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await talk(
                    node,
                    [
                        ("GET", nil, 200, "[]"),
                        ("GET /k1", nil, 404, #"{"error_code":40470,"message":"Key 'k1' not found"}"#),
                        (
                            "POST", kek, 200,
                            #"{"name":"k1","kmsType":"aws-kms","kmsKeyId":"arn:1","kmsProps":{"a":"1","b":"2"},"doc":"d","shared":false,"ts":"#
                        ),
                        (
                            "POST", kek, 409,
                            #"{"error_code":40971,"message":"Key 'k1' already exists; use a different value"}"#
                        ),
                        ("GET", nil, 200, #"["k1"]"#),
                        ("GET /k1?deleted=false", nil, 200, #""kmsKeyId":"arn:1""#),
                        (
                            "PUT /k1", #"{"doc":null,"kmsProps":{"c":"3"}}"#, 200,
                            #""kmsProps":{"c":"3"},"shared":false"#
                        ),
                        ("PUT /k1", #"{"shared":true}"#, 200, #""kmsProps":{"c":"3"},"shared":true"#),
                        ("PUT /k1", #"{"shared":false}"#, 200, #""shared":false"#),
                        ("PUT /k2", #"{"doc":"x"}"#, 404, "40470"),
                        ("DELETE /k2", nil, 404, "40470"),
                        (
                            "DELETE /k1?permanent=true", nil, 404,
                            #""error_code":40471,"message":"Key 'k1' was not deleted first before being permanently deleted""#
                        ),
                        ("DELETE /k1", nil, 204, ""),
                        ("GET", nil, 200, "[]"),
                        ("GET ?deleted=true", nil, 200, #"["k1"]"#),
                        ("GET /k1", nil, 404, "40470"),
                        ("GET /k1?deleted=true", nil, 200, #""deleted":true"#),
                        ("PUT /k1", #"{"doc":"x"}"#, 404, "40470"),
                        ("POST /k1/undelete", nil, 204, ""),
                        ("GET /k1", nil, 200, #""name":"k1""#),
                        ("DELETE /k1", nil, 204, ""),
                        // To make a deleted one again is to take the deletion back, if it is the same.
                        ("POST", kek, 409, "40971"),
                        (
                            "POST", #"{"name":"k1","kmsType":"aws-kms","kmsKeyId":"arn:1","kmsProps":{"c":"3"}}"#, 200,
                            #""shared":false,"ts":"#
                        ),
                        ("DELETE /k1", nil, 204, ""), ("DELETE /k1?permanent=true", nil, 204, ""),
                        ("GET ?deleted=true", nil, 200, "[]"),
                    ])
            }
        }
    }

    @Test func `data encryption keys have versions and algorithms`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await talk(
                    node,
                    [
                        ("POST /k1/deks", dek, 404, "40470"),
                        ("POST", kek, 200, #""name":"k1""#),
                        (
                            "POST /k1/deks", dek, 200,
                            #"{"kekName":"k1","subject":"s-value","version":1,"algorithm":"AES256_GCM","encryptedKeyMaterial":"AAEC","ts":"#
                        ),
                        ("POST /k1/deks/s-value", dek, 409, #"Key 's-value' already exists"#),
                        (
                            "POST /k1/deks/other", dek, 422,
                            #""message":"Invalid or missing value for field 'subject' of key""#
                        ),
                        (
                            "POST /k1/deks/s-value", #"{"version":2,"encryptedKeyMaterial":"AwQF"}"#, 200,
                            #""version":2,"algorithm":"AES256_GCM","encryptedKeyMaterial":"AwQF""#
                        ),
                        (
                            "POST /k1/deks/s-value", #"{"algorithm":"AES256_SIV","encryptedKeyMaterial":"BgcI"}"#, 200,
                            #""version":1,"algorithm":"AES256_SIV""#
                        ),
                        (
                            "POST /k1/deks/s-value?rewrap=true", #"{"version":2,"encryptedKeyMaterial":"CQkJ"}"#, 200,
                            "CQkJ"
                        ),
                        ("POST /k1/deks/a-value", #"{"encryptedKeyMaterial":"AAEC"}"#, 200, #""subject":"a-value""#),
                        ("GET /k1/deks", nil, 200, #"["a-value","s-value"]"#),
                        ("GET /k1/deks?limit=1&offset=1", nil, 200, #"["s-value"]"#),
                        ("GET ?subjectPrefix=s-", nil, 200, #"["k1"]"#),
                        ("GET ?subjectPrefix=x", nil, 200, "[]"),
                        ("GET /k1/deks/s-value", nil, 200, #""version":1"#),
                        ("GET /k1/deks/s-value/versions", nil, 200, "[1,2]"),
                        ("GET /k1/deks/s-value/versions?algorithm=AES256_SIV", nil, 200, "[1]"),
                        ("GET /k1/deks/s-value?algorithm=DES", nil, 404, "404"),
                        ("GET /k1/deks/s-value/versions/latest", nil, 200, #""version":2"#),
                        (
                            "GET /k1/deks/s-value/versions/-1?algorithm=AES256_GCM&deleted=false", nil, 200,
                            #""version":2"#
                        ),
                        ("GET /k1/deks/s-value/versions/3", nil, 404, #"Key 's-value' not found"#),
                        ("GET /k1/deks/s-value/versions/x", nil, 422, "42202"),
                        (
                            "DELETE /k1", nil, 422,
                            #"{"error_code":42272,"message":"One or more references exist to the key k1"}"#
                        ),
                        ("DELETE /k1/deks/s-value/versions/2?permanent=true", nil, 404, "40471"),
                        ("DELETE /k1/deks/s-value/versions/2", nil, 204, ""),
                        ("GET /k1/deks/s-value/versions", nil, 200, "[1]"),
                        ("GET /k1/deks/s-value/versions/latest", nil, 200, #""version":1"#),
                        ("GET /k1/deks/s-value/versions/2?deleted=true", nil, 200, #""deleted":true"#),
                        ("POST /k1/deks/s-value/versions/2/undelete", nil, 204, ""),
                        ("GET /k1/deks/s-value/versions", nil, 200, "[1,2]"),
                        ("DELETE /k1/deks/s-value", nil, 204, ""),
                        ("GET /k1/deks/s-value/versions", nil, 200, "[]"),
                        ("GET /k1/deks/s-value/versions?algorithm=AES256_SIV", nil, 200, "[1]"),
                        ("POST /k1/deks/s-value/undelete", nil, 204, ""),
                        ("DELETE /k1/deks/s-value", nil, 204, ""),
                        ("DELETE /k1/deks/s-value?permanent=true", nil, 204, ""),
                        ("DELETE /k1/deks/s-value?permanent=true", nil, 404, "40470"),
                        ("DELETE /k1/deks/s-value?algorithm=AES256_SIV", nil, 204, ""),
                        ("DELETE /k1/deks/a-value", nil, 204, ""),
                        ("DELETE /k1", nil, 204, ""),
                        ("POST /k1/deks/a-value/undelete", nil, 404, #""message":"Key 'k1' must be undeleted first""#),
                        // Deleted data keys hold on to the key that they need.
                        ("DELETE /k1?permanent=true", nil, 422, "42272"),
                    ])
            }
        }
    }

    @Test func `what is missing or wrong in a key is told`() async throws {
        let long = String(repeating: "k", count: 65)
        func invalid(_ field: String) -> String { "Invalid or missing value for field '\(field)' of key" }
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                try await talk(
                    node,
                    [
                        ("POST", #"{"kmsType":"t","kmsKeyId":"i"}"#, 422, invalid("name")),
                        ("POST", #"{"name":"1k","kmsType":"t","kmsKeyId":"i"}"#, 422, #""error_code":42271"#),
                        ("POST", #"{"name":"k.1","kmsType":"t","kmsKeyId":"i"}"#, 422, invalid("name")),
                        ("POST", #"{"name":"\#(long)","kmsType":"t","kmsKeyId":"i"}"#, 422, invalid("name")),
                        ("POST", #"{"name":"k","kmsKeyId":"i"}"#, 422, invalid("kmsType")),
                        ("POST", #"{"name":"k","kmsType":"t","kmsKeyId":""}"#, 422, invalid("kmsKeyId")),
                        (
                            "POST", #"{"name":"k","kmsType":"t","kmsKeyId":"i","kmsProps":[]}"#, 400,
                            "'kmsProps' must be an object"
                        ),
                        ("POST", #"{"name":"k-1_ü","kmsType":"t","kmsKeyId":"i","unknown":1}"#, 200, #""kmsType":"t""#),
                        ("POST", #"{"name":"k","kmsType":"t","kmsKeyId":"i"}"#, 200, ""),
                        ("POST /k/deks", #"{"encryptedKeyMaterial":"AAEC"}"#, 422, invalid("subject")),
                        ("POST /k/deks", #"{"subject":"s"}"#, 422, invalid("encryptedKeyMaterial")),
                        (
                            "POST /k/deks", #"{"subject":"s","version":0,"encryptedKeyMaterial":"AAEC"}"#, 422,
                            invalid("version")
                        ),
                        (
                            "POST /k/deks", #"{"subject":"s","algorithm":"DES","encryptedKeyMaterial":"AAEC"}"#, 400,
                            "AES128_GCM"
                        ),
                        ("POST /k/test", nil, 422, invalid("shared")),
                        // Keys that the original would make by the service, which is not there.
                        (
                            "POST ?testSharing=true", #"{"name":"z","kmsType":"t","kmsKeyId":"i","shared":true}"#, 500,
                            #""error_code":50070"#
                        ),
                        ("POST", #"{"name":"z","kmsType":"t","kmsKeyId":"i","shared":true}"#, 200, #""shared":true"#),
                        ("POST /z/deks/s", "{}", 500, #""error_code":50070"#),
                        ("POST /z/deks/s", #"{"encryptedKeyMaterial":"AAEC"}"#, 200, #""encryptedKeyMaterial":"AAEC""#),
                        ("POST /z/deks/s?rewrap=true", #"{"encryptedKeyMaterial":"AAED"}"#, 409, "40971"),
                    ])
            }
        }
    }

    @Test func `keys are kept, as many as there may be, and other nodes answer with them`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                #expect(try await node.ask("GET", Self.keks).text == "[]")
                #expect(try await platform.cluster.topics().isEmpty, "who has no keys has no topic")
                let material = #"{"encryptedKeyMaterial":"AA"}"#
                try await talk(
                    node,
                    [
                        ("POST", kek, 200, ""),
                        ("POST /k1/deks/:.c:s%2Fv", material, 200, #""subject":":.c:s/v""#),
                    ])
                try await platform.withNode { other in
                    try await talk(
                        other,
                        [
                            ("GET /k1/deks", nil, 200, #"[":.c:s/v"]"#), ("DELETE /k1/deks/:.c:s%2Fv", nil, 204, ""),
                            ("GET /k1/deks", nil, 200, "[]"),
                        ])
                }
                let other = try await node.ask("GET", "/contexts/.c" + Self.keks + "/k1/deks/s%2Fv?deleted=true")
                #expect(other.text.contains(#""subject":":.c:s/v""#), "\(other)")
                try await talk(
                    node, [("GET /k1/deks", nil, 200, "[]"), ("GET /k1/deks?deleted=true", nil, 200, "s/v")])
            }
            try await platform.withNode({ $0.keyCountMax = 1 }) { node in
                try await talk(
                    node,
                    [
                        ("GET", nil, 200, #"["k1"]"#),
                        ("POST", #"{"name":"k2","kmsType":"t","kmsKeyId":"i"}"#, 200, ""),
                        (
                            "POST", #"{"name":"k3","kmsType":"t","kmsKeyId":"i"}"#, 409,
                            #""error_code":40972,"message":"A maximum of 1 keys already exist""#
                        ),
                    ])
            }
            try await platform.cluster.deleteTopic("_dek_registry_keys")
            try await platform.withNode { node in try await talk(node, [("GET", nil, 200, "[]")]) }
        }
    }

    @Test func `a subject may use the keys of another one`() async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                let config = try await node.ask("PUT", "/config/b-value", #"{"aliasForDeks":"a-value"}"#)
                #expect(config.text == #"{"aliasForDeks":"a-value"}"#)
                try await talk(
                    node,
                    [
                        ("POST", kek, 200, ""),
                        ("POST /k1/deks/b-value", #"{"encryptedKeyMaterial":"AA"}"#, 200, #""a-value""#),
                        ("GET /k1/deks", nil, 200, #"["a-value"]"#),
                        ("GET /k1/deks/b-value/versions/1", nil, 200, #""subject":"a-value""#),
                    ])
                #expect(try await node.register("b-value", message(["a"])).status == 200, "its schemas stay its own")
                #expect(try await node.ask("GET", "/subjects").text == #"["b-value"]"#)
            }
        }
    }

    @Test func `rules that encrypt are given the name of their key`() async throws {
        func rule(_ params: String) -> [(String, JSONValue)] {
            let text = #"{"domainRules":[{"name":"e","type":"ENCRYPT","tags":["PII"],"params":\#(params)}]}"#
            return [("ruleSet", JSONValue.parse(Array(text.utf8)) ?? .null)]
        }
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                for (given, kept) in [
                    (
                        #"{"encrypt.kms.key.id":"arn:aws:kms:eu:1:key/2"}"#,
                        #""params":{"encrypt.kek.name":"aws-kms-eu-1-key-2","encrypt.kms.key.id":"arn:aws:kms:eu:1:key/2","encrypt.kms.type":"aws-kms"}"#
                    ),
                    (
                        #"{"encrypt.kms.key.id":"a.b","encrypt.kms.type":"local-kms"}"#,
                        #""params":{"encrypt.kek.name":"a-b","encrypt.kms.key.id":"a.b","encrypt.kms.type":"local-kms"}"#
                    ),
                    (
                        #"{"encrypt.kek.name":"k","encrypt.kms.key.id":"a.b"}"#,
                        #""params":{"encrypt.kek.name":"k","encrypt.kms.key.id":"a.b"}"#
                    ),
                    (#"{"other":"x"}"#, #""params":{"other":"x"}"#),
                ] {
                    let answer = try await node.register("s", message(["a"], extra: rule(given)))
                    #expect(answer.text.contains(kept), "\(answer)")
                    // Asked again, it is the same version.
                    #expect(try await node.register("s", message(["a"], extra: rule(given))).text == answer.text)
                }
            }
        }
    }

    /// Keys and values as the original's classes give them to Jackson: what their constructors take comes first, in that
    /// order.
    @Test func `records are the original's, byte for byte`() {
        var kek = KeyEncryptionKey(name: "k", kmsType: "t", kmsKeyID: "i")
        kek.kmsProperties = ["b": "2", "a": "1"]
        kek.doc = "d"
        let id = DataKeyID(kek: "k", subject: ":.c:s", algorithm: .aes128GCM, version: 3)
        let dek = DataEncryptionKey(id: id, encryptedMaterial: "AA==", isDeleted: true)
        func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        #expect(text(KeyRecord.kek(kek).key) == #"{"tenant":"default","name":"k","type":"KEK"}"#)
        #expect(
            text(KeyRecord.kek(kek).value)
                == #"{"name":"k","kmsType":"t","kmsKeyId":"i","kmsProps":{"a":"1","b":"2"},"doc":"d","shared":false,"deleted":false,"type":"KEK"}"#
        )
        #expect(
            text(KeyRecord.dek(dek).key)
                == #"{"tenant":"default","kekName":"k","subject":":.c:s","algorithm":"AES128_GCM","version":3,"type":"DEK"}"#
        )
        #expect(
            text(KeyRecord.dek(dek).value)
                == #"{"kekName":"k","subject":":.c:s","algorithm":"AES128_GCM","version":3,"encryptedKeyMaterial":"AA==","deleted":true,"type":"DEK"}"#
        )
        for record in [KeyRecord.kek(kek), .dek(dek), .kekGone("k"), .dekGone(id)] {
            #expect(KeyRecord.parse(key: record.key, value: record.value) == record)
        }
        for (key, value) in [
            ("x", nil), (#"{"type":"KEK"}"#, nil), (#"{"tenant":"other","name":"k","type":"KEK"}"#, nil),
            (#"{"tenant":"default","name":"k","type":"KEK"}"#, "x"),
            (#"{"tenant":"default","name":"k","type":"NEW"}"#, "{}"),
            (#"{"tenant":"default","kekName":"k","subject":"s","algorithm":"DES","version":1,"type":"DEK"}"#, "{}"),
        ] as [(String, String?)] {
            #expect(KeyRecord.parse(key: Array(key.utf8), value: value.map { Array($0.utf8) }) == nil)
        }
        #expect(KeyRecord.parse(key: nil, value: nil) == nil)
    }
}
