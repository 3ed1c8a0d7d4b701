import ConnectCore

extension BigQuerySettings {
    static let identityRetriever = "com.wepay.kafka.connect.bigquery.retrieve.IdentitySchemaRetriever"
    static let partitioningTypes = ["DAY", "HOUR", "MONTH", "YEAR", "NONE"]
    static let decimalModes = ["RECORD", "FLOAT", "NUMERIC", "BIGNUMERIC"]

    /// The options of the original's `BigQuerySinkConfig`, in its order, and `bigQueryEndpoint` of our own.
    static var definition: ConfigDef {
        var definition = ConfigDef()
        func add(
            _ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ importance: ConfigDef.Importance,
            _ text: String, _ validator: ConfigValidator? = nil
        ) { definition.define(name, kind, value, validator, importance, text) }
        func number(_ value: Int64) -> ConfigDef.Default { .value(.integer(value)) }
        func text(_ value: String) -> ConfigDef.Default { .value(.string(value)) }
        func flag(_ value: Bool) -> ConfigDef.Default { .value(.boolean(value)) }
        let none = ConfigDef.Default.value(.list([]))
        let batch = "Of loads through Cloud Storage, which are refused; taken without effect."
        add(
            "enableBatchLoad", .list, none, .low,
            "Topics that are loaded through Cloud Storage: refused. Rows are streamed.")
        add("batchLoadIntervalSec", .int, number(120), .low, batch)
        add("gcsBucketName", .string, text(""), .high, batch)
        add("gcsFolderName", .string, text(""), .medium, batch)
        add("project", .string, .required, .high, "The project to write to.", .notEmpty)
        add("defaultDataset", .string, .required, .high, "The dataset to write to; it has to be there.", .notEmpty)
        add(
            "schemaRetriever", .className, text(identityRetriever), .medium,
            "Where schemas of tables come from: IdentitySchemaRetriever, the records' own.")
        add(
            "keyfile", .password, .null, .medium,
            "The key of a service account: a file, or with keySource=JSON its content.")
        add(
            "keySource", .string, text("FILE"), .medium,
            "FILE: keyfile is a path. JSON: it is the key itself. APPLICATION_DEFAULT: the worker's own credentials: the file "
                + "of GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, or Google's metadata server.",
            .oneOf(["FILE", "JSON", "APPLICATION_DEFAULT"]))
        add(
            "sanitizeTopics", .boolean, flag(false), .medium,
            "Whether characters of a topic's name that a table cannot have become underscores.")
        add(
            "topic2TableMap", .string, text(""), .low,
            "Tables with names of their own: topic:table,topic:table. Other topics have their own name then, unchanged.",
            topicMap)
        add(
            "sanitizeFieldNames", .boolean, flag(false), .medium,
            "Whether characters of fields' names that a column cannot have become underscores.")
        add(
            "kafkaKeyFieldName", .string, .null, .low, "The column for the record's key, a struct. None by default.",
            notEmptyOrNull)
        add(
            "kafkaDataFieldName", .string, .null, .low,
            "The column for the record's topic, partition, offset and time of insertion. None by default.",
            notEmptyOrNull)
        add("avroDataCacheSize", .int, number(100), .low, "Taken without effect.", .atLeast(0))
        add(
            "allBQFieldsNullable", .boolean, flag(false), .low,
            "Whether columns of new tables are NULLABLE where the record's schema has required fields.")
        add(
            "convertDoubleSpecialValues", .boolean, flag(false), .low,
            "Whether infinity becomes the largest double, minus infinity and NaN the smallest that is more than 0. Without it "
                + "records that have them are refused.")
        add("autoCreateTables", .boolean, flag(true), .high, "Whether tables are made that are not there.")
        add("autoCreateBucket", .boolean, flag(true), .medium, batch)
        add(
            "allowNewBigQueryFields", .boolean, flag(false), .medium,
            "Whether fields that a table does not have become columns of it.")
        add(
            "allowBigQueryRequiredFieldRelaxation", .boolean, flag(false), .medium,
            "Whether columns may become NULLABLE that are REQUIRED.")
        add(
            "allowSchemaUnionization", .boolean, flag(false), .medium,
            "Whether tables get the fields of all records at hand, and columns that records do not have become NULLABLE."
        )
        add(
            "upsertEnabled", .boolean, flag(false), .low,
            "Whether a row replaces the one with the same key. Needs kafkaKeyFieldName. Rows go to an intermediate table and "
                + "are merged from there.")
        add(
            "deleteEnabled", .boolean, flag(false), .low,
            "Whether a record without a value deletes the rows with its key. Needs kafkaKeyFieldName.")
        add(
            "intermediateTableSuffix", .string, text("tmp"), .low,
            "What intermediate tables are called: the table's name, this, the task's number and what makes it unique.",
            .notEmpty)
        add(
            "mergeIntervalMs", .long, number(60_000), .low,
            "How often rows are merged, in milliseconds; -1: by their number only.", positiveOrOff)
        add(
            "mergeRecordsThreshold", .long, number(-1), .low,
            "After how many rows of an intermediate table they are merged; -1: by time only.", positiveOrOff)
        add(
            "threadPoolSize", .int, number(10), .medium, "How many requests of a task are under way at once.",
            .between(1, 1000))
        add(
            "queueSize", .long, number(-1), .high,
            "Taken without effect: a task reads on when its rows are written, so that nothing queues up.", .atLeast(-1))
        add(
            "bigQueryRetry", .int, number(0), .medium,
            "How often a request is sent again, beyond the five times that are usual, after a failure that may pass: status "
                + "429 or 5xx, quotas, no connection.", .atLeast(0))
        add(
            "bigQueryRetryWait", .long, number(1000), .medium,
            "The pause before each of these, in milliseconds; up to a second of chance is added.",
            .between(0, 86_400_000))
        add(
            "bigQueryMessageTimePartitioning", .boolean, flag(false), .high,
            "With bigQueryPartitionDecorator: whether the record's time says the partition instead of the time of writing."
        )
        add(
            "bigQueryPartitionDecorator", .boolean, flag(true), .high,
            "Whether rows are written to the partition of a day, table$yyyyMMdd.")
        add(
            "timestampPartitionFieldName", .string, .null, .low,
            "The column by which new tables are partitioned; by the time of ingestion without it.", notEmptyOrNull)
        add(
            "clusteringPartitionFieldNames", .list, .null, .low,
            "Up to four columns by which new tables are clustered that have a timestampPartitionFieldName.",
            ConfigValidator { (name, value) throws(ConnectError) in
                guard case .list(let items) = value, items.count > 4 else { return }
                throw .config(name, value.text, "You may only specify up to four clustering field names.")
            })
        add(
            "timePartitioningType", .string, text("DAY"), .low,
            "How new tables are partitioned: DAY, HOUR, MONTH, YEAR, or NONE for not at all.",
            .oneOf(partitioningTypes, ignoresCase: true))
        add(
            "partitionExpirationMs", .long, .null, .low,
            "After how many milliseconds partitions of new tables are deleted. Never by default.",
            ConfigValidator { (name, value) throws(ConnectError) in
                if value != .null { try ConfigValidator.atLeast(1).check(name, value) }
            })
        add("useStorageWriteApi", .boolean, flag(false), .medium, "Google's Storage Write API: refused.")
        add(
            "useCredentialsProjectId", .boolean, flag(false), .medium,
            "The project of the credentials: refused. Name it with project.")
        add("enableBatchMode", .boolean, flag(false), .low, "Batches of the Storage Write API: refused.")
        add("commitInterval", .int, number(60), .low, "Taken without effect.", .between(15, 14_400))
        add(
            "max.retries", .int, number(10), .medium,
            "How often in a row a task starts over with records that could not be written, before it fails.",
            .atLeast(1))
        add(
            "decimalHandlingMode", .string, text("FLOAT"), .medium,
            "The columns of decimals: RECORD of scale and value, FLOAT, NUMERIC or BIGNUMERIC.",
            .oneOf(decimalModes, ignoresCase: true))
        add(
            "variableScaleDecimalHandlingMode", .string, text("RECORD"), .medium,
            "The columns of Debezium's VariableScaleDecimal: RECORD, FLOAT, NUMERIC or BIGNUMERIC.",
            .oneOf(decimalModes, ignoresCase: true))
        add(
            "bigQueryEndpoint", .string, .null, .low,
            "Another address of BigQuery's API, of this program only: a private endpoint or an emulator, http or https. "
                + "Requests to it have no credentials where no keyfile is given. The default is \(serviceURL).")
        for name in ["enableRetries", "convertDebeziumTimestampToInteger", "convertDebeziumVariableScaleDecimal"] {
            definition.define(name, .boolean, flag(name == "enableRetries"), nil, .low, "", isInternal: true)
        }
        return definition
    }

    private static let notEmptyOrNull = ConfigValidator { (name, value) throws(ConnectError) in
        if value != .null { try ConfigValidator.notEmpty.check(name, value) }
    }

    private static let positiveOrOff = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value else { return }
        if number == 0 { throw .config(name, value.text, "Cannot be zero") }
        if number < -1 { throw .config(name, value.text, "Cannot be less than -1") }
    }

    private static let topicMap = ConfigValidator { (name, value) throws(ConnectError) in
        _ = try tables(value.text ?? "", option: name)
    }

    /// - Throws: `.config` in the original's words for what is no list of `topic:table`.
    static func tables(_ text: String, option: String) throws(ConnectError) -> [String: String] {
        var tables: [String: String] = [:]
        guard !text.isEmpty else { return tables }
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: ":", omittingEmptySubsequences: false).map { trimmed($0) }
            guard parts.count == 2, let topic = parts.first, let table = parts.last, !topic.isEmpty, !table.isEmpty
            else {
                throw .config(option, text, "One of the topic to table mappings has an invalid format.")
            }
            guard tables.updateValue(table, forKey: topic) == nil else {
                throw .config(
                    option, text, "The topic name \(topic) is duplicated. Topic names cannot be duplicated.")
            }
        }
        return tables
    }

    static func trimmed(_ text: some StringProtocol) -> String {
        var text = Substring(text)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
