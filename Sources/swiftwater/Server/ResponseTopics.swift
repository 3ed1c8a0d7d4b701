import Cluster
import ConnectCore
import ConnectorHTTP
import NIOCore
import RecordBatches
import Synchronization

/// Writes what servers answered to sinks into topics of the worker's own cluster.
///
/// One writer for all sinks; it lives as long as the process. A topic that is missing is made, with one partition.
final class ResponseTopics: ResponseReporter {
    private let cluster: any Cluster
    private struct State {
        var writer: (any RecordWriter)?
        /// Topics that were seen to exist.
        var known: Set<String> = []
    }
    private let state = Mutex(State())

    init(_ cluster: any Cluster) { self.cluster = cluster }

    func report(
        topic: String, key: [UInt8]?, value: [UInt8], headers: [(name: String, value: [UInt8])]
    ) async throws(ConnectError) {
        let record = ProducerRecord(
            key: key.map { ByteBuffer(bytes: $0) }, value: ByteBuffer(bytes: value),
            headers: headers.map { RecordHeader(key: $0.name, value: $0.value) })
        do throws(ClusterError) {
            if !state.withLock({ $0.known.contains(topic) }) {
                try await make(topic)
                state.withLock { _ = $0.known.insert(topic) }
            }
            _ = try await writer().write([record], to: topic)
        } catch {
            // A topic that was deleted meanwhile is made anew by the next try.
            state.withLock { _ = $0.known.remove(topic) }
            let message = "the answer of a server cannot be written to topic '\(topic)': \(error)"
            throw ConnectError(error.code.isRetriable ? .retriable : .connect, message)
        }
    }

    private func make(_ topic: String) async throws(ClusterError) {
        do throws(ClusterError) {
            _ = try await cluster.topic(topic)
        } catch {
            guard error.code == .unknownTopicOrPartition else { throw error }
            do throws(ClusterError) {
                try await cluster.createTopic(NewTopic(topic, partitionCount: 1), validateOnly: false)
            } catch {
                guard error.code == .topicAlreadyExists else { throw error }
            }
        }
    }

    private func writer() async throws(ClusterError) -> any RecordWriter {
        if let open = state.withLock({ $0.writer }) { return open }
        let made = try await cluster.writer(.idempotent)
        // Of two that were made at once the first stays; the other has written nothing.
        let kept = state.withLock { state in
            if state.writer == nil { state.writer = made }
            return state.writer
        }
        guard let kept, kept !== made else { return made }
        await made.close()
        return kept
    }
}
