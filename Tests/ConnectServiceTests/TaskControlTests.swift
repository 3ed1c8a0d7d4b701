import Synchronization
import Testing

@testable import ConnectService

/// What ends a wait of a task.
@Suite struct TaskControlTests {
    /// Waits until it is cancelled, or until it is let go.
    private static func wait(_ isLetGo: @escaping @Sendable () -> Bool) async -> String {
        while !isLetGo() {
            do { try await Task.sleep(for: .milliseconds(1)) } catch { return "cancelled" }
        }
        return "done"
    }

    @Test(arguments: [true, false])
    func `a pause ends what may begin again, and a stop ends all`(whenPaused: Bool) async throws {
        let control = TaskControl(isPaused: false)
        let (started, goOn) = AsyncStream.makeStream(of: Void.self)
        let isLetGo = Mutex(false)
        let run = Task {
            try await control.interruptible(whenPaused: whenPaused) {
                goOn.yield()
                return await Self.wait { isLetGo.withLock { $0 } }
            }
        }
        for await _ in started { break }
        control.pause(true)
        if !whenPaused { isLetGo.withLock { $0 = true } }
        #expect(try await run.value == (whenPaused ? "cancelled" : "done"))

        // Paused already.
        let paused = try await control.interruptible(whenPaused: whenPaused) { await Self.wait { !whenPaused } }
        #expect(paused == (whenPaused ? "cancelled" : "done"))

        let last = Task { try await control.interruptible(whenPaused: whenPaused) { await Self.wait { false } } }
        control.stop()
        #expect(try await last.value == "cancelled")
    }
}
