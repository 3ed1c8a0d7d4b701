import Bytes
import Crypto
import SQLTypes

/// Who asks.
struct S3Credentials: Sendable {
    var accessKey: String
    var secretKey: String
    var sessionToken: String?
}

/// AWS Signature Version 4 in the header `authorization`, with the payload's hash signed.
///
/// - SeeAlso: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
struct RequestSigner: Sendable {
    let credentials: S3Credentials
    let region: String

    struct Request: Sendable {
        var method: String
        /// With the port where it is not the scheme's own.
        var host: String
        /// Percent encoded.
        var path: String
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
    }

    static let emptyHash = hex(SHA256.hash(data: [UInt8]()))

    static func hash(_ body: [UInt8]) -> String { hex(SHA256.hash(data: body)) }

    /// The headers to send, those of the signature among them; without `host`.
    ///
    /// - Parameter now: milliseconds since 1970.
    func headers(_ request: Request, payloadHash: String, now: Int64) -> [(name: String, value: String)] {
        let time = Self.time(now)
        let day = String(time.prefix(8))
        var headers = request.headers.map { (name: $0.name.lowercased(), value: Self.folded($0.value)) }
        headers.append(("x-amz-content-sha256", payloadHash))
        headers.append(("x-amz-date", time))
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let signed = (headers + [(name: "host", value: request.host)]).sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let canonical = [
            request.method, request.path, Self.query(request.query),
            signed.map { "\($0.name):\($0.value)\n" }.joined(), names, payloadHash,
        ].joined(separator: "\n")
        let scope = "\(day)/\(region)/s3/aws4_request"
        let text = ["AWS4-HMAC-SHA256", time, scope, Self.hash(Array(canonical.utf8))].joined(separator: "\n")
        var key = SymmetricKey(data: Array("AWS4\(credentials.secretKey)".utf8))
        for part in [day, region, "s3", "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = Self.hex(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
        headers.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),SignedHeaders=\(names),"
                    + "Signature=\(signature)"
            ))
        return headers
    }

    /// The query as it is sent and signed.
    static func query(_ query: [(name: String, value: String)]) -> String {
        let encoded: [(name: String, value: String)] = query.map {
            (PercentEncoding.encoded($0.name), PercentEncoding.encoded($0.value))
        }
        return encoded.sorted { $0 < $1 }.map { $0.name + "=" + $0.value }.joined(separator: "&")
    }

    /// A path of which each part is encoded on its own.
    static func path(_ key: String) -> String {
        "/"
            + key.split(separator: "/", omittingEmptySubsequences: false).map { PercentEncoding.encoded(String($0)) }
            .joined(separator: "/")
    }

    /// `20130524T000000Z`
    static func time(_ millis: Int64) -> String {
        let second = floorDiv(Int(millis), 1000)
        let date = CivilDate(days: floorDiv(second, 86_400))
        let rest = floorMod(second, 86_400)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return String(date.year) + two(date.month) + two(date.day) + "T" + two(rest / 3600) + two(rest / 60 % 60)
            + two(rest % 60) + "Z"
    }

    /// Without white space at the ends, and single spaces within.
    private static func folded(_ value: String) -> String {
        value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: Hexadecimal.encode(bytes), as: UTF8.self)
    }
}
