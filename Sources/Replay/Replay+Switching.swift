import LazyTLB
import Reconstruction

/// Context switches. Nearly all of them are of few kinds, on which the schemes agree: what is compared stays as it is.
extension Replay {
    @inline(__always) public mutating func maySwitch(_ cpu: Int, to mm: MM) {
        v412.scheme.ask(cpu, mm)
        v413.scheme.ask(cpu, mm)
    }

    @inline(never) @usableFromInline mutating func contextSwitch(_ cpu: Int, _ mm: MM, to pid: Int32, _ moment: Moment) {
        machine.pid[cpu] = pid
        lastTime = max(lastTime, moment.time)
        if mm == .none { return contextSwitchToLazy(cpu, moment) }
        if mm.isUser {
            if v412.scheme.holds(cpu, mm, on: machine), v413.scheme.holds(cpu, mm, on: machine), !haveParted || parent.scheme.holds(cpu, mm, on: machine) {
                return contextSwitchToHeld(cpu, mm, moment)
            }
            let left = v413.scheme.leaves(cpu, for: mm, on: machine)
            if left.isKnown, v412.scheme.leaves(cpu, for: mm, on: machine) == left, !haveParted || parent.scheme.leaves(cpu, for: mm, on: machine) == left {
                return contextSwitch(cpu, from: left, to: mm, moment)
            }
        }
        v412.run(cpu) { $0.contextSwitch(cpu, mm, on: machine, &$1) }
        v413.run(cpu) { $0.contextSwitch(cpu, mm, on: machine, &$1) }
        compare(cpu, moment, .contextSwitch(cpu: cpu, mm: mm))
        machine.run(cpu, mm)
        trackTime(cpu, moment)
    }

    /// Changes nothing that is compared.
    @inline(__always) private mutating func contextSwitchToLazy(_ cpu: Int, _ moment: Moment) {
        v412.scheme.contextSwitchToLazy(cpu, on: machine)
        v413.scheme.contextSwitchToLazy(cpu, on: machine)
        if haveParted { parent.scheme.contextSwitchToLazy(cpu, on: machine) }
        machine.run(cpu, .none)
        times.runLazy(cpu, at: moment.time)
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }

    /// The same: in all schemes the CPU is what it was, but not lazy.
    @inline(__always) private mutating func contextSwitchToHeld(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        v412.scheme.contextSwitchToHeld(cpu, on: machine)
        v413.scheme.contextSwitchToHeld(cpu, on: machine)
        if haveParted { parent.scheme.contextSwitchToHeld(cpu, on: machine) }
        machine.run(cpu, mm)
        times.runLoaded(cpu, at: moment.time)
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }

    /// In all schemes the CPU has one and the same mm loaded before, and another behind it: nothing is stale, nothing parts.
    @inline(__always) private mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, _ moment: Moment) {
        v412.scheme.contextSwitch(cpu, from: left, to: mm, on: machine)
        v413.scheme.contextSwitch(cpu, from: left, to: mm, on: machine)
        if haveParted { parent.scheme.contextSwitch(cpu, from: left, to: mm, on: machine) }
        predict(cpu, .taskSwitch, Stimulus.flushAll)
        machine.run(cpu, mm)
        times.runLoaded(cpu, at: moment.time)
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }
}
