import LazyTLB
import TraceData

/// What probes show of a CPU of which nothing was known: loaded_mm, or active_mm, as it is at that moment.
extension ProbeReconstruction {
    /// - Parameter pid: the current task, which has the mm unless the CPU is lazy; -1 if that is not known.
    @inline(never) mutating func show(_ cpu: Int, loaded pointer: UInt64, lazy: Bool, of pid: Int32 = -1, _ moment: Moment) {
        if pointer == 0 { return }
        let isOwned = !lazy && pid >= 0
        let mm = self.mm(pointer, pid: isOwned ? pid : -1, owner: isOwned)
        var moment = moment
        moment.pid = pid
        apply(.observe(cpu: cpu, mm: mm, lazy: lazy, mask: true), moment)
        load(cpu, mm, moment.time)
    }

    /// The same of another CPU than the probe's: many an idle one comes to no probe of its own for seconds.
    ///
    /// It has to be amid nothing that changes that, by its records around this moment, and as far as clocks may be apart.
    @inline(never) mutating func showOther(_ probe: ProbeFields, _ moment: Moment) {
        let cpu = Int(probe.otherCPU)
        let (last, distance) = (state[cpu].lastTime, UInt64(100_000))
        guard last > 0, moment.time > last, moment.time - last > distance, state[cpu].pending == nil, !state[cpu].switching else { return }
        if let next = sources.first(where: { $0.cpu == cpu })?.peek(0), next.kind == .lost || next.time <= moment.time || next.time - moment.time <= distance { return }
        let there = Moment(time: moment.time, cpu: cpu, pid: state[cpu].current, cause: moment.cause)
        show(cpu, loaded: probe.otherMM, lazy: probe.otherLazy, of: state[cpu].current, there)
    }
}
