package import ConnectCore
import Environment
import JSONFormat

/// Who asks: what tokens are made from. Never printed.
///
/// - SeeAlso: google-auth's `GoogleCredentials.getApplicationDefault`, AIP-4110.
package enum GoogleCredentials: Sendable {
    /// A service account, which signs its own requests for tokens (RFC 7523).
    case serviceAccount(email: String, key: SigningKey, keyID: String?, tokenURL: String)
    /// A person who once logged in with gcloud.
    case user(id: String, secret: String, refreshToken: String, tokenURL: String)
    /// The account of the machine, by Google's metadata server: its host.
    case machine(String)

    private static let googleTokenURL = "https://oauth2.googleapis.com/token"

    /// nil for the metadata server, which is always asked in the clear.
    package var tokenURL: String? {
        switch self {
        case .serviceAccount(_, _, _, let url), .user(_, _, _, let url): url
        case .machine: nil
        }
    }

    /// - Parameter place: where the text comes from, for errors, which show nothing of it.
    /// - Throws: `.config` for what is no key of these kinds.
    package init(json: [UInt8], place: String) throws(ConnectError) {
        guard let text = JSONValue.parse(json), text.members != nil else {
            throw .config("\(place) holds no JSON object: it has to be a service account's key as Google gives it out")
        }
        func member(_ name: String) throws(ConnectError) -> String {
            guard let value = text[name]?.text, !value.isEmpty else {
                throw .config("\(place) has no '\(name)', which a key of Google's has")
            }
            return value
        }
        let tokenURL = text["token_uri"]?.text ?? Self.googleTokenURL
        switch try member("type") {
        case "service_account":
            let pem = try member("private_key")
            let key: SigningKey
            do throws(ConnectError) { key = try SigningKey(pem: pem) } catch {
                throw .config("\(place): \(error.message)")
            }
            self = .serviceAccount(
                email: try member("client_email"), key: key, keyID: text["private_key_id"]?.text, tokenURL: tokenURL)
        case "authorized_user":
            self = .user(
                id: try member("client_id"), secret: try member("client_secret"),
                refreshToken: try member("refresh_token"), tokenURL: tokenURL)
        case let type:
            throw .config(
                "\(place) has credentials of type '\(type.prefix(64))'; those of type service_account and authorized_user can "
                    + "be used")
        }
    }

    /// - Parameter option: that names the file.
    /// - Throws: `.config` for a file that cannot be read.
    package init(file: String, option: String) throws(ConnectError) {
        let bytes: [UInt8]
        do throws(DiskError) { bytes = try StreamFile.contents(file, byteCountMax: 1 << 20) } catch {
            throw .config(option, "[hidden]", "Failed to access JSON key file: \(error.reason)")
        }
        try self.init(json: bytes, place: "the key file")
    }

    /// The file of `GOOGLE_APPLICATION_CREDENTIALS`, or gcloud's, or the metadata server.
    package static func applicationDefault(
        _ surroundings: (String) -> String?
    ) throws(ConnectError) -> GoogleCredentials {
        if let file = surroundings("GOOGLE_APPLICATION_CREDENTIALS"), !file.isEmpty {
            let bytes: [UInt8]
            do throws(DiskError) { bytes = try StreamFile.contents(file, byteCountMax: 1 << 20) } catch {
                throw .config("the file of GOOGLE_APPLICATION_CREDENTIALS cannot be read: \(error.reason)")
            }
            return try GoogleCredentials(json: bytes, place: "the file of GOOGLE_APPLICATION_CREDENTIALS")
        }
        let folder = surroundings("CLOUDSDK_CONFIG") ?? surroundings("HOME").map { $0 + "/.config/gcloud" }
        if let folder {
            let file = folder + "/application_default_credentials.json"
            // A file that is not there says that nobody logged in.
            if let bytes = try? StreamFile.contents(file, byteCountMax: 1 << 20) {
                return try GoogleCredentials(json: bytes, place: "gcloud's application_default_credentials.json")
            }
        }
        return .machine(surroundings("GCE_METADATA_HOST") ?? "metadata.google.internal")
    }
}
