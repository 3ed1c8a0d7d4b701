import Environment
import Synchronization

/// Whether a log directory still takes writes; shared by its logs. A failed sync ends it for good, because the system may
/// have dropped pages that the log believes written.
package final class LogHealth: Sendable {
    private let hasFailed = Atomic<Bool>(false)
    private let cause = Mutex<LogError?>(nil)

    package init() {}

    /// The failure, if there was one.
    package var failure: LogError? { hasFailed.load(ordering: .acquiring) ? cause.withLock { $0 } : nil }

    func fail(_ error: LogError) {
        cause.withLock { if $0 == nil { $0 = error } }
        hasFailed.store(true, ordering: .releasing)
    }

    /// Runs changes whose failure is final, because they sync.
    func final(_ what: @autoclosure () -> String, _ body: () throws(DiskError) -> Void) throws(LogError) {
        do throws(DiskError) { try body() } catch {
            let failure = LogError(.failed, what(), cause: error)
            fail(failure)
            throw failure
        }
    }

    /// Runs syncs, whose failure is final too. But where a file could not be opened because there are too many, nothing was
    /// lost, and all of it may be tried again.
    func sync(_ what: @autoclosure () -> String, _ body: () throws(DiskError) -> Void) throws(LogError) {
        var passing: DiskError?
        try final(what()) { () throws(DiskError) in
            do throws(DiskError) { try body() } catch  where error.code == .tooManyFiles { passing = error }
        }
        if let passing { throw LogError(passing, what()) }
    }

    /// Replaces a side file durably. A full disk, or one with too many open files, leaves the old file and may be tried
    /// again; anything else is final.
    func replace(_ path: String, with bytes: [UInt8], on disk: any Disk) throws(LogError) {
        do throws(DiskError) { try disk.replaceDurably(path, with: bytes) } catch
            where error.code == .full || error.code == .tooManyFiles
        {
            throw LogError(error, "write '\(path)'")
        } catch {
            let failure = LogError(.failed, "write '\(path)'", cause: error)
            fail(failure)
            throw failure
        }
    }

    func check() throws(LogError) {
        if let failure { throw LogError(.failed, failure.message, cause: failure.cause) }
    }
}
