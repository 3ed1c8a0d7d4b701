extension Task where Success == Void, Failure == Never {
    /// Waits for the end of the task, which is cancelled when it takes longer than `limit`.
    func value(within limit: Duration) async {
        // Owned here: it ends with the wait.
        let alarm = Task<Void, Never> {
            do { try await Task<Never, Never>.sleep(for: limit) } catch { return }
            self.cancel()
        }
        await value
        alarm.cancel()
    }
}
