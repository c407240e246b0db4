import LazyTLB

/// A kernel thread that uses a process's mm for a while.
extension InferredReconstruction {
    /// kthread_use_mm().
    mutating func useMM(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        let left = observed.loaded[cpu]
        apply(.useMM(cpu: cpu, mm: mm), moment)
        if left.isUser, left != mm { linger(cpu, left, moment) }
        state[cpu].mm = mm
        state[cpu].leftMM = .none
        load(cpu, mm, moment.time)
    }

    /// The mm of a thread that has used `mm` and comes in without a CR3 load: it has none any more unless that is loaded.
    mutating func mmStillUsed(_ cpu: Int, _ mm: MM) -> MM {
        if observed.loaded[cpu] == .unknown { return .unknown }
        return observed.loaded[cpu] == mm ? mm : .none
    }
}
