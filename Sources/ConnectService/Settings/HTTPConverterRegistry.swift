import Bytes
package import ConnectCore
import OAuthCalls
import RegistryClient
package import SchemaRules
import SchemaSerdes

/// A schema registry for converters, over HTTP.
package struct HTTPConverterRegistry: ConverterRegistry {
    private let client: RegistryClient

    /// - Parameters:
    ///   - addresses: of `schema.registry.url`.
    ///   - options: of the converter; `basic.auth.credentials.source` URL or USER_INFO, `basic.auth.user.info`, and those of
    ///     `RegistryTokens`, which may have `schema.registry.` before them.
    /// - Throws: `.config` for what is no address, and for tokens that cannot be got.
    package init(_ addresses: [String], _ options: [String: String]) throws(ConnectError) {
        var all: [HTTPAddress] = []
        let user = (options["basic.auth.user.info"] ?? options["schema.registry.basic.auth.user.info"])?
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        for text in addresses {
            guard var address = HTTPAddress(text) else {
                throw .config("schema.registry.url", text, "it is not an address such as http://localhost:8081")
            }
            if address.user == nil, let user {
                address.user = user[0]
                address.password = user.count > 1 ? user[1] : ""
            }
            all.append(address)
        }
        let tokens: RegistryTokens?
        do throws(OAuthFailure) {
            tokens = try RegistryTokens { options[$0] ?? options["schema.registry." + $0] }
        } catch {
            throw .config(error.message)
        }
        client = RegistryClient(all, tokens: tokens)
    }

    private func failure(_ error: RegistryFailure) -> ConnectError {
        switch error.kind {
        case .unreachable: .init(.retriable, error.message)
        case .refused(let status, _) where status >= 500 || status == 429: .init(.retriable, error.message)
        // Codes without a second part are not about a schema: the original takes them for faults of the configuration.
        case .refused(_, let code) where 400..<500 ~= code: .config("\(error.message); error code: \(code)")
        case .refused(_, let code): .data("\(error.message); error code: \(code)")
        default: .data(error.message)
        }
    }

    package func register(
        _ text: String, _ type: SchemaType, subject: String, normalize: Bool
    ) async throws(ConnectError) -> Int32 {
        do throws(RegistryFailure) {
            return try await client.register(
                SchemaRequest(type: type, text: text), under: subject, normalize: normalize)
        } catch {
            throw failure(error)
        }
    }

    package func id(
        of text: String, _ type: SchemaType, subject: String, normalize: Bool
    ) async throws(ConnectError) -> Int32 {
        let found: RegisteredSchema
        do throws(RegistryFailure) {
            found = try await client.lookUp(SchemaRequest(type: type, text: text), under: subject, normalize: normalize)
        } catch {
            throw failure(error)
        }
        guard let id = found.id else { throw .data("the registry did not tell the id of the schema of '\(subject)'") }
        return id
    }

    package func latest(subject: String) async throws(ConnectError) -> RegistrySchema {
        do throws(RegistryFailure) {
            return try await complete(try await client.schema(subject, .latest))
        } catch {
            throw failure(error)
        }
    }

    package func schema(id: Int32) async throws(ConnectError) -> RegistrySchema {
        do throws(RegistryFailure) {
            return try await complete(try await client.schema(id: id))
        } catch {
            throw failure(error)
        }
    }

    package func schema(guid: String) async throws(ConnectError) -> RegistrySchema {
        do throws(RegistryFailure) {
            return try await complete(try await client.schema(guid: guid))
        } catch {
            throw failure(error)
        }
    }

    package func versions(id: Int32) async throws(ConnectError) -> [(subject: String, version: Int32)] {
        do throws(RegistryFailure) {
            return try await client.versions(id: id)
        } catch {
            throw failure(error)
        }
    }

    private func complete(_ schema: RegisteredSchema) async throws(RegistryFailure) -> RegistrySchema {
        let references = schema.references.isEmpty ? [] : try await client.references(of: schema)
        return RegistrySchema(id: schema.id ?? -1, type: schema.type, text: schema.text, references: references)
    }
}
