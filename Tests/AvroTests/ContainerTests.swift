import Avro
import TestKit
import Testing

@Suite struct ContainerTests {
    private static let sync = Array(UInt8(1)...16)

    @Test(arguments: AvroContainer.Codec.allCases)
    func `files round-trip`(codec: AvroContainer.Codec) throws {
        for seed in UInt64(1)...20 {
            var random = RandomAvro(seed: seed)
            let schema = try AvroSchema(random.record().text)
            var writer = try AvroContainerWriter(
                schema: schema, codec: codec, sync: Self.sync, metadata: [("note", [1, 2])], blockByteCount: 200)
            let values = (0..<100).map { _ in random.value(schema) }
            var file: [UInt8] = []
            for (index, value) in values.enumerated() {
                try writer.append(value)
                if index == 50 { file += writer.take() }
            }
            file += try writer.finish()
            var reader = try AvroContainerReader(file)
            #expect(reader.codec == codec)
            #expect(reader.schema.text(.parsing) == schema.text(.parsing))
            #expect(reader.metadata.first { $0.name == "note" }?.value == [1, 2])
            var read: [AvroValue] = []
            while let block = try reader.next() { read += block }
            #expect(read == values)
            // Cut or damaged anywhere, it is an error or other values, never a crash.
            for _ in 0..<30 {
                var damaged = file
                damaged[random.below(file.count)] ^= UInt8(1 + random.below(255))
                Self.readAll(damaged)
                Self.readAll(Array(file[..<random.below(file.count)]))
            }
        }
    }

    private static func readAll(_ file: [UInt8]) {
        do {
            var reader = try AvroContainerReader(file)
            while try reader.next() != nil {}
        } catch {}  // what kind of error it is depends on where the damage is
    }

    @Test(
        arguments: [
            ([0x4F, 0x62, 0x6A], "no Avro container file"), ([0x4F, 0x62, 0x6A, 1, 0], "no schema"),
            ([0x4F, 0x62, 0x6A, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F], "more than the data can hold"),
        ] as [([UInt8], String)])
    func `what is no file`(bytes: [UInt8], message: String) {
        let error = #expect(throws: AvroError.self) { try AvroContainerReader(bytes) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
