import Bytes
import Security
import TestKit

extension FuzzTarget {
    /// Damaged stores of keys and certificates, in PKCS#12 and JKS: read, or refused in words.
    static let keyStores = FuzzTarget(name: "key-stores", stepCount: 60) { try tryKeyStores(&$0) }

    private static func tryKeyStores(_ random: inout SeededRandom) throws {
        let whole = random.roll(2) == 0 ? KeyStoreSubject.pkcs12 : KeyStoreSubject.java
        var bytes = whole
        if random.roll(8) != 0 { random.damage(&bytes, with: KeyStoreSubject.java) }
        // Without a password nothing is checked, so that damage comes through to what is read.
        do {
            let trusted = try StoreFile.trusted(bytes, password: nil, named: "a file")
            try require(!trusted.isEmpty, "\(bytes) trusts nobody")
        } catch let error as KeyStoreError { try tellsWhy(error) }
        do {
            let identity = try TLSIdentity(bytes, password: nil, keyPassword: nil, named: "a file")
            try require(!identity.chain.isEmpty, "\(bytes) is a key without a certificate")
        } catch let error as KeyStoreError { try tellsWhy(error) }
    }

    private static func tellsWhy(_ error: KeyStoreError) throws {
        try require(error.message.contains("a file"), "\(error)")
    }
}

/// Made for this with openssl and keytool; of no use anywhere.
private enum KeyStoreSubject {
    /// A key, its certificate and the authority, without encryption and code.
    static let pkcs12 =
        Base64.decode(
            """
            MIIEOgIBAzCCBDMGCSqGSIb3DQEHAaCCBCQEggQgMIIEHDCCAz0GCSqGSIb3DQEHAaCCAy4EggMqMIIDJjCCAXIGCyqGSIb3DQEMCgED\
            oIIBOjCCATYGCiqGSIb3DQEJFgGgggEmBIIBIjCCAR4wgcUCFFYbOUq5sqhnf1yP8OD4ZhJfbxGyMAoGCCqGSM49BAMCMBQxEjAQBgNV\
            BAMMCWF1dGhvcml0eTAgFw0yNjExMjgwMjE4MDVaGA8yMTI2MTEwNDAyMTgwNVowDjEMMAoGA1UEAwwDb25lMFkwEwYHKoZIzj0CAQYI\
            KoZIzj0DAQcDQgAEorqFyh+WQ09fsyf7ma6tU5AjpvjpdFdbpnoY+/TdxbggujE0pXAJbAkswhtha9nkB0gQSx+aJxv5zEEz1SHYTzAK\
            BggqhkjOPQQDAgNIADBFAiEA+0bmExC9rVzbc+oM6Th+5YhI3ynPeQEe6a24taWozKMCIHMkYA4A12B5MwCfoXSd/6hmzbVvVh/oLuwF\
            dl9lyd78MSUwIwYJKoZIhvcNAQkVMRYEFAmKd7nruf4wmhUrMCot16lscqX2MIIBrAYLKoZIhvcNAQwKAQOgggGbMIIBlwYKKoZIhvcN\
            AQkWAaCCAYcEggGDMIIBfzCCASWgAwIBAgIUS2hkqbR/QJM/p8tFBV5fJOhh6N4wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJYXV0aG9y\
            aXR5MCAXDTI2MTEyODAyMTgwNVoYDzIxMjYxMTA0MDIxODA1WjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO\
            PQMBBwNCAAQDZaE/LzIaGxEq449Vk4YClV+znFEgNIN8PgvIytjHYH+jlb+KEZy99OsfrtCnzizC8b8ZdGyEpKAX7j2b4Bhfo1MwUTAd\
            BgNVHQ4EFgQUqMLpaR4jr0tDYotYNJYy+Km7g3UwHwYDVR0jBBgwFoAUqMLpaR4jr0tDYotYNJYy+Km7g3UwDwYDVR0TAQH/BAUwAwEB\
            /zAKBggqhkjOPQQDAgNIADBFAiEA3TOJeRPuf96AEIZNfAiuxrZUCMn6TJTPDD6KRhfzcMQCIFWFcL21hSFEFRGobP7BV/usXAM0tFJv\
            4WUaGhrD5v/bMIHYBgkqhkiG9w0BBwGggcoEgccwgcQwgcEGCyqGSIb3DQEMCgEBoIGKMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH\
            BG0wawIBAQQgZvLb1Ms9WmLR3etKGGxKklkonRfKtN5ECRUNOdX9/I6hRANCAASiuoXKH5ZDT1+zJ/uZrq1TkCOm+Ol0V1umehj79N3F\
            uCC6MTSlcAlsCSzCG2Fr2eQHSBBLH5onG/nMQTPVIdhPMSUwIwYJKoZIhvcNAQkVMRYEFAmKd7nruf4wmhUrMCot16lscqX2
            """) ?? []

    /// An authority, in JKS; its code counts with a password alone.
    static let java =
        Base64.decode(
            """
            /u3+7QAAAAIAAAABAAAAAgACY2EAAAGiH/IQcgAFWC41MDkAAAGDMIIBfzCCASWgAwIBAgIUS2hkqbR/QJM/p8tFBV5fJOhh6N4wCgYI\
            KoZIzj0EAwIwFDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyODAyMTgwNVoYDzIxMjYxMTA0MDIxODA1WjAUMRIwEAYDVQQDDAlh\
            dXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQDZaE/LzIaGxEq449Vk4YClV+znFEgNIN8PgvIytjHYH+jlb+KEZy99Osf\
            rtCnzizC8b8ZdGyEpKAX7j2b4Bhfo1MwUTAdBgNVHQ4EFgQUqMLpaR4jr0tDYotYNJYy+Km7g3UwHwYDVR0jBBgwFoAUqMLpaR4jr0tD\
            YotYNJYy+Km7g3UwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA3TOJeRPuf96AEIZNfAiuxrZUCMn6TJTPDD6KRhfz\
            cMQCIFWFcL21hSFEFRGobP7BV/usXAM0tFJv4WUaGhrD5v/beWnKx9jPtpaan6C7sC89zny75uc=
            """) ?? []
}
