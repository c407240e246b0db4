import LazyTLB
import TraceData

/// Batched flushes: arch_tlbbatch_flush(), for the pages of several mms.
extension ProbeReconstruction {
    mutating func beginBatch(_ cpu: Int, _ probe: ProbeFields, _ source: Lookahead, _ moment: Moment) {
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
                case .tlbFlush where next.reason == TLBReason.localShootdown:
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
        evidence.flushes += 1
        if cpus > 64, mask.word(0, 0) == 0 { evidence.unknownFlushes += 1 }
        sink.setBatch(rules.clearsMaskLate && probe.hasMask ? outdated(probe.mask, source) : observed.batch(mask: mask, spared: beyondMask), cpu: cpu)
        applyOrDefer(.batchLocal(cpu: cpu), source, moment)
        state[cpu].sentMM = .max
        state[cpu].remote = .batch
        placeRemote(source, moment)
    }

    /// The CPUs of which a probe tells nothing: it has the first word of a mask.
    private var beyondMask: MaskTable? {
        guard cpus > 64 else { return nil }
        var beyond = MaskTable(cpus: cpus, rows: 1)
        for cpu in 64..<cpus { beyond.insert(cpu, 0) }
        return beyond
    }

    /// The batch at the head where CPUs stay in masks (v6.14 and later), so that its mask holds CPUs with other mms loaded than its own.
    ///
    /// A CPU with an mm of the batch has something to flush, one with another mm has not (REMOTE_SHOOTDOWN with 0 pages), nor one that another flush has just brought up to date: there the
    /// mask decides. If no CPU has, it is of the mm that was last seen with the same mask, if only one was. Else it is not known.
    ///
    /// - Complexity: O(``Lookahead/depth`` times CPUs), and mms.
    private mutating func outdated(_ mask: UInt64, _ source: Lookahead) -> Batch {
        var answers = BatchAnswers()
        let end = lookAtOwnHalf(source, &answers)
        for other in sources where other.cpu != source.cpu { lookAtAnswer(other, source, until: end, &answers) }
        let same = lastMasks.filter { $0.value == mask }.map(\.key)
        var batch = Batch(cpus: cpus)
        for mm in answers.outdated + answers.justFlushed.filter(same.contains) where mm.isUser && !batch.mms.contains(mm) { batch.mms.append(mm) }
        if batch.mms.isEmpty, same.count == 1, !answers.upToDate.contains(same[0]) { batch.mms = same }
        if batch.mms.isEmpty { evidence.unknownFlushes += 1 }
        return batch
    }

    /// What those who answer a batch have loaded.
    private struct BatchAnswers {
        /// They flush.
        var outdated: [MM] = []
        /// They find nothing to do, but have flushed something since shortly before the batch.
        var justFlushed: [MM] = []
        /// They find nothing to do.
        var upToDate: [MM] = []

        mutating func add(_ mm: MM, _ pages: Int64, hasFlushed: Bool) {
            if pages != 0 { outdated.append(mm) } else if hasFlushed { justFlushed.append(mm) } else { upToDate.append(mm) }
        }
    }

    /// Looks for the sender's own half, and returns when it goes on.
    private func lookAtOwnHalf(_ source: Lookahead, _ answers: inout BatchAnswers) -> UInt64 {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            switch next.kind {
            case .flushOthers, .flushRemote: continue
            case .tlbFlush where next.reason == TLBReason.remoteSendIPI: continue
            case .tlbFlush where next.reason == TLBReason.localShootdown: answers.add(observed.loaded[source.cpu], next.pages, hasFlushed: false)
            default: return next.time
            }
        }
        return .max
    }

    /// Looks for the first answer of a CPU to the batch at the head of `source`.
    private func lookAtAnswer(_ other: Lookahead, _ source: Lookahead, until end: UInt64, _ answers: inout BatchAnswers) {
        let begun = source.headTime
        var hasFlushed = state[other.cpu].flushedAt > 0 && begun &- state[other.cpu].flushedAt <= Self.justBefore
        // Where no probe tells which one it answers, the first answer is taken.
        var loaded: MM? = coverage.handlers ? nil : observed.loaded[other.cpu]
        var distance = 0
        while let next = other.peek(distance), next.time <= end {
            defer { distance += 1 }
            if next.time < begun { continue }
            if next.kind == .flushRemote, next.inHardIRQ {
                let probe = other.peekDetails(distance).probe
                let isItsAnswer = probe.mm == 0 && (!probe.present.contains(.initiator) || Int(probe.initiator) == source.cpu)
                loaded = !isItsAnswer ? nil : probe.hasOwnMM ? pointers[probe.ownMM] ?? .unknown : observed.loaded[other.cpu]
            } else if next.kind == .tlbFlush, next.reason != TLBReason.remoteSendIPI {
                if let loaded, next.inHardIRQ { return answers.add(loaded, next.pages, hasFlushed: hasFlushed) }
                if next.pages != 0 { hasFlushed = true }
            }
        }
    }

    /// From the first page of a batch to its flush, ns. (In recordings of emulated kernels, whose records of unmapped pages told the truth, 50 µs set the two kinds of CPUs without
    /// anything to flush apart best.)
    private static var justBefore: UInt64 { 50_000 }
}
