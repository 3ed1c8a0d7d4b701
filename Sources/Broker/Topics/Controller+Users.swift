import Security
import Synchronization

/// Users with SCRAM credentials.
extension Controller {
    /// Changes credentials of users, all or none.
    ///
    /// - Parameter decide: is given those that there are, and returns the changes.
    func alterUsers(
        _ decide: ([ScramCredentialKey: ScramCredential]) -> [MetadataRecord]
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let records = decide(state.image.scramCredentials)
            guard !records.isEmpty else { return }
            try commit(records, &state)
            users.replace(state.image.scramCredentials)
        }
    }

    /// The credentials of all users.
    var scramCredentials: [ScramCredentialKey: ScramCredential] { state.withLock { $0.image.scramCredentials } }
}
