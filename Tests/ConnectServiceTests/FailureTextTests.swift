import ConnectCore
import Testing

@testable import ConnectService

@Suite struct FailureTextTests {
    @Test func `traces name what a failure came of`() {
        var error = ConnectError.data("Failed to deserialize data for topic T to Avro: ")
        error.causes = ["a.SerializationException: no schema", "b.RestClientException: Schema 9 not found"]
        let failure = StageFailure(stage: .valueConverter, className: "AvroConverter", error: error).fatal
        let place = "\n\tat AvroConverter (task x-0)"
        #expect(
            failure.trace(of: "x-0")
                == "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler" + place
                + "\nCaused by: org.apache.kafka.connect.errors.DataException: Failed to deserialize data for topic T to "
                + "Avro: " + place + "\nCaused by: a.SerializationException: no schema"
                + "\nCaused by: b.RestClientException: Schema 9 not found")
        #expect(failure.description.hasSuffix(", caused by b.RestClientException: Schema 9 not found"))
    }
}
