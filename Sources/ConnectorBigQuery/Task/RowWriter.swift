import ConnectCore
import HTTPCalls

/// Sends requests, some of them at once.
struct RowWriter: Sendable {
    let settings: BigQuerySettings
    let client: BigQueryClient

    /// - Returns: for each request what BigQuery says of it, or why it says nothing, in the order of the requests.
    func send(_ chunks: [RowChunk]) async -> [(RowChunk, Result<InsertVerdict, ConnectError>)] {
        await withTaskGroup(of: (Int, Result<InsertVerdict, ConnectError>).self) { group in
            var results: [Int: Result<InsertVerdict, ConnectError>] = [:]
            for (index, chunk) in chunks.enumerated() {
                if index >= settings.inFlightCountMax, let (index, result) = await group.next() {
                    results[index] = result
                }
                group.addTask { (index, await self.send(chunk)) }
            }
            for await (index, result) in group { results[index] = result }
            return chunks.enumerated().map { index, chunk in
                let nothing = Result<InsertVerdict, ConnectError>.failure(ConnectError(.retriable, "nothing was sent"))
                return (chunk, results[index] ?? nothing)
            }
        }
    }

    private func send(_ chunk: RowChunk) async -> Result<InsertVerdict, ConnectError> {
        do throws(ConnectError) {
            let response = try await client.insert(
                chunk.target.intermediate ?? chunk.target.table, decorator: chunk.target.decorator, chunk.body)
            return .success(InsertVerdict(response, rowCount: chunk.rows.count))
        } catch {
            return .failure(error)
        }
    }
}
