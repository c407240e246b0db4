import LazyTLB
import TraceData

/// Stimuli from probe events: the true mm of every task, the moments of every flush and of every IPI's handler.
///
/// The probes and their fields are listed in docs/recording.md. Nothing is inferred but the order of what the probes leave open: the
/// moment at which an exiting task gives up its mm, and which mms a batched flush is made of.
public struct ProbeReconstruction<Sink: StimulusSink> {
    public var sink: Sink
    public private(set) var mms = MMTable()
    private let cpus: Int
    private let longSize: Int
    private var pointers: [UInt64: MM] = [:]
    private var initPointer: UInt64?
    private var observed: ObservedCPUs
    private var machine: Machine
    private var state: [PerCPU]
    private var names: [Int32: Comm] = [:]

    /// What is under way on one CPU.
    private struct PerCPU {
        /// A sched_switch whose switch_mm() has not been seen yet.
        var switching = false
        var prevPID: Int32 = 0
        var nextPID: Int32 = 0
        /// The next task's mm pointer as switch_mm()'s argument; nil if only __switch_to tells.
        var nextMM: UInt64?
        /// The pid of the current task if it has called mm_release() and not yet shown whether to exec or to exit.
        var releasing: Int32 = -1
        /// flush_tlb_others() under way: the request, and who has answered it.
        var sending = false
        var sentMM: UInt64 = 0
        var sentStart: UInt64 = 0
        var sentEnd: UInt64 = 0
        var answered: UInt64 = 0
        /// The remote half of a flush that is still to come (``.none`` if none is), in order of the trace.
        var remote = Remote.none
        var remoteMM = MM.none
        var remotePages: Int64 = 0
        var down = false
    }

    private enum Remote { case none, flush, batch }

    /// - Parameter longSize: bytes of the recorded kernel's long.
    public init(sink: Sink, cpus: Int, longSize: Int) {
        self.sink = sink
        self.cpus = cpus
        self.longSize = longSize
        observed = ObservedCPUs(cpus: cpus)
        machine = Machine(cpus: cpus)
        state = [PerCPU](repeating: PerCPU(), count: cpus)
    }

    /// Takes the record at the head of `source`.
    public mutating func consume(_ source: Lookahead) {
        let record = source.head
        let cpu = Int(record.cpu)
        let moment = Moment(time: record.time, cpu: cpu, pid: record.pid, cause: record.kind)
        if !record.inHardIRQ { completeIfOver(cpu, record, moment) }
        switch record.kind {
        case .lost: forget(cpu, moment)
        case .schedSwitch: beginSwitch(cpu, record, source.headDetails, moment)
        case .tlbFlush: flushRecord(cpu, record, moment)
        case .rename: rename(record, source.headDetails)
        case .marker: sink.marker(source.headDetails.text, at: moment)
        case .other, .newTask, .fork, .exec, .exit: break
        default: probe(cpu, record, source, moment)
        }
    }

    private mutating func apply(_ stimulus: Stimulus, _ moment: Moment) {
        sink.apply(stimulus, at: moment)
        machine.apply(stimulus)
    }

    // MARK: mm pointers

    /// The mm behind a pointer. A pointer that is freed and allocated again is another mm (``mmdrop``).
    private mutating func mm(_ pointer: UInt64, pid: Int32) -> MM {
        if pointer == 0 { return .none }
        if pointer == initPointer || longSize == 8 && pointer >= 0xffff_ffff_8000_0000 { return .initMM }
        if let known = pointers[pointer] { return known }
        let new = mms.add(pid: pid, name: names[pid]?.description ?? "")
        pointers[pointer] = new
        return new
    }

    private mutating func rename(_ record: Held, _ details: Details) {
        names[details.pid] = details.comm
        if details.pid == record.pid { mms.rename(machine.mm[Int(record.cpu)], details.comm.description) }
    }

    // MARK: context switches

    private mutating func beginSwitch(_ cpu: Int, _ record: Held, _ details: Details, _ moment: Moment) {
        finishSwitch(cpu, nil, moment)
        names[record.nextPID] = details.comm
        if state[cpu].down {
            state[cpu].down = false
            apply(.cpuUp(cpu: cpu), moment)
            observed.load(cpu, .initMM)
        }
        state[cpu].switching = true
        state[cpu].prevPID = record.prevPID
        state[cpu].nextPID = record.nextPID
        state[cpu].nextMM = nil
    }

    /// The switch under way reaches its end; `pointer` is the next task's mm, nil where the probes did not tell.
    private mutating func finishSwitch(_ cpu: Int, _ pointer: UInt64?, _ moment: Moment) {
        guard state[cpu].switching else { return }
        state[cpu].switching = false
        let next = state[cpu].nextPID
        let mm: MM
        if let pointer = pointer ?? state[cpu].nextMM { mm = self.mm(pointer, pid: next) } else { mm = next == 0 ? .none : .unknown }
        switched(cpu, mm, moment)
    }

    private mutating func switched(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        apply(.contextSwitch(cpu: cpu, mm: mm), moment)
        if mm != .none { observed.load(cpu, mm) }
    }

    /// An exiting task shows by the state of its CPU, or by its mm at its switch-out, that exit_mm() has made it lazy.
    private mutating func exitIfReleased(_ cpu: Int, _ moment: Moment) {
        guard state[cpu].releasing >= 0, state[cpu].releasing == moment.pid else { return }
        state[cpu].releasing = -1
        apply(.exitMM(cpu: cpu), moment)
    }

    private mutating func forget(_ cpu: Int, _ moment: Moment) {
        if state[cpu].sending { sink.complete(cpu: cpu, at: moment) }
        state[cpu] = PerCPU()
        apply(.forget(cpu: cpu), moment)
        observed.load(cpu, .unknown)
    }

    // MARK: tlb_flush records

    private mutating func flushRecord(_ cpu: Int, _ record: Held, _ moment: Moment) {
        if record.reason == 0 {
            if state[cpu].switching, !record.inHardIRQ, state[cpu].nextMM != nil {
                finishSwitch(cpu, nil, moment)
            } else if !state[cpu].switching, observed.loaded[cpu] == machine.activeMM[cpu], machine.mm[cpu] == .none {
                observed.load(cpu, .initMM)
            }
        }
        sink.recorded(record)
    }

    // MARK: flushes

    /// The sender of IPIs waits: its next record outside of an interrupt comes after all receivers have answered.
    private mutating func completeIfOver(_ cpu: Int, _ record: Held, _ moment: Moment) {
        guard state[cpu].sending else { return }
        if record.kind == .tlbFlush && record.reason == 4 { return }
        state[cpu].sending = false
        sink.complete(cpu: cpu, at: moment)
    }

    private mutating func remotePart(_ cpu: Int, _ moment: Moment) {
        switch state[cpu].remote {
        case .none: return
        case .flush: apply(.flushOthers(cpu: cpu, mm: state[cpu].remoteMM, pages: state[cpu].remotePages), moment)
        case .batch: apply(.batchOthers(cpu: cpu), moment)
        }
        state[cpu].remote = .none
        state[cpu].sending = true
        state[cpu].answered = 0
    }

    /// A flush begins: its local half now, its remote half when flush_tlb_others() is reached, which may be records later.
    private mutating func beginFlush(_ cpu: Int, _ mm: MM, _ pages: Int64, page: Bool, _ source: Lookahead, _ moment: Moment) {
        apply(page ? .flushPage(cpu: cpu, mm: mm) : .flushRange(cpu: cpu, mm: mm, pages: pages), moment)
        state[cpu].remote = .flush
        state[cpu].remoteMM = mm
        state[cpu].remotePages = pages
        if !sendFollows(source) { remotePart(cpu, moment) }
    }

    /// flush_tlb_others() is reached before anything that would mean that the flush at the head is over.
    private func sendFollows(_ source: Lookahead) -> Bool {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            switch next.kind {
            case .flushOthers: return true
            case .leave, .flushCommon, .swMM: continue
            case .tlbFlush: if next.reason == 4 { return true }
            // v5.13 and later run the handler on the initiator too.
            case .flushRemote: continue
            default: return false
            }
        }
        return false
    }

    private func pages(_ probe: ProbeFields) -> Int64 {
        let everything = longSize == 8 ? UInt64.max : 0xffff_ffff
        let vmHugeTLB: UInt64 = 0x0040_0000
        if probe.end == everything || probe.vmFlags & vmHugeTLB != 0 || probe.end < probe.start { return Stimulus.flushAll }
        let pages = (probe.end - probe.start) >> 12
        return pages > 33 ? Stimulus.flushAll : Int64(pages)
    }

    private mutating func beginBatch(_ cpu: Int, _ probe: ProbeFields, _ source: Lookahead, _ moment: Moment) {
        var mask = MaskTable(cpus: cpus, rows: 1)
        if probe.hasMask {
            mask.setWord(0, 0, probe.mask)
        } else {
            // v4.12: the probe is hit whether or not a flush is pending, and tells no mask; the records behind it do.
            var pending = false
            var distance = 1
            look: while let next = source.peek(distance) {
                defer { distance += 1 }
                if next.inHardIRQ { continue }
                switch next.kind {
                case .tlbFlush where next.reason == 2:
                    mask.insert(cpu, 0)
                    pending = true
                case .flushOthers where source.peekDetails(distance).probe.mm == 0:
                    mask.setWord(0, 0, mask.word(0, 0) | source.peekDetails(distance).probe.mask)
                    pending = true
                    break look
                default: break look
                }
            }
            if !pending { return }
        }
        sink.setBatch(observed.batch(mask: mask), cpu: cpu)
        apply(.batchLocal(cpu: cpu), moment)
        state[cpu].remote = .batch
        if !sendFollows(source) { remotePart(cpu, moment) }
    }

    private mutating func delivered(_ cpu: Int, _ probe: ProbeFields, _ moment: Moment) {
        for sender in 0..<cpus where sender != cpu && state[sender].sending {
            guard state[sender].sentMM == probe.mm, state[sender].sentStart == probe.start, state[sender].sentEnd == probe.end,
                state[sender].answered & (1 << UInt64(cpu & 63)) == 0
            else { continue }
            state[sender].answered |= 1 << UInt64(cpu & 63)
            return apply(.deliver(cpu: cpu, from: sender), moment)
        }
    }

    // MARK: probes

    private mutating func probe(_ cpu: Int, _ record: Held, _ source: Lookahead, _ moment: Moment) {
        let probe = source.headDetails.probe
        let lazy = probe.hasOwnState ? probe.ownState != 1 : probe.ownLazy != 0
        if record.kind != .ctxsw, record.kind != .enterLazy, probe.hasOwnMM {
            if machine.activeMM[cpu] == .unknown, probe.ownMM != 0 {
                let mm = self.mm(probe.ownMM, pid: record.pid)
                apply(.observe(cpu: cpu, mm: mm, lazy: lazy, mask: true), moment)
                observed.load(cpu, mm)
            }
            if lazy, !record.inHardIRQ, probe.hasOwnState { exitIfReleased(cpu, moment) }
        }
        switch record.kind {
        case .ctxsw:
            if probe.prevMM == 0, state[cpu].releasing == state[cpu].prevPID, state[cpu].releasing >= 0 {
                state[cpu].releasing = -1
            }
            finishSwitch(cpu, probe.nextMM, moment)
            if machine.activeMM[cpu] == .unknown, probe.hasOwnMM, probe.ownMM != 0 {
                let mm = self.mm(probe.ownMM, pid: -1)
                apply(.observe(cpu: cpu, mm: mm, lazy: lazy, mask: true), moment)
                observed.load(cpu, mm)
            }
        case .swMM: switchMM(cpu, record, probe, moment)
        case .enterLazy: enterLazy(cpu, record, probe, moment)
        case .leave:
            if record.pid == 0, !record.inHardIRQ { apply(.idleLeave(cpu: cpu), moment) }
        case .flushRange, .flushPage:
            let mm = self.mm(probe.mm, pid: record.pid)
            if probe.hasMask { sink.observedMask(mm, probe.mask, at: moment) }
            beginFlush(cpu, mm, record.kind == .flushPage ? 1 : pages(probe), page: record.kind == .flushPage, source, moment)
        case .flushOthers:
            if probe.mm != 0 { sink.observedMask(mm(probe.mm, pid: record.pid), probe.mask, at: moment) }
            state[cpu].sentMM = probe.mm
            state[cpu].sentStart = probe.start
            state[cpu].sentEnd = probe.end
            remotePart(cpu, moment)
        case .flushRemote: if record.inHardIRQ { delivered(cpu, probe, moment) }
        case .batch: beginBatch(cpu, probe, source, moment)
        case .flushAll: apply(.flushAll(cpu: cpu, kernelRange: false), moment)
        case .doFlushAll: apply(.doFlushAll(cpu: cpu), moment)
        case .idleExit:
            apply(.cpuDown(cpu: cpu), moment)
            observed.load(cpu, .initMM)
            state[cpu].down = true
        case .mmRelease: if probe.pid == record.pid { state[cpu].releasing = record.pid }
        case .mmDrop: pointers[probe.mm] = nil
        default: break
        }
    }

    /// The entry of switch_mm_irqs_off().
    private mutating func switchMM(_ cpu: Int, _ record: Held, _ probe: ProbeFields, _ moment: Moment) {
        if probe.task == 0, probe.prevMM == 0 {
            initPointer = probe.nextMM
            if probe.hasMask { sink.observedMask(.initMM, probe.mask, at: moment) }
            return
        }
        if state[cpu].down {
            initPointer = probe.nextMM
            return
        }
        let pid = state[cpu].switching ? state[cpu].nextPID : record.pid
        if probe.task == 0 {
            state[cpu].releasing = -1
            // A new mm, even if its pointer was used before without an mmdrop in sight.
            pointers[probe.nextMM] = nil
        }
        let next = mm(probe.nextMM, pid: pid)
        if probe.hasMask { sink.observedMask(next, probe.mask, at: moment) }
        if state[cpu].switching {
            state[cpu].nextMM = probe.nextMM
        } else if probe.task == 0 {
            apply(.exec(cpu: cpu, mm: next), moment)
            observed.load(cpu, next)
        } else {
            apply(.useMM(cpu: cpu, mm: next), moment)
            observed.load(cpu, next)
        }
    }

    /// enter_lazy_tlb() (a probe of newer kernels): at a switch to a task without an mm, or when a task gives its mm up.
    private mutating func enterLazy(_ cpu: Int, _ record: Held, _ probe: ProbeFields, _ moment: Moment) {
        if state[cpu].switching, probe.pid == state[cpu].nextPID { return finishSwitch(cpu, 0, moment) }
        guard machine.mm[cpu].isKnown else { return }
        apply(state[cpu].releasing == record.pid ? .exitMM(cpu: cpu) : .unuseMM(cpu: cpu), moment)
        state[cpu].releasing = -1
    }
}
