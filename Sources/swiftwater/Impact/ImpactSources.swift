import Bytes
import ConnectService
import JSONCalls
import JSONFormat
import RegistryService
import SQLService
import SchemaRules

/// The SQL server of this process.
struct LocalSQLImpact: ImpactSource {
    let part = "sql"
    let engine: SQLEngine

    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer {
        do { return try await engine.impact(of: question) } catch {
            throw ImpactUnanswered("the SQL server of this process does not answer yet: \(error.message)")
        }
    }
}

/// The Connect worker of this process, which knows the connectors of all workers.
struct LocalConnectImpact: ImpactSource {
    let part = "connect"
    let worker: ConnectServer

    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer {
        await worker.impact(of: question)
    }
}

/// A part that there is not: the answer says so.
struct MissingImpact: ImpactSource {
    let part: String
    let reason: String

    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer {
        throw ImpactUnanswered(reason)
    }
}

/// A part of the platform in another process: the first address that answers counts.
struct RemoteImpact: ImpactSource {
    let part: String
    let addresses: [HTTPAddress]
    /// "SQL server": what is expected at the addresses.
    let kind: String

    private static let calls = JSONCalls(connectSeconds: 3)

    func answer(_ question: ImpactQuestion) async throws(ImpactUnanswered) -> ImpactAnswer {
        var last = ImpactUnanswered("no \(kind) is named")
        for address in addresses {
            do throws(ImpactUnanswered) { return try await ask(address, question) } catch { last = error }
        }
        throw last
    }

    private func ask(
        _ address: HTTPAddress, _ question: ImpactQuestion
    ) async throws(ImpactUnanswered) -> ImpactAnswer {
        let request = JSONCalls.request(
            "POST", address.base + "/impact", body: question.json, user: address.user, password: address.password)
        let answer: JSONCalls.Answer
        do { answer = try await Self.calls.exchange(request, timeout: .seconds(10)) } catch {
            throw ImpactUnanswered("the \(kind) at \(address) cannot be reached: \(error.words)")
        }
        let (status, body) = (answer.status, answer.json)
        if let answer = body.flatMap({ ImpactAnswer($0) }), status == 200 { return answer }
        if status == 404 || status == 405 {
            throw ImpactUnanswered(
                "the \(kind) at \(address) cannot tell what a schema would break: it is another one, or an earlier "
                    + "version")
        }
        throw ImpactUnanswered(
            "the \(kind) at \(address) answers HTTP \(status)" + ((body?["message"]?.text).map { ": \($0)" } ?? ""))
    }
}

/// Whom the registry of this process asks what a schema would break.
struct ImpactParts {
    let sql: SQLServer?
    let connect: ConnectServer?
    let settings: ServerSettings

    /// - Throws: `CommandFailure` for an address that is none.
    func add(to registry: SchemaRegistry) throws {
        if let sql {
            registry.add(LocalSQLImpact(engine: sql.engine))
        } else {
            registry.add(
                try remote("sql", "SQL server", ["console.ksql.url"])
                    ?? MissingImpact(
                        part: "sql",
                        reason: "no SQL server runs in this process, and none is named (--ksql-url http://HOST:8088)"))
        }
        if let connect {
            registry.add(LocalConnectImpact(worker: connect))
        } else {
            registry.add(
                try remote("connect", "Connect worker", ["console.connect.url", "ksql.connect.url"])
                    ?? MissingImpact(
                        part: "connect",
                        reason: "no Connect worker runs in this process, and none is named "
                            + "(--connect-url http://HOST:8083)"))
        }
    }

    /// nil when none of the settings names one.
    private func remote(_ part: String, _ kind: String, _ names: [String]) throws -> (any ImpactSource)? {
        for name in names {
            guard let addresses = try settings.addresses(name) else { continue }
            return RemoteImpact(part: part, addresses: addresses, kind: kind)
        }
        return nil
    }
}
