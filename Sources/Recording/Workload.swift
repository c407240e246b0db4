import CTraceFS
import Glibc

/// The command whose run is recorded: forked before tracing is on, it waits until it is told to go.
final class Workload {
    let pid: pid_t
    let name: String
    private let go: Int32
    private let failure: Int32
    /// As waitpid(2) gives it, when it has ended.
    private(set) var status: Int32?

    /// The variable that tells the command where it may write lines into the trace.
    static let markerVariable = "LAZYTLB_TRACE_MARKER"

    /// Forks, so it must come before the program has a second thread.
    ///
    /// - Parameters:
    ///   - marker: the recording's trace_marker.
    ///   - signals: the signals that are blocked in the command.
    init(_ command: [String], marker: String, signals: sigset_t) throws(RecordingError) {
        name = command[0]
        var signals = signals
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var start: [Int32] = [-1, -1]
        var report: [Int32] = [-1, -1]
        guard lazytlb_pipe(&start) == 0, lazytlb_pipe(&report) == 0 else { throw RecordingError("no pipe to the command", code: errno) }
        let child = lazytlb_fork()
        guard child >= 0 else { throw RecordingError("no process for \(command[0])", code: errno) }
        if child == 0 {
            // Else it would wait for itself.
            close(start[1])
            var byte: UInt8 = 0
            // Without a word the recorder is gone.
            guard read(start[0], &byte, 1) == 1 else { _exit(127) }
            // What is ignored stays so beyond exec: these are, by the program, not by who called it.
            signal(SIGPIPE, SIG_DFL)
            signal(SIGXFSZ, SIG_DFL)
            pthread_sigmask(SIG_SETMASK, &signals, nil)
            setenv(Self.markerVariable, marker, 1)
            execvp(arguments[0]!, &arguments)
            var code = errno
            _ = write(report[1], &code, MemoryLayout<Int32>.size)
            _exit(127)
        }
        close(start[0])
        close(report[1])
        pid = child
        go = start[1]
        failure = report[0]
    }

    deinit {
        close(go)
        close(failure)
        // It still waits, and ends now, unless it was let go.
    }

    /// Lets it go. Returns when it has become the command.
    func start() throws(RecordingError) {
        var byte: UInt8 = 1
        _ = write(go, &byte, 1)
        var code: Int32 = 0
        var count: Int
        repeat { count = read(failure, &code, MemoryLayout<Int32>.size) } while count < 0 && errno == EINTR
        guard count == 0 else {
            reap(wait: true)
            throw RecordingError("cannot run \(name)", code: code)
        }
    }

    /// Takes notice of its end. True if it has ended.
    @discardableResult func reap(wait: Bool = false) -> Bool {
        guard status == nil else { return true }
        var value: Int32 = 0
        var found: pid_t
        repeat { found = waitpid(pid, &value, wait ? 0 : WNOHANG) } while found < 0 && errno == EINTR
        if found == pid { status = value }
        return status != nil
    }

    /// Ends it, as perf record does with its command: SIGTERM, and a moment to end. One that is stopped has to go on to end.
    func terminate() {
        guard !reap() else { return }
        kill(pid, SIGTERM)
        kill(pid, SIGCONT)
        for _ in 0..<20 where !reap() { usleep(50_000) }
    }

    /// What is worth telling of its end; nil if it went well.
    var remark: String? {
        guard let status else { return "\(name) did not end when asked to (SIGTERM), and goes on" }
        let signal = status & 0x7f
        if signal != 0 { return "\(name) was ended by signal \(signal) (\(String(cString: strsignal(signal))))" }
        let code = status >> 8 & 0xff
        return code == 0 ? nil : "\(name) ended with status \(code)"
    }
}
