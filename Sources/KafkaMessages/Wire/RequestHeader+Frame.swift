package import Bytes

extension RequestHeader {
    /// Reads the header in front of a request and leaves the reader at the request's body.
    ///
    /// The layout depends on the request: version 2 of the header (with a tag section) belongs to its flexible versions.
    /// Of a request with an api key we do not know only the first 8 bytes have a known meaning, so `clientId` is nil and
    /// the rest is not read. The version is not checked: an ApiVersions request in a version of the future is answered.
    package init(frame reader: inout WireReader) throws(WireError) {
        var peek = reader
        let key = try peek.readInt16()
        let version = try peek.readInt16()
        if let api = ApiKey(rawValue: key) {
            try self.init(from: &reader, version: api.requestHeaderVersion(version))
            return
        }
        self.init()
        requestApiKey = try reader.readInt16()
        requestApiVersion = try reader.readInt16()
        correlationId = try reader.readInt32()
        clientId = nil
    }
}
