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

    package init(kind: String, path: String, description: String, additionalInfo: String? = nil) {
        self.kind = kind
        self.path = path
        self.description = description
        self.additionalInfo = additionalInfo
    }

    /// As the registry lists it among the messages of a refusal: `{errorType:'…', description:'…', additionalInfo:'…'}`.
    package var message: String {
        let info = additionalInfo.map { ", additionalInfo:'\($0)'" } ?? ""
        return "{errorType:'\(kind)', description:'\(description)'\(info)}"
    }
}
