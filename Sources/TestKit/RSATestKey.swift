/// A private key of the tests only, made by `openssl genrsa 2048`.
package enum RSATestKey {
    package static let pkcs8 = """
        -----BEGIN PRIVATE KEY-----
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDDnmb8VKPfhfrY
        d061dBpynAgHuTHYY7djniasZ8wyZAlkP814gLmWyEaYBkzlCZTO0FMmTfw5nNJO
        6oUI5e5rNjhQ3j3W2+zFpz/VjAR0i4BjQZzBiul1xjM6NZ/ViIXrLPLZxWC3tTzV
        RqPikoLlh+hGL2XlP8vc+uibFzDvE9U0VufXWk3DZmaewx5K1fw3IvQZzyKWOfa/
        xHmqunZt+SYjGUeIGxBFVgXwA4adM+HBIaS0BUJjnYYcbV8B5/yXzwP12srK4ja/
        3ZbGl5ROqjxsqKfSoDvZknTefqWhZG1ZYI69IUyhPOsRU4PpTYyrjCdSL5COkhVU
        K6goWJ7hAgMBAAECggEAHdR3JGXcym5iIuXIoxt2GAGKqPDY9MQ5+C8q+xHl/c4q
        73ZaRRSuGFvohfC6A5grMMFsWJQ+UOPE30Ncb4+uhHtTaaOGPxAw4jAfqBcOq94F
        AT3FY28lLDBB6g+41KVZtJPZYZN7bPAue2BnB9srKkjIBwHd0jBhDEzXsSS/cclq
        ctWUGN1K6+HGt7NuWDnyTol2PJbCFKUqUeqVtPW0oPXvGeYShzqA0Elm5mwTUeNx
        LQvADABypV+8GBM0YwP65dPxzcvXpIY1gZhqFNpLm200qVnCyQ9C+A10zxZePf6+
        f6Hled5CXXpMFD9x9+Fy+dLLgqDMOEUO5TC8NvHh1QKBgQDgTzgLI3oNJPs3YcJe
        M/6ZTAaxS13H7d68Yd47H5yO1DS5ydpQRVxFLDqy6Cqt6WX1Etle7BNnpHW/snO9
        jWDfK4R8R2R3J2IN442mRh7BdP1FQCmhBRlvl5e3GrHbygnBmRf5et4Wj3eUdqun
        Q26cwo2Vn3qXcG9VNlNuipRjHQKBgQDfQYEGQNZZ1VP0ZHrUJHy7AYE05utE6YEf
        EiLV+KjWVm12MiOAP1gNiDx8YsPrHWMKQt0MSS16de9gNgFhaNZmEYtHCiuRZVjg
        bhAgHXtnzTzKbxsw649kLaEj1/FB18o92UmV7/Iks7yaDmuU90sfpsHdCwrQ9oAq
        9gPJmwx7lQKBgDbv0AcSWksr2oc23zbZPyrmbuEvVzmnLZ0vzxDl7h8hJAS4xkpQ
        ooeijIHS0NklR75dLnXMFfiVU+1uVGCBZs9hxiH2DkoMkDxclg26MMAq2fkC/O8d
        45vsIdFLrXHqKreKuk904z3dR2lKI0JlBotILwsNMyYx+GKDWq3BLRSVAoGBALvZ
        +h6w36um/IVfJprqOKmBkp5Yzw2lDKiAMh+ooyf2gRQ7C/QVWJnKUFq5H/DtQTCZ
        IjX8PPAV290wk+jKtdwcVvznadFlXWs6MQdUx0mIP+Z1poN7MaQxYK0wPigQ0nNI
        Kcqnoy+OrNtT1uH5UpTHU8gSSn+Zai674mP4uoAhAoGAbfd91WIRwUvsPvw34RZf
        lZuhNfAtPjx6kHC6xmBtaxU+vE8jXGG9tLWEpr9MJYPVGdwv6dWn8RFvESa7BSWQ
        8cZqF58nQUIrhnRu+A1FvNgn2UlsxBX3yxKoZXsUT/2AgT8z1psmbOEk+3Tji2/W
        zMmJReM7eLMvJQqOqn4tSbw=
        -----END PRIVATE KEY-----
        """
}
