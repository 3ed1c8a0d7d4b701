import Cluster
import NIOCore
import Testing

func text(_ string: String) -> ByteBuffer { ByteBuffer(string: string) }

/// Expects that `body` throws a `ClusterError` of this code.
func expectFailure<Value>(
    _ code: ClusterError.Code, _ comment: @autoclosure () -> Comment? = nil,
    at location: SourceLocation = #_sourceLocation, _ body: () async throws -> Value
) async {
    do {
        _ = try await body()
        Issue.record("expected \(code.name) \(comment()?.rawValue ?? "")", sourceLocation: location)
    } catch let error as ClusterError {
        #expect(error.code.name == code.name, comment(), sourceLocation: location)
    } catch {
        Issue.record("expected \(code.name), not \(error)", sourceLocation: location)
    }
}

/// The next `count` records or a few more. Gives up, with what there is, when nothing comes for a long time.
func read(_ reader: any PartitionReader, _ count: Int) async throws -> [ConsumerRecord] {
    var records: [ConsumerRecord] = []
    while records.count < count {
        let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(60))
        if batches.isEmpty { break }
        records += try batches.records()
    }
    return records
}
