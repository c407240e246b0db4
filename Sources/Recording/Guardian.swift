import CTraceFS
import Glibc

/// A small process that outlives the recorder if that is killed, and removes what it had in tracefs.
///
/// Nothing else can: whoever gets SIGKILL runs no more code of its own, and the kernel keeps instances and probe events until they are removed. The guardian
/// reads from a pipe whose other end only the recorder holds; when that ends without a word, it goes to work.
final class Guardian {
    private let pid: pid_t
    private let pipe: Int32

    /// Forks, so it must come before the program has a second thread.
    ///
    /// - Parameter removeFiles: removes files of the recorder that have a name.
    init(_ leftovers: Leftovers, removeFiles: () -> Void) throws(RecordingError) {
        var ends: [Int32] = [-1, -1]
        guard lazytlb_pipe(&ends) == 0 else { throw RecordingError("no pipe to the process that cleans up", code: errno) }
        let child = lazytlb_fork()
        guard child >= 0 else {
            let code = errno
            close(ends[0])
            close(ends[1])
            throw RecordingError("no process to clean up after the recorder", code: code)
        }
        if child == 0 { Self.watch(ends[0], leftovers, removeFiles) }
        close(ends[0])
        pid = child
        pipe = ends[1]
    }

    /// Not to be needed any more: all is removed.
    func dismiss() {
        var byte: UInt8 = 1
        _ = write(pipe, &byte, 1)
        close(pipe)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    private static func watch(_ pipe: Int32, _ leftovers: Leftovers, _ removeFiles: () -> Void) -> Never {
        // Out of reach of the terminal's signals, and of those to the recorder's process group. It stays in the recorder's folder: paths may be relative to that.
        setsid()
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE] { Glibc.signal(signal, SIG_IGN) }
        // Whoever reads the recorder's output must not wait for the guardian.
        if pipe > 0 { _ = lazytlb_close_range(0, UInt32(pipe) - 1) }
        if lazytlb_close_range(UInt32(pipe) + 1, .max) != 0 {
            // Before Linux 5.9.
            for number in 0..<Int32(1024) where number != pipe { close(number) }
        }
        var byte: UInt8 = 0
        while true {
            let count = read(pipe, &byte, 1)
            if count == 1 { _exit(0) }
            if count == 0 || errno != EINTR { break }
        }
        removeFiles()
        // The recorder's open files are closed by now, or will be in a moment.
        _exit(leftovers.remove(attempts: 100) == 0 ? 0 : 1)
    }
}
