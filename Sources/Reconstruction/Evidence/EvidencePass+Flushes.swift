import LazyTLB
import Tables
import TraceData

/// What flushes, and the answers to them, tell of which tasks share an mm.
extension EvidencePass {
    mutating func flushed(_ cpu: Int, _ node: Int32, pages: Int64, at time: UInt64) {
        let (task, place) = (walk.tasks.place(node), state.place(cpu))
        task.pointee.userEvidence.addClamped(1)
        if _slowPath(lacksFlags) { task.pointee.flushedAll = pages == Stimulus.flushAll }
        if case .of(let other) = place.pointee.loaded, other != node, !settled(node, other) {
            relations[node, other].strong.addClamped(4)
        }
        if place.pointee.loaded == .unknown { place.pointee.loaded = .of(node) }
        if settlements.isOpen(cpu) { settlements.settle(cpu, node, task.pointee.switches, sure: true) }
        if !walk.rules.sendsFirst {
            setSend(cpu, Send(node: node, pages: pages, at: time, paired: true))
        } else if place.pointee.send.awaitsLocal {
            // The sender runs its own half before it waits (smp_call_function_many_cond()). If it was answered already, this is another
            // flush, of its own mm, behind that of another process's page.
            place.pointee.send.awaitsLocal = false
            place.pointee.send.open = !watch.isAnswered(cpu)
        }
    }

    /// The sender's own half and its SEND_IPI lie closer together, ns (14 µs in the middle of emulated kernels' recordings; under 2 ms of 99.4 % of the flushes of everything): else it may
    /// be a flush of its own, beside a batch or one of another process's page.
    private static var halfLimit: UInt64 { 2_000_000 }

    mutating func sent(_ cpu: Int, _ node: Int32, _ source: Lookahead) {
        let pages = source.head.pages
        let before = state[cpu].send
        clocks.sent()
        let time = source.headTime
        var send = Send(open: before.paired && before.pages == pages && time &- before.at <= Self.halfLimit, node: before.node, pages: pages, at: time, weight: 4)
        if walk.rules.sendsFirst, case let distance = source.ownNextDistance, let next = source.peek(distance) {
            let isOwn = next.kind == .tlbFlush && next.pid == source.head.pid
            let isSoon = isOwn && next.time &- time <= Self.halfLimit
            let isHalf = isSoon && walk.rules.isHalf(next, of: source.head)
            // Where births are told only the rest hangs on this, so it is better to be sure (``flushed(_:_:pages:)``).
            send.awaitsLocal = usesLifeCycle && isHalf && next.pages == pages
            // The last user of an mm is lazy when it tears it down.
            let isLazy = isSoon && next.reason == TLBReason.onTaskSwitch && pages == Stimulus.flushAll && walk.tasks[node].origin != .kernel
            send.open = isHalf && !usesLifeCycle || isLazy && walk.mayTearDown(source, behind: distance)
            send.node = node
            if pages == Stimulus.flushAll, node >= 0 { walk.tasks[node].tearsDown = !isOwn || next.reason != TLBReason.localMMShootdown && next.reason != TLBReason.localShootdown }
        } else if !send.open, walk.rules.flushesPageSilently, pages == 1, walk.tasks[node].origin != .kernel {
            // flush_tlb_page(): mostly of the task's own mm.
            send = Send(open: true, node: node, pages: 1, at: time, weight: 1)
        }
        send.underWay = true
        setSend(cpu, send)
        // Where the life cycle has told whose mm it is, and no birth is lost, answers tell nothing new.
        if send.open || send.awaitsLocal, send.weight > 1, send.node >= 0, walk.gaps > 0 || !usesLifeCycle || !walk.tasks.isSettled(send.node) {
            watch.begin(cpu, pages: pages, at: source.headTime)
        }
    }

    /// The sender waits: with its next record the flush is over, unless that is the sender's own half of it.
    mutating func endSend(_ cpu: Int, _ record: Held, _ kind: Step.Kind) {
        if walk.rules.sendsFirst, record.kind == .tlbFlush, kind != .switchLoaded, kind != .sent, state[cpu].send.underWay, !state[cpu].send.hasLocalHalf {
            state[cpu].send.hasLocalHalf = true
        } else if kind == .sent {
            if watch.isOpen(cpu) { endFlush(cpu) }
        } else {
            endSend(cpu)
        }
    }

    @inline(__always) mutating func endSend(_ cpu: Int) {
        if watch.isOpen(cpu) { endFlush(cpu) }
        dropSend(cpu)
    }

    @inline(__always) mutating func dropSend(_ cpu: Int) {
        if state[cpu].send.isSet { setSend(cpu, Send()) }
    }

    @inline(__always) mutating func setSend(_ cpu: Int, _ send: Send) {
        state[cpu].send = send
        if send.underWay { senders.insert(cpu, 0) } else { senders.remove(cpu, 0) }
    }

    /// A CPU that answers the one flush under way with REMOTE_WRONG_CPU has another mm loaded.
    mutating func answeredWrong(_ receiver: Int) {
        guard openGaps == 0, case .of(let other) = state[receiver].loaded else { return }
        var sender: Send?
        for cpu in senders.others(than: receiver, 0) {
            if sender != nil { return }
            sender = state[cpu].send
        }
        guard let sender, sender.open, sender.node != other, !settled(sender.node, other) else { return }
        relations[sender.node, other].different.addClamped(sender.weight)
    }

    /// The sender goes on: whoever has its mm loaded, and runs a task with an mm, has answered.
    @inline(never) private mutating func endFlush(_ cpu: Int) {
        guard let flush = watch.end(cpu, inGap: openGaps > 0), state[cpu].send.open else { return }
        if flush.answers == 0 { unanswered(cpu, since: flush.begun) }
        guard usesLifeCycle else { return }
        let sender = state[cpu].send.node
        if !elimination.isIdle { elimination.clear(sender) }
        if let only = flush.only {
            let node = walk.current(only)
            if hasMM(node), node != sender, !isTold(node, sender) { relations[node, sender].strong.addClamped(1) }
        }
        let places = silentFlushes.places(cpu, sender, &relations)
        for other in state.indices where other != cpu && watch.isSilent(other, since: flush.begun) {
            let node = walk.current(other)
            if hasMM(node), node != sender, !isTold(node, sender) { SilentFlushes.count(places + other, node, sender, &relations) }
        }
    }

    /// Their births tell more of the two than the order of answers could.
    private func isTold(_ a: Int32, _ b: Int32) -> Bool { settled(a, b) || lacksFlags && walk.tasks.founder(a) == walk.tasks.founder(b) }

    /// A CPU answers one of two flushes or more. If there are two, of two mms, those may be told apart in the end.
    private mutating func noteEither(_ receiver: Int, _ first: Int, _ second: Int) {
        guard usesLifeCycle, state[first].send.open, state[second].send.open, state[first].send.weight > 1, state[second].send.weight > 1 else { return }
        for cpu in senders.others(than: receiver, 0) where cpu > second && state[cpu].send.pages == state[first].send.pages { return }
        let node = walk.current(receiver)
        let (a, b) = (min(state[first].send.node, state[second].send.node), max(state[first].send.node, state[second].send.node))
        guard hasMM(node), a != node, b != node, !isTold(a, node) || !isTold(b, node) else { return }
        either[Either(node: node, a: a, b: b), default: 0].addClamped(1)
    }

    /// A sender that computes writes nothing for long, and its flush seems to be under way. An IPI is handled within microseconds; on emulated machines 99 % of the last ones
    /// within 8 ms, ns.
    private static var answerLimit: UInt64 { 10_000_000 }
    /// From the SEND_IPI record to the IPI, ns: the sender may have to wait for an earlier one, or for its emulator.
    static var sendingLimit: UInt64 { 2_000_000 }

    /// The receiver's IPI cannot be that of the flush: it is long over, or the receiver has switched since, behind which no IPI is pending.
    private func isOver(_ send: Send, _ receiver: Int, at time: UInt64) -> Bool {
        time > send.at && time - send.at > Self.answerLimit || watch.hasChanged(receiver, since: send.at &+ Self.sendingLimit, before: time)
    }

    /// A CPU that answers one flush, and one only, had its mm loaded. While records of any CPU are missing, the flush may be one of those.
    ///
    /// - Parameter pages: how many it flushes; nil if it leaves. Where that need not be what the sender asked for, a CPU that flushes everything, or nothing, may answer any flush.
    /// - Returns: the flush's CPU, if there is only one.
    @discardableResult mutating func answered(_ receiver: Int, pages: Int64?, at time: UInt64) -> Int? {
        let loaded = state.place(receiver).pointee.loaded
        guard openGaps == 0, loaded != .initMM else { return nil }
        var unique = -1
        let mayBeAny = pages == nil || !walk.rules.hasExactAnswers && pages! <= 0
        for cpu in senders.others(than: receiver, 0) where mayBeAny || state[cpu].send.pages == pages {
            if unique >= 0 {
                if state[cpu].send.pages == state[unique].send.pages { noteEither(receiver, unique, cpu) }
                return nil
            }
            unique = cpu
        }
        if pages != nil { clocks.answered(matched: unique >= 0) }
        guard unique >= 0, state.place(unique).pointee.send.open, !isOver(state.base[unique].send, receiver, at: time) else { return nil }
        let (node, weight) = (state.base[unique].send.node, state.base[unique].send.weight)
        if settlements.isOpen(receiver) { settlements.settle(receiver, node, walk.tasks[node].switches, sure: weight > 1) }
        if case .of(let other) = loaded, node != other, !settled(node, other) { relations[node, other].strong.addClamped(weight) }
        return unique
    }
}
