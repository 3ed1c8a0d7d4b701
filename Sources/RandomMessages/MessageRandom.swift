package import KafkaMessages
package import NIOCore
import TestKit

/// A message that can be filled with random values; the generator prints `random(_:version:)`.
package protocol RandomMessage: KafkaMessage {
    /// Only fields that `version` has differ from their defaults, so that reading what was written gives an equal value.
    static func random(_ random: inout MessageRandom, version: Int16) -> Self
}

/// A type of message.
package struct MessageCase: Sendable {
    package var type: any RandomMessage.Type

    package init(_ type: any RandomMessage.Type) { self.type = type }

    package var name: String { String(describing: type) }
}

/// Random values for the fields of messages.
package struct MessageRandom {
    private var random: SeededRandom
    /// Whether tagged fields are filled: always, by chance (nil), or never.
    package var tags: Bool?
    /// Array elements at most. One where a message should stay small.
    package var countMax: Int
    /// Whether every nullable field has a value and no array is empty.
    package var isFull: Bool

    package init(seed: UInt64, tags: Bool? = nil, countMax: Int = 2, isFull: Bool = false) {
        random = SeededRandom(seed: seed)
        self.tags = tags
        self.countMax = countMax
        self.isFull = isFull
    }

    package mutating func fillsTag() -> Bool { tags ?? bool() }
    package mutating func isNull() -> Bool { !isFull && random.next() % 4 == 0 }
    package mutating func count() -> Int { isFull ? countMax : Int(random.next() % UInt64(countMax + 1)) }
    package mutating func bool() -> Bool { random.next() % 2 == 0 }

    /// Often the extremes of the type.
    package mutating func integer<T: FixedWidthInteger>() -> T {
        switch isFull ? 3 : random.next() % 8 {
        case 0: 0
        case 1: T.min
        case 2: T.max
        default: T(truncatingIfNeeded: random.next())
        }
    }

    package mutating func float64() -> Double { Double(random.next() % 1_000_000) / 8 }

    package mutating func uuid() -> KafkaUUID { KafkaUUID(high: random.next(), low: random.next()) }

    /// Text with characters of one to four bytes; now and then longer than a length of one byte counts.
    package mutating func string() -> String {
        let count = isFull ? 5 : random.next() % 16 == 0 ? 200 : Int(random.next() % 12)
        let alphabet: [Character] = ["a", "Z", "0", ".", "-", "_", " ", "\u{0}", "é", "水", "🌊"]
        return String((0..<count).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
    }

    package mutating func bytes() -> ByteBuffer {
        let count = isFull ? 4 : random.next() % 16 == 0 ? 300 : Int(random.next() % 12)
        return ByteBuffer(bytes: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }

    package mutating func records() -> Records { .bytes(bytes()) }
}

extension KafkaMessage {
    /// The message in `version`, alone in a buffer.
    package func encoded(_ version: Int16) throws -> [UInt8] {
        var writer = WireWriter()
        try encode(to: &writer, version: version)
        return Array(writer.buffer.readableBytesView)
    }

    /// Reads a message from the front of `bytes`. - Returns: the message and the bytes left behind it.
    package static func decoded(_ bytes: some Collection<UInt8>, _ version: Int16) throws -> (message: Self, left: Int)
    {
        var reader = WireReader(ByteBuffer(bytes: bytes))
        let message = try Self(from: &reader, version: version)
        return (message, reader.readableByteCount)
    }
}
