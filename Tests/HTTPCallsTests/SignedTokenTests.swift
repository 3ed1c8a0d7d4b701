import Bytes
import ConnectCore
import Crypto
import CryptoExtras
import JSONFormat
import TestKit
import Testing

@testable import HTTPCalls

@Suite struct SignedTokenTests {
    private let claims: [(String, JSONValue)] = [("iss", .string("me")), ("exp", .number(1_700_000_000))]

    private func isValid(_ token: String) throws -> Bool {
        let parts = token.split(separator: ".")
        let signature = try #require(Base64.decode(String(parts[2])))
        let key = try _RSA.Signing.PublicKey(pemRepresentation: Keys.publicKey)
        return key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature),
            for: SHA256.hash(data: Array("\(parts[0]).\(parts[1])".utf8)), padding: .insecurePKCS1v1_5)
    }

    @Test(arguments: [
        (RSATestKey.pkcs8, nil), (Keys.pkcs1, nil), (Keys.encrypted, "secret"), (Keys.encryptedOfOld, "secret"),
        (RSATestKey.pkcs8.replacing("\n", with: "\\n"), nil),
        (" \n" + RSATestKey.pkcs8.replacing("\n", with: "\r\n") + "\n ", "x"),
    ])
    func `signs with keys of all forms`(pem: String, password: String?) throws {
        let key = try SigningKey(pem: pem, password: password)
        let token = try SignedToken.rs256(claims, keyID: "k1", key: key)
        let parts = token.split(separator: ".").map {
            Base64.decode(String($0)).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(parts[0] == #"{"alg":"RS256","typ":"JWT","kid":"k1"}"#)
        #expect(parts[1] == #"{"iss":"me","exp":1700000000}"#)
        #expect(!token.contains("=") && !token.contains("+") && !token.contains("/"))
        #expect(try isValid(token))
        let publicKey = Keys.publicKey.split(separator: "\n").dropFirst().dropLast().joined()
        #expect(Base64.encode(key.publicKeyDER) == publicKey)
    }

    @Test(arguments: [
        ("", nil, "no RSA key in PEM"), ("SECRET", nil, "no RSA key in PEM"), (Keys.encrypted, nil, "no password"),
        (Keys.encrypted, "SECRET", "password is another"),
        ("-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----", nil, "cannot be read"),
        (Keys.publicKey, nil, "no RSA key in PEM"),
    ])
    func `says what is wrong with others, and not what they are`(pem: String, password: String?, words: String) {
        let failure = #expect(throws: ConnectError.self) { try SigningKey(pem: pem, password: password) }
        #expect(failure?.message.contains(words) == true && failure?.message.contains("SECRET") == false)
    }
}

/// Keys of these tests only, made by `openssl genrsa 2048` and `openssl pkcs8 -topk8`.
private enum Keys {
    static let pkcs1 = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEowIBAAKCAQEAw55m/FSj34X62HdOtXQacpwIB7kx2GO3Y54mrGfMMmQJZD/N
        eIC5lshGmAZM5QmUztBTJk38OZzSTuqFCOXuazY4UN491tvsxac/1YwEdIuAY0Gc
        wYrpdcYzOjWf1YiF6yzy2cVgt7U81Uaj4pKC5YfoRi9l5T/L3Promxcw7xPVNFbn
        11pNw2ZmnsMeStX8NyL0Gc8iljn2v8R5qrp2bfkmIxlHiBsQRVYF8AOGnTPhwSGk
        tAVCY52GHG1fAef8l88D9drKyuI2v92WxpeUTqo8bKin0qA72ZJ03n6loWRtWWCO
        vSFMoTzrEVOD6U2Mq4wnUi+QjpIVVCuoKFie4QIDAQABAoIBAB3UdyRl3MpuYiLl
        yKMbdhgBiqjw2PTEOfgvKvsR5f3OKu92WkUUrhhb6IXwugOYKzDBbFiUPlDjxN9D
        XG+ProR7U2mjhj8QMOIwH6gXDqveBQE9xWNvJSwwQeoPuNSlWbST2WGTe2zwLntg
        ZwfbKypIyAcB3dIwYQxM17Ekv3HJanLVlBjdSuvhxrezblg58k6JdjyWwhSlKlHq
        lbT1tKD17xnmEoc6gNBJZuZsE1HjcS0LwAwAcqVfvBgTNGMD+uXT8c3L16SGNYGY
        ahTaS5ttNKlZwskPQvgNdM8WXj3+vn+h5XneQl16TBQ/cffhcvnSy4KgzDhFDuUw
        vDbx4dUCgYEA4E84CyN6DST7N2HCXjP+mUwGsUtdx+3evGHeOx+cjtQ0ucnaUEVc
        RSw6sugqrell9RLZXuwTZ6R1v7JzvY1g3yuEfEdkdydiDeONpkYewXT9RUApoQUZ
        b5eXtxqx28oJwZkX+XreFo93lHarp0NunMKNlZ96l3BvVTZTboqUYx0CgYEA30GB
        BkDWWdVT9GR61CR8uwGBNObrROmBHxIi1fio1lZtdjIjgD9YDYg8fGLD6x1jCkLd
        DEktenXvYDYBYWjWZhGLRworkWVY4G4QIB17Z808ym8bMOuPZC2hI9fxQdfKPdlJ
        le/yJLO8mg5rlPdLH6bB3QsK0PaAKvYDyZsMe5UCgYA279AHElpLK9qHNt822T8q
        5m7hL1c5py2dL88Q5e4fISQEuMZKUKKHooyB0tDZJUe+XS51zBX4lVPtblRggWbP
        YcYh9g5KDJA8XJYNujDAKtn5AvzvHeOb7CHRS61x6iq3irpPdOM93UdpSiNCZQaL
        SC8LDTMmMfhig1qtwS0UlQKBgQC72foesN+rpvyFXyaa6jipgZKeWM8NpQyogDIf
        qKMn9oEUOwv0FViZylBauR/w7UEwmSI1/DzwFdvdMJPoyrXcHFb852nRZV1rOjEH
        VMdJiD/mdaaDezGkMWCtMD4oENJzSCnKp6MvjqzbU9bh+VKUx1PIEkp/mWouu+Jj
        +LqAIQKBgG33fdViEcFL7D78N+EWX5WboTXwLT48epBwusZgbWsVPrxPI1xhvbS1
        hKa/TCWD1RncL+nVp/ERbxEmuwUlkPHGahefJ0FCK4Z0bvgNRbzYJ9lJbMQV98sS
        qGV7FE/9gIE/M9abJmzhJPt044tv1szJiUXjO3izLyUKjqp+LUm8
        -----END RSA PRIVATE KEY-----
        """
    static let encrypted = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIIkhAIFLnxzgCAggA
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDVmDrjce7ZdUwIDskerFF0BIIE
        0HZf0rReJB4ehS0SJ0OjzPQB5Tqy3aQrxFPVx1wlFbBc4C8Fm0IIPZyNgi4u7g2i
        XT4FYN26tYxs7naBanngjVxFrNY6xOwRo1pVeoQpq6/1mB3kVkask/33AlH6fXu6
        Y1Nl02iBASr9AbSvMPAo9xwu0VRcT8dt6Ft+GVpDaPZM3DL3RezRoAxTyChHviJk
        VBzV5v9ErJyZ5mFtVHRVAnCzqduIVfuBaOWWRgoqvAdO81av9NB1ajL2xT6DIT4m
        DcqLxLhr8czXgNbKtTej2tu2jaxjmF/Q77VGuSgra1NQNaR2zTGZfuMR+7I7ftib
        pZGA8uFmqF9x4bmCPtfb3SsDgC8DFiIrwcTnfALicTFmhQEuA3v+P1PKCXE+ES2q
        pU62wFufYL2xflfhmNe8ihrUT+dttR4IIO+RN/q5a797j0VgU+kPP6z4GUoMHbMz
        1qS+Y60OCn8FdCVwzghUGrEILiwg74FAHqwrwTZX10nvigypADdU/eH+rJl7LrKt
        LbSmqNetjANB1n7opHRPB+pwf4bmxzZUEHGD2GQgre+hqOFDdvnd3EbnHTFBv1u2
        Zx7yRiWkoI40nOz+VAL38/fCuuJu8odt7B78B4QBqfKFtdmHMMz7VCwt4HwjNvq+
        G8rIJqFh5TyLJOaoGu/8d7Kl5BbJb9bum1QUJyC03seOS9mxPo6pbtE1Z2Uz1NDx
        fwl094QnNadisMyiWG9p5vem4C5Fn8FfpQ0gdTE/VZ7viQqcU/zgeH1lSb5JO55S
        GdE24tHQD1aHjoyAln5JIeLSj25wVapITBNPa7MxmCPQf1XYY++kEeRE+ygfr+9E
        sETTnJmLmPgSaiNl6PKfByByx/xYUk7LdLdMFXezXYpIMnBBmo0b5SimlzP686FL
        lKoM3v+HPgfgblh/J3gwL6h3gyLIAiJJ+geRWnvbwR/FvcimxLoj0HKpATWnvyvP
        TyKOwOjILyFGWpEs7YWoj2HlOLoqprfGlSv0HL6GSz0HlOYo030hVGlyMC4WQpOU
        7WtzP+qK3maVKGUlMgNVRXDp2E6K+BZA6r7abtgRef3F4rZ2b0GyO7IJPy8IdMxx
        X8flVQS36lnrpjtRCjuNI3jLe6jLcMntxcQoKa+iEtcYzvTR5PvCBhKazMmp8dH5
        7BApCNbikg2xA1JxL5U31J9zpKu74ayI9EKe1DcFdHnltGqBOaRBwrlf8hAUYKGE
        aprNEfM5jmOU254PMWO3x54tti+816JEt90wuGk1F4MJaMbJf+ROMaBq3cj4xycL
        voZkQLMwZahpm6twhvXc1mkzOGbj9rghKZCZRtXpyjFzDc/ffZT6a3+B3dEi8+ZA
        d8Cvj21brEzNXZuhIbUMBinZQ3VAM5PEUhxtB9qH8dxNjWA641Wm60ttwNloOxCJ
        941qPEra0hEO0I9vYgO1v2St7EjrIlR0sTUxEEhP8Rsb8B7K8z1jxm0XqEg9O3jZ
        soNtyi2cFbAlzRaeHnTHHknJpSnw49e0EMllirrgZUqbkc2PBOP0e/O5AU8Rydu2
        bbQj2+q09BSTB7tYTgzZq5wj2IHl28eYSfhX1T5SS9fen8q/ZJDsO4UaIVKnJooO
        BqFI9bw0+mexcOWdrS7fdghAglJYqA7T9iDVS5i4nlUK
        -----END ENCRYPTED PRIVATE KEY-----
        """
    static let encryptedOfOld = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIFHDBOBgkqhkiG9w0BBQ0wQTApBgkqhkiG9w0BBQwwHAQIPFrrvQRt4TICAggA
        MAwGCCqGSIb3DQIJBQAwFAYIKoZIhvcNAwcECJwZsAUzU8tmBIIEyKfSnSMggsPF
        uQMcNHNsZjoJ+vaCzBjS9Yvt8pqxov2POlTi7gogAYKT1/xUl7lO0wxJ6EONprKo
        1JmHuGaEAsTjs0UvEoJ9yXL38wThW1IAl4QkI0t0DoNsErF5i7tXaIaDEulKuNYQ
        cOcPiyxHCjf844IaKVwVKEekNTgJweta4VSbToOcKQUwXmm3WGxtRd+J9/q++9Sj
        EAtrDOMJqRlHf/sWxhJMb246dOlQ7VpSC1XFJrsIpBMIRd1uhHzxaaEux/ZRnHjg
        E53pGcXpZMKEAZBXf4JSj2Npvngy9rWKQkHljyvllf+Mx+BtcjU2wOUkh4VZJ4fp
        VPeOmphrVfl/4Yu3UP+L7Y3JIcVxuEXt9nztNAY6hUH2dIhCcRZUz6mE4dCtkdOZ
        pIdhiEE5VG/f1iKQlom/l032gx5up04z9GQ6Hnng8QAC/RQZAMt+HIul8B+vZ3lX
        WTxjJvny33pGFgdV3cwecmIM4AGSGD7Zdn9/ezQKgfsFnLfmPrf2l2wVo4vK10JE
        bWFx8kC44RTO8M4DQ1eNCVwPp3vHWPH6vRmuMgMEQj9kFAif4YsuUArvh1XFvW9O
        yjnKtxHZHLr/bDugwAF/lY4MPNzTz+j5FibEBUopqxb19ML+/zIL3ye8+pzXJepH
        xj1cF1Hg5xVDqjuHgOqhAdvJ2NHD14YZ42z0K+bYtiFDvwJXp6hMP5rV+99KaFSe
        2Y5haid3DiVPFDi6ELuynqecgIejmB96ixbBogQ9t+tzCQY75pSw1AwUhsZg3JbL
        hav6AwR7nnqxcusR5HcE78Ri4RcLCIF7dVANsMWbOnG726RPLY55+eJeiyWckbBZ
        WOuPBjp0bbdgc87zFYjvNoMN56GuwQ/rgV/nRPqa4eA3yYVc+GEyqeO7Zu+OFKD2
        ChJQ/i3mRMA0Exz9JwCunkHD1gjaby8SevRxBdmDQn+QKWheUS/MGRwWZ1/RAkGW
        pRyx0l1V2tmoQ17QnMQBtKrngrOjEVfzJjFIzE0luiEauvvURtwQ/9QEDPAC5Wwb
        AbGGB0wQcgg0d48RbtUnknc+PUXR0gRIpevd2uquRBpt4hIvVYsm/essfu6qK6zx
        KHF8JM94gRD/SZzjIas31J+dPkNjGxBL3p1AcvEydVu4FdAFy4p3EZ/zNcwNhj5r
        I7rNpBsoSLca+fC6y8N/0yNj98PzvIcZUU/DpyWhzI+ni1ZN5CNhKvygs2aDVpVl
        JVZ/J7l3b8YnZ6V6JZhchWS/erdfmXlvKSuJI4zaQ5Hp6jF8IaBHuhpDfefAbkAt
        S3AbpNXIgOmtpmFbKvyFvs0HIpLTbBLVORi16uxV+tReKPU+LduRkFAUsbO/PvcB
        ds+0t0eRzspevRmoij3K8o1Dwi8p3DAXinuRzDg3aKIble9NZk/pwaFRUgl0on65
        xeo9/S7KNB6yDFFbwzd7hk0uW8GCHGwpEaQTIPmJTWELbHFWgtBlHDZEtpjR1g7a
        4TxspgEKM08bU0P4wSVvWZ2pvvA4z2KDnwNDjMzwF9ySvsXg3vfQZLkRPa3dHtby
        +GhGVhpTGjPHW6k1OZ5ukiXkbvaWKv+naCOUR/GQ9pKvgdQAplY/aen0XtntMdMT
        cwFOtr8jGjxdEDvJ4OwMcw==
        -----END ENCRYPTED PRIVATE KEY-----
        """
    static let publicKey = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw55m/FSj34X62HdOtXQa
        cpwIB7kx2GO3Y54mrGfMMmQJZD/NeIC5lshGmAZM5QmUztBTJk38OZzSTuqFCOXu
        azY4UN491tvsxac/1YwEdIuAY0GcwYrpdcYzOjWf1YiF6yzy2cVgt7U81Uaj4pKC
        5YfoRi9l5T/L3Promxcw7xPVNFbn11pNw2ZmnsMeStX8NyL0Gc8iljn2v8R5qrp2
        bfkmIxlHiBsQRVYF8AOGnTPhwSGktAVCY52GHG1fAef8l88D9drKyuI2v92WxpeU
        Tqo8bKin0qA72ZJ03n6loWRtWWCOvSFMoTzrEVOD6U2Mq4wnUi+QjpIVVCuoKFie
        4QIDAQAB
        -----END PUBLIC KEY-----
        """
}
