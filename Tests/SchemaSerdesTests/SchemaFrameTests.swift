import SchemaSerdes
import Testing

@Suite struct SchemaFrameTests {
    @Test(
        arguments: [
            ([0, 0, 0, 0, 7, 1, 2], .id(7), 5), ([0, 0x7F, 0xFF, 0xFF, 0xFF], .id(.max), 5),
            ([0, 0x80, 0, 0, 0], .id(.min), 5),
            (
                [1] + Array(0...15) + [9], .guid("00010203-0405-0607-0809-0a0b0c0d0e0f"), 17
            ),
        ] as [([UInt8], SchemaFrame, Int)])
    func `is read from the bytes in front`(bytes: [UInt8], frame: SchemaFrame, byteCount: Int) throws {
        let found = try #require(SchemaFrame.read(bytes))
        #expect(found.frame == frame)
        #expect(found.byteCount == byteCount)
    }

    @Test(arguments: [[], [0], [0, 1, 2, 3], [1] + Array(0...14), [2, 0, 0, 0, 1], [0x7B, 0x7D]] as [[UInt8]])
    func `is not there`(bytes: [UInt8]) { #expect(SchemaFrame.read(bytes) == nil) }

    @Test(arguments: [0, 1, 258, .max] as [Int32])
    func `is written as it is read`(id: Int32) throws {
        let bytes = SchemaFrame.prefix(id: id)
        #expect(bytes.count == 5)
        let found = try #require(SchemaFrame.read(bytes))
        #expect(found.frame == .id(id))
    }
}
