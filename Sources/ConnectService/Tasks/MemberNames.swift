import ConnectCore
import Crypto
import Synchronization

/// The names that sinks' members have in their groups where a worker knows itself again: after a crash the task that comes
/// back has the partitions of the one that is gone at once, instead of waiting for its session to end.
///
/// A name is given out once in a process's life. The one who had it before is then dead for certain; a task that is
/// restarted gets a new name each time, as its predecessor may still be on its way out.
final class MemberNames: Sendable {
    private let worker: String?
    private let given = Mutex<Set<String>>([])

    init(_ settings: WorkerSettings) {
        worker = settings.identity.map { "\(settings.groupId)\n\($0)" }
    }

    /// - Parameter group: that the task's member joins.
    /// - Returns: nil for a name that is new each time.
    func name(of task: TaskIdentity, in group: String) -> String? {
        guard let worker else { return nil }
        let text = "\(worker)\n\(group)\n\(task.connector)\n\(task.task)"
        guard given.withLock({ $0.insert(text).inserted }) else { return nil }
        return SHA256.hash(data: Array(text.utf8)).prefix(16).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
