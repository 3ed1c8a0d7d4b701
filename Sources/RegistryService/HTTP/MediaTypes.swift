/// The media types of the registry's API.
///
/// - SeeAlso: RFC 9110, 12.5.1.
enum MediaType: String, CaseIterable {
    case version1 = "application/vnd.schemaregistry.v1+json"
    case schemaRegistry = "application/vnd.schemaregistry+json"
    case json = "application/json"

    /// How much the server likes to answer with it, in thousandths, when the client does not care.
    private var weight: Int {
        switch self {
        case .version1: 1000
        case .schemaRegistry: 900
        case .json: 500
        }
    }

    /// The type to answer with.
    ///
    /// - Parameter accept: the request's `Accept`; without one the client takes everything.
    /// - Returns: nil when the client takes none of them.
    static func negotiated(_ accept: String?) -> MediaType? {
        guard let accept, accept.contains(where: { $0 != " " }) else { return .version1 }
        var best: (type: MediaType, score: Int)?
        for type in MediaType.allCases {
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
            let score = quality * type.weight
            if score > 0, score > best?.score ?? 0 { best = (type, score) }
        }
        return best?.type
    }

    /// Whether a body of this `Content-Type` is taken. Without one it is, as in the original.
    static func isTaken(_ contentType: String?) -> Bool {
        guard let contentType else { return true }
        let type = contentType.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        return type == "application/octet-stream" || MediaType(rawValue: type) != nil
    }
}
