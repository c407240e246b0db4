/// What /proc/PID/stat tells of a task (proc(5)).
struct ProcStat {
    var pid: Int32
    var comm: String
    /// R, S, D, Z, …
    var state: UInt8
    /// PF_* of include/linux/sched.h.
    var flags: UInt64
    /// Clock ticks since boot.
    var startTime: UInt64

    private static let exiting: UInt64 = 0x4
    private static let kernelThread: UInt64 = 0x0020_0000

    var isKernelThread: Bool { flags & Self.kernelThread != 0 }
    /// It has given its mm up, or is about to.
    var isExiting: Bool { flags & Self.exiting != 0 || state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

    /// nil if the task is gone, or the file is not what proc(5) says.
    init?(_ path: String) {
        guard let bytes = SmallFile.bytes(path) else { return nil }
        self.init(bytes)
    }

    init?(_ bytes: [UInt8]) {
        // A name can hold anything, brackets too: it ends with the last one.
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")), let close = bytes.lastIndex(of: UInt8(ascii: ")")), open < close else { return nil }
        let fields = bytes[(close + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // Field 3, the state, is the first behind the name.
        func field(_ number: Int) -> String? { fields.count > number - 3 ? String(decoding: fields[number - 3], as: UTF8.self) : nil }
        let number = String(decoding: bytes[..<open], as: UTF8.self).split(separator: " ").first.flatMap { Int32($0) }
        guard let number, let state = field(3)?.utf8.first, let flags = field(9).flatMap({ UInt64($0) }), let start = field(22).flatMap({ UInt64($0) })
        else { return nil }
        pid = number
        comm = String(decoding: bytes[(open + 1)..<close], as: UTF8.self)
        self.state = state
        self.flags = flags
        startTime = start
    }
}
