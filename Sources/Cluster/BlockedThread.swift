import Glibc

/// One thread that sleeps until another wakes it, once, or its time is up. For worker threads: a thread of the cooperative
/// pool must not sleep.
///
/// `@unchecked Sendable`: POSIX mutexes and conditions are made for use by several threads at a fixed address, which the
/// pointers give; `isWoken` is only touched with the mutex held.
package final class BlockedThread: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isWoken = false

    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Ends the wait, also one that has not begun. To be called without locks that the woken thread will want: it runs at
    /// once, on another processor, and would sleep again.
    package func wake() {
        pthread_mutex_lock(mutex)
        isWoken = true
        pthread_mutex_unlock(mutex)
        // After the unlock for the same reason; the caller's reference keeps the condition.
        pthread_cond_signal(condition)
    }

    /// Returns when woken.
    package func wait() {
        pthread_mutex_lock(mutex)
        while !isWoken { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Returns when woken, or when `timeout` has passed.
    package func wait(_ timeout: Duration) {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = Int64(deadline.tv_nsec) + timeout.components.attoseconds / 1_000_000_000
        // A wait of more than a hundred years is one without end, and must not overflow.
        deadline.tv_sec += Int(clamping: min(timeout.components.seconds, 1 << 32)) + Int(nanoseconds / 1_000_000_000)
        deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        pthread_mutex_lock(mutex)
        while !isWoken, pthread_cond_timedwait(condition, mutex, &deadline) != ETIMEDOUT {}
        pthread_mutex_unlock(mutex)
    }
}
