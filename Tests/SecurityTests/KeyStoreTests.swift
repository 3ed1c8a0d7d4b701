import Bytes
import Glibc
import NIOSSL
import Testing

@testable import Security

/// Certificates and keys by Kafka's names. The certificates were made for these tests with openssl: self-signed, for
/// `localhost` and for `other`.
@Suite struct KeyStoreTests {
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUGgAwIBAgIUZHToXnEX0/kn0BoYmfj2LxCCA78wCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzIyNDgxNVoYDzIxMjYxMTAz
        MjI0ODE1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAATlYI2gs21HHzCMr5CnPN2+WVA47KLuZby0wWg9Czg+pD1C6RQ2pyPK
        ZUqXZRPR41rRs4YPANuGG7fli6BuuwTUo28wbTAdBgNVHQ4EFgQUyUT+UM6MRWvU
        0FuybUjVNHO9gYkwHwYDVR0jBBgwFoAUyUT+UM6MRWvU0FuybUjVNHO9gYkwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDSAAwRQIgLbCFMG2HDwzizl9FQeWVkUSt9d9L/7Sdq0eXUubkqaUCIQDy
        H5nrRvA2YAUG+c8KNXhqc0xmRDsnshAB7X/rVBekfg==
        -----END CERTIFICATE-----
        """
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjnFcf1gAnO6OQk1k
        6N1emwze9ju6ghjnPku0ojlEF3WhRANCAATlYI2gs21HHzCMr5CnPN2+WVA47KLu
        Zby0wWg9Czg+pD1C6RQ2pyPKZUqXZRPR41rRs4YPANuGG7fli6BuuwTU
        -----END PRIVATE KEY-----
        """
    static let otherKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguKxOCp4OfIO0hgsZ
        f6vqNppD7sHLLfH+ls25vObCY96hRANCAASQapv0Lj97Qa4MT5qJSHA5cUcVMCW4
        jbsnKE6LmhyhUEvcvabZaLvF7QQpMTkPNdyZ8pNdyeEsSxEam74AeFtW
        -----END PRIVATE KEY-----
        """
    /// `openssl pkcs12 -export`, with the password "secret": certificate and key; the certificate alone.
    static let bundle = """
        MIIELAIBAzCCA+IGCSqGSIb3DQEHAaCCA9MEggPPMIIDyzCCAoIGCSqGSIb3DQEHBqCCAnMwggJv\
        AgEAMIICaAYJKoZIhvcNAQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhEN5U0LvVj\
        MgICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECtm3F3I31/qlnIu/KQT0oSAggIAa7CP\
        MmDJzMfuuX0F72Lb3xX3OGtArH5zNGg/IAWxrHp5H9xKeBRv7/3SrnKnv/5DDbBTD4ABDDbK5veN\
        u4nAn5MLjPduLWiHCK+wOu0nW6zRa5NY2ISpZtBmXFejtRY+T7vmfyG1/5H9Xq8ngthIwtX8PfsJ\
        P99+Zu+4Omv50f7y+4liO+a1Wvio//sIrUwAoAqvx4NE94detuS8Xckcn1Hdn2mRs2kFTfzDHnM2\
        fRQwRTJMl27JZOJORWnbnPFEhWh5aG84ElxBBV/Km38A+QLggrce6Ny+kAj7vvpaNvOIt0PSB81l\
        a6zcuMQF3sPjF6BvaZPfhmvpqcNtwQUVBcRZeHPGsvNcO5hULJwGHCoVClgpdKDoaeRzK6zh1swj\
        SdjeAKH01t23S7R7G07sD81kvP/vKAnnH2WJ9bWWhPPOk9xNdY1G8pjeIlU1ySpHGD4YcBD4SFXP\
        ZmLvgUkxf6pkb9gRsG2LpQxEgHM2PT2Sdb7olZbEttYeJcfLGOeamWRe+c0Z0XY1/GsEfrfpvoVP\
        3ThxIhowpoeFOjo/jEOC68NLo6nDvnD/usqAv1ubq55AP7mW6hGdVmGoQuXqJeZeUtJGAOiz8Qdc\
        P0VktoaORtp1B9cEXFUTvvMObTOpr/K6YIVbtUaDRyym4r7t/4YsrK1yFbOtugbHHa2jpDcwggFB\
        BgkqhkiG9w0BBwGgggEyBIIBLjCCASowggEmBgsqhkiG9w0BDAoBAqCB7zCB7DBXBgkqhkiG9w0B\
        BQ0wSjApBgkqhkiG9w0BBQwwHAQIz+6Lfnrm32ICAggAMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUD\
        BAEqBBBKydYB73jbBGQeW1V5lJtzBIGQhFLG8WwLnukUAY4+dMfwPL1qa+n8oAVl9fCuNUWG8F50\
        Is6fYsLVFswyH8K4gl06dxs6Sq8sz/oCp7xkt+AKTY9kasCxDUuCnCf0R7Elsqo/eVYhgGdVQzoZ\
        pnR+wuoHLMywNJ9AG5qQbRXtzJ/1c2Wvwc7F3KKQnECSGjnKHggMa3PbvefHH027OG4mBRh/MSUw\
        IwYJKoZIhvcNAQkVMRYEFDcA/2T6MBy8NqNpAN2AM1geMffkMEEwMTANBglghkgBZQMEAgEFAAQg\
        1oc91CJ6XRQ5TWw5+SJ+3HZjWju7zV+RvPLnUitKnpgECPvm2Y+2wawhAgIIAA==
        """
    static let bundleWithoutKey = """
        MIICxwIBAzCCAn0GCSqGSIb3DQEHAaCCAm4EggJqMIICZjCCAmIGCSqGSIb3DQEHBqCCAlMwggJP\
        AgEAMIICSAYJKoZIhvcNAQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj39zZalIpZ\
        nAICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPYee7rokwjHfdzD6W/6yBaAggHgogPe\
        AFT37QEpSuinfQQ3ingL9IQGzvmaejOoSzaSbMYEuxYFVygQpRb35ujnHIA1r9TKi9ywl2cM75hb\
        tpn8FZw00oz3SUd1GmFRbS7AXu/kKItP+myfsNbpNhbOASMCnnIU9sLEdJEVZJo6afVyUKgte2XY\
        cR/lTifOCGQxS3Nti/lDw4+4o8vybjPaxfX1m9/4FpvlNh9r7HqmidHc3gynA9kLNHAbIVNAJuJi\
        YHYiHjar92v5/jiAqfInQKoPx2CDSromcLAMdginTZgJLdzROxH2g9WVltoWkhGd7wRm66FCg/Wf\
        z/i80pm+jW34yNjH0UXymUJD28MBVCietoOtW9BhKpag7EhjM9GbnJmCQYK47QouKcTraL+Kzmus\
        Cisbgu+PlOAVkGiPL5dxmSp93AlER1staWKLKVsk4d6YPk7cCNp4ZRlepAAEZ8C7G+zBL9jIJOqG\
        eiIUGMc9oHtAlJiI9O7f+5Bh4ItpR6CnsHg7C1Sx6qmxdAyESnYHI3QE6Leh5zX/IMpPRK5X4Hly\
        4CaCOQ4peUG7mnZILE0/xGgMPEY1hXFY0TgqHr+asF1LXfW7O9XDzO4x0WdfUIyrefUV8IJQLXmT\
        cKHh5SCInmIWmVowetV7RvbV3J6bMEEwMTANBglghkgBZQMEAgEFAAQg9GYafneu/Q1tWDTlMsRU\
        3QtCvFyWCEE7Bpyt1Mlb5kkECApKesg/C8xcAgIIAA==
        """

    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        let path = "/tmp/keystore-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let file = try #require(fopen(path, "w"))
        _ = fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        defer { unlink(path) }
        try body(path)
    }

    @Test func `reads texts of PEM`() throws {
        let store = try KeyStore([
            "ssl.keystore.certificate.chain": Self.certificate, "ssl.keystore.key": Self.key,
            "ssl.keystore.type": "PEM",
        ])
        #expect(try store.configuration().certificateChain.count == 1)
        #expect(store.files.isEmpty)
        _ = try store.clientConfiguration()
    }

    @Test func `reads a file of PEM, and who may have issued certificates of clients`() throws {
        try withFile(Array((Self.certificate + "\n" + Self.key + "\n").utf8)) { path in
            let store = try KeyStore([
                "ssl.keystore.location": path, "ssl.truststore.location": path, "ssl.client.auth": "required",
                "ssl.enabled.protocols": "TLSv1.3",
            ])
            #expect(store.clientCertificates == .required)
            #expect(store.files == [path, path])
            let configuration = try store.configuration()
            #expect(configuration.minimumTLSVersion == .tlsv13)
        }
    }

    @Test func `reads PKCS12 with its password`() throws {
        let bytes = try #require(Base64.decode(Self.bundle))
        try withFile(bytes) { path in
            let right = try KeyStore(["ssl.keystore.location": path, "ssl.keystore.password": "secret"])
            #expect(try right.configuration().certificateChain.count == 1)
            let wrong = try KeyStore(["ssl.keystore.location": path, "ssl.keystore.password": "Secret"])
            let error = #expect(throws: KeyStoreError.self) { try wrong.configuration() }
            #expect(error?.description.contains("Secret") == false)
        }
    }

    /// What a file holds, and a word of the refusal.
    @Test(
        arguments: [
            ([0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2], "no key store"), ([0x30, 0x82, 1, 2], "no key store"),
            ([], "no key store"), (Array(certificate.utf8), "no private key"), (Array(key.utf8), "certificate"),
            (Base64.decode(bundleWithoutKey) ?? [], "no key store"),
        ] as [([UInt8], String)])
    func `refuses files without certificate and key`(bytes: [UInt8], words: String) throws {
        try withFile(bytes) { path in
            let store = try KeyStore(["ssl.keystore.location": path, "ssl.keystore.password": "secret"])
            let error = #expect(throws: KeyStoreError.self) { try store.configuration() }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            #expect(error?.description.contains(path) == true)
        }
    }

    @Test(
        arguments: [
            ([:], "ssl.keystore.location"), (["ssl.keystore.certificate.chain": "x"], "ssl.keystore.key"),
            (["ssl.keystore.location": "f", "ssl.keystore.type": "BKS"], "PEM, PKCS12 and JKS"),
            (["ssl.keystore.location": "f", "ssl.enabled.protocols": "TLSv1.1"], "TLSv1.2"),
            (["ssl.keystore.location": "f", "ssl.client.auth": "perhaps"], "REQUIRED"),
            (["ssl.keystore.location": "f", "ssl.client.authentication": "REQUIRED"], "ssl.truststore.location"),
            (["ssl.keystore.location": "f", "ssl.cipher.suites": "x"], "leave it out"),
        ] as [([String: String], String)])
    func `refuses properties that mean nothing`(properties: [String: String], words: String) {
        let error = #expect(throws: KeyStoreError.self) { try KeyStore(properties) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    /// The newer name wins; true and false are those of rest-utils.
    @Test(
        arguments: [
            (["ssl.client.auth": "true"], .required), (["ssl.client.auth": "false"], .none),
            (["ssl.client.auth": "required", "ssl.client.authentication": "NONE"], .none),
            (["ssl.client.authentication": "REQUESTED"], .requested), ([:], .none),
        ] as [([String: String], KeyStore.ClientCertificates)])
    func `knows who has to show a certificate`(
        properties: [String: String], expected: KeyStore.ClientCertificates
    ) throws {
        let more = ["ssl.keystore.location": "f", "ssl.truststore.location": "f"]
        #expect(try KeyStore(properties.merging(more) { $1 }).clientCertificates == expected)
    }
}
