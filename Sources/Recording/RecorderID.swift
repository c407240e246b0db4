import Glibc

/// Which recorder a thing in tracefs belongs to: its pid, and when it started, since pids come again.
struct RecorderID: Equatable {
    var pid: Int32
    /// Clock ticks since boot (field 22 of /proc/PID/stat).
    var start: UInt64

    init(pid: Int32, start: UInt64) {
        self.pid = pid
        self.start = start
    }

    /// This program.
    static func own() -> RecorderID {
        let pid = getpid()
        return RecorderID(pid: pid, start: startTime(of: pid) ?? 0)
    }

    var instance: String { "lazytlb-\(pid)-\(start)" }
    /// The system of its probe events, an identifier as the kernel demands.
    var probeSystem: String { "lazytlb_\(pid)_\(start)" }

    /// From one of those names; nil if it is none of ours.
    init?(named name: Substring) {
        let parts = name.split(separator: name.hasPrefix("lazytlb_") ? "_" : "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "lazytlb", let pid = Int32(parts[1]), pid > 0, let start = UInt64(parts[2]) else { return nil }
        self.init(pid: pid, start: start)
    }

    /// Its process is still there. (One of another pid namespace may be alive all the same: its instance is busy then.)
    var isAlive: Bool { Self.startTime(of: pid) == start }

    private static func startTime(of pid: Int32) -> UInt64? { ProcStat("/proc/\(pid)/stat")?.startTime }
}
