extension ApiKey {
    /// Whether `version` uses compact types and tag sections. Also answers for versions beyond the definitions, so that
    /// the header of a request of the future can be read.
    package func isFlexible(_ version: Int16) -> Bool {
        guard let first = firstFlexibleVersion else { return false }
        return version >= first
    }

    /// The version of `RequestHeader` in front of a request of `apiVersion`.
    package func requestHeaderVersion(_ apiVersion: Int16) -> Int16 { isFlexible(apiVersion) ? 2 : 1 }

    /// The version of `ResponseHeader` in front of a response of `apiVersion`. That of ApiVersions is always 0, so that a
    /// client that asked in a version the broker lacks can read the answer (KIP-511).
    package func responseHeaderVersion(_ apiVersion: Int16) -> Int16 {
        self != .apiVersions && isFlexible(apiVersion) ? 1 : 0
    }
}
