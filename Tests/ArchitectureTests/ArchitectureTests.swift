import Foundation
import Testing

/// The targets and what each may import: the arrows of ARCHITECTURE.md. A new target or arrow is added here on purpose,
/// in the commit that needs it.
private let allowed: [String: Set<String>] = [
    // Layer 0: bytes, compression, the machine
    "Bytes": ["CISAL"],
    "Compression": ["Bytes", "CZlib", "CZstd", "CLZ4", "CSnappy"],
    "Environment": ["Bytes", "CLinux"],
    "Observability": [],
    "Patterns": ["CPCRE2"],
    // Layer 1: formats
    "KafkaMessages": ["Bytes", "NIOCore"],
    "RecordBatches": ["Bytes", "Compression", "NIOCore"],
    "JSONFormat": [],
    "Columns": [],
    "Avro": ["Bytes", "Compression", "JSONFormat", "Columns", "Crypto"],
    "ProtobufFormat": ["Bytes", "JSONFormat", "Columns"],
    "Parquet": ["Bytes", "Compression"],
    "JSONSchema": ["Bytes", "JSONFormat", "Patterns"],
    "SQLTypes": [],
    "SQLSyntax": ["Bytes"],
    // Layer 2: engines without sockets or wall clock
    "LogStorage": ["Bytes", "Compression", "Environment", "RecordBatches"],
    "Coordinators": ["Bytes", "Patterns", "KafkaMessages", "NIOCore"],
    "Security": ["Bytes", "Environment", "JSONFormat", "Crypto", "CryptoExtras", "NIOSSL"],
    "SchemaRules": ["Bytes", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat", "Crypto"],
    "SchemaSerdes": ["SchemaRules", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat", "Bytes"],
    "SQLFunctions": ["SQLTypes", "Patterns", "JSONFormat"],
    "SQLFormats": ["Bytes", "SQLTypes", "Columns", "JSONFormat", "Avro", "ProtobufFormat"],
    "SQLPlan": ["Bytes", "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats"],
    "StreamEngine": ["SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan", "Columns"],
    "SQLTesting": [
        "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan", "StreamEngine", "Columns", "JSONFormat",
        "Patterns",
    ],
    "ConnectCore": [
        "SchemaRules", "SchemaSerdes", "SQLTypes", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat", "Patterns",
        "Bytes", "Compression", "Environment", "Crypto",
    ],
    // Layer 3: services
    "JSONCalls": ["Bytes", "JSONFormat", "AsyncHTTPClient", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL"],
    "OAuthCalls": ["Bytes", "Environment", "Security", "JSONFormat", "JSONCalls", "Logging"],
    "RegistryClient": ["Bytes", "JSONCalls", "JSONFormat", "Security", "OAuthCalls", "SchemaRules"],
    "SQLClient": ["Bytes", "JSONCalls", "JSONFormat", "AsyncHTTPClient", "NIOCore", "NIOHTTP1"],
    "SQLShell": ["Bytes", "JSONFormat", "SQLSyntax", "SQLClient", "CEdit"],
    "Cluster": [
        "Bytes", "Patterns", "KafkaMessages", "RecordBatches", "Security", "OAuthCalls", "CRdKafka", "NIOCore",
        "NIOPosix", "NIOSSL", "Crypto", "Logging",
    ],
    "Broker": [
        "Patterns", "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "LogStorage",
        "Coordinators",
        "Security", "Cluster", "Observability", "Crypto", "NIOCore", "NIOPosix", "NIOSSL", "Logging", "DequeModule",
    ],
    "HTTPKit": [
        "Bytes", "Environment", "JSONFormat", "Security", "HummingbirdCore", "HTTPTypes", "NIOHTTPTypes",
        "NIOHTTPTypesHTTP1",
        "NIOHTTPTypesHTTP2", "NIOHTTP1", "NIOHTTP2", "NIOWebSocket", "Crypto", "NIOCore", "NIOPosix", "NIOSSL",
        "Logging",
    ],
    "SQLRuntime": [
        "Bytes", "Environment", "Cluster", "RecordBatches", "Observability", "SQLPlan", "SQLFunctions", "SQLFormats",
        "SQLTypes", "Columns", "StreamEngine", "NIOCore", "Logging",
    ],
    "RegistryService": [
        "Bytes", "Cluster", "HTTPKit", "SchemaRules", "JSONFormat", "Observability", "NIOCore", "NIOPosix", "NIOHTTP1",
        "HTTPTypes", "Logging",
    ],
    "SQLService": [
        "Bytes", "Cluster", "Environment", "HTTPKit", "JSONCalls", "JSONFormat", "Observability", "RecordBatches",
        "RegistryClient",
        "SchemaRules", "SQLFormats", "SQLFunctions", "SQLPlan", "SQLRuntime", "SQLSyntax", "SQLTypes", "Columns",
        "StreamEngine",
        "Patterns", "AsyncHTTPClient", "NIOCore", "NIOHTTP1", "HTTPTypes", "Logging",
    ],
    "ConnectService": [
        "Bytes", "Cluster", "RecordBatches", "HTTPKit", "RegistryClient", "ConnectCore", "SchemaRules", "SchemaSerdes",
        "JSONCalls", "JSONFormat", "OAuthCalls", "Observability", "Patterns", "AsyncHTTPClient", "Crypto", "NIOCore",
        "NIOHTTP1", "HTTPTypes", "Logging",
    ],
    "Administration": ["Bytes", "Cluster", "KafkaMessages", "RecordBatches", "Security", "NIOCore"],
    "ConsoleService": [
        "Bytes", "Compression", "Cluster", "Administration", "RecordBatches", "HTTPKit", "RegistryClient",
        "SchemaRules", "SchemaSerdes", "JSONCalls", "JSONFormat", "Observability", "CConsolePages", "AsyncHTTPClient",
        "NIOCore",
        "NIOHTTP1", "HTTPTypes", "Logging",
    ],
    "ConnectorDatagen": ["Bytes", "Environment", "JSONFormat", "Avro", "SQLTypes", "ConnectCore"],
    "ConnectorFile": ["Environment", "ConnectCore", "NIOPosix"],
    "ConnectorSyslog": ["Environment", "SQLTypes", "ConnectCore", "NIOCore", "NIOPosix", "NIOSSL"],
    "HTTPCalls": [
        "Bytes", "Environment", "Security", "ConnectCore", "JSONFormat", "JSONCalls", "AsyncHTTPClient", "Crypto",
        "CryptoExtras", "NIOCore", "NIOHTTP1", "NIOSSL",
    ],
    "ConnectorHTTP": ["Bytes", "JSONFormat", "Patterns", "ConnectCore", "HTTPCalls"],
    "ConnectorSearch": ["Bytes", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls"],
    "ConnectorBigQuery": ["Bytes", "Environment", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls"],
    "ConnectorObjectStore": [
        "Bytes", "Compression", "Environment", "JSONFormat", "Avro", "Parquet", "SQLTypes", "ConnectCore", "HTTPCalls",
        "Crypto", "NIOPosix",
    ],
    "ConnectorSnowflake": ["Bytes", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls", "Crypto"],
    "ConnectorCDC": [
        "Bytes", "Compression", "Patterns", "JSONFormat", "SQLTypes", "RecordBatches", "ConnectCore", "Cluster",
        "PostgresClient", "CMariaDB", "CPq", "Crypto", "NIOCore",
    ],
    "PostgresClient": ["CPq"],
    "ConnectorJDBC": [
        "Bytes", "Environment", "SQLTypes", "ConnectCore", "PostgresClient", "CPq", "CMariaDB", "CSQLite",
    ],
    // Layer 4: the program knows everything but C libraries, its own files aside
    "swiftwater": [
        "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "LogStorage", "Cluster", "Broker",
        "Security", "OAuthCalls",
        "Observability", "JSONCalls", "JSONFormat", "HTTPKit", "SchemaRules", "SchemaSerdes", "RegistryClient",
        "RegistryService",
        "SQLService", "SQLRuntime", "SQLFormats", "SQLFunctions", "SQLClient", "SQLShell", "SQLTesting", "SQLTypes",
        "Patterns",
        "HTTPTypes", "NIOCore", "Logging", "ArgumentParser", "ConnectCore", "ConnectService", "ConnectorCDC",
        "ConnectorDatagen", "ConnectorFile", "ConnectorSyslog", "ConnectorJDBC", "ConnectorHTTP", "ConnectorSearch",
        "ConnectorBigQuery", "ConnectorObjectStore", "ConnectorSnowflake", "ConsoleService", "Administration",
        "CExamples", "NIOHTTP1",
    ],
    // Beside
    "MessageGenerator": [],
    "TestKit": ["Bytes", "Environment", "Logging"],
    "RandomMessages": ["KafkaMessages", "TestKit", "NIOCore"],
    "Fuzzing": [
        "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "JSONFormat", "Columns", "Avro",
        "ProtobufFormat", "JSONSchema", "LogStorage", "Coordinators", "SchemaRules", "SchemaSerdes", "RegistryService",
        "RandomMessages", "SQLSyntax", "Security", "TestKit", "NIOCore",
    ],
]

/// A C library is seen by its wrapper only.
private let wrappers: [String: Set<String>] = [
    "CISAL": ["Bytes"], "CZlib": ["Compression"], "CZstd": ["Compression"], "CLZ4": ["Compression"],
    "CSnappy": ["Compression"], "CRdKafka": ["Cluster"], "CLinux": ["Environment"], "CPCRE2": ["Patterns"],
    "CConsolePages": ["ConsoleService"], "CExamples": ["swiftwater"], "CEdit": ["SQLShell"],
    "CSQLite": ["ConnectorJDBC"],
    // One reads a server's log, the other its tables: they share the library, and how a session with it begins.
    "CMariaDB": ["ConnectorCDC", "ConnectorJDBC"], "CPq": ["PostgresClient", "ConnectorCDC", "ConnectorJDBC"],
]

/// What comes with Swift or the operating system. Engines and formats stay without sockets and clocks all the same:
/// they get both from `Environment`.
private let system: Set<String> = [
    "Foundation", "FoundationEssentials", "Synchronization", "Dispatch", "Glibc", "Musl", "Darwin",
]

@Suite struct ArchitectureTests {
    /// One import line of a source file.
    struct Import: Sendable, CustomStringConvertible {
        var target: String
        var module: String
        var place: String
        var description: String { "\(place): \(target) imports \(module)" }
    }

    private static let package = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test func `targets import only what the table allows`() throws {
        let imports = try Self.imports()
        #expect(imports.count > 20, "the sources were not found")
        for line in imports where !system.contains(line.module) {
            guard let modules = allowed[line.target] else { continue }  // reported by the test of the table
            #expect(modules.contains(line.module), "\(line)")
        }
    }

    @Test func `every target with sources is in the table`() throws {
        for target in try Self.targets() {
            #expect(allowed[target] != nil, "Sources/\(target) is not in the table of ArchitectureTests.swift")
        }
    }

    @Test func `the table has no cycles`() {
        for target in allowed.keys {
            var reached: Set<String> = []
            var open = Array(allowed[target] ?? [])
            while let next = open.popLast() {
                if reached.insert(next).inserted { open += allowed[next] ?? [] }
            }
            #expect(!reached.contains(target), "\(target) imports itself through others")
        }
    }

    @Test func `a C library is imported only by those that wrap it`() throws {
        let libraries = try Self.folders(of: "Sources/C")
        #expect(Set(libraries) == Set(wrappers.keys))
        for line in try Self.imports() {
            if let owners = wrappers[line.module] { #expect(owners.contains(line.target), "\(line)") }
        }
        for (target, modules) in allowed {
            for module in modules {
                if let owners = wrappers[module] { #expect(owners.contains(target)) }
            }
        }
    }

    /// Layers 0 to 2 get time, randomness and disks from `Environment`, so that a simulation is the real code.
    @Test func `engines have no dispatch queues`() throws {
        let engines: Set<String> = [
            "Bytes", "Compression", "KafkaMessages", "RecordBatches", "JSONFormat", "LogStorage", "Coordinators",
        ]
        for line in try Self.imports() where engines.contains(line.target) {
            #expect(line.module != "Dispatch", "\(line)")
        }
    }

    @Test(
        arguments: [
            ("import Bytes", "Bytes"), ("package import Bytes", "Bytes"), ("@testable import Bytes", "Bytes"),
            ("  public import struct Foundation.URL  // why", "Foundation"),
            ("@preconcurrency internal import CZlib", "CZlib"),
            ("// import Bytes", nil), ("import \"google/protobuf/any.proto\";", nil), ("let importance = 1", nil),
            ("/// import Bytes", nil),
        ] as [(String, String?)])
    func `finds the module of an import line`(line: String, module: String?) {
        #expect(Self.module(importedBy: line) == module)
    }

    private static func module(importedBy line: String) -> String? {
        let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        var words = line.split(whereSeparator: \.isWhitespace)[...]
        while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
        guard words.popFirst() == "import" else { return nil }
        if let first = words.first, kinds.contains(first) { words.removeFirst() }
        guard let module = words.first, module.first != "\"" else { return nil }  // a line of a .proto text
        return String(module.prefix { $0 != "." && $0 != ";" })
    }

    private static func imports() throws -> [Import] {
        try targets().flatMap { target in
            let root = package.appending(path: "Sources/\(target)")
            let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".swift") }
            return try paths.flatMap { path in
                let text = try String(contentsOf: root.appending(path: path), encoding: .utf8)
                return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap {
                    index, line in
                    module(importedBy: String(line)).map {
                        Import(target: target, module: $0, place: "Sources/\(target)/\(path):\(index + 1)")
                    }
                }
            }
        }
    }

    private static func targets() throws -> [String] { try folders(of: "Sources").filter { $0 != "C" } }

    private static func folders(of path: String) throws -> [String] {
        let root = package.appending(path: path)
        return try FileManager.default.contentsOfDirectory(atPath: root.path).filter { name in
            (try? root.appending(path: name).resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true
        }.sorted()
    }
}
