package import JSONFormat

/// A test of a pipeline: statements, records that go in, and what must come out of it.
package struct TestCase: Sendable {
    package var name: String
    /// Properties that hold for every statement, as `SET` would set them.
    package var properties: [String: String] = [:]
    /// Topics that are there before the first statement.
    package var topics: [TestTopic] = []
    package var statements: [String]
    /// In the order in which they are produced.
    package var inputs: [TestRecord] = []
    /// By topic the records that the topic must hold in the end, in order.
    package var outputs: [TestRecord] = []
    package var expectedFailure: ExpectedFailure?
    package var post = PostConditions()
    /// Whether decimals must be equal digit for digit; otherwise by value, to within 1e-6.
    package var comparesNumbersExactly = true
    /// What a runner must have to run the case, such as "schema-registry" or "test-udf".
    package var requirements: [String] = []
    /// The end state that another implementation came to.
    package var observed: JSONValue?

    package init(name: String, statements: [String]) {
        self.name = name
        self.statements = statements
    }
}

/// A topic and the schemas of its subjects.
package struct TestTopic: Sendable {
    package struct Schema: Sendable {
        /// "AVRO", "JSON" or "PROTOBUF".
        package var type: String
        package var text: String
        /// The id to register it with; nil: the next one.
        package var id: Int32?
        /// What it refers to, by name: registered before it under that name as subject.
        package var references: [(name: String, type: String, text: String)] = []
    }

    package var name: String
    /// nil: what a CREATE statement on it says.
    package var partitionCount: Int?
    package var replicaCount: Int?
    package var key: Schema?
    package var value: Schema?
}

/// A record as a case writes it: key and value as JSON.
package struct TestRecord: Sendable {
    package struct Window: Sendable, Hashable {
        package var start: Int64
        package var end: Int64
        package var isSession: Bool
    }

    package var topic: String
    /// nil where the case does not say: null.
    package var key: JSONValue
    package var value: JSONValue
    /// Milliseconds since 1970.
    package var timestamp: Int64?
    package var window: Window?
    /// nil where the case does not say.
    package var headers: [RecordHeader]?
}

package struct RecordHeader: Sendable, Hashable {
    package var key: String
    package var value: [UInt8]?
}

/// How a case must fail.
package struct ExpectedFailure: Sendable {
    package enum Stage: String, Sendable {
        /// The text as a whole is not in the language.
        case parse
        /// The last statement is refused, all before it are not.
        case statement
        /// A record ends the query.
        case process
    }

    package var stage: Stage
    /// A part of the error's text.
    package var message: String?
    /// Whether the text names classes or tokens of the original, so that only the stage counts.
    package var isMessageForeign = false
}

/// What must hold in the end besides the records.
package struct PostConditions: Sendable {
    package var sources: [JSONValue] = []
    package var topics: [JSONValue] = []
    /// A regular expression that no topic's name may match as a whole.
    package var forbiddenTopics: String?
}
