import Glibc

/// IP addresses as rules name them.
enum HostAddress {
    /// One spelling for each address: that of Java, in which Kafka compares them: `2001:db8:0:0:0:0:0:1`, and
    /// `10.0.0.1` for the `::ffff:10.0.0.1` of a socket for both versions. Other texts stay what they are.
    static func canonical(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: ":")) else { return text }
        var address = in6_addr()
        guard inet_pton(AF_INET6, text, &address) == 1 else { return text }
        let bytes = withUnsafeBytes(of: address) { Array($0) }
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return bytes[12...].map { String($0) }.joined(separator: ".")
        }
        return stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
            .joined(separator: ":")
    }
}
