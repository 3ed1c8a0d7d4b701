import Bytes
import KafkaMessages
import RandomMessages
import TestKit
import Testing

/// Properties that hold for every message in every version, on random values.
@Suite struct RandomMessageTests {
    @Test(arguments: allMessages, [1, 2, 3] as [UInt64])
    func `what is written is read back, to the last byte`(message: MessageCase, seed: UInt64) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            for version in M.versions {
                var random = MessageRandom(seed: seed &+ UInt64(version) << 32)
                let value = M.random(&random, version: version)
                let bytes = try value.encoded(version)
                let (read, left) = try M.decoded(bytes, version)
                #expect(read == value, "version \(version)")
                #expect(left == 0, "version \(version)")
            }
        }
        try check(message.type)
    }

    @Test(arguments: allMessages)
    func `defaults alone are read back, and write no tagged field`(message: MessageCase) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            for version in M.versions {
                let bytes = try M().encoded(version)
                #expect(try M.decoded(bytes, version).message == M(), "version \(version)")
                if M.isFlexible(version) { #expect(bytes.last == 0, "version \(version)") }
            }
        }
        try check(message.type)
    }

    @Test(arguments: allMessages, [4, 5] as [UInt64])
    func `a message cut anywhere is an error`(message: MessageCase, seed: UInt64) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            for version in M.sampleVersions {
                var random = MessageRandom(seed: seed, countMax: 1)
                let bytes = try M.random(&random, version: version).encoded(version)
                for length in bytes.indices {
                    #expect(throws: WireError.self, "version \(version), \(length) of \(bytes.count) bytes") {
                        try M.decoded(bytes[..<length], version)
                    }
                }
            }
        }
        try check(message.type)
    }

    /// What a decoder accepts it can also write, in at most as many bytes as it read: it made up nothing, so what it
    /// allocates is bounded by what arrived.
    @Test(arguments: allMessages, [6, 7, 8] as [UInt64])
    func `damaged bytes are an error or a message, never more`(message: MessageCase, seed: UInt64) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            var damage = SeededRandom(seed: seed)
            for version in M.versions {
                var random = MessageRandom(seed: seed)
                let bytes = try M.random(&random, version: version).encoded(version)
                guard !bytes.isEmpty else { continue }
                for _ in 0..<100 {
                    var damaged = bytes
                    for _ in 0...(damage.next() % 3) {
                        let value: UInt8 =
                            [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: damage.next())]
                            .randomElement(using: &damage) ?? 0
                        damaged[Int(damage.next() % UInt64(damaged.count))] = value
                    }
                    guard let (read, left) = try accepted(M.self, damaged, version) else { continue }
                    let written = try read.encoded(version)
                    #expect(written.count <= damaged.count - left, "version \(version): \(damaged)")
                    // Compared as bytes: a float64 may have become NaN, which differs from itself.
                    #expect(try M.decoded(written, version).message.encoded(version) == written)
                }
            }
        }
        try check(message.type)
    }

    @Test(arguments: allMessages, [9] as [UInt64])
    func `noise is an error or a message`(message: MessageCase, seed: UInt64) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            var random = SeededRandom(seed: seed)
            for version in M.sampleVersions {
                for _ in 0..<100 {
                    // Small numbers are plausible lengths, so that decoders get further than the first field.
                    let noise = (0..<(random.next() % 80)).map { _ in
                        UInt8(truncatingIfNeeded: random.next() % (random.next() % 4 == 0 ? 256 : 4))
                    }
                    guard let (read, left) = try accepted(M.self, noise, version) else { continue }
                    #expect(try read.encoded(version).count <= noise.count - left, "version \(version): \(noise)")
                }
            }
        }
        try check(message.type)
    }

    @Test(arguments: allMessages, [10] as [UInt64])
    func `tagged fields that we do not know are skipped`(message: MessageCase, seed: UInt64) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            for version in M.versions where M.isFlexible(version) {
                var random = MessageRandom(seed: seed, tags: false)
                let value = M.random(&random, version: version)
                var bytes = try value.encoded(version)
                #expect(bytes.removeLast() == 0, "the empty tag section")
                bytes += [2, 57, 0, 0x80, 0x01, 3, 0xAA, 0xBB, 0xCC]  // tag 57 without bytes, tag 128 with 3
                let (read, left) = try M.decoded(bytes, version)
                #expect(read == value, "version \(version)")
                #expect(left == 0, "version \(version)")
            }
        }
        try check(message.type)
    }

    @Test(arguments: allMessages)
    func `versions outside the definition are refused`(message: MessageCase) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            for version in [M.versions.lowerBound - 1, M.versions.upperBound + 1, .min, .max] {
                let expected = WireError.unsupported("\(M.self) has no version \(version)")
                #expect(throws: expected) { try M().encoded(version) }
                #expect(throws: expected) { try M.decoded([UInt8](repeating: 0, count: 64), version) }
            }
        }
        try check(message.type)
    }

    /// What a decoder makes of bytes that may be wrong; nil for a `WireError`. Other errors are thrown on.
    private func accepted<M: KafkaMessage>(
        _ type: M.Type, _ bytes: [UInt8], _ version: Int16
    ) throws -> (message: M, left: Int)? {
        do {
            return try M.decoded(bytes, version)
        } catch is WireError {
            return nil
        }
    }
}

extension KafkaMessage {
    /// The versions where most differs: the first, the first flexible, the last.
    static var sampleVersions: [Int16] {
        let flexible = versions.first { isFlexible($0) }
        return Set([versions.lowerBound, flexible ?? versions.lowerBound, versions.upperBound]).sorted()
    }
}
