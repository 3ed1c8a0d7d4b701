// swift-tools-version: 6.2
import PackageDescription

// The order and the arrows below are the architecture: a target imports only what stands above it.
// Tests/ArchitectureTests holds the same table against the sources' import lines.

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// Tests are compiled for the sake of what they test: in a release build, too, without optimization.
let testSettings: [SwiftSetting] = swiftSettings + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

// The program that is shipped has the runtime inside. Only its linking differs, so that one build gives it and the unit
// tests, which want the shared runtime; two libraries of the static one are not named by objects for the shared one.
let programLinkerSettings: [LinkerSetting] =
    Context.environment["SWIFTWATER_LINK"] != "static"
    ? []
    : [
        .unsafeFlags(["-static-stdlib"]), .linkedLibrary("_FoundationCollections"),
        .linkedLibrary("_FoundationCShims"),
    ]

func target(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ subject: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: subject + "Tests", dependencies: [.byName(name: subject), "TestKit"] + dependencies,
        exclude: exclude, swiftSettings: testSettings)
}

func library(_ name: String, pkgConfig: String, debian: String) -> Target {
    .systemLibrary(name: name, path: "Sources/C/" + name, pkgConfig: pkgConfig, providers: [.apt([debian])])
}

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let hummingbird: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let nioHTTPTypes: Target.Dependency = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHTTPTypesHTTP1: Target.Dependency = .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioHTTPTypesHTTP2: Target.Dependency = .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "swiftwater",
    products: [.executable(name: "swiftwater", targets: ["swiftwater"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Without its traits: no Foundation, no configuration system of its own.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
    ],
    targets: [
        // Layer 0: C libraries, bytes, compression, environment
        library("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
        library("CZstd", pkgConfig: "libzstd", debian: "libzstd-dev"),
        library("CLZ4", pkgConfig: "liblz4", debian: "liblz4-dev"),
        library("CSnappy", pkgConfig: "snappy", debian: "libsnappy-dev"),
        library("CISAL", pkgConfig: "libisal", debian: "libisal-dev"),
        library("CRdKafka", pkgConfig: "rdkafka", debian: "librdkafka-dev"),
        library("CPCRE2", pkgConfig: "libpcre2-8", debian: "libpcre2-dev"),
        library("CMariaDB", pkgConfig: "libmariadb", debian: "libmariadb-dev"),
        library("CPq", pkgConfig: "libpq", debian: "libpq-dev"),
        library("CSQLite", pkgConfig: "sqlite3", debian: "libsqlite3-dev"),
        library("CEdit", pkgConfig: "libedit", debian: "libedit-dev"),
        .systemLibrary(name: "CLinux", path: "Sources/C/CLinux"),
        .target(name: "CConsolePages", path: "Sources/C/CConsolePages", exclude: ["pages", "list-pages"]),
        .target(name: "CExamples", path: "Sources/C/CExamples"),
        target("Bytes", ["CISAL"]),
        target("Compression", ["Bytes", "CZlib", "CZstd", "CLZ4", "CSnappy"]),
        target("Environment", ["Bytes", "CLinux"]),
        target("Observability", []),
        target("Patterns", ["CPCRE2"]),

        // Layer 1: formats
        target("KafkaMessages", ["Bytes", nio]),
        target("RecordBatches", ["Bytes", "Compression", nio]),
        target("JSONFormat", []),
        target("Columns", []),
        target("Avro", ["Bytes", "Compression", "JSONFormat", "Columns", crypto]),
        target("ProtobufFormat", ["Bytes", "JSONFormat", "Columns"]),
        target("Parquet", ["Bytes", "Compression"]),
        target("JSONSchema", ["Bytes", "JSONFormat", "Patterns"]),
        target("SQLTypes", []),
        target("SQLSyntax", ["Bytes"]),

        // Layer 2: engines without sockets or wall clock
        target("LogStorage", ["Bytes", "Compression", "Environment", "RecordBatches"]),
        target("Coordinators", ["Bytes", "Patterns", "KafkaMessages", nio]),
        target("Security", ["Bytes", "Environment", "JSONFormat", crypto, cryptoExtras, nioSSL]),
        target("SchemaRules", ["Bytes", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat", crypto]),
        target("SchemaSerdes", ["SchemaRules", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat", "Bytes"]),
        target("SQLFunctions", ["SQLTypes", "Patterns", "JSONFormat"]),
        target("SQLFormats", ["Bytes", "SQLTypes", "Columns", "JSONFormat", "Avro", "ProtobufFormat"]),
        target("SQLPlan", ["Bytes", "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats"]),
        target("StreamEngine", ["SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan", "Columns"]),
        target(
            "SQLTesting",
            [
                "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan", "StreamEngine", "Columns",
                "JSONFormat", "Patterns",
            ]),
        target(
            "ConnectCore",
            [
                "SchemaRules", "SchemaSerdes", "SQLTypes", "Avro", "ProtobufFormat", "JSONSchema", "JSONFormat",
                "Patterns",
                "Bytes", "Compression", "Environment", crypto,
            ]),

        // Layer 3: services
        target(
            "HTTPKit",
            [
                "Bytes", "Environment", "JSONFormat", "Security", hummingbird, httpTypes, nioHTTPTypes,
                nioHTTPTypesHTTP1,
                nioHTTPTypesHTTP2,
                nioHTTP1, nioHTTP2, nioWebSocket, crypto, nio, nioPosix, nioSSL, logging,
            ]),
        target("JSONCalls", ["Bytes", "JSONFormat", asyncHTTPClient, nio, nioPosix, nioHTTP1, nioSSL]),
        target("OAuthCalls", ["Bytes", "Environment", "Security", "JSONFormat", "JSONCalls", logging]),
        target("RegistryClient", ["Bytes", "JSONCalls", "JSONFormat", "Security", "OAuthCalls", "SchemaRules"]),
        target("SQLClient", ["Bytes", "JSONCalls", "JSONFormat", asyncHTTPClient, nio, nioHTTP1]),
        target("SQLShell", ["Bytes", "JSONFormat", "SQLSyntax", "SQLClient", "CEdit"]),
        target(
            "Cluster",
            [
                "Bytes", "Patterns", "KafkaMessages", "RecordBatches", "Security", "OAuthCalls", "CRdKafka", nio,
                nioPosix, nioSSL, crypto,
                logging,
            ]),
        target(
            "Broker",
            [
                "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "LogStorage", "Coordinators",
                "Patterns", "Security", "Cluster", "Observability", crypto, nio, nioPosix, nioSSL, deque, logging,
            ]),
        target(
            "SQLRuntime",
            [
                "Bytes", "Environment", "Cluster", "RecordBatches", "Observability", "SQLPlan", "SQLFunctions",
                "SQLFormats", "SQLTypes", "Columns", "StreamEngine", nio, logging,
            ]),
        target(
            "RegistryService",
            [
                "Bytes", "Cluster", "HTTPKit", "SchemaRules", "JSONFormat", "Observability", nio, nioPosix, nioHTTP1,
                httpTypes,
                logging,
            ]),
        target("PostgresClient", ["CPq"]),
        target(
            "ConnectorJDBC",
            [
                "Bytes", "Environment", "SQLTypes", "ConnectCore", "PostgresClient", "CPq", "CMariaDB", "CSQLite",
            ]),

        target(
            "SQLService",
            [
                "Bytes", "Cluster", "Environment", "HTTPKit", "JSONCalls", "JSONFormat", "Observability",
                "RecordBatches", "RegistryClient", "SchemaRules", "SQLFormats", "SQLFunctions", "SQLPlan", "SQLRuntime",
                "SQLSyntax", "SQLTypes", "Columns", "StreamEngine", "Patterns", asyncHTTPClient, nio, nioHTTP1,
                httpTypes, logging,
            ]),
        target(
            "ConnectService",
            [
                "Bytes", "Cluster", "RecordBatches", "HTTPKit", "RegistryClient", "ConnectCore", "SchemaRules",
                "SchemaSerdes", "JSONCalls", "JSONFormat", "OAuthCalls", "Observability", "Patterns", asyncHTTPClient,
                crypto, nio, nioHTTP1, httpTypes, logging,
            ]),
        target("Administration", ["Bytes", "Cluster", "KafkaMessages", "RecordBatches", "Security", nio]),
        target(
            "ConsoleService",
            [
                "Bytes", "Compression", "Cluster", "Administration", "RecordBatches", "HTTPKit", "RegistryClient",
                "SchemaRules", "SchemaSerdes", "JSONCalls", "JSONFormat", "Observability", "CConsolePages",
                asyncHTTPClient, nio,
                nioHTTP1, httpTypes, logging,
            ]),
        // Layer 3: connectors
        target(
            "ConnectorDatagen", ["Bytes", "Environment", "JSONFormat", "Avro", "SQLTypes", "ConnectCore"]),
        target("ConnectorFile", ["Environment", "ConnectCore", nioPosix]),
        target("ConnectorSyslog", ["Environment", "SQLTypes", "ConnectCore", nio, nioPosix, nioSSL]),
        target(
            "HTTPCalls",
            [
                "Bytes", "Environment", "Security", "ConnectCore", "JSONFormat", "JSONCalls", asyncHTTPClient, crypto,
                cryptoExtras, nio, nioHTTP1, nioSSL,
            ]),
        target("ConnectorHTTP", ["Bytes", "JSONFormat", "Patterns", "ConnectCore", "HTTPCalls"]),
        target("ConnectorSearch", ["Bytes", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls"]),
        target(
            "ConnectorBigQuery", ["Bytes", "Environment", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls"]),
        target(
            "ConnectorObjectStore",
            [
                "Bytes", "Compression", "Environment", "JSONFormat", "Avro", "Parquet", "SQLTypes", "ConnectCore",
                "HTTPCalls", crypto, nioPosix,
            ]),
        target("ConnectorSnowflake", ["Bytes", "JSONFormat", "SQLTypes", "ConnectCore", "HTTPCalls", crypto]),
        target(
            "ConnectorCDC",
            [
                "Bytes", "Compression", "Patterns", "JSONFormat", "SQLTypes", "RecordBatches", "ConnectCore", "Cluster",
                "PostgresClient", "CMariaDB", "CPq", crypto, nio,
            ]),

        // Layer 4: the program
        .executableTarget(
            name: "swiftwater",
            dependencies: [
                "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "LogStorage", "Cluster",
                "Broker", "Security", "OAuthCalls", "Observability", "JSONCalls", "JSONFormat", "HTTPKit",
                "SchemaRules",
                "SchemaSerdes",
                "RegistryClient",
                "RegistryService", "SQLService", "SQLRuntime", "SQLFormats", "SQLFunctions", "SQLClient", "SQLShell",
                "SQLTesting", "SQLTypes", "Patterns", "ConnectCore", "ConnectService", "ConnectorCDC",
                "ConnectorDatagen", "ConnectorFile", "ConnectorSyslog", "ConnectorJDBC", "ConnectorHTTP",
                "ConnectorSearch", "ConnectorBigQuery", "ConnectorObjectStore", "ConnectorSnowflake", "ConsoleService",
                "Administration", "CExamples", nio,
                httpTypes, nioHTTP1,
                logging, arguments,
            ],
            swiftSettings: swiftSettings, linkerSettings: programLinkerSettings),

        // Beside: generator, test kit, tests
        .executableTarget(name: "MessageGenerator", dependencies: [], swiftSettings: swiftSettings),
        .executableTarget(
            name: "Microbench",
            dependencies: [
                "Bytes", "Compression", "Coordinators", "KafkaMessages", "RecordBatches", "SQLSyntax", "TestKit", nio,
            ],
            path: "Benchmarks/Microbench", swiftSettings: swiftSettings),
        .executableTarget(
            name: "SchemaBench",
            dependencies: ["Avro", "ProtobufFormat", "JSONFormat", "JSONSchema", "Columns", "TestKit"],
            path: "Benchmarks/Schemas", swiftSettings: swiftSettings),
        .executableTarget(
            name: "FunctionBench", dependencies: ["SQLTypes", "SQLFunctions", "TestKit"],
            path: "Benchmarks/Functions", swiftSettings: swiftSettings),
        .executableTarget(
            name: "CompactionBench",
            dependencies: ["Bytes", "Compression", "Environment", "LogStorage", "RecordBatches", "TestKit"],
            path: "Benchmarks/Compaction", swiftSettings: swiftSettings),
        .executableTarget(
            name: "EngineBench",
            dependencies: [
                "StreamEngine", "SQLPlan", "SQLFunctions", "SQLFormats", "SQLSyntax", "SQLTypes", "Columns", "TestKit",
            ],
            path: "Benchmarks/Engine", swiftSettings: swiftSettings),
        .executableTarget(
            name: "RuntimeBench",
            dependencies: [
                "SQLRuntime", "Broker", "Cluster", "Environment", "StreamEngine", "SQLPlan", "SQLFunctions",
                "SQLFormats",
                "SQLSyntax", "SQLTypes", nio, logging,
            ],
            path: "Benchmarks/Runtime", swiftSettings: swiftSettings),
        .executableTarget(
            name: "FormatBench", dependencies: ["SQLFormats", "SQLTypes", "Columns", "JSONFormat"],
            path: "Benchmarks/Formats", swiftSettings: swiftSettings),
        .executableTarget(
            name: "ConnectorBench", dependencies: ["ConnectCore", "ConnectorDatagen", "ConnectorObjectStore"],
            path: "Benchmarks/Connectors", swiftSettings: swiftSettings),
        .executableTarget(
            name: "JDBCSinkDriver", dependencies: ["ConnectCore", "ConnectorJDBC", "JSONFormat"],
            path: "Tests/Acceptance/connectors/JDBCSinkDriver", swiftSettings: swiftSettings),
        target("TestKit", ["Bytes", "Environment", logging]),
        target("RandomMessages", ["KafkaMessages", "TestKit", nio]),
        .executableTarget(
            name: "Fuzzing",
            dependencies: [
                "Bytes", "Compression", "Environment", "KafkaMessages", "RecordBatches", "JSONFormat", "Columns",
                "Avro",
                "ProtobufFormat", "JSONSchema", "LogStorage", "Coordinators", "SchemaRules", "SchemaSerdes",
                "RegistryService", "RandomMessages", "SQLSyntax", "Security", "TestKit", nio,
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "ChangeEvents", dependencies: ["ConnectorCDC", "ConnectCore", "JSONFormat", nio],
            path: "Tests/Acceptance/cdc/ChangeEvents", swiftSettings: swiftSettings),
        tests("Bytes"),
        tests("Compression", ["Bytes"]),
        tests("Environment", ["Bytes"]),
        tests("Patterns"),
        tests("Observability"),
        tests("JSONFormat"),
        tests("Columns"),
        tests("Avro", ["Bytes", "Compression", "JSONFormat", "Columns"]),
        tests("ProtobufFormat", ["Bytes", "JSONFormat", "Columns"]),
        tests("Parquet", ["Compression"]),
        tests("JSONSchema", ["JSONFormat"]),
        tests("SQLTypes"),
        tests("SQLFormats", ["SQLTypes", "Columns", "JSONFormat", "Avro", "ProtobufFormat"]),
        tests("SQLPlan", ["SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "JSONFormat"]),
        tests(
            "StreamEngine",
            [
                "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan", "Columns", "JSONFormat",
                "Environment",
            ]),
        tests("SQLSyntax", ["Bytes"]),
        tests("SQLFunctions", ["SQLTypes", "JSONFormat", "Environment"]),
        tests("SQLTesting", ["SQLFormats", "SQLPlan", "SQLTypes", "JSONFormat", "Environment"]),
        tests("SchemaRules", ["Avro", "ProtobufFormat", "JSONSchema", "JSONFormat"]),
        tests("HTTPKit", ["Bytes", "JSONFormat", "Security", httpTypes, nio, nioPosix, logging]),
        tests("SchemaSerdes", ["SchemaRules", "JSONFormat"]),
        tests("ConnectCore", ["Compression", "JSONFormat", "SQLTypes", "SchemaRules", "Avro", "ProtobufFormat"]),
        tests("SQLShell", ["Bytes", "JSONFormat", "SQLClient", "HTTPKit", httpTypes, nio, logging]),
        tests("ConnectorJDBC", ["ConnectCore", "SQLTypes", "CSQLite"]),
        tests("JSONCalls", ["JSONFormat", "HTTPKit", httpTypes, nio, logging]),
        tests("RegistryClient", ["Bytes", "JSONFormat", "SchemaRules", "HTTPKit", httpTypes, nio, logging]),
        tests("ConnectorDatagen", ["ConnectCore", "Avro", "JSONFormat", "Patterns", "SQLTypes"]),
        tests("ConnectorFile", ["ConnectCore"]),
        tests("ConnectorSyslog", ["ConnectCore", nio, nioPosix]),
        tests("HTTPCalls", ["Bytes", "ConnectCore", "JSONFormat", crypto, cryptoExtras]),
        tests("ConnectorHTTP", ["ConnectCore", "JSONFormat", "HTTPKit", httpTypes, nio, logging]),
        tests(
            "ConnectorSearch",
            ["ConnectCore", "HTTPCalls", "SQLTypes", "JSONFormat", "HTTPKit", httpTypes, nio, logging]),
        tests(
            "ConnectorBigQuery",
            ["ConnectCore", "HTTPCalls", "SQLTypes", "JSONFormat", "HTTPKit", httpTypes, nio, logging]),
        tests(
            "ConnectorObjectStore",
            [
                "Bytes", "Compression", "Environment", "JSONFormat", "Avro", "SQLTypes", "ConnectCore", "HTTPCalls",
                "HTTPKit", httpTypes, nio, logging,
            ]),
        tests(
            "ConnectorSnowflake",
            [
                "Bytes", "ConnectCore", "HTTPCalls", "SQLTypes", "JSONFormat", "HTTPKit", httpTypes, nio, logging,
                crypto,
                cryptoExtras,
            ]),
        tests("ConnectorCDC", ["Bytes", "ConnectCore", "JSONFormat", "SQLTypes", "SchemaRules"]),
        tests("KafkaMessages", ["Bytes", "RandomMessages", nio], exclude: ["Golden"]),
        tests("RecordBatches", ["Bytes", "Compression", nio]),
        tests("LogStorage", ["Bytes", "Compression", "Environment", "RecordBatches"]),
        tests("Security", ["Bytes", "JSONFormat", crypto, cryptoExtras, nioSSL]),
        tests("OAuthCalls", ["Bytes", "JSONFormat", "JSONCalls", "HTTPKit", "Security", httpTypes, nio, logging]),
        tests("Coordinators", ["Bytes", "KafkaMessages", nio]),
        tests(
            "Cluster",
            [
                "Bytes", "KafkaMessages", "Compression", "Environment", "RecordBatches", "Broker", "Security", logging,
                nio,
                nioPosix,
            ]),
        tests(
            "SQLRuntime",
            [
                "Broker", "Cluster", "Environment", "SQLSyntax", "SQLTypes", "SQLFunctions", "SQLFormats", "SQLPlan",
                "StreamEngine", nio, logging,
            ]),
        tests(
            "RegistryService",
            ["Cluster", "Broker", "SchemaRules", "JSONFormat", "HTTPKit", "Observability", nio, nioPosix, logging]),
        tests(
            "SQLService",
            [
                "Broker", "Cluster", "HTTPKit", "JSONFormat", "Observability", "RecordBatches", "RegistryClient",
                "SQLFormats", "SQLFunctions", "SQLPlan", "SQLRuntime", "SQLSyntax", "SQLTypes", "StreamEngine",
                asyncHTTPClient, nio, nioPosix, nioHTTP1, logging,
            ]),
        tests(
            "ConnectService",
            [
                "Cluster", "Broker", "Compression", "ConnectCore", "SchemaRules", "JSONFormat", "HTTPKit",
                "Observability", "RecordBatches", asyncHTTPClient, nio, nioPosix, logging,
            ]),
        tests(
            "ConsoleService",
            [
                "Administration", "Cluster", "Broker", "Bytes", "HTTPKit", "JSONFormat", "Observability",
                "RecordBatches", asyncHTTPClient, httpTypes, nio, nioPosix, nioHTTP1, logging,
            ]),
        .testTarget(
            name: "SwiftwaterTests",
            dependencies: [
                "swiftwater", "TestKit", "Administration", "Broker", "Cluster", "Environment", "Observability",
                "JSONFormat", "KafkaMessages", "HTTPKit", "RecordBatches", "RegistryService", "SchemaRules",
                "SQLFunctions", "SQLSyntax", "ConnectCore", "Security", nio, logging, arguments,
            ],
            swiftSettings: testSettings),
        tests(
            "Broker",
            [
                "Bytes", "KafkaMessages", "RandomMessages", "RecordBatches", "LogStorage", "Environment", "Cluster",
                "Observability", "Security", nio, nioPosix, logging,
            ]),
        tests("Fuzzing"),
        .testTarget(name: "ArchitectureTests", swiftSettings: testSettings),
    ]
)
