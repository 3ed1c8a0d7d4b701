import Bytes
import Testing

@testable import Security

@Suite struct JAASTests {
    @Test func `users are options of the login module`() throws {
        let jaas = try JAASConfiguration(
            """
            org.apache.kafka.common.security.plain.PlainLoginModule required
              username="admin" password='a"b;c' user_admin="a\\"b" user_ann = simple;
            """)
        #expect(jaas.module == "PlainLoginModule")
        #expect(jaas.options["password"] == "a\"b;c")
        #expect(jaas.users == ["admin": "a\"b", "ann": "simple"])
    }

    @Test(arguments: [
        "", ";", "Module", "Module required", "Module required a=\"b\"", "Module required a;", "Module required =b;",
        "Module required a=\"b;", "Module a=b;", "A required; B required;",
    ])
    func `what is no login module is refused without its text`(text: String) {
        #expect(throws: JAASConfiguration.Failure.self) { try JAASConfiguration(text) }
    }
}

@Suite struct DistinguishedNameTests {
    private static let certificate =
        "MIICFzCCAb0CFGw2ly1HJ7IdDi4v4Dc7A/kC0XefMAoGCCqGSM49BAMCMIGNMQswCQYDVQQGEwJBVDENMAsGA1UE"
        + "CAwEV2llbjENMAsGA1UEBwwEV2llbjEWMBQGA1UECgwNQW5uLCBCb2IgJiBDbzEOMAwGA1UECwwFYStiPWMxDTAL"
        + "BgNVBAMMBFpvw6sxHDAaBgkqhkiG9w0BCQEWDWFAZXhhbXBsZS5jb20xCzAJBgNVBAUTAjQyMB4XDTI2MTEyNzIy"
        + "NTAzMFoXDTM2MTEyNDIyNTAzMFowgY0xCzAJBgNVBAYTAkFUMQ0wCwYDVQQIDARXaWVuMQ0wCwYDVQQHDARXaWVu"
        + "MRYwFAYDVQQKDA1Bbm4sIEJvYiAmIENvMQ4wDAYDVQQLDAVhK2I9YzENMAsGA1UEAwwEWm/DqzEcMBoGCSqGSIb3"
        + "DQEJARYNYUBleGFtcGxlLmNvbTELMAkGA1UEBRMCNDIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAThvbdVymmg"
        + "qXoTShCBQCuC+fWdh5MMFCZOq3e8Kn/kjiTDFFRt8nsQV6mKgA0/S76HqJSExu/vRVy/xjwCecsdMAoGCCqGSM49"
        + "BAMCA0gAMEUCIQDwM8RA8HYXdz/U3FIUnPlmgweWGEvKQ5Z18LZQxCWGDwIgFHnuvL08zBsep49a5GSLiXChoknS"
        + "PcOryWK48uGrqu0="

    /// As Java 21's X500Principal.getName() writes it.
    @Test func `the subject of a certificate is written as by Java`() throws {
        let bytes = try #require(Base64.decode(Self.certificate))
        #expect(
            DistinguishedName.subject(ofCertificate: bytes)
                == #"2.5.4.5=#13023432,1.2.840.113549.1.9.1=#160d61406578616d706c652e636f6d,CN=Zoë,OU=a\+b\=c,"#
                + #"O=Ann\, Bob & Co,L=Wien,ST=Wien,C=AT"#)
    }

    @Test func `a certificate that is cut is none`() throws {
        let bytes = try #require(Base64.decode(Self.certificate))
        for count in 0..<bytes.count {
            #expect(DistinguishedName.subject(ofCertificate: Array(bytes[..<count])) == nil)
        }
        // Whatever is changed, nothing breaks.
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0xFF
            _ = DistinguishedName.subject(ofCertificate: changed)
        }
    }
}
