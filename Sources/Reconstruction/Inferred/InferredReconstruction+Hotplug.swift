import LazyTLB
import TraceData

/// A CPU that is marked offline and has not run idle_task_exit() yet, for all that is known: it is in the mask of the mm that it has loaded, but nobody interrupts it.
struct GoingDown {
    var cpu: Int
    var mm: MM
    /// ns.
    var since: UInt64
    /// Its stopper thread is the last that it shows, so that it may as well run that when the trace ends.
    var isLast = false
}

/// CPUs that go off and come back.
extension InferredReconstruction {
    /// A CPU whose stopper is followed by its idle task without a switch goes offline and comes back in between.
    mutating func goOffline(_ cpu: Int, _ source: Lookahead, _ moment: Moment) {
        guard source.comesBackIdle else {
            if source.peek(1) == nil { goes(GoingDown(cpu: cpu, mm: observed.loaded[cpu], since: moment.time, isLast: true)) }
            return
        }
        apply(.offline(cpu: cpu), moment)
        let mm = observed.loaded[cpu]
        load(cpu, .initMM, moment.time)
        state[cpu].isDown = true
        state[cpu].mm = .none
        if mm.isUser, !rules.clearsMaskLate {
            goes(GoingDown(cpu: cpu, mm: mm, since: moment.time))
        } else {
            apply(.cpuDown(cpu: cpu), moment)
        }
    }

    /// What it has loaded is not known from here on.
    private mutating func goes(_ going: GoingDown) {
        goingDown.append(going)
        sink.mayBeDown(going.cpu, at: going.since)
    }

    mutating func up(_ cpu: Int, _ moment: Moment) {
        goneDown(moment) { $0.cpu == cpu }
        state[cpu].isDown = false
        apply(.cpuUp(cpu: cpu), moment)
        load(cpu, .initMM, moment.time)
    }

    /// A flush of `mm` begins. With a SEND_IPI that no other CPU explains one that goes down is still in the mask; without any it is not.
    mutating func settleDown(_ mm: MM, sends: Bool, _ moment: Moment) {
        goneDown(moment) { [limit = Self.downLimit, late = rules.clearsMaskLate] in !sends && $0.mm == mm && !($0.isLast && late) || moment.time &- $0.since > limit }
    }

    /// idle_task_exit() has been run there.
    private mutating func goneDown(_ moment: Moment, _ isGone: (GoingDown) -> Bool) {
        for going in goingDown where isGone(going) {
            observed.doubt(going, until: moment.time)
            let there = Moment(time: moment.time, cpu: going.cpu, pid: 0, cause: moment.cause)
            if going.isLast {
                apply(.offline(cpu: going.cpu), there)
                load(going.cpu, .initMM, moment.time)
                state[going.cpu].isDown = true
                state[going.cpu].mm = .none
            }
            apply(.cpuDown(cpu: going.cpu), there)
        }
        goingDown.removeAll(where: isGone)
    }

    /// What became of it is not told any more: records of the CPU are missing, or the trace ends.
    mutating func staysInDoubt(_ time: UInt64, _ isMeant: (GoingDown) -> Bool) {
        for going in goingDown where isMeant(going) { observed.doubt(going, until: time) }
        goingDown.removeAll(where: isMeant)
    }

    /// ns; an emulated CPU takes some 10 ms.
    private static var downLimit: UInt64 { 50_000_000 }
}
