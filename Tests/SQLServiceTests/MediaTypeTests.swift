import Testing

@testable import SQLService

@Suite struct MediaTypeTests {
    @Test(
        arguments: [
            (nil, MediaType.json), ("*/*", .json), ("application/json", .plainJSON),
            ("application/vnd.ksqlapi.delimited.v1", .delimited), ("application/vnd.ksql.v1+json; q=0.9", .json),
            ("text/html, application/json;q=0.4, application/vnd.ksqlapi.delimited.v1;q=0.5", .delimited),
            ("application/vnd.ksql.v1+json;q=0, */*", .plainJSON), ("text/html", nil),
        ] as [(String?, MediaType?)])
    func `the type that the client wants most is taken`(accept: String?, expected: MediaType?) {
        #expect(MediaType.negotiated(accept, among: [.json, .plainJSON, .delimited]) == expected)
    }
}
