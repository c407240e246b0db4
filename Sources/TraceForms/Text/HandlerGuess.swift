/// Which events of a text without irq-info an interrupt handler wrote.
///
/// The replay must know: a CPU that loads another CR3 in the handler of an IPI leaves an mm, in a context switch it changes tasks. In a text without the flags it
/// follows from the events themselves: a remote half is always a handler's. A CR3 load is one's if its CPU has not just switched to a task that needs it, if that
/// task is none that has an mm of its own, and if another CPU waits for answers to its SEND_IPI. Lines are in the order of time, so all of that is known
/// when the line comes.
///
/// How near that comes to the flags: docs/inputs.md.
struct HandlerGuess {
    private struct CPU {
        /// The task that the last sched_switch took out, until its CR3 load has come.
        var switchedFrom: Int32?
        /// The task that it brought in.
        var current: Int32 = 0
        /// SEND_IPI was the last thing that the CPU's task did.
        var isSending = false
        /// A probe has shown that a handler has begun.
        var inHandler = false
    }

    private var cpus: [CPU] = []
    /// Tasks that have an mm: they loaded it when they came in, or a task that is not kthreadd made them.
    private var users: Set<Int32> = []
    private static let userLimit = 1 << 22
    private var senders = 0
    /// There are probe events in the handlers, which tell more surely.
    private var hasProbes = false

    private mutating func prepare(_ cpu: Int) {
        if cpus.count <= cpu { cpus += [CPU](repeating: CPU(), count: cpu + 1 - cpus.count) }
    }

    private mutating func send(_ cpu: Int, _ sends: Bool) {
        guard cpus[cpu].isSending != sends else { return }
        cpus[cpu].isSending = sends
        senders += sends ? 1 : -1
    }

    mutating func switched(_ cpu: Int, from pid: Int32, to next: Int32) {
        prepare(cpu)
        send(cpu, false)
        (cpus[cpu].switchedFrom, cpus[cpu].current) = (pid, next)
        cpus[cpu].inHandler = false
    }

    /// task_newtask. All kernel threads are kthreadd's children.
    mutating func made(_ cpu: Int, by parent: Int32, _ child: Int32) {
        other(cpu)
        if parent > 0, parent != 2 { addUser(child) } else { users.remove(child) }
    }

    /// sched_process_exit: the task has no mm any more.
    mutating func exited(_ cpu: Int, _ pid: Int32) {
        other(cpu)
        users.remove(pid)
    }

    private mutating func addUser(_ pid: Int32) {
        if pid > 0, users.count < Self.userLimit { users.insert(pid) }
    }

    /// tlb_flush; true if it is a handler's.
    mutating func flushed(_ cpu: Int, pid: Int32, reason: Int32) -> Bool {
        prepare(cpu)
        let wasInHandler = cpus[cpu].inHandler
        cpus[cpu].inHandler = false
        switch reason {
        // TLB_REMOTE_SHOOTDOWN, TLB_REMOTE_WRONG_CPU.
        case 1, 5: return true
        // TLB_FLUSH_ON_TASK_SWITCH.
        case 0:
            if wasInHandler { return true }
            if cpus[cpu].switchedFrom == pid {
                cpus[cpu].switchedFrom = nil
                addUser(cpus[cpu].current)
            } else if !hasProbes, !users.contains(pid), senders > (cpus[cpu].isSending ? 1 : 0) {
                return true
            }
            send(cpu, false)
        // TLB_REMOTE_SEND_IPI.
        case 4: send(cpu, true)
        default: break
        }
        return false
    }

    /// A probe event; true if it is a handler's.
    mutating func probed(_ cpu: Int, _ name: String, _ body: TextCursor) -> Bool {
        prepare(cpu)
        switch name {
        case "fl_remote": begin(cpu)
        // The local half calls it too, since v6.0.
        case "fl_func": if initiator(body).map({ $0 != UInt64(cpu) }) ?? true { begin(cpu) } else { cpus[cpu].inHandler = false }
        case "leave", "sw_mm", "fl_common": break
        default:
            send(cpu, false)
            cpus[cpu].inHandler = false
        }
        return cpus[cpu].inHandler
    }

    private mutating func begin(_ cpu: Int) {
        hasProbes = true
        cpus[cpu].inHandler = true
    }

    /// Any other event.
    mutating func other(_ cpu: Int) {
        prepare(cpu)
        send(cpu, false)
        cpus[cpu].inHandler = false
    }

    /// The argument `init_cpu` of a probe.
    private func initiator(_ body: TextCursor) -> UInt64? {
        var cursor = body
        while !cursor.isAtEnd {
            if cursor.take(" init_cpu=") { return cursor.number()?.value }
            cursor.next += 1
        }
        return nil
    }
}
