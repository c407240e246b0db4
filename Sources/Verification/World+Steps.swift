import LazyTLB

/// What may happen next.
extension World {
    /// All that a kernel could do in this state.
    var possible: [Step] {
        var steps: [Step] = []
        for cpu in 0..<cpus {
            deliveries(cpu, &steps)
            switch phases[cpu] {
            case .free: free(cpu, &steps)
            case .betweenHalves(let flush):
                steps.append(Step(flush.isBatch ? .batchOthers(cpu: cpu) : .flushOthers(cpu: cpu, mm: flush.mms[0], pages: 1)))
            case .waiting: break
            // Nobody waited for it when it was marked offline (stop_machine()), and nobody sends it anything since.
            case .goingDown: steps.append(Step(.cpuDown(cpu: cpu)))
            case .down: steps.append(Step(.cpuUp(cpu: cpu)))
            }
            // An IPI as well; who sends it, be it a CPU that is not among these, does not matter.
            if isOnline(cpu) { steps.append(Step(.doFlushAll(cpu: cpu))) }
        }
        return steps
    }

    /// Interrupts are on while a CPU waits, and between the halves of a flush.
    private func deliveries(_ cpu: Int, _ steps: inout [Step]) {
        for sender in 0..<cpus where unanswered(sender) & 1 << UInt64(cpu) != 0 { steps.append(Step(.deliver(cpu: cpu, from: sender))) }
    }

    private func free(_ cpu: Int, _ steps: inout [Step]) {
        let current = machine.mm[cpu]
        let users = (1...mms).map { MM(Int32($0)) }
        for mm in [.none] + users { steps.append(Step(.contextSwitch(cpu: cpu, mm: mm))) }
        if current == .none {
            // A kernel thread's use_mm(); the idle loop; the stopper.
            for mm in users { steps.append(Step(.useMM(cpu: cpu, mm: mm))) }
            steps.append(Step(.idleLeave(cpu: cpu)))
            if canStop, (0..<cpus).contains(where: { $0 != cpu && isOnline($0) }) { steps.append(Step(.offline(cpu: cpu))) }
        } else {
            steps.append(Step(.exitMM(cpu: cpu)))
            // A new mm is one that nobody has.
            if let new = users.first(where: { !isUsed($0) }) { steps.append(Step(.exec(cpu: cpu, mm: new))) }
        }
        // Any task may unmap a page of any mm: its own, those that it reclaims or migrates pages of, those that share a file.
        for mm in users {
            steps.append(Step(.flushRange(cpu: cpu, mm: mm, pages: 1)))
            steps.append(Step(.flushPage(cpu: cpu, mm: mm)))
            steps.append(Step(.batchLocal(cpu: cpu), batch: [mm]))
        }
        if users.count > 1 { steps.append(Step(.batchLocal(cpu: cpu), batch: users)) }
    }

    /// stop_machine(): all CPUs that are up are in their stoppers, and none of them in a flush.
    private var canStop: Bool { (0..<cpus).allSatisfy { phases[$0] == .free && machine.mm[$0] == .none || phases[$0] == .down } }
}
