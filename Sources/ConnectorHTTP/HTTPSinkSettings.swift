package import ConnectCore
import HTTPCalls

/// What both HTTP sinks boil down to.
struct HTTPSinkSettings: Sendable {
    enum Body: Sendable {
        /// The value's text; structs and maps as Java shows them.
        case string
        /// The value as JSON.
        case json
        /// Texts as they are, everything else as JSON.
        case plain
    }

    enum OnError: String, Sendable { case fail, ignore, log }
    enum OnNull: String, Sendable { case fail, ignore, log, delete }

    enum Authorization: Sendable {
        case none
        case header(name: String, value: String)
        case oauth(OAuthSettings)
    }

    var url: RecordTemplate
    /// Without placeholders, for the log.
    var shownURL: String
    var method = "POST"
    var headers: [(name: String, value: String)] = []
    var authorization = Authorization.none
    var body = Body.string
    var batchCountMax = 1
    var prefix = ""
    var suffix = ""
    var separator = ","
    /// Records with the same text may stand in one batch.
    var batchKey = RecordTemplate("")
    var replacements: [TextReplacement] = []
    var retryCountMax = 10
    var schedule = RetrySchedule(first: .seconds(3))
    /// Codes of answers after which trying again may help.
    var retryCodes: StatusCodes
    var onError = OnError.fail
    var onNull = OnNull.ignore
    var exchange = HTTPCaller.Settings()
    var reporter: ReporterTopics?
}

/// How a token is got with the name and secret of a client (RFC 6749, section 4.4).
struct OAuthSettings: Sendable {
    var url: String
    var client: String
    var secret: String
    var scope: String?
    /// In the `Authorization` header, else in the form.
    var isInHeader = true
    var tokenProperty = "access_token"
    var headers: [(name: String, value: String)] = []
}

/// Topics for what servers answered.
struct ReporterTopics: Sendable {
    var success: String
    var error: String
    /// Whether errors are the server's answer instead of our words.
    var errorsAreResponses: Bool
}

/// Where answers of servers are written to; whoever puts the program together has the way to the cluster.
package protocol ResponseReporter: Sendable {
    /// Returns when the record is in its topic.
    func report(
        topic: String, key: [UInt8]?, value: [UInt8], headers: [(name: String, value: [UInt8])]
    ) async throws(ConnectError)
}

/// `Name:value` pairs between separators.
func headerList(
    _ text: String, separator: String, option: String
) throws(ConnectError) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    for part in separator.isEmpty ? [text] : text.split(separator: separator).map(String.init) {
        if part.allSatisfy({ $0 == " " }) { continue }
        guard let colon = part.firstIndex(of: ":") else {
            // The value may be a secret: only what stands where the name should be is shown.
            throw .config("\(option): a header has no ':' between its name and its value")
        }
        let name = part[..<colon].trimmingSpaces
        let value = part[part.index(after: colon)...].trimmingSpaces
        let isToken = name.utf8.allSatisfy { byte in
            0x30...0x39 ~= byte || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        guard !name.isEmpty, isToken else { throw .config("\(option): '\(name)' is no name of a header") }
        guard value.utf8.allSatisfy({ $0 >= 0x20 || $0 == 9 }) else {
            throw .config("\(option): the value of '\(name)' has control characters")
        }
        headers.append((name, value))
    }
    return headers
}

extension StringProtocol {
    var trimmingSpaces: String {
        var text = Substring(self)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
