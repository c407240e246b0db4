import LazyTLB
import TraceData

/// Which mm a flush is of, and who answers it.
extension InferredReconstruction {
    /// The SEND_IPI record that belongs to the flush at the head: the next record of its task on this CPU.
    func nextSend(_ source: Lookahead) -> Held? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            return next.kind == .tlbFlush && next.reason == 4 && next.pid == source.head.pid ? next : nil
        }
        return nil
    }

    mutating func flushed(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        let mm = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
        if !mm.isKnown { evidence.unknownFlushes += 1 }
        if observed.loaded[cpu] == .unknown, mm.isUser { load(cpu, mm, moment.time) }
        apply(.flushRange(cpu: cpu, mm: mm, pages: step.pages), moment)
        if !rules.sendsFirst, let send = nextSend(source), send.pages == step.pages {
            state[cpu].remote = .flush
            state[cpu].remoteMM = mm
        } else {
            settle(mm, sender: cpu, sends: false, moment)
            apply(.flushOthers(cpu: cpu, mm: mm, pages: step.pages), moment)
        }
    }

    mutating func batch(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        var mask = MaskTable(cpus: cpus, rows: 1)
        mask.insert(cpu, 0)
        let send = nextSend(source)
        if let send, send.pages == Stimulus.flushAll { addAnswers(to: &mask, cpu, source, from: send) }
        beginBatch(cpu, mask, moment)
        apply(.batchLocal(cpu: cpu), moment)
        if send?.pages == Stimulus.flushAll { state[cpu].remote = .batch } else { apply(.batchOthers(cpu: cpu), moment) }
    }

    mutating func beginBatch(_ cpu: Int, _ mask: MaskTable, _ moment: Moment) {
        let batch = observed.batch(mask: mask)
        for mm in batch.mms { settle(mm, moment) }
        sink.setBatch(batch, cpu: cpu)
    }

    mutating func sent(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        let pages = step.pages
        state[cpu].isBatch = false
        switch state[cpu].remote {
        case .flush: state[cpu].sentMM = state[cpu].remoteMM
        case .batch: state[cpu].isBatch = true
        case .none: attribute(step, source, moment)
        }
        state[cpu].remote = .none
        state[cpu].sending = true
        state[cpu].sentPages = pages
        for index in 0..<answers.stride { answers.setWord(cpu, index, 0) }
        if state[cpu].isBatch {
            state[cpu].sentMM = .none
            apply(.batchOthers(cpu: cpu), moment)
        } else {
            settle(state[cpu].sentMM, sender: cpu, sends: true, moment)
            apply(.flushOthers(cpu: cpu, mm: state[cpu].sentMM, pages: pages), moment)
        }
    }

    /// A SEND_IPI with no local half before it: of which mm?
    mutating func attribute(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        evidence.flushes += 1
        if rules.sendsFirst, localFollows(step, source, moment) { return }
        let own = state[cpu].mm
        var mask = MaskTable(cpus: cpus, rows: 1)
        addAnswers(to: &mask, cpu, source, from: source.head)
        let answers = answeringMMs(mask)
        let only = onlyMM(answers, mask, cpu)
        state[cpu].sentMM = .unknown
        if step.pages == Stimulus.flushAll {
            if state[cpu].leftMM.isUser, answers.isEmpty || answers == [state[cpu].leftMM] {
                // exec: the last user of the old mm is gone.
                state[cpu].sentMM = state[cpu].leftMM
            } else if mask.count(0) > 0 {
                state[cpu].isBatch = true
                beginBatch(cpu, mask, moment)
                apply(.batchLocal(cpu: cpu), moment)
            }
        } else if rules.flushesPageSilently, step.pages == 1, own.isUser, answers.isEmpty || answers.contains(own) {
            state[cpu].sentMM = own
            apply(.flushPage(cpu: cpu, mm: own), moment)
        } else if let only {
            // Its local half left no record: the mm is not loaded here. A scheme whose bookkeeping still names it may act on it.
            state[cpu].sentMM = only
            apply(step.pages == 1 ? .flushPage(cpu: cpu, mm: only) : .flushRange(cpu: cpu, mm: only, pages: step.pages), moment)
        }
        if !state[cpu].isBatch, !state[cpu].sentMM.isKnown { evidence.unknownFlushes += 1 }
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

    /// The one of `candidates` that was flushed: of several, the only one whose CPUs, the sender's aside, have all answered.
    func onlyMM(_ candidates: [MM], _ mask: MaskTable, _ sender: Int) -> MM? {
        if candidates.count < 2 { return candidates.first }
        let whole = candidates.filter { mm in
            !(0..<cpus).contains { $0 != sender && observed.loaded[$0] == mm && !mask.contains($0, 0) }
        }
        return whole.count == 1 ? whole[0] : nil
    }

    /// v5.13 and later: the sender's own half comes behind its SEND_IPI.
    mutating func localFollows(_ step: Step, _ source: Lookahead, _ moment: Moment) -> Bool {
        let cpu = step.cpu
        guard let local = ownNext(source), local.kind == .tlbFlush, local.pid == moment.pid else { return false }
        if local.reason == 3 {
            state[cpu].sentMM = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
            apply(.flushRange(cpu: cpu, mm: state[cpu].sentMM, pages: step.pages), moment)
            state[cpu].localDone = true
            return true
        }
        if local.reason == 2 {
            var mask = MaskTable(cpus: cpus, rows: 1)
            mask.insert(cpu, 0)
            addAnswers(to: &mask, cpu, source, from: source.head)
            beginBatch(cpu, mask, moment)
            apply(.batchLocal(cpu: cpu), moment)
            state[cpu].isBatch = true
            state[cpu].localDone = true
            return true
        }
        return false
    }

    /// The next record of this CPU outside of interrupts.
    func ownNext(_ source: Lookahead) -> Held? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if !next.inHardIRQ { return next }
        }
        return nil
    }

    /// Adds the CPUs that answer the SEND_IPI record `send` of CPU `cpu`: their records lie between it and the sender's next one.
    func addAnswers(to mask: inout MaskTable, _ cpu: Int, _ source: Lookahead, from send: Held) {
        var end = UInt64.max
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ || next.time <= send.time { continue }
            end = next.time
            break
        }
        for other in sources where other.state != source.state {
            var distance = 0
            while let record = other.peek(distance), record.time <= end {
                distance += 1
                guard record.time >= send.time, record.inHardIRQ, record.kind == .tlbFlush else { continue }
                if record.reason == 1 && record.pages == send.pages || record.reason == 0 { mask.insert(Int(record.cpu), 0) }
            }
        }
    }

    /// The CPU whose flush this one answers: one of the mm that is loaded here, or a batch, which it has not answered yet.
    mutating func takeSender(to cpu: Int, pages: Int64?) -> Int? {
        let loaded = observed.loaded[cpu]
        var found: Int?
        for sender in 0..<cpus where sender != cpu && state[sender].sending && !answers.contains(cpu, sender) {
            if let pages, state[sender].sentPages != pages { continue }
            if state[sender].isBatch {
                found = found ?? sender
            } else if state[sender].sentMM == loaded || loaded == .unknown {
                found = sender
                break
            }
        }
        if let found { answers.insert(cpu, found) }
        return found
    }

    mutating func answered(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        guard let sender = takeSender(to: cpu, pages: step.pages) else { return }
        if observed.loaded[cpu] == .unknown, state[sender].sentMM.isUser {
            let mm = state[sender].sentMM
            load(cpu, mm, moment.time)
            apply(.observe(cpu: cpu, mm: mm, lazy: false, mask: true), moment)
        }
        apply(.deliver(cpu: cpu, from: sender), moment)
    }

    mutating func complete(_ cpu: Int, _ moment: Moment) {
        state[cpu].sending = false
        sink.complete(cpu: cpu, at: moment)
    }
}
