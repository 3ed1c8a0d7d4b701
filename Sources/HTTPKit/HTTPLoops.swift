package import NIOCore
import NIOPosix

/// The threads of the HTTP servers of a process, apart from those of its other work, so that a question about the health
/// of the process is answered however busy it is.
package final class HTTPLoops: Sendable {
    private let threads: MultiThreadedEventLoopGroup
    package var group: any EventLoopGroup { threads }

    package init(threadCount: Int = 1) { threads = MultiThreadedEventLoopGroup(numberOfThreads: threadCount) }

    /// Ends the threads; the servers must have stopped.
    package func shutdown() async {
        try? await threads.shutdownGracefully()  // it fails only when it was called before
    }
}
