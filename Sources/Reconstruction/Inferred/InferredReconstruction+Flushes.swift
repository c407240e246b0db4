import LazyTLB
import TraceData

/// Which mm a flush is of, and who answers it.
extension InferredReconstruction {
    /// The SEND_IPI record that belongs to the flush at the head: the next record of its task on this CPU.
    mutating func nextSend(_ source: Lookahead) -> Held? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            let isOwn = next.kind == .tlbFlush && next.reason == TLBReason.remoteSendIPI && next.pid == source.head.pid
            return isOwn && rules.areSoon(source.head, next) ? next : nil
        }
        return nil
    }

    mutating func flushed(_ node: Int32, _ source: Lookahead, _ moment: Moment) {
        let cpu = moment.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        var send = rules.sendsFirst ? nil : nextSend(source)
        if let found = send, !rules.isHalf(source.head, of: found) { send = nil }
        let pages = rules.asked(send?.pages ?? source.head.pages)
        if walk.tasks[node].origin == .usesMM, !state[cpu].mm.isUser { useMM(cpu, findings.nodes[Int(node)].mm, moment) }
        let mm = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
        if !mm.isKnown { evidence.unknownFlushes += 1 }
        if observed.loaded[cpu] == .unknown, mm.isUser { load(cpu, mm, moment.time) }
        apply(.flushRange(cpu: cpu, mm: mm, pages: pages), moment)
        if send != nil {
            state[cpu].remote = .flush
            state[cpu].remoteMM = mm
        } else {
            if _slowPath(!longSwitches.isEmpty) { finishSwitches(from: mm, source, sends: false) }
            settle(mm, sender: cpu, sends: false, moment)
            applyUnsent(.flushOthers(cpu: cpu, mm: mm, pages: pages), moment)
        }
    }

    /// The remote half of a flush for which the recorded kernel sent no IPI. When those are handled that another scheme sends no record tells: at once.
    @inline(__always) mutating func applyUnsent(_ stimulus: Stimulus, _ moment: Moment) {
        apply(stimulus, moment)
        sink.completeUnsent(cpu: moment.cpu, at: moment)
    }

    mutating func batch(_ source: Lookahead, _ moment: Moment) {
        let cpu = moment.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        var mask = emptyMask()
        mask.insert(cpu, 0)
        let send = nextSend(source)
        if let send, send.pages == Stimulus.flushAll { addAnswers(to: &mask, cpu, source, from: send) }
        beginBatch(cpu, mask, moment)
        apply(.batchLocal(cpu: cpu), moment)
        if send?.pages == Stimulus.flushAll { state[cpu].remote = .batch } else { applyUnsent(.batchOthers(cpu: cpu), moment) }
    }

    mutating func beginBatch(_ cpu: Int, _ mask: MaskTable, _ moment: Moment) {
        let batch = observed.batch(mask: mask, spared: rules.sparesLazy ? lazyCPUs() : nil)
        for mm in batch.mms { settle(mm, moment) }
        if rules.clearsMaskLate, mask.count(0) == 0 { evidence.unknownFlushes += 1 }
        sink.setBatch(batch, cpu: cpu)
    }

    /// The CPUs whose current task has no mm, or an unknown one.
    func lazyCPUs() -> MaskTable {
        var lazy = MaskTable(cpus: cpus, rows: 1)
        for cpu in 0..<cpus where !state[cpu].mm.isUser { lazy.insert(cpu, 0) }
        return lazy
    }

    mutating func sent(_ source: Lookahead, _ moment: Moment) {
        let (cpu, pages) = (moment.cpu, source.head.pages)
        state[cpu].isBatch = false
        switch state[cpu].remote {
        case .flush: state[cpu].sentMM = state[cpu].remoteMM
        case .batch: state[cpu].isBatch = true
        case .none: attribute(source, moment)
        }
        state[cpu].remote = .none
        state[cpu].sending = true
        senders.insert(cpu, 0)
        state[cpu].sentPages = pages
        if state[cpu].isBatch {
            state[cpu].sentMM = .none
            expectAnswers(cpu, moment.time)
            apply(.batchOthers(cpu: cpu), moment)
        } else {
            if !state[cpu].sentMM.isKnown { evidence.unknownSends += 1 }
            if state[cpu].sentMM.isUser { finishSwitches(to: state[cpu].sentMM, cpu, source.head) }
            if _slowPath(!longSwitches.isEmpty) { finishSwitches(from: state[cpu].sentMM, source, sends: true) }
            settle(state[cpu].sentMM, sender: cpu, sends: true, moment)
            expectAnswers(cpu, moment.time)
            apply(.flushOthers(cpu: cpu, mm: state[cpu].sentMM, pages: rules.asked(pages)), moment)
        }
        if rules.skipsDoneFlushes, !state[cpu].localDone, !wrongHalfFollows(source) { deliverToSpared(cpu, moment) }
    }

    /// The sender has another mm loaded than it flushes, and says so (v6.14 and later).
    private mutating func wrongHalfFollows(_ source: Lookahead) -> Bool {
        guard rules.clearsMaskLate, let next = source.ownNext() else { return false }
        return next.kind == .tlbFlush && next.reason == TLBReason.remoteWrongCPU
    }

    /// A SEND_IPI with no local half before it: of which mm?
    mutating func attribute(_ source: Lookahead, _ moment: Moment) {
        let (cpu, pages) = (moment.cpu, source.head.pages)
        evidence.flushes += 1
        if rules.sendsFirst, localFollows(source, moment) {
            if !state[cpu].isBatch, !state[cpu].sentMM.isKnown { evidence.unknownFlushes += 1 }
            return
        }
        let own = state[cpu].mm
        var mask = emptyMask()
        addAnswers(to: &mask, cpu, source, from: source.head)
        let answers = answeringMMs(mask)
        let only = onlyMM(answers, mask, cpu, source.head)
        let previous = state[cpu].sentMM
        state[cpu].sentMM = .unknown
        if pages == Stimulus.flushAll {
            if state[cpu].leftMM.isUser, answers.isEmpty || answers == [state[cpu].leftMM] {
                // exec: the last user of the old mm is gone.
                state[cpu].sentMM = state[cpu].leftMM
            } else if answers.isEmpty, let mm = tornDown(source) {
                tearDown(mm, pages, moment)
            } else {
                let mask = mask.count(0) > 0 ? mask : sparedByFlush(of: source)
                if mask.count(0) > 0 {
                    state[cpu].isBatch = true
                    beginBatch(cpu, outdated(mask, by: cpu), moment)
                    apply(.batchLocal(cpu: cpu), moment)
                }
            }
        } else if own.isUser, answers.isEmpty || answers.contains(own) && (only == nil || only == own), mayBeSilent(source) {
            state[cpu].sentMM = own
            apply(rules.flushesPageSilently ? .flushPage(cpu: cpu, mm: own) : .flushRange(cpu: cpu, mm: own, pages: rules.asked(pages)), moment)
        } else if let only = only ?? (answers.isEmpty ? sparedMM(by: source) : nil) {
            // Its local half left no record: the mm is not loaded here. A scheme whose bookkeeping still names it may act on it.
            state[cpu].sentMM = only
            apply(pages == 1 ? .flushPage(cpu: cpu, mm: only) : .flushRange(cpu: cpu, mm: only, pages: rules.asked(pages)), moment)
        }
        if !state[cpu].isBatch, state[cpu].sentMM == .unknown, answers.isEmpty, wasJustLeft(previous, moment) {
            // The task goes on with the mm's pages, and the last CPU that had it loaded leaves it meanwhile.
            state[cpu].sentMM = previous
            apply(.flushRange(cpu: cpu, mm: previous, pages: rules.asked(pages)), moment)
        }
        if !state[cpu].isBatch, !state[cpu].sentMM.isKnown { evidence.unknownFlushes += 1 }
    }

    /// The flush at the head may be of the sender's own mm though its local half has left no record: as a page's in v4.12, or because another flush that the CPU
    /// was sent meanwhile has done it, of which there is one (v6.0 and later).
    private mutating func mayBeSilent(_ source: Lookahead) -> Bool {
        let send = source.head
        if rules.flushesPageSilently { return send.pages == 1 }
        guard rules.skipsDoneFlushes else { return false }
        let answeredAt = state[source.cpu].answeredAt
        if answeredAt > 0, send.time &- answeredAt <= Self.lingeringLimit { return true }
        var distance = 1
        while let next = source.peek(distance), next.inHardIRQ {
            if next.kind == .tlbFlush, next.reason == TLBReason.remoteShootdown { return true }
            distance += 1
        }
        return false
    }

    /// The mms that the CPUs of `mask` have loaded.
    func answeringMMs(_ mask: MaskTable) -> [MM] {
        var found: [MM] = []
        mask.forEach(0) { cpu in
            let mm = observed.loaded[cpu]
            if mm.isUser, !found.contains(mm) { found.append(mm) }
        }
        return found
    }

    /// v5.13 and later: the sender's own half comes behind its SEND_IPI.
    mutating func localFollows(_ source: Lookahead, _ moment: Moment) -> Bool {
        let (cpu, pages) = (moment.cpu, source.head.pages)
        let distance = source.ownNextDistance
        guard let local = source.peek(distance), local.kind == .tlbFlush, local.pid == moment.pid, rules.areSoon(source.head, local) else { return false }
        if rules.isHalf(local, of: source.head) || state[cpu].mm.isUser && walk.globalASIDFollows(source) {
            state[cpu].sentMM = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
            apply(.flushRange(cpu: cpu, mm: state[cpu].sentMM, pages: rules.asked(pages)), moment)
            state[cpu].localDone = true
            return true
        }
        if local.reason == TLBReason.localShootdown {
            var mask = emptyMask()
            mask.insert(cpu, 0)
            addAnswers(to: &mask, cpu, source, from: source.head)
            beginBatch(cpu, outdated(mask, by: cpu, ownPages: local.pages), moment)
            apply(.batchLocal(cpu: cpu), moment)
            state[cpu].isBatch = true
            state[cpu].localDone = true
            return true
        }
        if local.reason == TLBReason.onTaskSwitch, pages == Stimulus.flushAll, moment.pid > 0, walk.mayTearDown(source, behind: distance) {
            tearDown(state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu], pages, moment)
            state[cpu].localDone = true
            return true
        }
        return false
    }

    /// The sender's own half of a flush whose SEND_IPI came before it.
    mutating func isLocalHalf(_ record: Held) -> Bool {
        rules.sendsFirst && record.kind == .tlbFlush && (record.reason == TLBReason.remoteWrongCPU || record.reason != TLBReason.remoteSendIPI && state[Int(record.cpu)].localDone)
    }

    /// The recorded kernel spares lazy CPUs, and a CPU whose TLB is up to date answers without a record: no record will tell when the older
    /// schemes' IPIs are handled. About now.
    mutating func deliverToSpared(_ sender: Int, _ moment: Moment) {
        guard rules.sparesLazy else { return }
        for cpu in 0..<cpus where cpu != sender && observed.loaded[cpu].isUser && !answers.contains(cpu, sender) {
            guard state[sender].isBatch || observed.loaded[cpu] == state[sender].sentMM else { continue }
            if state[cpu].mm.isUser, willAnswer(cpu) { continue }
            apply(.deliver(cpu: cpu, from: sender), moment.handled(by: cpu))
        }
    }

    /// The CPU is about to switch. IPIs that wait for it, and that it does not answer behind the switch, it has handled without a record: others had flushed all of it
    /// before (v6.0 and later).
    @inline(never) mutating func handlesSilently(_ moment: Moment) {
        let cpu = moment.cpu
        guard state[cpu].mm.isUser, senders.count(0) > 0 else { return }
        for sender in senders.others(than: cpu, 0) where awaited.contains(cpu, sender) && !answers.contains(cpu, sender) {
            if let source = sourceOf[cpu], answersBehind(0, source) { return }
            answers.insert(cpu, sender)
            apply(.deliver(cpu: cpu, from: sender), moment.silent)
        }
    }

    /// REMOTE_WRONG_CPU: the flush of another mm than is loaded here is answered.
    mutating func answeredWrong(_ cpu: Int) {
        var found: Int?
        for sender in senders.others(than: cpu, 0) where !state[sender].isBatch && !answers.contains(cpu, sender) {
            if state[sender].sentMM.isUser, state[sender].sentMM == observed.loaded[cpu] { continue }
            if found != nil { return }
            found = sender
        }
        if let found { answers.insert(cpu, found) }
    }

    /// The CPU whose flush this one answers, which it has not answered yet: one of the mm that is loaded here, else a batch. Of several the
    /// first that found it loaded here; a sender's flush may be long over, with nothing of its own recorded since.
    ///
    /// - Parameters:
    ///   - pages: how many it flushes; nil if it leaves. From v4.14 on that need not be what the sender asked for (``KernelRules/hasExactAnswers``), but mostly is.
    ///   - time: of the answer.
    mutating func takeSender(to cpu: Int, pages: Int64?, at time: UInt64) -> Int? {
        if _slowPath(claimCount > 0), let sender = takeClaim(cpu, at: time) {
            answers.insert(cpu, sender)
            return sender
        }
        let loaded = observed.loaded[cpu]
        var found: Int?
        var best = 0
        for sender in senders.others(than: cpu, 0) where !answers.contains(cpu, sender) {
            let isExact = pages == nil || state[sender].sentPages == pages
            if rules.hasExactAnswers, !isExact { continue }
            let isOfLoaded = !state[sender].isBatch && (state[sender].sentMM == loaded || loaded == .unknown)
            guard isOfLoaded || state[sender].isBatch else { continue }
            let isAwaited = isOfLoaded && awaited.contains(cpu, sender)
            // That leaves is do_flush_tlb_all(), rather than a flush that is long over, of an mm which has come here since.
            if pages == nil, !isAwaited, !state[sender].isBatch, loaded.isKnown, time &- state[sender].sentAt > EvidencePass.sendingLimit { continue }
            let rank = (!isOfLoaded ? 2 : isAwaited ? 6 : 4) + (isExact ? 1 : 0)
            if rank > best || rank == best && isAwaited && state[sender].sentAt < state[found!].sentAt { (found, best) = (sender, rank) }
        }
        if let found { answers.insert(cpu, found) }
        return found
    }

    /// A flush of the mm that is loaded here is under way, and waits for this CPU.
    mutating func isAwaited(_ cpu: Int) -> Bool {
        for sender in senders.others(than: cpu, 0) where awaited.contains(cpu, sender) && !answers.contains(cpu, sender) {
            if state[sender].sentMM == observed.loaded[cpu] { return true }
        }
        return false
    }

    /// The CPU leaves the mm that is loaded. The IPIs of further flushes of it that are under way find nothing to do, and leave no record.
    mutating func deliverRest(_ cpu: Int, _ moment: Moment) {
        for sender in senders.others(than: cpu, 0) where awaited.contains(cpu, sender) && !answers.contains(cpu, sender) {
            answers.insert(cpu, sender)
            if moment.time &- state[sender].sentAt <= Self.lingeringLimit { apply(.deliver(cpu: cpu, from: sender), moment.silent) }
        }
    }

    /// Notes who is to answer the flush that `sender` begins.
    mutating func expectAnswers(_ sender: Int, _ time: UInt64) {
        state[sender].sentAt = time
        answers.clear(sender)
        let mm = state[sender].sentMM
        for index in 0..<awaited.stride { awaited.setWord(sender, index, mm.isUser ? observed.word(mm, index) : 0) }
        awaited.remove(sender, sender)
    }

    mutating func answered(_ source: Lookahead, _ moment: Moment) {
        let cpu = moment.cpu
        state[cpu].answeredAt = moment.time
        guard let sender = takeSender(to: cpu, pages: source.head.pages, at: moment.time) else { return }
        if observed.loaded[cpu] == .unknown, state[sender].sentMM.isUser {
            let mm = state[sender].sentMM
            load(cpu, mm, moment.time)
            apply(.observe(cpu: cpu, mm: mm, lazy: false, mask: true), moment)
        }
        apply(.deliver(cpu: cpu, from: sender), moment)
    }

    mutating func complete(_ cpu: Int, _ moment: Moment) {
        state[cpu].sending = false
        // A half that did not come, after all.
        state[cpu].localDone = false
        senders.remove(cpu, 0)
        sink.complete(cpu: cpu, at: moment)
    }
}
