import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

extension JSONCalls {
    /// A failed request in the words of people, for all clients of the program. Whom it went to, its caller says before.
    package static func words(_ error: any Error) -> String {
        switch error {
        case let error as NoAnswer: error.words
        case let error as HTTPClientError: words(ofClient: error)
        case let error as NIOConnectionError: words(ofConnection: error)
        case let error as SocketAddressError.UnknownHost: words(ofUnknown: error.host)
        case let error as IOError: words(ofSystem: error)
        case let error as NIOSSLError: words(ofTLS: error)
        case is NIOSSLExtraError: "its certificate is for another host"
        case is HTTPParserError: "its answer is none of HTTP; perhaps it speaks TLS: use https://"
        default: "\(error)"
        }
    }

    private static func words(ofClient error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout, .deadlineExceeded, .readTimeout, .writeTimeout: "no answer in time"
        case .remoteConnectionClosed: "the connection was closed"
        case .cancelled: "cancelled"
        default: error.shortDescription
        }
    }

    private static func words(ofConnection error: NIOConnectionError) -> String {
        // Of several addresses of a host, the first tells as much as all.
        if let failure = error.connectionErrors.first { return words(failure.error) }
        if error.dnsAError != nil || error.dnsAAAAError != nil { return words(ofUnknown: error.host) }
        return "no connection"
    }

    private static func words(ofUnknown host: String) -> String { "the host '\(host)' is not known" }

    private static func words(ofSystem error: IOError) -> String {
        // The numbers are Linux's.
        switch error.errnoCode {
        case 101: "the network is unreachable"
        case 104, 32: "the connection was closed"
        case 110: "no answer in time"
        case 111: "connection refused"
        case 113: "there is no way to the host"
        default: "\(error)"
        }
    }

    private static func words(ofTLS error: NIOSSLError) -> String {
        switch error {
        case .uncleanShutdown: "the connection was closed"
        case .handshakeFailed(let reason):
            // What BoringSSL names its reasons is all that it tells of them.
            switch "\(reason)" {
            case let text where text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST"):
                "it does not speak TLS: use http://"
            case let text where text.contains("CERTIFICATE_VERIFY_FAILED"): "its certificate is not trusted"
            case let text where text.contains("EOF during handshake"):
                "it closed the connection instead of speaking TLS"
            case let text: "TLS failed: \(text)"
            }
        case .unableToValidateCertificate, .noCertificateToValidate: "its certificate is not trusted"
        default: "TLS failed: \(error)"
        }
    }
}
