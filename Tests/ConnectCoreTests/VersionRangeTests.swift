import Testing

@testable import ConnectCore

/// By hand from Maven's "Version Range Specification" and "Version Order Specification".
@Suite struct VersionRangeTests {
    @Test(
        arguments: [
            ("4.3.0", "[4.3.0,4.3.0]", ["4.3.0", "4.3"], ["4.3.1", "4.3.0-SNAPSHOT"]),
            ("[1.0,2.0)", "[1.0,2.0)", ["1.0", "1.9.9"], ["2.0", "0.9", "1.0-rc1"]),
            ("(,1.0],[1.2,)", "(,1.0],[1.2,)", ["0.1", "1.0", "1.2", "10"], ["1.1"]),
            ("(1.0, 2.0]", "(1.0,2.0]", ["1.0.1", "2.0"], ["1.0", "2.0.1"]),
        ] as [(String, String, [String], [String])])
    func `ranges hold versions`(text: String, shown: String, inside: [String], outside: [String]) throws {
        let range = try VersionRange(text)
        #expect(range.description == shown)
        for version in inside { #expect(range.contains(version), "\(version)") }
        for version in outside { #expect(!range.contains(version), "\(version)") }
    }

    @Test(arguments: [
        ("[bogus", "Unbounded range: [bogus"), ("(1.0)", "Single version must be surrounded by []: (1.0)"),
        ("[2.0,1.0]", "Range defies version ordering: [2.0,1.0]"),
        ("[1.0,2.0],[1.5,3.0]", "Ranges overlap: [1.0,2.0],[1.5,3.0]"),
        ("[1.0,2.0] x", "Only fully-qualified sets allowed in multiple set scenario: [1.0,2.0] x"),
    ])
    func `what is no range is refused in Maven's words`(text: String, message: String) {
        let error = #expect(throws: ConnectError.self) { try VersionRange(text) }
        #expect(error?.message == message)
    }
}
