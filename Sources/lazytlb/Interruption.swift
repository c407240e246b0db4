import Glibc
import Report

/// What is done at the start of the program, and when a signal ends it.
enum Interruption {
    /// Ctrl-C, Ctrl-\, a terminal that goes away, kill(1): the program ends by the same signal, after it has removed what it has not finished, and has said that what came
    /// out so far is not the whole output. A signal that was ignored when the program started (nohup) stays ignored.
    static func prepare() {
        TemporaryFiles.prepare()
        clearsLine = TextStyle.obeys(STDERR_FILENO)
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            var action = sigaction()
            sigaction(signal, nil, &action)
            guard unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) else { continue }
            action.__sigaction_handler.sa_handler = endBySignal
            // Once: the signal raised in the handler has its own effect again, and a second Ctrl-C is not held up.
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_NODEFER
            sigaction(signal, &action, nil)
        }
    }

    /// A progress line may stand there. Written at the start only.
    nonisolated(unsafe) private static var clearsLine = false

    /// Only what signal-safety(7) allows.
    private static let endBySignal: @convention(c) (Int32) -> Void = { signal in
        TemporaryFiles.removeAll()
        if clearsLine {
            let line: StaticString = "\r\u{1b}[K"
            _ = write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
        }
        let message: StaticString = "lazytlb: interrupted; the output is not complete\n"
        _ = write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
        raise(signal)
    }

    /// Standard descriptors that are closed are taken, so that no file that is opened later gets the number of one of them, and messages or output written into it.
    ///
    /// Standard output is opened for reading only: writing to it fails as writing to a closed one does.
    static func takeStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free is this one.
            _ = open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
