/// What a server keeps of a user's password: enough to check it, not to use it elsewhere (RFC 5802, section 3).
package struct ScramCredential: Hashable, Sendable {
    package var salt: [UInt8]
    package var storedKey: [UInt8]
    package var serverKey: [UInt8]
    package var iterationCount: Int32

    package init(salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8], iterationCount: Int32) {
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
        self.iterationCount = iterationCount
    }

    /// From what a client sends of a password: salted already, so that the password itself does not travel (KIP-554).
    package init(saltedPassword: [UInt8], salt: [UInt8], iterationCount: Int32, _ mechanism: ScramMechanism) {
        let clientKey = mechanism.code(Array("Client Key".utf8), key: saltedPassword)
        self.init(
            salt: salt, storedKey: mechanism.digest(clientKey),
            serverKey: mechanism.code(Array("Server Key".utf8), key: saltedPassword), iterationCount: iterationCount)
    }

    /// Whether the password is the one that this was made of. Slow on purpose.
    package func accepts(_ password: [UInt8], _ mechanism: ScramMechanism) -> Bool {
        let salted = mechanism.salted(password, salt, Int(iterationCount))
        return isSame(mechanism.digest(mechanism.code(Array("Client Key".utf8), key: salted)), storedKey)
    }

    /// A salt for a new credential.
    package static func randomSalt() -> [UInt8] { randomBytes(24) }
}

/// Whose credential it is, and of which mechanism.
package struct ScramCredentialKey: Hashable, Sendable, Comparable {
    package var user: String
    package var mechanism: ScramMechanism

    package init(user: String, mechanism: ScramMechanism) {
        self.user = user
        self.mechanism = mechanism
    }

    package static func < (a: Self, b: Self) -> Bool {
        (a.user, a.mechanism.rawValue) < (b.user, b.mechanism.rawValue)
    }

    /// By bytes, as principals are compared.
    package static func == (a: Self, b: Self) -> Bool {
        a.mechanism == b.mechanism && a.user.utf8.elementsEqual(b.user.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(mechanism)
        for byte in user.utf8 { hasher.combine(byte) }
    }
}
