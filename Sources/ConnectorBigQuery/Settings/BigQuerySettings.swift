import ConnectCore
import HTTPCalls

/// The options, read.
struct BigQuerySettings: Sendable {
    enum DecimalMode: String, Sendable {
        case record = "RECORD", float = "FLOAT", numeric = "NUMERIC", bigNumeric = "BIGNUMERIC"
    }

    /// How new tables are partitioned.
    struct Partitioning: Sendable {
        /// DAY, HOUR, MONTH, YEAR.
        var type: String
        /// nil for the time of ingestion.
        var field: String?
        /// Milliseconds.
        var expiration: Int64?
        /// Counts only with a field.
        var clustering: [String]
    }

    /// Rows that replace and delete others by their keys.
    struct Merging: Sendable {
        var upserts: Bool
        var deletes: Bool
        /// The destination's column with the key, before it is sanitized.
        var keyColumn: String
        /// Of intermediate tables' names.
        var suffix: String
        /// Milliseconds; nil: only the number of rows counts.
        var interval: Int64?
        /// Rows of an intermediate table; nil: only the time counts.
        var threshold: Int64?
        /// Milliseconds after which rows that were streamed can be read, as in the original.
        var wait: Int64 = 10_000
    }

    /// Google's own.
    static let serviceURL = "https://bigquery.googleapis.com"

    var project: String
    var dataset: String
    /// Scheme, host and perhaps port; no slash at the end.
    var endpoint: String
    /// nil: requests go without.
    var credentials: GoogleCredentials?
    var sanitizesTopics: Bool
    var sanitizesFields: Bool
    /// By topic; nil where there is no map.
    var tables: [String: String]?
    var keyField: String?
    var dataField: String?
    var hasNullableFieldsOnly: Bool
    var convertsSpecialDoubles: Bool
    var createsTables: Bool
    var allowsNewFields: Bool
    var allowsRelaxation: Bool
    var unites: Bool
    var hasDecorator: Bool
    var hasMessageTime: Bool
    /// nil: rows are appended.
    var merging: Merging?
    /// nil: new tables are not partitioned.
    var partitioning: Partitioning?
    var decimals: DecimalMode
    var variableDecimals: DecimalMode
    var inFlightCountMax: Int
    /// Requests that fail in a way that may pass are sent again so often by Google's own libraries, and here.
    var usualRetryCount = 5
    var usualPauses = RetrySchedule(first: .seconds(1), longest: .seconds(32))
    var retryCount: Int
    var retryWait: Duration
    /// The most that is added to it by chance.
    var retryJitter = Duration.seconds(1)
    /// How often in a row `put` asks for its records again.
    var restartCountMax: Int
    /// New tables and columns are known to the streaming side after some time, minutes at worst.
    var settlingCountMax = 30
    var settlingPauses = RetrySchedule(first: .milliseconds(500), longest: .seconds(30), isRandom: false)
    /// Of one request. BigQuery takes 10 MB and 50,000 rows, and advises 500.
    var requestByteCountMax = 9_500_000
    var requestRowCountMax = 500
    var caller = HTTPCaller.Settings()

    /// Whether anything depends on what tables look like; without it rows are sent, and that is all.
    var looksAtTables: Bool {
        createsTables || allowsNewFields || allowsRelaxation || hasDecorator || merging != nil
    }

    /// The column's name of a field's.
    func shown(_ name: String) -> String { sanitizesFields ? ColumnName.sanitized(name) : name }

    /// - Parameter surroundings: variables of the process's environment.
    init(
        _ properties: [String: String], _ surroundings: (String) -> String? = EnvironmentVariable.value
    ) throws(ConnectError) {
        let values = try Self.definition.parse(properties)
        try Self.refuse(values)
        func number(_ name: String) -> Int64 { values.integer(name) ?? 0 }
        project = values.string("project") ?? ""
        dataset = values.string("defaultDataset") ?? ""
        let given = values.text("bigQueryEndpoint")
        endpoint = try Self.endpoint(given)
        credentials = try Self.credentials(values, isOptional: given != nil, surroundings)
        if let url = credentials?.tokenURL, !url.lowercased().hasPrefix("https://"), !endpoint.hasPrefix("http://") {
            throw .config(
                "keyfile", "[hidden]",
                "its token_uri '\(HTTPCaller.shown(url))' is no address that begins with https://")
        }
        sanitizesTopics = values.flag("sanitizeTopics")
        sanitizesFields = values.flag("sanitizeFieldNames")
        let map = try Self.tables(values.string("topic2TableMap") ?? "", option: "topic2TableMap")
        tables = map.isEmpty ? nil : map
        keyField = values.text("kafkaKeyFieldName")
        dataField = values.text("kafkaDataFieldName")
        hasNullableFieldsOnly = values.flag("allBQFieldsNullable")
        convertsSpecialDoubles = values.flag("convertDoubleSpecialValues")
        createsTables = values.flag("autoCreateTables")
        allowsNewFields = values.flag("allowNewBigQueryFields")
        allowsRelaxation = values.flag("allowBigQueryRequiredFieldRelaxation")
        unites = values.flag("allowSchemaUnionization")
        hasDecorator = values.flag("bigQueryPartitionDecorator")
        hasMessageTime = values.flag("bigQueryMessageTimePartitioning")
        merging = try Self.merging(values)
        partitioning = try Self.partitioning(values)
        func mode(_ name: String) -> DecimalMode? { DecimalMode(rawValue: (values.string(name) ?? "").uppercased()) }
        decimals = mode("decimalHandlingMode") ?? .float
        variableDecimals = mode("variableScaleDecimalHandlingMode") ?? .record
        // What the option was before it had modes.
        if variableDecimals == .record, values.flag("convertDebeziumVariableScaleDecimal") {
            variableDecimals = .numeric
        }
        inFlightCountMax = Int(number("threadPoolSize"))
        retryCount = Int(number("bigQueryRetry"))
        retryWait = .milliseconds(number("bigQueryRetryWait"))
        restartCountMax = values.flag("enableRetries") ? Int(number("max.retries")) : 0
        caller.timeout = .seconds(120)
        caller.connectionCountMax = inFlightCountMax
    }

    /// What would do something else than was asked for must not do it in silence.
    private static func refuse(_ values: ConfigValues) throws(ConnectError) {
        func refuse(_ option: String, _ reason: String) -> ConnectError {
            .config(option, values[option].text, reason)
        }
        if !values.list("enableBatchLoad").filter({ !$0.isEmpty }).isEmpty {
            throw refuse(
                "enableBatchLoad", "loading through Cloud Storage is not supported: leave it out, and rows are streamed"
            )
        }
        for option in ["useStorageWriteApi", "enableBatchMode"] where values.flag(option) {
            throw refuse(
                option,
                "the Storage Write API is not supported: leave it out, and rows are written by tabledata.insertAll")
        }
        if values.flag("useCredentialsProjectId") {
            throw refuse("useCredentialsProjectId", "is not supported: name the project with 'project'")
        }
        if values.flag("convertDebeziumTimestampToInteger") {
            throw refuse(
                "convertDebeziumTimestampToInteger", "is not supported: io.debezium.time.Timestamp is a TIMESTAMP")
        }
        let retriever = values.string("schemaRetriever") ?? ""
        guard [Self.identityRetriever, "IdentitySchemaRetriever", ""].contains(retriever) else {
            throw refuse("schemaRetriever", "only \(Self.identityRetriever) is there, the schemas of the records")
        }
    }

    private static func endpoint(_ given: String?) throws(ConnectError) -> String {
        guard let given else { return serviceURL }
        guard let end = given.firstRange(of: "://"), ["http", "https"].contains(given[..<end.lowerBound].lowercased())
        else {
            throw .config("bigQueryEndpoint", HTTPCaller.shown(given), "is no address of the form https://host:port")
        }
        var host = String(given[end.upperBound...])
        while host.hasSuffix("/") { host.removeLast() }
        guard !host.isEmpty, !host.contains(where: { "/?#@ ".contains($0) }) else {
            throw .config("bigQueryEndpoint", HTTPCaller.shown(given), "has to be scheme, host and port only")
        }
        return given[..<end.lowerBound].lowercased() + "://" + host
    }

    private static func credentials(
        _ values: ConfigValues, isOptional: Bool, _ surroundings: (String) -> String?
    ) throws(ConnectError) -> GoogleCredentials? {
        let key = values.text("keyfile")
        switch values.string("keySource") {
        case "APPLICATION_DEFAULT":
            guard key == nil else {
                throw .config(
                    "keyfile", "[hidden]", "keyfile should not be provided if keySource is APPLICATION_DEFAULT")
            }
            return try GoogleCredentials.applicationDefault(surroundings)
        case let source:
            guard let key else {
                if isOptional { return nil }
                throw .config(
                    "keyfile", nil,
                    "has to be the file with a service account's key, or with keySource=JSON that key; "
                        + "keySource=APPLICATION_DEFAULT takes the worker's own credentials")
            }
            return source == "JSON"
                ? try GoogleCredentials(json: Array(key.utf8), place: "keyfile")
                : try GoogleCredentials(file: key, option: "keyfile")
        }
    }

    /// - Throws: `.config` in the words of the original's `UpsertDeleteValidator`.
    private static func merging(_ values: ConfigValues) throws(ConnectError) -> Merging? {
        let upserts = values.flag("upsertEnabled")
        let deletes = values.flag("deleteEnabled")
        guard upserts || deletes else { return nil }
        let option = upserts ? "upsertEnabled" : "deleteEnabled"
        func number(_ name: String) -> Int64? { values.integer(name).flatMap { $0 > 0 ? $0 : nil } }
        let interval = number("mergeIntervalMs")
        let threshold = number("mergeRecordsThreshold")
        if interval == nil, threshold == nil {
            throw .config(option, "true", "mergeIntervalMs and mergeRecordsThreshold cannot both be -1")
        }
        guard let key = values.text("kafkaKeyFieldName") else {
            throw .config(option, "true", "kafkaKeyFieldName must be specified when \(option) is set to true")
        }
        return Merging(
            upserts: upserts, deletes: deletes, keyColumn: key, suffix: values.text("intermediateTableSuffix") ?? "tmp",
            interval: interval, threshold: threshold)
    }

    private static func partitioning(_ values: ConfigValues) throws(ConnectError) -> Partitioning? {
        let field = values.text("timestampPartitionFieldName")
        let type = (values.string("timePartitioningType") ?? "DAY").uppercased()
        if values.flag("bigQueryPartitionDecorator") {
            if let field {
                throw .config(
                    "timestampPartitionFieldName", field,
                    "Only one partitioning mode may be specified for the connector. Use either bigQueryPartitionDecorator OR "
                        + "timestampPartitionFieldName.")
            }
            if values.flag("autoCreateTables"), type != "DAY" {
                throw .config(
                    "timePartitioningType", type,
                    "Tables must be partitioned by DAY when using partition decorator syntax. Either configure the connector "
                        + "with the DAY time partitioning type, disable automatic table creation, or disable partition decorator "
                        + "syntax.")
            }
        }
        guard type != "NONE" else { return nil }
        return Partitioning(
            type: type, field: field, expiration: values.integer("partitionExpirationMs"),
            clustering: values.list("clusteringPartitionFieldNames").filter { !$0.isEmpty })
    }
}
