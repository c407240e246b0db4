import Dispatch
import LazyTLB
import Reconstruction
import Replay
import Testing

struct ReplayTests {
    @Test func `each scheme predicts the records that it would have written`() {
        var run = Run()
        run.at(10, .user(0, a), .flushPage(cpu: 0, mm: a))
        run.recorded(11, 0, reason: .taskSwitch, pages: everything)
        #expect(run.replay.recorded.total == 1)
        #expect(run.replay.v412.predicted.total == 1)
        #expect(run.replay.v412.predicted.matched(run.replay.recorded) == 1)
        // flush_tlb_page() writes a record since the flush code was merged.
        #expect(run.replay.v413Parent.predicted.total == 2)
        #expect(run.replay.v413.predicted.count(reason: 3) == 1)
    }

    @Test func `the CR3 load of a CPU that goes down leaves no record`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0))
        run.at(20, .offline(cpu: 0), .cpuDown(cpu: 0))
        for (loads, records) in [
            (run.replay.v412.scheme.counters.cr3Loads, run.replay.v412.predicted.count(reason: 0)),
            (run.replay.v413Parent.scheme.counters.cr3Loads, run.replay.v413Parent.predicted.count(reason: 0)),
            (run.replay.v413.scheme.counters.cr3Loads, run.replay.v413.predicted.count(reason: 0)),
        ] {
            #expect(loads == 2)
            #expect(records == 1)
        }
    }

    @Test func `masks that probes read are compared with each scheme's`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1))
        run.batch(20, 1, a)
        run.complete(21, 1)
        run.replay.observedMask(a, 0b11, at: run.moment(30, 0))
        run.replay.observedMask(a, 0b01, at: run.moment(30, 0))
        run.replay.observedMask(.unknown, 0b01, at: run.moment(30, 0))
        #expect(run.replay.masks == 2)
        #expect(run.replay.v412.masksMatched == 1)
        #expect(run.replay.v413.masksMatched == 1)
    }

    @Test func `what is under way at the end reaches its targets`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .user(2, a), .kernel(2))
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.replay.finish()
        let counters = run.replay.v413.scheme.counters
        #expect(counters.ipiTargets == 2)
        #expect(counters.ipiFlushed == 1)
        #expect(counters.ipiLeft == 1)
    }

    @Test func `a sender that goes on has been answered by all, once`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .user(2, a), .flushOthers(cpu: 0, mm: a, pages: 1))
        run.at(12, .deliver(cpu: 2, from: 0))
        run.complete(20, 0)
        run.complete(30, 0)
        #expect(run.replay.v412.scheme.counters.ipiFlushed == 2)
        #expect(run.replay.v412.scheme.counters.vmstat.remoteFlushReceived == 2)
    }

    @Test func `marks carry each scheme's counters at that time`() {
        var run = Run()
        // The CPUs' coming up counts as well.
        run.replay.marker("start", at: run.moment(5, 0))
        let base = run.replay.marks[0].vmstat[V412.id]?.localFlushOne ?? -1
        run.at(10, .user(0, a), .flushRange(cpu: 0, mm: a, pages: 2))
        run.replay.marker("begin", at: run.moment(20, 0))
        run.at(30, .flushRange(cpu: 0, mm: a, pages: 5))
        run.replay.marker("end", at: run.moment(40, 0))
        let marks = run.replay.marks.dropFirst()
        #expect(marks.map(\.text) == ["begin", "end"])
        #expect(marks.map(\.time) == [20, 40])
        #expect(marks.map { $0.vmstat[V412.id]?.localFlushOne } == [base + 2, base + 7])
        #expect(marks.map { $0.vmstat[V413.id]?.localFlushOne } == [base + 2, base + 7])
        #expect(run.replay.marks.allSatisfy { $0.vmstat.count == 3 })
    }

    @Test func `beyond the limit marks are counted only`() {
        var run = Run()
        for time in 0..<Replay.markLimit + 3 { run.replay.marker("m", at: run.moment(UInt64(time), 0)) }
        #expect(run.replay.marks.count == Replay.markLimit)
        #expect(run.replay.marksOmitted == 3)
    }

    @Test func `the last time is that of the last record, of whatever kind`() {
        var run = Run()
        run.at(10, .user(0, a))
        run.recorded(99, 0, reason: .taskSwitch, pages: everything)
        #expect(run.replay.lastTime == 99)
        run.at(50, .user(1, a))
        #expect(run.replay.lastTime == 99)
    }
}

extension IPITraffic {
    /// Row sender, column receiver.
    fileprivate var matrix: [Int] { (0..<cpus).flatMap { sender in (0..<cpus).map { self[sender, $0] } } }
}

struct IPITrafficTests {
    /// A lazy CPU 0 is in v4.12's mask only; CPU 1 flushes twice, CPU 2 runs the mm.
    private func traffic(_ primary: String) -> IPITraffic {
        var run = Run(cpus: 3, primary: primary)
        run.at(10, .user(0, a), .kernel(0), .user(1, a), .user(2, a))
        run.batch(20, 0, a)
        run.complete(21, 0)
        for time: UInt64 in [30, 40] {
            run.at(time, .flushOthers(cpu: 1, mm: a, pages: 1))
            run.complete(time + 1, 1)
        }
        return run.replay.traffic
    }

    @Test func `the matrix has a row for each sender and a column for each receiver, of one scheme`() {
        #expect(traffic(V413.id).matrix == [0, 1, 1, 0, 0, 2, 0, 0, 0])
        #expect(traffic(V413Parent.id).matrix == [0, 1, 1, 0, 0, 2, 0, 0, 0])
        // CPU 0 is interrupted once more, and leaves then.
        #expect(traffic(V412.id).matrix == [0, 1, 1, 1, 0, 2, 0, 0, 0])
    }

    @Test func `a process's flushes and targets are summed by scheme; a task without an mm stands for itself`() {
        let processes = traffic(V413.id).processes
        #expect(processes.count == 2)
        #expect(processes[.mm(a)]?.flushes == 2)
        #expect(processes[.mm(a)]!.targets.byScheme == ["v4.12": 3, "v4.13-parent": 2, "v4.13": 2])
        #expect(processes[.task(100)]?.flushes == 1)
        #expect(processes[.task(100)]!.targets.byScheme == ["v4.12": 2, "v4.13-parent": 2, "v4.13": 2])
    }

    @Test func `a flush without a target is none`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1), .offline(cpu: 1))
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        #expect(run.replay.v413.scheme.counters.ipiSends == 1)
        #expect(run.replay.traffic.processes.isEmpty)
    }

    @Test func `CPUs beyond 63 have their columns`() {
        var run = Run(cpus: 130)
        run.at(10, .user(129, a), .user(0, a), .user(64, a), .flushOthers(cpu: 129, mm: a, pages: 1))
        let row = run.replay.traffic.matrix[129 * 130..<130 * 130]
        #expect(row.indices.filter { row[$0] == 1 }.map { $0 - 129 * 130 } == [0, 64])
        #expect(run.replay.traffic.processes[.mm(a)]!.targets.byScheme == ["v4.12": 2, "v4.13-parent": 2, "v4.13": 2])
        #expect(run.replay.traffic.processes[.mm(a)]!.flushes == 1)
    }
}

struct ShootdownLatencyTests {
    private func sent() -> Run {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .user(2, a), .kernel(2))
        run.at(100, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.recorded(100, 0, reason: .remoteSendIPI, pages: 1)
        return run
    }

    @Test func `it lasts from the SEND_IPI record to the last answer`() {
        var run = sent()
        run.at(130, .deliver(cpu: 1, from: 0))
        run.at(125, .deliver(cpu: 2, from: 0))
        run.complete(200, 0)
        #expect(run.replay.latency.histogram.count == 1)
        #expect(run.replay.latency.histogram.max == 30)
        #expect(run.replay.latency.unanswered == 0)
    }

    @Test func `a flush that no record answers has none`() {
        var run = sent()
        run.complete(200, 0)
        #expect(run.replay.latency.histogram.count == 0)
        #expect(run.replay.latency.unanswered == 1)
        run.complete(300, 0)
        #expect(run.replay.latency.unanswered == 1)
    }

    @Test func `what the sender's own record tells is no answer`() {
        var run = sent()
        run.replay.apply(.deliver(cpu: 1, from: 0), at: run.moment(110, 0).handled(by: 1))
        run.complete(200, 0)
        #expect(run.replay.latency.histogram.count == 0)
        #expect(run.replay.latency.unanswered == 1)
    }

    @Test func `nor is a later record of a receiver that had nothing to do`() {
        var run = sent()
        var silent = run.moment(110, 1)
        silent.isSilent = true
        run.replay.apply(.deliver(cpu: 1, from: 0), at: silent)
        run.complete(200, 0)
        #expect(run.replay.latency.histogram.count == 0)
        #expect(run.replay.latency.unanswered == 1)
    }

    /// It was there before the CPU's own record.
    @Test func `what another CPU's probe shows of a receiver is one`() {
        var run = sent()
        var told = run.moment(110, 1)
        told.recordCPU = 2
        run.replay.apply(.deliver(cpu: 1, from: 0), at: told)
        run.complete(200, 0)
        #expect(run.replay.latency.histogram.count == 1)
    }

    @Test func `the sender's next flush ends the one before`() {
        var run = sent()
        run.at(110, .deliver(cpu: 1, from: 0))
        run.recorded(500, 0, reason: .remoteSendIPI, pages: 1)
        run.complete(600, 0)
        #expect(run.replay.latency.histogram.count == 1)
        #expect(run.replay.latency.histogram.max == 10)
        #expect(run.replay.latency.unanswered == 1)
    }

    @Test func `a flush at the end of the trace is cut, not unanswered`() {
        var run = sent()
        run.replay.finish()
        #expect(run.replay.latency.cut == 1)
        #expect(run.replay.latency.unanswered == 0)
    }

    @Test func `of a flush at the end of the trace the answers so far are not all`() {
        var run = sent()
        run.at(130, .deliver(cpu: 1, from: 0))
        run.replay.finish()
        #expect(run.replay.latency.cut == 1)
        #expect(run.replay.latency.histogram.count == 0)
    }

    @Test(arguments: [0, 1]) func `a flush during which records of its sender or of another CPU are lost is cut`(_ cpu: Int) {
        var run = sent()
        let gap = Moment(time: 150, cpu: cpu, pid: -1, cause: .lost)
        if cpu == 0 { run.replay.complete(cpu: 0, at: gap) }
        run.replay.apply(.forget(cpu: cpu), at: gap)
        run.complete(200, 0)
        #expect(run.replay.latency.cut == 1)
        #expect(run.replay.latency.unanswered == 0)
        run.recorded(300, 0, reason: .remoteSendIPI, pages: 1)
        run.complete(400, 0)
        #expect(run.replay.latency.unanswered == 1)
    }

    @Test func `two senders are measured apart`() {
        var run = sent()
        run.recorded(150, 1, reason: .remoteSendIPI, pages: 1)
        run.at(160, .deliver(cpu: 2, from: 0))
        run.at(170, .deliver(cpu: 0, from: 1))
        run.complete(180, 0)
        run.complete(180, 1)
        #expect(run.replay.latency.histogram.count == 2)
        #expect(run.replay.latency.histogram.min == 20)
        #expect(run.replay.latency.histogram.max == 60)
        // What both have waited.
        #expect(run.replay.latency.histogram.sum == 80)
    }

    // MARK: The end of a flush that sends no IPI

    /// CPU 0 sends; between two answers it flushes in an interrupt, for nobody else: the flush that is measured is still under way.
    private func drive(_ sink: inout some StimulusSink) {
        func moment(_ time: UInt64, _ cpu: Int) -> Moment { Moment(time: time, cpu: cpu, pid: Run.pid(cpu), cause: .tlbFlush) }
        for cpu in 0..<3 { sink.apply(.cpuUp(cpu: cpu), at: moment(0, cpu)) }
        Run.record(10, 0, reason: .remoteSendIPI, pages: 1) { sink.recorded($0) }
        sink.apply(.deliver(cpu: 1, from: 0), at: moment(30, 1))
        sink.completeUnsent(cpu: 0, at: moment(60, 0))
        sink.apply(.deliver(cpu: 2, from: 0), at: moment(90, 2))
        sink.complete(cpu: 0, at: moment(200, 0))
    }

    @Test(arguments: [3, 64, 65, 200]) func aFlushWithoutIPIsEndsNoneThatIsUnderWay(cpus: Int) {
        var replay = Replay(cpus: cpus)
        drive(&replay)
        var pipelined = PipelinedReplay(Replay(cpus: cpus), on: DispatchQueue(label: "replay"))
        drive(&pipelined)
        var watch = ConformanceWatch(Replay(cpus: cpus), candidates: [V413.id], limit: 0)
        drive(&watch)
        for replay in [replay, pipelined.result(), watch.replay] {
            #expect(replay.latency.histogram.count == 1)
            #expect(replay.latency.histogram.max == 80)
        }
    }

    /// A filter leaves out switches, and no answer.
    @Test func `a broken chain of switches loses no answer`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .user(2, a), .kernel(2))
        run.at(100, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.recorded(100, 0, reason: .remoteSendIPI, pages: 1)
        run.at(130, .deliver(cpu: 1, from: 0))
        run.replay.apply(.forget(cpu: 2), at: Moment(time: 150, cpu: 2, pid: 7, cause: .schedSwitch))
        run.complete(200, 0)
        #expect(run.replay.latency.cut == 0)
        #expect(run.replay.latency.histogram.count == 1)
    }
}
