import LazyTLB
import TraceData

/// The records of flushes, and the probes in their functions.
extension ProbeReconstruction {
    // MARK: tlb_flush records

    mutating func flushRecord(_ cpu: Int, _ record: Held, _ moment: Moment) {
        if rules.isRepeated(record) { return }
        if record.pages != 0, record.reason != TLBReason.remoteSendIPI { state[cpu].flushedAt = record.time }
        if record.isLoad, state[cpu].pokeLoads > 0 {
            state[cpu].pokeLoads -= 1
        } else if record.reason == TLBReason.onTaskSwitch {
            takeEffect(cpu, moment)
            if !state[cpu].switching, observed.loaded[cpu] == machine.activeMM[cpu], machine.mm[cpu] == .none {
                load(cpu, .initMM, moment.time)
            }
        }
        sink.recorded(record)
        if state[cpu].remoteAtRecord, !record.inHardIRQ {
            state[cpu].remoteAtRecord = false
            decideRemote(cpu, moment)
        }
    }

    // MARK: flushes

    /// The sender of IPIs waits: its next record outside of an interrupt comes after all receivers have answered.
    mutating func completeIfOver(_ cpu: Int, _ record: Held, _ moment: Moment) {
        guard state[cpu].sending else { return }
        if record.kind == .tlbFlush && record.reason == TLBReason.remoteSendIPI { return }
        if isOwnHalf(cpu, record) {
            if record.kind == .flushRemote { deliverToSpared(cpu, moment) }
            return
        }
        state[cpu].sending = false
        state[cpu].inOwnHalf = false
        sink.complete(cpu: cpu, at: moment)
    }

    /// Since v5.13 the sender runs flush_tlb_func() itself before it waits (smp_call_function_many_cond(), SCF_RUN_LOCAL): the probe, and the record of what it
    /// flushed, if anything; a lazy sender goes to init_mm.
    private mutating func isOwnHalf(_ cpu: Int, _ record: Held) -> Bool {
        switch record.kind {
        case .flushRemote:
            state[cpu].inOwnHalf = true
            return true
        case .swMM: return state[cpu].inOwnHalf
        case .tlbFlush:
            defer { state[cpu].inOwnHalf = false }
            return state[cpu].inOwnHalf
        default: return false
        }
    }

    /// A kernel that runs its own half first spares lazy CPUs (v4.20 and later): when the older schemes' IPIs to them would be handled, no record tells. About now.
    private mutating func deliverToSpared(_ sender: Int, _ moment: Moment) {
        let mm = pointers[state[sender].sentMM]
        for cpu in 0..<cpus where cpu != sender && machine.mm[cpu] == .none && observed.loaded[cpu].isUser {
            // Interrupts are off in a switch: the IPI comes behind it.
            if state[cpu].switching { continue }
            // A batch is of no mm.
            guard state[sender].sentMM == 0 || observed.loaded[cpu] == mm else { continue }
            apply(.deliver(cpu: cpu, from: sender), moment.handled(by: cpu))
        }
    }

    /// Finds the moment of a flush's remote half: its flush_tlb_others(), else the record of its local half, else now; but if others were in the mask, and are
    /// not sent IPIs, they leave it before the CPU's next record.
    mutating func placeRemote(_ source: Lookahead, _ moment: Moment) {
        let cpu = moment.cpu
        let mask = sentMask(source)
        // A mask without others at flush_tlb_others() had one when it was decided to call it.
        if let mask, mask & ~ownBit(cpu) != 0 || state[cpu].remote == .batch { return }
        state[cpu].sendFollows = mask != nil
        if recordFollows(source) {
            state[cpu].remoteAtRecord = true
        } else if mask == nil, hadOthers(source) {
            state[cpu].remoteAtNext = true
        } else {
            decideRemote(cpu, moment)
        }
    }

    mutating func decideRemote(_ cpu: Int, _ moment: Moment) {
        // No send follows: nobody else was in the mask.
        if !state[cpu].sendFollows, state[cpu].remote == .flush { settle(state[cpu].remoteMM, 0, by: cpu, moment) }
        remotePart(cpu, moment)
    }

    /// The local half of the flush at the head writes a record.
    func recordFollows(_ source: Lookahead) -> Bool {
        let head = source.head
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ != head.inHardIRQ { continue }
            switch next.kind {
            case .leave, .flushCommon, .swMM, .flushRemote: continue
            case .tlbFlush: return next.reason != TLBReason.remoteSendIPI
            default: return false
            }
        }
        return false
    }

    mutating func remotePart(_ cpu: Int, _ moment: Moment) {
        switch state[cpu].remote {
        case .none: return
        case .flush: apply(.flushOthers(cpu: cpu, mm: state[cpu].remoteMM, pages: state[cpu].remotePages), moment)
        case .batch: apply(.batchOthers(cpu: cpu), moment)
        }
        state[cpu].remote = .none
        state[cpu].sending = true
        clocks.sent()
        answers.clear(cpu)
    }

    /// A CPU in the one word that probes have of a mask: none beyond 64.
    private func ownBit(_ cpu: Int) -> UInt64 { cpu < 64 ? 1 << UInt64(cpu) : 0 }

    /// A flush begins: its local half now, its remote half when flush_tlb_others() is reached, which may be records later (``placeRemote(_:_:)``).
    mutating func beginFlush(_ cpu: Int, _ mm: MM, _ pages: Int64, page: Bool, _ source: Lookahead, _ moment: Moment) {
        evidence.flushes += 1
        applyOrDefer(page ? .flushPage(cpu: cpu, mm: mm) : .flushRange(cpu: cpu, mm: mm, pages: pages), source, moment)
        state[cpu].sentMM = .max
        state[cpu].remote = .flush
        state[cpu].remoteMM = mm
        state[cpu].remotePages = pages
    }

    /// The probe at the head saw CPUs in the mask for which the flush would show at once: others, which it sends IPIs, or, in v5.13 and later, its own, if that has the
    /// mm loaded.
    private mutating func wouldShow(_ source: Lookahead) -> Bool {
        let probe = source.headDetails.probe
        return hadOthers(source) || rules.sendsFirst && probe.hasMask && probe.mask != 0 && pointers[probe.mm] == observed.loaded[source.cpu]
    }

    private mutating func hadOthers(_ source: Lookahead) -> Bool {
        let probe = source.headDetails.probe
        let begins = source.head.kind == .flushRange || source.head.kind == .flushPage
        return begins && probe.hasMask && probe.mask & ~ownBit(source.cpu) != 0
    }

    /// The task that is at the entry of flush_tlb_mm_range() is preempted before get_cpu(): it goes on with the flush when it is back. If it is not, on this CPU, that the
    /// flush would show tells.
    ///
    /// - Complexity: O(*n*) with the records in between, of which it looks at no more than ``Lookahead/depth``.
    mutating func isPreempted(_ source: Lookahead) -> Bool {
        let head = source.head
        var (isOut, wasOut) = (false, false)
        var distance = 0
        while let next = source.peek(distance + 1), next.kind != .lost {
            distance += 1
            if next.inHardIRQ { continue }
            if next.kind == .schedSwitch {
                if isOut {
                    isOut = next.nextPID != head.pid
                    continue
                }
                // Who sleeps, or is dead, is through with it; and of a broken chain nothing is known.
                guard next.prevPID == head.pid, wasOut || next.word1 & Self.notRunnable == 0 else { return false }
                // Its own half would show even if the others have left since.
                if rules.sendsFirst, !wasOut, wouldShow(source) { return true }
                (isOut, wasOut) = (true, true)
            } else if !isOut, isOwn(next, head.pid) {
                guard wasOut else { return false }
                let begun = source.headDetails.probe
                if next.kind == .tlbFlush { return next.reason == TLBReason.localMMShootdown && next.pages == pages(begun) }
                guard next.kind == .flushOthers || next.kind == .flushRemote else { return false }
                let goesOn = source.peekDetails(distance).probe
                return goesOn.mm == begun.mm && goesOn.start == begun.start
            }
        }
        return wasOut && wouldShow(source)
    }

    /// The task does it, and not the switch that lets it in: records of that have the pid of the one that goes, and finish_task_switch() drops the mm that was borrowed.
    private func isOwn(_ record: Held, _ pid: Int32) -> Bool { record.pid == pid && record.kind != .mmDrop }

    /// prev_state without the bit that tells of a preemption, which lies higher (TASK_REPORT_MAX, TASK_STATE_MAX).
    private static var notRunnable: UInt64 { 0xff }

    /// The task that was preempted so is back, maybe on another CPU, and goes on with its flush.
    @inline(never) mutating func resumeFlush(_ cpu: Int, _ source: Lookahead, _ moment: Moment) {
        let record = source.head
        guard !record.inHardIRQ, record.kind != .schedSwitch, record.kind != .lost, record.pid == state[cpu].current, isOwn(record, record.pid) else { return }
        guard let flush = interrupted.removeValue(forKey: record.pid) else { return }
        beginFlush(cpu, flush.mm, flush.pages, page: flush.page, source, moment)
        if record.kind != .flushOthers { placeRemote(source, moment) }
    }

    /// The mask with which flush_tlb_others() is reached, if it is before anything that would mean that the flush at the head is over.
    func sentMask(_ source: Lookahead) -> UInt64? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            switch next.kind {
            case .flushOthers: return source.peekDetails(distance - 1).probe.mask
            case .leave, .flushCommon, .swMM: continue
            case .tlbFlush: if next.reason == TLBReason.remoteSendIPI { return UInt64.max }
            // v5.13 and later run the handler on the initiator too.
            case .flushRemote: continue
            default: return nil
            }
        }
        return nil
    }

    func pages(_ probe: ProbeFields) -> Int64 {
        let everything = longSize == 8 ? UInt64.max : 0xffff_ffff
        let vmHugeTLB: UInt64 = 0x0040_0000
        if probe.end == everything || probe.vmFlags & vmHugeTLB != 0 || probe.end < probe.start { return Stimulus.flushAll }
        let pages = (probe.end - probe.start) >> 12
        return pages > 33 ? Stimulus.flushAll : Int64(pages)
    }

    mutating func delivered(_ cpu: Int, _ probe: ProbeFields, _ source: Lookahead, _ moment: Moment) {
        for sender in 0..<cpus where sender != cpu && state[sender].sending {
            if probe.present.contains(.initiator), Int(probe.initiator) != sender { continue }
            // Where arguments are passed on the stack (32-bit), the sender's probe has no end of the range.
            let sameEnd = state[sender].sentEnd == nil || state[sender].sentEnd == probe.end
            guard state[sender].sentMM == probe.mm, state[sender].sentStart == probe.start, sameEnd,
                !answers.contains(cpu, sender)
            else { continue }
            answers.insert(cpu, sender)
            clocks.answered(matched: true)
            return applyOrDefer(.deliver(cpu: cpu, from: sender), source, moment)
        }
        if evidence.gaps == 0 { clocks.answered(matched: false) }
    }
}
