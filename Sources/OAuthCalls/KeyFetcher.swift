import Environment
import JSONCalls
package import Logging
package import Security
import Synchronization

/// Keeps the keys of one issuer: fetches them at the start, then once in a while, and early when a token comes with a key that
/// is not there. What could not be fetched leaves the keys from before.
///
/// - SeeAlso: upstream `RefreshingHttpsJwks`, `JwksFileVerificationKeyResolver`.
package final class KeyFetcher: Sendable {
    package let keys = TokenKeys()
    private let source: TokenKeySource
    private let logger: Logger
    private struct Waiting {
        /// They are wanted before the time.
        var isWanted = false
        var sleep: Task<Void, Never>?
    }

    private let waiting = Mutex(Waiting())
    private let work = Mutex<(task: Task<Void, Never>, calls: JSONCalls)?>(nil)

    /// For one answer.
    private static let timeout = Duration.seconds(10)

    package init(_ source: TokenKeySource, logger: Logger) {
        self.source = source
        self.logger = logger
    }

    /// Fetches once, so that clients that come at once find the keys, and goes on by itself until `stop`. An issuer that does not
    /// answer keeps nobody up for long: then its tokens are refused until it does.
    package func start() async {
        let calls = JSONCalls(
            connectSeconds: 5, answerByteCountMax: TokenKeySet.byteCountMax, connectionCountMax: 1, idleSeconds: 1,
            trustFile: source.trustFile)
        let isThere = await fetch(calls, attempt: 0)
        keys.onWant { [weak self] in self?.wake() }
        // Owned by this object, and ended by `stop`.
        let task = Task { await run(calls, isThere: isThere) }
        work.withLock { $0 = (task, calls) }
    }

    package func stop() async {
        keys.onWant(nil)
        let running = work.withLock { work in
            defer { work = nil }
            return work
        }
        guard let running else { return }
        running.task.cancel()
        await running.task.value
        await running.calls.shutdown()
    }

    private func run(_ calls: JSONCalls, isThere: Bool) async {
        var failures = isThere ? 0 : 1
        while !Task.isCancelled {
            let wait = failures == 0 ? source.refreshMs : backoff(failures)
            await pause(.milliseconds(wait))
            guard !Task.isCancelled else { return }
            failures = await fetch(calls, attempt: failures) ? 0 : min(failures + 1, 32)
        }
    }

    /// Grows from the first wait to the longest, as upstream's `Retry` has it.
    private func backoff(_ failures: Int) -> Int64 {
        let longest = max(source.retryBackoffMs, source.retryBackoffMaxMs)
        let (grown, isTooLong) = source.retryBackoffMs.multipliedReportingOverflow(
            by: 1 << Int64(min(failures - 1, 20)))
        return isTooLong ? longest : min(grown, longest)
    }

    private func wake() {
        waiting.withLock { waiting in
            waiting.isWanted = true
            waiting.sleep?.cancel()
        }
    }

    /// Waits for the time, or until keys are wanted, whichever is first.
    private func pause(_ time: Duration) async {
        // Owned by this object and awaited here; `wake` and the end of the work end it early.
        let sleep = Task<Void, Never> { try? await Task.sleep(for: time) }
        let isWanted = waiting.withLock { waiting in
            waiting.sleep = sleep
            return waiting.isWanted
        }
        if isWanted { sleep.cancel() }
        await withTaskCancellationHandler {
            await sleep.value
        } onCancel: {
            sleep.cancel()
        }
        waiting.withLock { $0 = Waiting() }
    }

    /// - Parameter attempt: how many failed before, one behind the other.
    private func fetch(_ calls: JSONCalls, attempt: Int) async -> Bool {
        let problem: String
        do throws(OAuthFailure) {
            let bytes = try await contents(calls)
            do throws(TokenKeySet.Malformed) {
                let set = try TokenKeySet(bytes)
                keys.replace(set)
                if set.keys.isEmpty {
                    // An issuer that withdraws its keys is taken at its word.
                    logger.warning(
                        "the issuer has no key that checks signatures (RSA of 2048 bits and more, P-256, P-384, P-521): tokens are refused",
                        metadata: ["url": "\(source.url)"])
                    return true
                }
                logger.info(
                    "fetched the keys of tokens", metadata: ["url": "\(source.url)", "keys": "\(set.keys.count)"])
                return true
            } catch {
                problem = error.description
            }
        } catch {
            problem = error.message
        }
        guard !Task.isCancelled else { return false }
        // The first says it; the others once in a while.
        let isTold = attempt == 0 || attempt.isMultiple(of: 8)
        logger.log(
            level: isTold ? .warning : .debug, "the keys of tokens cannot be fetched",
            metadata: [
                "url": "\(source.url)", "error": "\(problem)",
                "until then": keys.current == nil ? "tokens are refused" : "the keys from before stay",
            ])
        return false
    }

    private func contents(_ calls: JSONCalls) async throws(OAuthFailure) -> [UInt8] {
        if let path = TokenSettings.filePath(source.url) {
            do throws(DiskError) {
                return try StreamFile.contents(path, byteCountMax: TokenKeySet.byteCountMax)
            } catch {
                throw OAuthFailure(.unreachable, "'\(path)' cannot be read: \(error.reason)")
            }
        }
        let answer: JSONCalls.Answer
        do throws(JSONCalls.NoAnswer) {
            answer = try await calls.exchange(
                JSONCalls.request("GET", source.url, accept: "application/json, application/jwk-set+json"),
                timeout: Self.timeout)
        } catch {
            throw OAuthFailure(.unreachable, error.words)
        }
        guard answer.isSuccess else { throw OAuthFailure(.unreachable, "it answered HTTP \(answer.status)") }
        return answer.bytes
    }
}
