import Bytes
import Testing

@Suite struct HTTPAddressTests {
    @Test(
        arguments: [
            ("localhost:8081", "http://localhost:8081", nil, ""), ("http://r", "http://r", nil, ""),
            ("https://r:443/", "https://r:443", nil, ""), ("http://r:1/a/b/", "http://r:1/a/b", nil, ""),
            ("HTTP://[::1]:8081", "http://[::1]:8081", nil, ""), ("http://u:p@r:1", "http://r:1", "u", "p"),
            ("http://u%40x:p%3Aq:r@r", "http://r", "u@x", "p:q:r"), ("http://u@r", "http://r", "u", ""),
        ] as [(String, String, String?, String)])
    func `is read from text`(text: String, base: String, user: String?, password: String) throws {
        let address = try #require(HTTPAddress(text))
        #expect(address.base == base)
        #expect(address.user == user)
        #expect(address.password == password)
        #expect(address.description == base, "a password must not get into messages")
    }

    @Test(
        arguments: [
            ("http://user:secret@r:1", "http://user:[hidden]@r:1"), ("http://r:8081", "http://r:8081"),
            ("http://u:a@r:1/x,https://v:b@s", "http://u:[hidden]@r:1/x,https://v:[hidden]@s"),
            ("http://u@r", "http://u@r"), ("http://u:a/b@r", "http://u:[hidden]@r"),
            ("http://u:a@b@r", "http://u:[hidden]@r"),
            ("PLAINTEXT://127.0.0.1:9092", "PLAINTEXT://127.0.0.1:9092"), ("a@b", "a@b"), ("", ""),
            ("jdbc:postgresql://u:p@db/x", "jdbc:postgresql://u:[hidden]@db/x"),
        ])
    func `passwords are hidden`(text: String, shown: String) { #expect(HTTPAddress.hidingPasswords(text) == shown) }

    @Test(arguments: [
        "", "ftp://r", "http://", "http://r:0", "http://r:65536", "http://r:x", "a b", "http://[::1", "http://r:1:2",
    ])
    func `is refused when it is none`(text: String) { #expect(HTTPAddress(text) == nil) }
}
