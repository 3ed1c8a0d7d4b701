import CEdit
import Glibc
import Synchronization

/// Reads lines with editing, history and completion, by libedit. One in a process: the library has one state.
package final class LineEditor: Sendable {
    package enum Line: Sendable {
        case text(String)
        /// Ctrl-C: what was typed is given up.
        case interrupted
        /// Ctrl-D, or the end of the input.
        case end
    }

    private let historyPath: String?
    private static let historyCountMax = 2000
    /// Whether characters beyond ASCII can be typed: false where the system has no locale of UTF-8.
    package let isUnicode: Bool
    /// Whether the terminal is asked to tell pasted text from keys.
    private let marksPastes: Bool

    /// - Parameter historyPath: where statements of before are kept; nil for nowhere.
    package init(historyPath: String?) {
        self.historyPath = historyPath
        isUnicode = edit_use_utf8() == 1
        let terminal = getenv("TERM").map { String(cString: $0) } ?? "dumb"
        marksPastes = isatty(STDOUT_FILENO) == 1 && terminal != "dumb"
        Self.name.withUnsafeBufferPointer { edit_set_name($0.baseAddress) }
        Self.wordBreaks.withUnsafeBufferPointer { edit_set_word_breaks($0.baseAddress) }
        rl_initialize()
        using_history()
        stifle_history(Int32(Self.historyCountMax))
        if let historyPath { read_history(historyPath) }
        // A read that sleeps wakes by this signal with EINTR, and only by it: without SA_RESTART, with nothing to do.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(Self.wakeSignal, &action, nil)
        // As in readline: up and down look for lines that begin with what is typed.
        rl_parse_and_bind("bind ^[[A ed-search-prev-history")
        rl_parse_and_bind("bind ^[[B ed-search-next-history")
        rl_parse_and_bind("bind ^R em-inc-search-prev")
        edit_set_completion { text, start, _ in complete(text, start) }
        bindPastes()
    }

    /// What a terminal puts before and behind pasted text: `ESC [ 200 ~` and `ESC [ 201 ~`. A function of ours is told nothing
    /// but the last byte of its sequence, so the `~` that both end in is read by the functions.
    private func bindPastes() {
        rl_add_defun("paste-begin", { _, _ in pasteMark(true) }, Int32(UInt8(ascii: "0")))
        rl_add_defun("paste-end", { _, _ in pasteMark(false) }, Int32(UInt8(ascii: "1")))
        rl_parse_and_bind("bind ^[[200 paste-begin")
        rl_parse_and_bind("bind ^[[201 paste-end")
        // The library has bound the digits themselves, too.
        rl_parse_and_bind("bind 0 ed-digit")
        rl_parse_and_bind("bind 1 ed-digit")
    }

    /// Live as long as the library that refers to them.
    private static let name = Array("swiftwater".utf8CString)
    private static let wordBreaks = Array(" \t\n\",;()<>=+-*/|&{}[]".utf8CString)

    package func setCompletion(_ completion: Completion) { currentCompletion.withLock { $0 = completion } }

    /// Blocks the calling thread, which must not be one of the cooperative pool.
    ///
    /// - Parameter isContinued: whether lines of the same statement stand above.
    package func read(prompt: String, isContinued: Bool = false) -> Line {
        isBehindLines.store(isContinued, ordering: .sequentiallyConsistent)
        isInterrupted.store(false, ordering: .sequentiallyConsistent)
        // Threads of ours begin with signals blocked.
        var wake = sigset_t()
        sigemptyset(&wake)
        sigaddset(&wake, Self.wakeSignal)
        pthread_sigmask(SIG_UNBLOCK, &wake, nil)
        reader.store(pthread_self(), ordering: .sequentiallyConsistent)
        defer { reader.store(0, ordering: .sequentiallyConsistent) }
        // Off while a statement runs: the terminal may be another program's afterwards.
        if marksPastes { Self.send("\u{1B}[?2004h") }
        defer { if marksPastes { Self.send("\u{1B}[?2004l") } }
        guard let line = readline(prompt) else {
            isPasting.store(false, ordering: .sequentiallyConsistent)
            return isInterrupted.load(ordering: .sequentiallyConsistent) ? .interrupted : .end
        }
        defer { free(line) }
        return .text(String(cString: line))
    }

    private static func send(_ sequence: StaticString) {
        _ = write(STDOUT_FILENO, sequence.utf8Start, sequence.utf8CodeUnitCount)
    }

    /// Whether Tab stands for itself instead of asking for names: in pasted text, and where a statement is indented.
    ///
    /// - Parameters:
    ///   - line: what is written before it.
    ///   - isPending: whether more input is there already, which nobody types that fast.
    static func isLiteralTab(behind line: String, isPasting: Bool, isPending: Bool, isContinued: Bool) -> Bool {
        isPasting || isPending || (line.allSatisfy(\.isWhitespace) && (isContinued || !line.isEmpty))
    }

    private static let wakeSignal = SIGUSR1

    /// Ends a `read` that waits, with `.interrupted`: what Ctrl-C is to do. From any thread.
    package func interrupt() {
        let thread = reader.load(ordering: .sequentiallyConsistent)
        guard thread != 0 else { return }
        isInterrupted.store(true, ordering: .sequentiallyConsistent)
        pthread_kill(thread, Self.wakeSignal)
    }

    /// Keeps a statement for the next time. Secrets are not looked for: the file is for its owner alone.
    package func remember(_ statement: String) {
        add_history(statement)
        guard let historyPath else { return }
        let before = umask(0o077)
        write_history(historyPath)
        umask(before)
    }

    package var history: [String] {
        guard let state = history_get_history_state() else { return [] }
        defer { free(state) }
        return (0..<max(0, state.pointee.length)).compactMap { index in
            history_get(index + 1).flatMap { $0.pointee.line.map { String(cString: $0) } }
        }
    }
}

private let isInterrupted = Atomic<Bool>(false)
/// Between the marks of a paste.
private let isPasting = Atomic<Bool>(false)
private let isBehindLines = Atomic<Bool>(false)
/// The thread that reads a line; 0 for none.
private let reader = Atomic<pthread_t>(0)
/// For the library's callbacks, which carry nothing with them.
private let currentCompletion = Mutex(Completion())
/// What the library takes one by one while it completes a word.
private let offered = Mutex<[String]>([])

private func pasteMark(_ isBegin: Bool) -> Int32 {
    _ = rl_read_key()
    isPasting.store(isBegin, ordering: .sequentiallyConsistent)
    return 0
}

private func complete(_ text: UnsafePointer<CChar>?, _ start: Int32) -> UnsafeMutablePointer<
    UnsafeMutablePointer<CChar>?
>? {
    guard let text else { return nil }
    let word = String(cString: text)
    let line = edit_line().map { String(cString: $0) } ?? ""
    // The library counts characters.
    let before = String(String.UnicodeScalarView(line.unicodeScalars.prefix(Int(max(0, start)))))
    var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    let isLiteral = LineEditor.isLiteralTab(
        behind: before + word, isPasting: isPasting.load(ordering: .sequentiallyConsistent),
        isPending: poll(&input, 1, 0) > 0, isContinued: isBehindLines.load(ordering: .sequentiallyConsistent))
    let found = isLiteral ? [word + "\t"] : currentCompletion.withLock { $0.candidates(after: before, word) }
    let isOpen = isLiteral || (found.count == 1 && found[0].last.map { "(<".contains($0) } == true)
    edit_end_completion(isOpen ? 0 : 32)
    offered.withLock { $0 = found.reversed() }
    guard !found.isEmpty else { return nil }
    return rl_completion_matches(text) { _, _ in offered.withLock { $0.popLast() }.flatMap { strdup($0) } }
}
