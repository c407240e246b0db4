import Foundation
import Report
import TestSupport
import Testing

/// Records that no kernel writes, in files that are in order.
@Suite struct WrittenTraceTests {
    private func report(_ path: String, _ arguments: String...) throws -> ReportDocument {
        let outcome = try Program.run(Program.lazytlb, with: ["report", "--format", "json", path] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try readReports(json: outcome.output).first)
    }

    /// A CPU that is behind by 2^62, as far as tasks tell, and whose last record comes at the last moment that a trace may have. TSC2NSEC makes times of one cycle a ns, or there is no such
    /// option.
    @Test(arguments: [false, true]) func noCorrectionOfAClockLeadsBeyondWhatATimeMayBe(scales: Bool) throws {
        let (late, half) = (UInt64.max - 1 << 51 - 9, UInt64(1) << 62)
        var trace = WrittenTrace(cpus: 3)
        trace.formats.append(WrittenTrace.newTask)
        if scales { trace.options = WrittenTrace.le(UInt16(14)) + WrittenTrace.le(UInt32(16)) + WrittenTrace.le(UInt32(1)) + WrittenTrace.le(UInt32(0)) + WrittenTrace.le(UInt64(0)) }
        trace.run(0, 1500, 0, 8)
        trace.run(0, 2000, 8, 7)
        trace.run(0, 2001, 7, 30)
        trace.flush(0, 2005, 30, 3, 1)
        trace.turn(0)
        trace.run(0, late, 30, 0)
        for cpu in 1...2 {
            trace.flush(cpu, 1000, 0, 2, 1)
            trace.turn(cpu)
        }
        trace.make(1, half + 2000, 7)
        trace.run(1, half + 2003, 0, 30)
        trace.flush(1, half + 2004, 30, 3, 1)
        trace.make(2, half + 1000, 8)
        try trace.open { path in
            let plain = try report(path)
            #expect(plain.recorded.contextSwitches == 5)
            #expect(plain.recorded.localMMShootdowns == 2)
            let going = try report(path, "--keep-going")
            #expect(going.recorded.contextSwitches == 5)
            #expect(going.problems.isEmpty)
        }
    }

    @Test(arguments: [(WrittenTrace.marker, "ftrace:print", 70_000, "no record has more than 65535"), (WrittenTrace.tlbFlush, "tlb:tlb_flush", 200, "its fields end at 24")])
    func aRecordThatIsTooLongIsToldItsLimit(format: (system: String, text: String), name: String, size: Int, limit: String) throws {
        var trace = WrittenTrace(cpus: 1, pageSize: 1 << 17)
        if format.system == "ftrace" { trace.formats.append(format) }
        trace.run(0, 1000, 0, 7)
        trace.record(0, 1001, WrittenTrace.common(format.system == "ftrace" ? 5 : 57, 7) + [UInt8](repeating: 0x41, count: size - 8))
        try trace.open { path in
            let outcome = try Program.lazytlb("report", path)
            #expect(outcome.status == 2)
            #expect(outcome.errors.hasSuffix("record of \(name) has \(size) bytes, \(limit)\n"), "\(outcome.errors)")
        }
    }

    /// Threads read CPUs ahead of each other.
    @Test(arguments: [false, true]) func problemsComeInOneOrderWhateverTheNumberOfThreads(tellsBirths: Bool) throws {
        var trace = WrittenTrace(cpus: 2)
        if tellsBirths {
            trace.formats.append(WrittenTrace.newTask)
            trace.make(0, 900_000, 10)
        }
        for (cpu, damaged) in [5001, 1501].enumerated() {
            for index in 0..<6000 {
                let time = UInt64(1_000_000 + 1000 * index + cpu)
                if index == damaged {
                    trace.record(cpu, time, WrittenTrace.common(93, 0) + [UInt8](repeating: 0, count: 32))
                } else {
                    trace.run(cpu, time, index % 2 == 0 ? 0 : 10, index % 2 == 0 ? 10 : 0)
                }
            }
        }
        trace.flush(1, 9_000_000, 0, 3, 1)
        try trace.open { path in
            let outcomes = try [1, 2, 4].map { try Program.lazytlb("report", "--format", "json", "--keep-going", "--jobs", "\($0)", path) }
            #expect(Set(outcomes.map(\.errors)).count == 1)
            #expect(Set(outcomes.map(\.output)).count == 1)
            let causes = try readReports(json: outcomes[0].output)[0].problems.map(\.cause)
            #expect(causes.map { $0.prefix(6) } == ["CPU 0:", "CPU 1:"])
        }
    }

    private func turns(_ trace: WrittenTrace) {
        for index in 0..<100 {
            let (gone, next): (Int32, Int32) = index % 2 == 0 ? (8, 7) : (7, 8)
            trace.run(0, UInt64(1_000_000 + 2000 * index), gone, next)
            trace.flush(0, UInt64(1_000_100 + 2000 * index), gone, 0, -1)
            trace.flush(0, UInt64(1_000_200 + 2000 * index), next, 3, 1)
        }
    }

    /// A full buffer that is not overwritten takes no more records, and leaves no mark: only its statistics tell. What was overwritten came before all that is there.
    @Test(arguments: [("dropped events", 7), ("commit overrun", 7), ("overrun", 0)]) func whatTheBufferDroppedIsLost(name: String, lost: Int) throws {
        var trace = WrittenTrace(cpus: 1)
        turns(trace)
        let text = Array("CPU: 0\nentries: 0\n\(name): 7\n\0".utf8)
        trace.options = WrittenTrace.le(UInt16(2)) + WrittenTrace.le(UInt32(text.count)) + text
        try trace.open { path in
            let found = try report(path)
            #expect((found.trace.lostEvents, found.trace.lostGaps) == (lost, lost > 0 ? 1 : 0))
            #expect(found.evidence.notes.contains { $0.contains("took no more when it was full: 7 records") } == (lost > 0))
            let refused = try Program.lazytlb("baseline", "--output", "/dev/null", path)
            #expect((refused.status == 0) == (lost == 0), "\(refused.errors)")
            let timeline = try Program.lazytlb("timeline", path)
            #expect(timeline.status == 0)
            #expect(timeline.errors.contains("\(path): The buffer of CPU 0 took no more when it was full: 7 records") == (lost > 0))
        }
    }

    /// trace_clock_jiffies(), kernel/trace/trace_clock.c: numbers of the timer's ticks, whose length a trace does not tell.
    @Test func theClockUptimeCountsNoTime() throws {
        var trace = WrittenTrace(cpus: 1)
        trace.clock = "local global counter [uptime] perf mono\n"
        turns(trace)
        try trace.open { path in
            let (found, info) = (try report(path), try Program.lazytlb("info", path))
            #expect(found.trace.timeUnit == .count)
            #expect(info.text.contains("uptime (jiffies, not ns)"))
        }
    }

    @Test(arguments: [("4.8.17-lab", true), ("4.9.0", false)]) func kernelsWhoseRecordsAreNotKnownAreSaidToBeSo(release: String, isOlder: Bool) throws {
        var trace = WrittenTrace(cpus: 1)
        trace.release = release
        turns(trace)
        try trace.open { path in
            let (found, text) = (try report(path), try Program.lazytlb("report", path).text)
            #expect(found.evidence.notes.contains { $0.contains("before v4.9") } == isOlder)
            #expect(text.contains("≥ 100"))
        }
    }
}
