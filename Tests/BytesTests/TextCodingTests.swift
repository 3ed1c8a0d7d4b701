import Testing

@testable import Bytes

@Suite struct TextCodingTests {
    /// RFC 4648, section 10; and the alphabet for addresses.
    @Test(
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func `base 64 goes both ways`(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
        #expect(Base64.decode(encoded.filter { $0 != "=" }) == Array(text.utf8))
        #expect(Base64.decode("-_8") == [0xFB, 0xFF])
        #expect(Base64.decode("+/8=") == [0xFB, 0xFF])
        for wrong in ["a", "ab!d", "====", "ab c", "a==="] { #expect(Base64.decode(wrong) == nil, "\(wrong)") }
    }

    @Test func `hexadecimal digits go both ways`() {
        #expect(Hexadecimal.encode([0, 0x5A, 0xFF]) == Array("005aff".utf8))
        #expect("09afAF".utf8.map(Hexadecimal.value) == [0, 9, 10, 15, 10, 15])
        for wrong in "/:@G`g".utf8 { #expect(Hexadecimal.value(wrong) == nil) }
    }

    /// RFC 3986, section 2: the unreserved characters stay.
    @Test(
        arguments: [
            ("aZ09-._~", "aZ09-._~"), ("a b/c?", "a%20b%2Fc%3F"), ("é", "%C3%A9"), ("100%", "100%25"), ("", ""),
        ])
    func `percent encoding goes both ways`(text: String, encoded: String) {
        #expect(PercentEncoding.encoded(text) == encoded)
        #expect(PercentEncoding.decoded(encoded) == text)
    }

    @Test func `what is no percent escape stays`() {
        #expect(PercentEncoding.decoded("%4") == "%4")
        #expect(PercentEncoding.decoded("%zz%41%") == "%zzA%")
        #expect(PercentEncoding.decoded("%+1") == "%+1")
    }
}
