/// One reason why a schema cannot read what was written with another one.
package struct Incompatibility: Sendable, Hashable {
    /// The original's name of the difference, such as `READER_FIELD_MISSING_DEFAULT_VALUE` or `FIELD_KIND_CHANGED`.
    package var kind: String
    /// Where, in the new schema unless the difference is something that it lacks: `/fields/1`, `#/properties/a`.
    package var path: String
    /// The sentence for people, in the original's words, of the original's length.
    package var description: String
    /// What the sentence is about, such as the missing symbols; nil where the format has nothing of the kind.
    package var additionalInfo: String?

    /// The sentence when the reading schema is the older one (FORWARD), where that makes a difference.
    package var reversedDescription: String?

    /// What stands around the words of `message`: the original's Avro has ', its Protobuf ".
    package var quote: Character

    package init(
        kind: String, path: String, description: String, additionalInfo: String? = nil,
        reversedDescription: String? = nil, quote: Character = "'"
    ) {
        self.kind = kind
        self.path = path
        self.description = description
        self.additionalInfo = additionalInfo
        self.reversedDescription = reversedDescription
        self.quote = quote
    }

    /// Schemas of different types have nothing to compare.
    package static let differentType = Incompatibility(
        kind: "SCHEMA_TYPE_CHANGED", path: "/", description: "Incompatible because of different schema type")

    /// As the registry lists it among the messages of a refusal: `{errorType:'…', description:'…', additionalInfo:'…'}`.
    package var message: String { message(reversed: false) }

    /// - Parameter reversed: whether the reading schema was the older one (FORWARD).
    package func message(reversed: Bool) -> String {
        let info = additionalInfo.map { ", additionalInfo:\(quote)\($0)\(quote)" } ?? ""
        let sentence = reversed ? reversedDescription ?? description : description
        return "{errorType:\(quote)\(kind)\(quote), description:\(quote)\(sentence)\(quote)\(info)}"
    }
}
