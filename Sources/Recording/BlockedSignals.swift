import Glibc

/// The signals that end a recording, and the one that tells of the command's end: blocked, and waited for.
///
/// One that was ignored when the program started (nohup, `&` of a script) is left alone: the kernel keeps an ignored signal that is blocked (sig_ignored(),
/// kernel/signal.c), so it would come.
final class BlockedSignals {
    private static let ending = [SIGINT, SIGQUIT, SIGTERM, SIGHUP]
    private var before = sigset_t()
    private var blocked = sigset_t()
    /// For the command: what was blocked before, and none of these. What cannot be ended by Ctrl-C would go on behind the recording.
    var forCommand: sigset_t {
        var signals = before
        for signal in Self.ending + [SIGCHLD] { sigdelset(&signals, signal) }
        return signals
    }

    init() {
        sigemptyset(&blocked)
        for signal in Self.ending where !Self.isIgnored(signal) { sigaddset(&blocked, signal) }
        sigaddset(&blocked, SIGCHLD)
        // Ignored, it would not come, and the command's status would be lost.
        signal(SIGCHLD, SIG_DFL)
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
    }

    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        sigaction(signal, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The next signal; 0 if none comes in time.
    func wait(seconds: Double) -> Int32 {
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int((seconds - seconds.rounded(.down)) * 1e9))
        return max(0, sigtimedwait(&blocked, nil, &time))
    }

    /// Those that have come meanwhile had nothing left to end: they are dropped.
    func restore() {
        while wait(seconds: 0) > 0 {}
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}
