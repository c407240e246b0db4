import TraceData

/// Names of tasks as the heads of lines have them: what saved_cmdlines is in a trace.dat file.
struct TaskNames {
    private var names: [Int32: Comm] = [:]
    /// The last name of some tasks, by the lower bits of the pid: almost all lines are of these.
    private var recent = [(pid: Int32, name: Comm)](repeating: (-1, .empty), count: 1024)

    /// The most tasks whose names are kept (PID_MAX_LIMIT of include/linux/threads.h, of 64-bit kernels).
    private static let limit = 1 << 22

    @inline(__always)
    mutating func see(_ pid: Int32, _ bytes: UnsafeRawBufferPointer) {
        let name = Comm(bytes)
        let slot = Int(pid & 1023)
        if recent[slot].pid == pid, recent[slot].name == name { return }
        recent[slot] = (pid, name)
        guard pid > 0, names.count < Self.limit || names[pid] != nil else { return }
        names[pid] = name
    }

    /// Lines "PID NAME", as saved_cmdlines has them.
    var lines: [UInt8] {
        var out: [UInt8] = []
        for (pid, name) in names.sorted(by: { $0.key < $1.key }) where !name.bytes.contains(10) {
            out += Array("\(pid) ".utf8) + name.bytes + [10]
        }
        return out
    }
}
