import ProtobufFormat

/// Tags of messages and fields in a `.proto` text: the member `tags` of the options `(confluent.message_meta)` and
/// `(confluent.field_meta)`.
///
/// However they are written (`(confluent.field_meta).tags = "PII"`, once for each tag, or one value with a list), a change
/// leaves one option with all that it says.
///
/// - SeeAlso: upstream `ProtobufSchema.copy(tagsToAdd, tagsToRemove)`.
enum ProtobufTags {
    static func found(in text: String) -> [SchemaTags] {
        // What is no text of the language has no tags in it; texts in base 64 are registered as texts.
        guard let file = try? ProtoFile(parsing: text) else { return [] }
        var found: [SchemaTags] = []
        var walk = Walk { entity, paths, tags in
            if !tags.isEmpty { found.append(SchemaTags(entity, paths[0], tags)) }
        }
        _ = walk.types(file.types, "")
        return found
    }

    /// - Throws: `SchemaFailure` for a path that the schema does not have.
    static func changing(
        _ text: String, add: [SchemaTags], remove: [SchemaTags]
    ) throws(SchemaFailure) -> String {
        var file: ProtoFile
        do { file = try ProtoFile(parsing: text) } catch { throw SchemaFailure("could not parse Protobuf: \(error)") }
        var missing = Set((add + remove).map(\.part))
        var walk = Walk { entity, paths, tags in
            for path in paths { missing.remove(SchemaTags(entity, path, []).part) }
            func concerns(_ change: SchemaTags) -> Bool {
                change.entity == entity && paths.contains(change.rooted)
            }
            for change in add where concerns(change) { tags += change.tags.filter { !tags.contains($0) } }
            for change in remove where concerns(change) { tags.removeAll { change.tags.contains($0) } }
        }
        file.types = walk.types(file.types, "")
        if let path = missing.min() { throw SchemaFailure("the schema has no part \(path)") }
        return file.canonicalText
    }

    /// Goes through all messages and their fields, in the order of the text.
    private struct Walk {
        /// Gets the paths that a part may be named by, the full one first, and may change its tags.
        let visit: (_ entity: SchemaTags.Entity, _ paths: [String], _ tags: inout [String]) -> Void

        mutating func types(_ types: [ProtoType], _ prefix: String) -> [ProtoType] {
            types.map { type in
                guard case .message(let message) = type else { return type }
                return .message(self.message(message, prefix))
            }
        }

        private mutating func message(_ message: ProtoMessage, _ prefix: String) -> ProtoMessage {
            var message = message
            let path = prefix + "." + message.name
            message.options = tagged(message.options, "confluent.message_meta", .record, [path])
            for index in message.fields.indices { field(&message.fields[index], path, nil) }
            for index in message.oneofs.indices {
                let name = message.oneofs[index].name
                for place in message.oneofs[index].fields.indices {
                    field(&message.oneofs[index].fields[place], path, name)
                }
            }
            for index in message.groups.indices {
                message.groups[index].body = self.message(message.groups[index].body, path)
            }
            message.types = types(message.types, path)
            return message
        }

        private func field(_ field: inout ProtoField, _ path: String, _ oneof: String?) {
            let paths = (oneof.map { ["\(path).\($0).\(field.name)"] } ?? []) + ["\(path).\(field.name)"]
            field.options = tagged(field.options, "confluent.field_meta", .field, paths)
        }

        private func tagged(
            _ options: [ProtoOption], _ name: String, _ entity: SchemaTags.Entity, _ paths: [String]
        ) -> [ProtoOption] {
            var meta = Meta(options, name)
            let before = meta.tags
            visit(entity, paths, &meta.tags)
            return meta.tags == before ? options : meta.options(in: options)
        }
    }

    /// All that the options of one name say.
    private struct Meta {
        let name: String
        var tags: [String] = []
        private var members: [ProtoOption.Member] = []

        init(_ options: [ProtoOption], _ name: String) {
            self.name = name
            for option in options where Self.isMeta(option, name) {
                if option.parts.count == 1, case .aggregate(let members) = option.value {
                    for member in members { take(member.name, member.value) }
                } else if option.parts.count > 1 {
                    var value = option.value
                    // What is deeper is inside.
                    for part in option.parts.dropFirst(2).reversed() {
                        value = .aggregate([.init(name: part.isExtension ? "[\(part.name)]" : part.name, value: value)])
                    }
                    take(option.parts[1].name, value)
                }
            }
        }

        static func isMeta(_ option: ProtoOption, _ name: String) -> Bool {
            guard let first = option.parts.first, first.isExtension else { return false }
            return first.name == name || first.name == "." + name
        }

        private mutating func take(_ member: String, _ value: ProtoOption.Value) {
            guard member == "tags" else { return members.append(.init(name: member, value: value)) }
            switch value {
            case .string(let bytes):
                let tag = String(decoding: bytes, as: UTF8.self)
                if !tags.contains(tag) { tags.append(tag) }
            case .list(let values): for value in values { take(member, value) }
            default: break
            }
        }

        /// One option in the place of those that there were; none when there is nothing to say.
        func options(in options: [ProtoOption]) -> [ProtoOption] {
            var members = members
            if !tags.isEmpty {
                members.append(.init(name: "tags", value: .list(tags.map { .string(Array($0.utf8)) })))
            }
            let place = options.firstIndex { Self.isMeta($0, name) } ?? options.count
            var changed = options.filter { !Self.isMeta($0, name) }
            guard !members.isEmpty else { return changed }
            let before = options[..<place].count { !Self.isMeta($0, name) }
            changed.insert(
                ProtoOption(parts: [.init(name: name, isExtension: true)], value: .aggregate(members)), at: before)
            return changed
        }
    }
}

extension SchemaTags {
    /// Paths of Protobuf may begin with a dot or not.
    fileprivate var rooted: String { path.hasPrefix(".") ? path : "." + path }

    /// What a message names a part of the schema by.
    fileprivate var part: String { "\(entity.rawValue) \(rooted)" }
}
