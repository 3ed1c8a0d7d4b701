import JSONFormat
import SQLSyntax

/// The key of a command's record, and the name under which its status is asked for: `` stream/`X`/create ``.
///
/// In the topic it is a JSON string.
///
/// - SeeAlso: upstream `CommandId`, `CommandIdAssigner`.
package struct CommandID: Hashable, Sendable, CustomStringConvertible {
    /// stream, table, type, terminate, pause, resume, cluster; topic in old logs.
    package var type: String
    package var entity: String
    /// create, drop, alter, execute, terminate
    package var action: String

    package init(_ type: String, _ entity: String, _ action: String) {
        self.type = type
        self.entity = entity
        self.action = action
    }

    /// - Returns: nil when the text does not have three parts. The entity may hold slashes.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, let type = parts.first, let action = parts.last else { return nil }
        self.init(String(type), parts[1..<(parts.count - 1)].joined(separator: "/"), String(action))
    }

    package var description: String { "\(type)/\(entity)/\(action)" }

    static let terminateCluster = CommandID("cluster", "TerminateCluster", "terminate")

    /// Of a statement that goes through the command topic; nil for others.
    ///
    /// - Parameter unique: a text that no other command has, for what has no name of its own.
    init?(_ statement: Statement, unique: String) {
        switch statement {
        case .createSource(let create): self.init(create.kind.word, Identifier.quote(create.name.text), "create")
        case .createSourceAs(let create): self.init(create.kind.word, Identifier.quote(create.name.text), "create")
        case .insertInto(let insert): self.init("stream", Identifier.quote(insert.target.text), "create")
        case .alterSource(let alter): self.init(alter.kind.word, alter.name.text, "alter")
        case .dropSource(let drop): self.init(drop.kind.word, drop.name.text, "drop")
        case .createType(let create): self.init("type", create.name.text, "create")
        case .dropType(let name, _): self.init("type", name.text, "drop")
        case .terminate(let target): self.init("terminate", Self.entity(target), "execute")
        case .pause(let target): self.init("pause", Self.entity(target), "execute")
        case .resume(let target): self.init("resume", Self.entity(target), "execute")
        case .alterSystemProperty: self.init("cluster", unique, "alter")
        default: return nil
        }
    }

    private static func entity(_ target: QueryTarget) -> String {
        switch target {
        case .all: "ALL"
        case .query(let id): id.text
        }
    }
}

extension SourceKind {
    /// "stream" or "table", as ids of commands begin.
    fileprivate var word: String { self == .stream ? "stream" : "table" }
}
