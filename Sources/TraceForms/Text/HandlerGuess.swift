import TraceData

/// Which events of a text without irq-info an interrupt handler wrote.
///
/// The replay must know: a CPU that loads another CR3 in the handler of an IPI leaves an mm, in a context switch it changes tasks. In a text without the flags it
/// follows from the events themselves: a remote half is a handler's, but for the one that senders of some kernels write themselves. A CR3 load is one's if its CPU has not
/// just switched to a task that needs it, if that task is none that has an mm of its own, and if another CPU waits for answers to its SEND_IPI. Lines are in the order of
/// time, so all of that is known when the line comes.
///
/// How near that comes to the flags: docs/inputs.md.
struct HandlerGuess {
    private struct CPU {
        /// The task that the last sched_switch took out, until its CR3 load has come.
        var switchedFrom: Int32?
        /// The task that it brought in; nil before the first.
        var current: Int32?
        /// SEND_IPI was the last thing that the CPU's task did.
        var isSending = false
        /// A probe has shown that a handler has begun.
        var inHandler = false
        /// Of the CPU's own flush under way, as its probe has them.
        var sentMM: UInt64?
        var sentGeneration: UInt64?
        /// A probe has shown that the sender runs the remote handler itself.
        var repeats = false
    }

    /// ``KernelVersion/repeatsOwnHalf``
    private let repeatsOwnHalf: Bool
    private var cpus: [CPU] = []
    /// Tasks that have an mm: they loaded it when they came in, or a task that is not kthreadd made them.
    private var users: Set<Int32> = []
    private static let userLimit = 1 << 22
    private var senders = 0
    /// There are probe events in the handlers, which tell more surely.
    private var hasProbes = false

    /// - Parameter kernel: the recorded kernel's release or scheme, nil if that is not known.
    init(kernel: String?) {
        repeatsOwnHalf = KernelVersion(release: kernel)?.repeatsOwnHalf ?? false
    }

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
    mutating func flushed(_ cpu: Int, pid: Int32, reason: Int32, pages: Int64) -> Bool {
        prepare(cpu)
        let wasInHandler = cpus[cpu].inHandler
        cpus[cpu].inHandler = false
        let repeats = cpus[cpu].repeats
        cpus[cpu].repeats = false
        switch reason {
        // TLB_REMOTE_SHOOTDOWN, TLB_REMOTE_WRONG_CPU.
        case 1, 5:
            guard reason == 1, repeats || repeatsOwnHalf && pages == 0 && cpus[cpu].isSending && !wasInHandler else { return true }
            send(cpu, false)
        // TLB_FLUSH_ON_TASK_SWITCH.
        case 0:
            if wasInHandler { return true }
            if cpus[cpu].switchedFrom == pid {
                cpus[cpu].switchedFrom = nil
                addUser(cpus[cpu].current ?? 0)
            } else if let current = cpus[cpu].current, current != pid {
                // A thread that is not the leader has called exec, and got the leader's pid (de_thread(), fs/exec.c).
                cpus[cpu].current = pid
                addUser(pid)
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
        case "fl_remote":
            if repeatsItself(cpu, body) {
                cpus[cpu].inHandler = false
                // All batches look alike: there the pages tell.
                cpus[cpu].repeats = cpus[cpu].sentMM != 0
            } else {
                begin(cpu)
            }
        // The local half calls it too, since v6.0.
        case "fl_func": if argument(" init_cpu=", of: body).map({ $0 != UInt64(cpu) }) ?? true { begin(cpu) } else { cpus[cpu].inHandler = false }
        case "leave", "sw_mm", "fl_common": break
        default:
            send(cpu, false)
            cpus[cpu].inHandler = false
            if repeatsOwnHalf, name == "fl_others" { (cpus[cpu].sentMM, cpus[cpu].sentGeneration) = (argument(" mm=", of: body), argument(" tlb_gen=", of: body)) }
        }
        return cpus[cpu].inHandler
    }

    /// The arguments are those of the flush that the CPU itself has under way.
    private func repeatsItself(_ cpu: Int, _ body: TextCursor) -> Bool {
        guard repeatsOwnHalf, cpus[cpu].isSending, let mm = cpus[cpu].sentMM, let generation = cpus[cpu].sentGeneration else { return false }
        return argument(" mm=", of: body) == mm && argument(" tlb_gen=", of: body) == generation
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

    /// An argument of a probe.
    private func argument(_ name: StaticString, of body: TextCursor) -> UInt64? {
        var cursor = body
        while !cursor.isAtEnd {
            if cursor.take(name) { return cursor.number()?.value }
            cursor.next += 1
        }
        return nil
    }
}
