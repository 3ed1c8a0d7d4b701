import Testing

@testable import ConnectorObjectStore

/// The examples of the Amazon S3 API Reference, "Signature Calculations for the Authorization Header".
@Suite struct RequestSignerTests {
    private let signer = RequestSigner(
        credentials: S3Credentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region: "us-east-1")

    private func signature(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], body: String = ""
    ) -> String {
        let request = RequestSigner.Request(
            method: method, host: "examplebucket.s3.amazonaws.com", path: path, query: query, headers: headers)
        // 2013-05-24T00:00:00Z
        let signed = signer.headers(
            request, payloadHash: RequestSigner.hash(Array(body.utf8)), now: 1_369_353_600_000)
        let authorization = signed.first { $0.name == "authorization" }?.value ?? ""
        return String(authorization.suffix(64))
    }

    @Test func `the published examples`() {
        #expect(
            signature("GET", "/test.txt", headers: [("Range", "bytes=0-9")])
                == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            signature(
                "PUT", RequestSigner.path("test$file.text"),
                headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                body: "Welcome to Amazon S3.")
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        #expect(
            signature("GET", "/", query: [("lifecycle", "")])
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            signature("GET", "/", query: [("prefix", "J"), ("max-keys", "2")])
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test func `the payload's hash and the token are signed`() {
        #expect(
            RequestSigner.hash(Array("Welcome to Amazon S3.".utf8))
                == "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        #expect(RequestSigner.emptyHash == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let signer = RequestSigner(
            credentials: S3Credentials(accessKey: "a", secretKey: "b", sessionToken: "c"), region: "r")
        let headers = signer.headers(.init(method: "GET", host: "h", path: "/"), payloadHash: "p", now: 0)
        #expect(headers.contains { $0.name == "x-amz-security-token" && $0.value == "c" })
        #expect(
            headers.last?.value.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token")
                == true)
    }

    @Test func `keys are encoded part by part`() {
        #expect(
            RequestSigner.path("topics/a b/f=ü+1/t+0+01.json") == "/topics/a%20b/f%3D%C3%BC%2B1/t%2B0%2B01.json")
    }
}
