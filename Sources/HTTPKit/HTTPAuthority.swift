import Bytes
import Glibc

/// What the header Host, or the authority of an address, says (RFC 3986, 3.2).
package enum HTTPAuthority {
    /// The host of `HOST` or `HOST:PORT`, in lower case and without the brackets of IPv6; nil for anything else.
    package static func host(_ authority: String) -> String? {
        let text = authority.lowercased()
        var host = text[...]
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            let behind = text[text.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
            port = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        if let port { guard !port.isEmpty, port.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil } }
        while host.hasSuffix(".") { host.removeLast() }  // a name with its root is the same name
        return host.isEmpty ? nil : String(host)
    }

    /// Whether a host is an address in digits.
    package static func isAddress(_ host: String) -> Bool {
        if host.contains(":") {
            return host.utf8.allSatisfy { $0 == 0x3A || $0 == 0x2E || Hexadecimal.value($0) != nil }
        }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
    }

    /// The name of this machine; nil when it has none.
    package static let machine: String? = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return nil }
        let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return text.isEmpty ? nil : text
    }()
}
