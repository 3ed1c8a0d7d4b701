import ConnectCore

/// Which index or data stream a topic's records go to.
struct IndexNames: Sendable {
    let settings: SearchSettings

    /// - Throws: `.connect` when topics have to be mapped and this one is not.
    func name(_ topic: String) throws(ConnectError) -> String {
        if settings.isExternal {
            guard let name = settings.indexes[topic] else {
                throw ConnectError(
                    .connect,
                    "Topic '\(topic)' is not mapped to any resource. All topics must be mapped when using topic-to-resource "
                        + "mapping configuration. Please check the 'topic.to.external.resource.mapping' configuration to "
                        + "ensure all topics are properly mapped.")
            }
            return name
        }
        if let stream = settings.dataStream {
            let namespace = stream.namespace.replacing("${topic}", with: topic.lowercased())
            return "\(stream.type)-\(stream.dataset)-\(Self.cut(namespace, 100))"
        }
        return Self.valid(settings.indexes[topic] ?? topic)
    }

    /// In lower case, at most 255 bytes, without a `-` or `_` at the beginning, and neither `.` nor `..`.
    static func valid(_ topic: String) -> String {
        // Names with date arithmetic are the server's to work out.
        if topic.hasPrefix("<"), topic.hasSuffix(">") { return topic }
        var name = cut(topic.lowercased(), 255)
        if name.hasPrefix("-") || name.hasPrefix("_") { name.removeFirst() }
        if name == "." || name == ".." { name = name.replacing(".", with: "dot") }
        return name
    }

    /// Whole characters only.
    private static func cut(_ text: String, _ byteCount: Int) -> String {
        guard text.utf8.count > byteCount else { return text }
        var cut = text
        while cut.utf8.count > byteCount { cut.removeLast() }
        return cut
    }
}
