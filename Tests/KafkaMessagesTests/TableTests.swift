import Foundation
import KafkaMessages
import TestKit
import Testing

/// Our tables of errors and APIs, and ids as text, against kafka-clients 4.3.0 (`Golden/MessageGolden.java`).
@Suite struct TableTests {
    @Test func `error codes have Kafka's names and retriability`() throws {
        let rows = try rows("error")
        #expect(rows.count > 130)
        for row in rows {
            let error = ErrorCode(rawValue: try #require(row["code"] as? Int16))
            #expect(error.name == row["name"] as? String)
            #expect(error.isRetriable == row["retriable"] as? Bool, "\(error)")
        }
        #expect(ErrorCode.offsetOutOfRange.rawValue == 1)
        #expect(ErrorCode(rawValue: 999).name == "UNKNOWN_ERROR_CODE_999")
        #expect(ErrorCode(rawValue: 999).isRetriable == false)
    }

    @Test func `APIs have Kafka's names, versions and header versions`() throws {
        var seen: [ApiKey: [Int16]] = [:]
        for row in try rows("api") {
            // Keys we do not know belong to APIs that only Kafka's own brokers and controllers use.
            guard let api = ApiKey(rawValue: try #require(row["key"] as? Int16)) else { continue }
            let version = try #require(row["version"] as? Int16)
            seen[api, default: []].append(version)
            #expect(api.name == row["name"] as? String)
            #expect(api.requestHeaderVersion(version) == row["request"] as? Int16, "\(api) \(version)")
            #expect(api.responseHeaderVersion(version) == row["response"] as? Int16, "\(api) \(version)")
        }
        for api in ApiKey.allCases {
            let ours = api == .produce ? 3...api.versions.upperBound : api.versions  // Kafka lists 0 to 2, and has none
            #expect(seen[api]?.suffix(ours.count) == Array(ours)[...], "\(api)")
        }
    }

    @Test func `ids have Kafka's text`() throws {
        for row in try rows("uuid") {
            let high = try #require(UInt64(row["high"] as? String ?? "", radix: 16))
            let low = try #require(UInt64(row["low"] as? String ?? "", radix: 16))
            let text = try #require(row["text"] as? String)
            #expect(KafkaUUID(high: high, low: low).description == text)
            #expect(KafkaUUID(base64url: text) == KafkaUUID(high: high, low: low))
            #expect(KafkaUUID(base64url: text + "==") == KafkaUUID(high: high, low: low))
        }
        #expect(KafkaUUID.zero.isZero)
        #expect(!KafkaUUID(high: 0, low: 1).isZero)
    }

    @Test(arguments: [
        "", "AAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAA+AAAAAAAAAAA", "水水水水水水水",
    ])
    func `text that is no id is refused`(text: String) {
        #expect(KafkaUUID(base64url: text) == nil)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `random ids are version 4 and do not begin with a dash`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let id = KafkaUUID.random(using: &random)
            #expect(id.high >> 12 & 0xF == 4)
            #expect(id.low >> 62 == 0b10)
            #expect(!id.description.hasPrefix("-"))
            #expect(KafkaUUID(base64url: id.description) == id)
        }
    }

    private func rows(_ kind: String) throws -> [[String: Any]] {
        try goldenLines("tables.jsonl") { $0 }.filter { $0["kind"] as? String == kind }
    }
}
