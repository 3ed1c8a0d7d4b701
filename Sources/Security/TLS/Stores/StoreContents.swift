/// Why a store of keys and certificates cannot be read. Says nothing of passwords or of what is in it.
enum StoreFailure: Error, Equatable {
    /// Not of its format, or damaged.
    case malformed
    /// The password is another one, which cannot be told from damage.
    case wrongPassword
    /// That of a key is another one than that of the store.
    case wrongKeyPassword
    /// A part is encrypted, and there is no password.
    case needsPassword
    /// What is used and not known here.
    case unsupported(String)
}

/// What is in a store of keys and certificates, whatever its format.
struct StoreContents: Equatable {
    struct Key: Equatable {
        /// PKCS#8 in DER, without encryption.
        var bytes: [UInt8]
        /// What the store says belongs to it, its own certificate first; empty where the store does not say.
        var chain: [[UInt8]] = []
        /// By which a store says whose certificate is whose (PKCS#12).
        var identifier: [UInt8]?
    }

    struct Certificate: Equatable {
        /// X.509 in DER.
        var bytes: [UInt8]
        var identifier: [UInt8]?
        /// Whether the store says that it is an authority, not part of the chain of a key.
        var isTrusted = false
    }

    /// Parts of a store that are looked at; there are some hundred authorities in the largest.
    static let countMax = 4096

    var keys: [Key] = []
    var certificates: [Certificate] = []

    /// The authorities that a store names, as Java understands it: those that are marked, and the certificates of keys
    /// themselves. Where neither is there, as in files of other programs, all certificates are.
    var trusted: [[UInt8]] {
        var found: [[UInt8]] = certificates.filter(\.isTrusted).map(\.bytes)
        for key in keys {
            if let own = key.chain.first {
                found.append(own)
            } else if let identifier = key.identifier {
                found += certificates.filter { $0.identifier == identifier && !$0.isTrusted }.map(\.bytes)
            }
        }
        if found.isEmpty, keys.isEmpty { found = certificates.map(\.bytes) }
        var seen = Set<[UInt8]>()
        return found.filter { seen.insert($0).inserted }
    }

    /// The certificate and those that vouch for it, each by the one before: as far as the others go.
    static func chain(from own: [UInt8], among others: [[UInt8]]) -> [[UInt8]] {
        var chain = [own]
        var names = CertificateNames(own)
        while let issuer = names?.issuer, issuer != names?.subject, chain.count < 16,
            let next = others.first(where: { CertificateNames($0)?.subject == issuer && !chain.contains($0) })
        {
            chain.append(next)
            names = CertificateNames(next)
        }
        return chain
    }
}

/// Who a certificate is for and who vouches for it, as they are encoded (RFC 5280, 4.1).
struct CertificateNames: Equatable {
    var issuer: [UInt8]
    var subject: [UInt8]

    /// nil for what is no certificate.
    init?(_ certificate: [UInt8]) {
        var outer = DER(certificate[...])
        guard var whole = outer.next(tag: DER.sequence), var body = whole.next(tag: DER.sequence) else { return nil }
        if body.tag == 0xA0, body.element() == nil { return nil }  // the version, when it is not the first one
        // Serial number and algorithm; behind the issuer the validity.
        guard body.element() != nil, body.element() != nil, let issuer = body.element(), body.element() != nil,
            let subject = body.element(), issuer.tag == DER.sequence, subject.tag == DER.sequence
        else { return nil }
        self.issuer = Array(issuer.content)
        self.subject = Array(subject.content)
    }
}
