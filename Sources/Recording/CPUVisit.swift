import CTraceFS
import Glibc

/// A process that runs on each CPU once when the recording begins, so that its switches and CR3 loads show from there on what the CPU has loaded.
///
/// A CPU that idles keeps the mm of whoever ran there last, and no record tells which: it may be unknown for seconds, until somebody else comes. CPUs that are not for everybody
/// (isolcpus, cpusets) are left alone, since the recorder may not run there itself.
enum CPUVisit {
    /// Returns when that is done, or takes too long: a task of higher priority may keep a CPU to itself.
    static func make(seconds: Double = 0.5) {
        let child = lazytlb_fork_visitor()
        guard child > 0 else { return }
        let end = monotonicSeconds() + seconds
        var status: Int32 = 0
        while waitpid(child, &status, WNOHANG) == 0 {
            if monotonicSeconds() > end {
                kill(child, SIGKILL)
                return
            }
            usleep(200)
        }
    }
}
