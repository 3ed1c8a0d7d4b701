internal import CPq

/// A session with a PostgreSQL server, as libpq opens it. Its owner asks and closes it.
package enum PostgresSession {
    /// Why there is none. No message has the password.
    package struct Refusal: Error, Sendable {
        package var message: String
        /// Whether the server, or libpq itself, wants none of these parameters: another attempt would end alike.
        package var isDenied: Bool
    }

    /// - Parameter parameters: libpq's; the last of a name counts.
    /// - Returns: a connection for `PQfinish`.
    package static func open(_ parameters: [(name: String, value: String)]) throws(Refusal) -> OpaquePointer {
        let opened = withCStrings(parameters.map(\.name)) { names in
            withCStrings(parameters.map(\.value)) { PQconnectdbParams(names, $0, 0) }
        }
        guard let opened else { throw Refusal(message: "out of memory", isDenied: false) }
        guard PQstatus(opened) == CONNECTION_OK else {
            let message = PQerrorMessage(opened).map { trimmed(String(cString: $0)) } ?? "no connection"
            PQfinish(opened)
            // There is no result to ask for a state: the words are all there is.
            throw Refusal(message: message, isDenied: wordsOfDenial.contains { isPart($0, of: message) })
        }
        // Notices would go to stderr.
        PQsetNoticeReceiver(opened, { _, _ in }, nil)
        return opened
    }

    private static let wordsOfDenial = [
        "authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry", "permission denied",
        "must be superuser", "invalid connection option", "invalid sslmode", "certificate",
    ]

    private static func isPart(_ words: String, of message: String) -> Bool {
        let wanted = Array(words.utf8)
        let bytes = Array(message.utf8)
        guard wanted.count <= bytes.count else { return false }
        return (0...bytes.count - wanted.count).contains { bytes[$0..<$0 + wanted.count].elementsEqual(wanted) }
    }

    private static func trimmed(_ text: String) -> String {
        var rest = text[...]
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest.drop(while: \.isWhitespace))
    }

    /// C's null-terminated array of texts.
    private static func withCStrings<Result>(
        _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result?
    ) -> Result? {
        var bytes: [CChar] = []
        var places: [Int] = []
        for text in texts {
            places.append(bytes.count)
            bytes += text.utf8.map { CChar(bitPattern: $0) } + [0]
        }
        return bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let pointers = places.map { Optional(start + $0) } + [nil]
            return pointers.withUnsafeBufferPointer { $0.baseAddress.flatMap(body) }
        }
    }
}
