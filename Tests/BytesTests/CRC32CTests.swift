import Testing

@testable import Bytes

@Suite struct CRC32CTests {
    /// RFC 3720 appendix B.4: 32 bytes of zeros, of ones, ascending, descending; and the check value of "123456789".
    @Test(
        arguments: [
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            ([UInt8](0..<32), 0x46DD_794E),
            ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
            ([UInt8]("123456789".utf8), 0xE306_9283),
            ([], 0),
        ] as [([UInt8], UInt32)])
    func `equals the published values`(bytes: [UInt8], expected: UInt32) {
        #expect(crc32c(bytes.span.bytes) == expected)
    }

    @Test(arguments: 0..<64)
    func `continues over pieces`(cut: Int) {
        let bytes = [UInt8]((0..<64).map { UInt8($0 &* 37 & 0xFF) })
        let whole = bytes.span.bytes
        let head = crc32c(whole.extracting(..<cut))
        let both = crc32c(whole.extracting(cut...), seed: head)
        #expect(both == crc32c(whole))
    }
}
