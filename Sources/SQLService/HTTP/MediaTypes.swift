/// The media types of ksqlDB's API.
///
/// - SeeAlso: RFC 9110, 12.5.1.
package enum MediaType: String, CaseIterable, Sendable {
    case json = "application/vnd.ksql.v1+json"
    case plainJSON = "application/json"
    case delimited = "application/vnd.ksqlapi.delimited.v1"
    case protobuf = "application/vnd.ksql.v1+protobuf"

    /// The same for what most clients send, which is one type or any.
    static func quicklyNegotiated(_ accept: String?, among offered: [MediaType]) -> MediaType? {
        guard let accept, accept != "*/*" else { return offered.first }
        return offered.first { $0.rawValue == accept } ?? negotiated(accept, among: offered)
    }

    /// The type to answer with.
    ///
    /// - Parameters:
    ///   - accept: the request's `Accept`; without one the client takes everything.
    ///   - offered: what the path can answer with, the one the server likes best first.
    /// - Returns: nil when the client takes none of them.
    package static func negotiated(_ accept: String?, among offered: [MediaType]) -> MediaType? {
        guard let accept, accept.contains(where: { $0 != " " }) else { return offered.first }
        var best: (type: MediaType, quality: Int)?
        for type in offered {
            // The most precise range that has the type says how much it is wanted.
            var precision = -1
            var quality = 0
            for part in accept.split(separator: ",") {
                let fields = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
                guard let range = fields.first else { continue }
                let precise = range == type.rawValue ? 2 : range == "application/*" ? 1 : range == "*/*" ? 0 : -1
                guard precise > precision else { continue }
                let parameter = fields.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) }
                precision = precise
                quality = Int(max(0, min(1, parameter ?? 1)) * 1000)
            }
            if quality > 0, quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }
}
