import Tables

/// Whom a flush interrupts, as it sends its IPIs.
public struct Receivers: Sendable {
    public private(set) var count = 0
    /// Of these: CPUs that run the idle task.
    public private(set) var idle = 0
    /// CPUs that run another task without an mm: a kernel thread, or a task past exit_mm().
    public private(set) var kernel = 0

    @inline(__always) init() {}

    /// The CPUs of word `index` of a mask are interrupted as well.
    @inline(__always) mutating func add(_ word: UInt64, _ index: Int, on machine: Machine) {
        var bits = word
        while bits != 0 {
            let cpu = index &* 64 &+ bits.trailingZeroBitCount
            bits &= bits &- 1
            count &+= 1
            if machine.mm[cpu] != .none { continue }
            let pid = machine.pid[cpu]
            if pid == 0 { idle &+= 1 } else if pid > 0 { kernel &+= 1 }
        }
    }
}

extension Machine {
    /// On a machine of up to 64 CPUs.
    @inline(__always) public func receivers(_ targets: UInt64) -> Receivers {
        var receivers = Receivers()
        receivers.add(targets, 0, on: self)
        return receivers
    }
}
