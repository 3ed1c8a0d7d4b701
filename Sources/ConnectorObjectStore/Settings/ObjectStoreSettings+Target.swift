import Bytes
import ConnectCore
import Crypto
package import Environment
import HTTPCalls
package import SQLTypes

/// What settings depend on besides the options.
package struct Surroundings: Sendable {
    /// A variable of the process's environment.
    var variable: @Sendable (String) -> String?
    /// A file of the user's, as text.
    var file: @Sendable (String) -> String?
    var zones: TimeZones
    var disk: any Disk
    /// From how many bytes on a file of HDFS is sent before it is whole: each appending costs two requests and opens the last
    /// block again.
    var hdfsStepByteCount = 16 << 20

    package init(
        variable: @escaping @Sendable (String) -> String?, file: @escaping @Sendable (String) -> String?,
        zones: TimeZones, disk: any Disk
    ) {
        self.variable = variable
        self.file = file
        self.zones = zones
        self.disk = disk
    }

    /// Those of the process.
    package static let process = Surroundings(
        variable: { EnvironmentVariable.value($0) },
        file: { path in
            // A file that is not there is no source of credentials; the error says which were looked at.
            (try? StreamFile.contents(path, byteCountMax: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
        },
        zones: TimeZones { TimeZoneFiles.read($0) }, disk: RealDisk())
}

extension ObjectStoreSettings {
    static func target(
        _ values: ConfigValues, _ flavour: ObjectStoreSinkPlugin.Flavour, _ surroundings: Surroundings
    ) throws(ConnectError) -> Target {
        if flavour == .hdfs {
            return .hdfs(try hdfs(values, surroundings), notes: try hdfsFolder("logs.dir", values))
        }
        if flavour == .gcs { return .gcs(try gcs(values, surroundings)) }
        let address = values.text("store.url")
        if let address, address.lowercased().hasPrefix("file:") {
            var path = String(address.dropFirst("file:".count))
            if path.hasPrefix("//") { path = String(path.dropFirst(2)) }
            guard path.hasPrefix("/") else {
                throw .config("store.url", address, "a folder is named by its absolute path: file:///var/lake")
            }
            while path.count > 1, path.hasSuffix("/") { path = String(path.dropLast()) }
            path = PercentEncoding.decoded(path)
            if flavour == .s3, let bucket = values.text("s3.bucket.name") { path += "/" + FileStore.path(bucket) }
            return .folder(path)
        }
        guard flavour == .s3 else {
            throw .config(
                "store.url", address,
                "a folder is named as file:///path; objects in S3 are the business of \(ObjectStoreSinkPlugin.s3ClassName)"
            )
        }
        return .s3(try s3(values, address, surroundings))
    }

    private static func s3(
        _ values: ConfigValues, _ address: String?, _ surroundings: Surroundings
    ) throws(ConnectError) -> S3Client.Settings {
        guard let bucket = values.text("s3.bucket.name") else {
            throw .config("s3.bucket.name", "", "the bucket has to be named")
        }
        let region = values.text("s3.region") ?? surroundings.variable("AWS_REGION") ?? "us-west-2"
        guard region.utf8.allSatisfy({ 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D }) else {
            throw .config("s3.region", region, "is no name of a region such as us-west-2")
        }
        var settings = S3Client.Settings(
            bucket: bucket, region: region, host: "s3.\(region).amazonaws.com\(region.hasPrefix("cn-") ? ".cn" : "")",
            isPathStyle: values.flag("s3.path.style.access.enabled"),
            credentials: try credentials(values, surroundings),
            partByteCount: Int(values.integer("s3.part.size") ?? 26_214_400),
            retryCountMax: Int(values.integer("s3.part.retries") ?? 3),
            schedule: RetrySchedule(
                first: .milliseconds(values.integer("s3.retry.backoff.ms") ?? 200), longest: .seconds(24)))
        if values.flag("s3.wan.mode") {
            settings.host = "s3-accelerate.amazonaws.com"
            settings.isPathStyle = false
        }
        if let address {
            guard let end = address.firstRange(of: "://"),
                ["http", "https"].contains(address[..<end.lowerBound].lowercased())
            else { throw .config("store.url", address, "is no address of the form https://host:port or file:///path") }
            settings.scheme = address[..<end.lowerBound].lowercased()
            var host = String(address[end.upperBound...])
            while host.hasSuffix("/") { host = String(host.dropLast()) }
            guard !host.isEmpty, !host.contains(where: { "/?#@ ".contains($0) }) else {
                throw .config("store.url", HTTPCaller.shown(address), "has to be scheme, host and port only")
            }
            // The port of the scheme is not sent, so it must not be signed.
            let own = settings.scheme == "https" ? ":443" : ":80"
            settings.host = host.hasSuffix(own) ? String(host.dropLast(own.count)) : host
        }
        try encryption(values, &settings)
        if let acl = values.text("s3.acl.canned") { settings.objectHeaders.append(("x-amz-acl", acl)) }
        settings.caller.proxy = try proxy("s3.", values)
        settings.caller.timeout = .seconds(300)
        settings.caller.tls = try TLSSettings(values, prefix: tlsPrefix)
        return settings
    }

    /// - Parameter prefix: of the options that say where it is.
    static func proxy(_ prefix: String, _ values: ConfigValues) throws(ConnectError) -> HTTPCaller.Proxy? {
        guard let proxy = values.text(prefix + "proxy.url") else { return nil }
        let place = proxy.firstRange(of: "://").map { String(proxy[$0.upperBound...]) } ?? proxy
        let parts = place.split(separator: ":")
        guard parts.count == 2, let host = parts.first, let port = parts.last.flatMap({ Int($0.prefix { $0 != "/" }) })
        else {
            throw .config(prefix + "proxy.url", HTTPCaller.shown(proxy), "has to be http://host:port")
        }
        return .init(
            host: String(host), port: port, user: values.text(prefix + "proxy.user"),
            password: values.text(prefix + "proxy.password"))
    }

    static let tlsPrefix = "s3."

    private static func encryption(_ values: ConfigValues, _ settings: inout S3Client.Settings) throws(ConnectError) {
        if let algorithm = values.text("s3.ssea.name") {
            settings.objectHeaders.append(("x-amz-server-side-encryption", algorithm))
            if let key = values.text("s3.sse.kms.key.id"), algorithm.hasPrefix("aws:kms") {
                settings.objectHeaders.append(("x-amz-server-side-encryption-aws-kms-key-id", key))
            }
        }
        guard let text = values.text("s3.sse.customer.key") else { return }
        guard let key = Bytes.Base64.decode(text), key.count == 32 else {
            throw .config("s3.sse.customer.key", "[hidden]", "has to be the base 64 of 32 bytes")
        }
        // The customer's own key takes the place of the server's.
        settings.objectHeaders.removeAll { $0.name.hasPrefix("x-amz-server-side-encryption") }
        settings.partHeaders = [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", text),
            ("x-amz-server-side-encryption-customer-key-md5", Bytes.Base64.encode(Array(Insecure.MD5.hash(data: key)))),
        ]
    }

    /// From the options, the environment, or the file of the AWS tools, in this order.
    private static func credentials(
        _ values: ConfigValues, _ surroundings: Surroundings
    ) throws(ConnectError) -> S3Credentials {
        let access = values.text("aws.access.key.id")
        let secret = values.text("aws.secret.access.key")
        if let access, let secret {
            return S3Credentials(accessKey: access, secretKey: secret, sessionToken: values.text("aws.session.token"))
        }
        if (access == nil) != (secret == nil) {
            throw .config(
                access == nil ? "aws.access.key.id" : "aws.secret.access.key", nil,
                "'aws.access.key.id' and 'aws.secret.access.key' must be set both, or neither")
        }
        let variable = surroundings.variable
        if let access = variable("AWS_ACCESS_KEY_ID"), let secret = variable("AWS_SECRET_ACCESS_KEY"), !access.isEmpty,
            !secret.isEmpty
        {
            return S3Credentials(
                accessKey: access, secretKey: secret,
                sessionToken: variable("AWS_SESSION_TOKEN").flatMap { $0.isEmpty ? nil : $0 })
        }
        let path = variable("AWS_SHARED_CREDENTIALS_FILE") ?? (variable("HOME") ?? "") + "/.aws/credentials"
        let profile = variable("AWS_PROFILE") ?? "default"
        if let text = surroundings.file(path) {
            let entries = CredentialsFile.profile(profile, text)
            if let access = entries["aws_access_key_id"], let secret = entries["aws_secret_access_key"] {
                return S3Credentials(
                    accessKey: access, secretKey: secret, sessionToken: entries["aws_session_token"])
            }
        }
        throw .config(
            "aws.access.key.id", nil,
            "no credentials: neither aws.access.key.id and aws.secret.access.key, nor the variables AWS_ACCESS_KEY_ID and "
                + "AWS_SECRET_ACCESS_KEY of the server, nor the profile '\(profile)' in \(path)")
    }
}

/// The file with credentials that AWS's tools share.
enum CredentialsFile {
    static func profile(_ name: String, _ text: String) -> [String: String] {
        var entries: [String: String] = [:]
        var isInside = false
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimming
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("[") {
                isInside = line.dropFirst().prefix { $0 != "]" }.trimming == name
                continue
            }
            guard isInside, let equals = line.firstIndex(of: "=") else { continue }
            entries[line[..<equals].trimming.lowercased()] = line[line.index(after: equals)...].trimming
        }
        return entries
    }
}

extension StringProtocol {
    /// Without white space at the ends.
    fileprivate var trimming: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text = text.dropFirst() }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}
