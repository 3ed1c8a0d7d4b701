import Glibc
import Testing

@testable import Broker

/// The secret by which users that there are not look like those that there are, also after a restart.
@Suite struct CredentialMakerTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = "/tmp/credential-maker-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try #require(mkdir(folder, 0o755) == 0)
        defer {
            unlink(folder + "/" + CredentialMaker.fileName)
            rmdir(folder)
        }
        try body(folder)
    }

    @Test func `is made once, for its owner alone`() throws {
        try withFolder { folder in
            let made = try CredentialMaker.secret(in: folder)
            #expect(made.count == 32)
            let again = try CredentialMaker.secret(in: folder)
            #expect(again == made)
            var status = stat()
            #expect(stat(folder + "/" + CredentialMaker.fileName, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
        try withFolder { folder in
            let one = try CredentialMaker.secret(in: folder)
            try withFolder { other in
                let another = try CredentialMaker.secret(in: other)
                #expect(another != one)
            }
        }
    }

    /// One that is not whole would be as good as no secret, and another one tells who there is.
    @Test(arguments: [0, 31, 33]) func `is whole or refused`(byteCount: Int) throws {
        try withFolder { folder in
            let file = try #require(fopen(folder + "/" + CredentialMaker.fileName, "w"))
            _ = fwrite([UInt8](repeating: 1, count: byteCount), 1, byteCount, file)
            fclose(file)
            let error = #expect(throws: BrokerError.self) { try CredentialMaker.secret(in: folder) }
            #expect(error?.message.contains(CredentialMaker.fileName) == true)
        }
    }

    @Test func `a folder that is not there is told of`() {
        #expect(throws: BrokerError.self) { try CredentialMaker.secret(in: "/no/such/folder") }
    }
}
