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
}
