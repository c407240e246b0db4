import Foundation
import Report
import TestSupport
import Testing
import TraceData
import TraceForms

/// A text as a whole: heads of lines, order, losses, what is between records, limits.
@Suite struct TextTests {
    /// The same record in all the heads that a line can have.
    static let heads: [(String, UInt64, UInt8)] = [
        ("            bash-100     [002] d.h2.  5.000100: ", 5_000_100_000, 0x09),
        ("            bash-100     [002] d.h2  5.000100: ", 5_000_100_000, 0x09),
        ("            bash-100   (    100) [002] d.h2.     5.000100: ", 5_000_100_000, 0x09),
        ("           <...>-100   (-------) [002] d.h2.     5.000100: ", 5_000_100_000, 0x09),
        ("            bash-100     [002]  5.000100: ", 5_000_100_000, 0x02),
        ("            bash-100   [002]     5.000100123: ", 5_000_100_123, 0x02),
        ("    bash-100     2d.h..     5.000100: ", 5_000_100_000, 0x09),
        ("    bash-100     2-0x9     5.000100123: ", 5_000_100_123, 0x09),
        ("    bash-100     2d.h1.226185794207: ", 226_185_794_207, 0x09),
        ("bash-100 [002] DNs3. 5.000100: ", 5_000_100_000, 0x81 | 0x24 | 0x10),
        ("            bash-100     [002]226185794207: ", 226_185_794_207, 0x02),
    ]

    @Test(arguments: heads)
    func eachHeadOfALineIsRead(_ head: String, _ time: UInt64, _ flags: UInt8) throws {
        let seen = try #require(try Text.read("\(head)tlb_flush: pages:7 reason:local shootdown (2)\n").first)
        #expect((seen.cpu, seen.pid, seen.time, seen.flags) == (2, 100, time, flags), "\(seen)")
        #expect(seen["pages"] == "7")
    }

    /// trace_print_lat_fmt(): TRACE_FLAG_HARDIRQ is 0x08, TRACE_FLAG_SOFTIRQ 0x10, TRACE_FLAG_NMI 0x40.
    @Test(arguments: [(".", 0), ("s", 0x10), ("h", 0x08), ("H", 0x18), ("z", 0x40), ("Z", 0x48)] as [(String, UInt8)])
    func theThirdColumnTellsInterrupts(_ letter: String, _ flags: UInt8) throws {
        #expect(try Text.read(Text.line(Text.flush, flags: "d.\(letter)2.")).map(\.flags) == [0x01 | flags])
    }

    @Test func linesOfTheSameMicrosecondKeepTheirOrder() throws {
        let cpus = [3, 1, 2, 0, 0, 3]
        let text = cpus.enumerated().map { Text.line("tlb_flush: pages:\($0) reason:x (2)", cpu: $1) }.joined()
        let seen = try Text.read(text)
        #expect(seen.map(\.cpu) == cpus)
        #expect(seen.map { $0["pages"] } == (0..<6).map { "\($0)" })
        // None is moved by as much as times are rounded by.
        #expect(seen.allSatisfy { $0.time / 1000 == 5_000_100 })
    }

    @Test func aThousandLinesOfTheSameMicrosecondStayInIt() throws {
        let text = (0..<3000).map { Text.line("tlb_flush: pages:\($0) reason:x (2)") }.joined() + Text.line(Text.flush, time: "5.000101")
        let seen = try Text.read(text)
        #expect(seen.count == 3001)
        #expect(seen.dropLast().allSatisfy { $0.time / 1000 == 5_000_100 })
        #expect(seen.dropLast().map { $0["pages"] } == (0..<3000).map { "\($0)" })
    }

    @Test func timesThatGoBackOnACPUAreAnErrorAndThoseOfOthersAreNot() throws {
        let error = try #require(try Text.failure(Text.line(Text.flush, cpu: 1) + Text.line(Text.flush, cpu: 0, time: "4.000000") + Text.line(Text.flush, cpu: 1, time: "4.999999")))
        #expect(error.line == 3)
        #expect(error.cause == "time of CPU 1 goes back by 101000 ns, from 5000100000 ns to 4999999000 ns")
    }

    @Test func lostEventsAreGapsBeforeTheNextRecordOfTheirCPU() throws {
        let text =
            Text.line(Text.flush, cpu: 1) + "CPU:1 [LOST 123 EVENTS]\n" + Text.line(Text.flush, cpu: 0, time: "5.000200") + Text.line(Text.flush, cpu: 1, time: "5.000300")
            + "CPU:0 [LOST EVENTS]\nCPU:1 [10981 EVENTS DROPPED]\n" + Text.line(Text.flush, cpu: 0, time: "5.000400") + Text.line(Text.flush, cpu: 1, time: "5.000500")
            + "CPU:0 [EVENTS DROPPED]\n"
        let seen = try Text.read(text)
        let short = seen.map { "\($0.cpu) \($0.event) \($0["events"] ?? "")" }
        #expect(
            short == [
                "1 tlb_flush ", "0 tlb_flush ", "1 lost 123", "1 tlb_flush ", "0 lost 0", "0 tlb_flush ", "0 lost 0", "1 lost 10981", "1 tlb_flush ",
            ])
    }

    @Test func overwrittenEventsAreAGapAtTheBeginOfEachCPU() throws {
        let text = "# tracer: nop\n#\n# entries-in-buffer/entries-written: 2/10   #P:4\n#\n" + Text.line(Text.flush, cpu: 0) + Text.line(Text.flush, cpu: 1, time: "5.000200")
        try Text.open(Data(text.utf8)) { file in
            let found1 = try Text.records(file)
            #expect(found1.map { "\($0.cpu) \($0.event)" } == ["0 lost", "0 tlb_flush", "1 lost", "1 tlb_flush"])
            #expect(file.cpuCount == 4)
            #expect(file.origin.leftOut.contains { $0.hasPrefix("8 events were overwritten") })
        }
    }

    /// The kernel counts what is in the buffer, lines of any event: a text that ends with a line and has fewer is cut off.
    @Test(arguments: [(3, true), (2, false), (1, false)]) func aTextWithFewerLinesThanItsHeaderCountsIsSaidToBeCutOff(counted: Int, isShort: Bool) throws {
        let lines = Text.line(Text.flush, cpu: 0) + Text.line("sched_waking: comm=a pid=1 prio=120 target_cpu=000", cpu: 1, time: "5.000200")
        try Text.open(Data("# tracer: nop\n#\n# entries-in-buffer/entries-written: \(counted)/\(counted)   #P:4\n#\n\(lines)".utf8)) { file in
            let cause = "the header counts \(counted) events in the buffer, and the text has 2: it is cut off, or lines were taken out"
            #expect(file.problems.map(\.error.cause) == (isShort ? [cause] : []))
        }
    }

    private static func header(_ left: Int, of written: Int) -> String { "# tracer: nop\n#\n# entries-in-buffer/entries-written: \(left)/\(written)   #P:2\n#\n" }

    /// print_event_info(), kernel/trace/trace.c: the header of per_cpu/cpuN/trace counts the events of all CPUs.
    @Test func theFilesOfAllCPUsOneAfterAnotherAreAWholeText() throws {
        let text = Self.header(3, of: 10) + Text.line(Text.flush) + Text.line(Text.flush, time: "5.000200") + Self.header(3, of: 10) + Text.line(Text.flush, cpu: 1)
        try Text.open(Data(text.utf8)) { file throws in
            #expect(file.problems.isEmpty)
            #expect(try Text.records(file).map { "\($0.cpu) \($0.event)" } == ["0 lost", "0 tlb_flush", "1 lost", "1 tlb_flush", "0 tlb_flush"])
            #expect(file.origin.leftOut.contains { $0.hasPrefix("7 events were overwritten") })
        }
        // Two that are one behind the other.
        let others = Self.header(1, of: 1) + Text.line(Text.flush) + Self.header(2, of: 2) + Text.line(Text.flush, cpu: 1, time: "6.000000")
        try Text.open(Data(others.utf8)) { file in
            #expect(file.problems.map(\.error.cause) == ["the header counts 3 events in the buffer, and the text has 2: it is cut off, or lines were taken out"])
        }
    }

    @Test func theFileOfOneCPUIsAPartAndNotCutOff() throws {
        let lines = Text.line(Text.flush, cpu: 1) + Text.line("sched_waking: comm=a pid=1 prio=120 target_cpu=000", cpu: 1, time: "5.000200")
        try Text.open(Data((Self.header(3, of: 3) + lines).utf8)) { file in
            #expect(file.problems.map(\.error.cause) == ["the header counts 3 events of all CPUs in the buffer, and the text has 2, all of CPU 1: it is that CPU's alone (per_cpu/cpu1/trace), or lines are missing"])
        }
        // Of two CPUs, where a third one's is missing.
        let text = Self.header(4, of: 4) + lines + Self.header(4, of: 4) + Text.line(Text.flush, time: "5.000300")
        try Text.open(Data(text.utf8)) { file in
            #expect(file.problems.map(\.error.cause) == ["the header counts 4 events of all CPUs in the buffer, and the text has 3: the file of a CPU (per_cpu/cpuN/trace) is missing, or lines are"])
        }
    }

    @Test func aLineThatCannotBeReadIsNotMissingToo() throws {
        let text = "# tracer: nop\n#\n# entries-in-buffer/entries-written: 2/2   #P:4\n#\n" + Text.line(Text.flush) + "what is this, then?\n"
        try Text.open(Data(text.utf8), keepGoing: true) { file in
            #expect(file.problems.map(\.error.line) == [6])
        }
    }

    @Test func whatIsBetweenRecordsIsNoRecordAndOtherEventsAreCounted() throws {
        let text = """
            version = 7
            CPU 2 is empty
            cpus=4
            \(Text.line("sched_waking: comm=a pid=1 prio=120 target_cpu=000"))\(Text.line("sched_waking: comm=b pid=1 prio=120 target_cpu=000"))
            ##### CPU 1 buffer started ####
            \(Text.line("kernel_stack:         <stack trace >"))=> cpu_startup_entry (ffffffff8105a122)
             => schedule
            \(Text.line("__schedule <-schedule"))\(Text.line(Text.flush))
            """ + "\n"
        try Text.open(Data(text.utf8)) { file in
            let found2 = try Text.records(file)
            #expect(found2.map(\.event) == ["tlb_flush"])
            #expect(file.cpuCount == 4)
            #expect(file.origin.form == .text)
            #expect(file.origin.leftOut.contains { $0.contains("4 lines are of events") && $0.contains("sched_waking (2)") }, "\(file.origin.leftOut)")
        }
    }

    /// `trace-cmd report --ts-diff`; in ns with -t, in the clock's own units where these are others.
    @Test(arguments: ["        ", "(+29)   ", "(+28454)", "(+-3)   ", "(+18446744073709551615)"]) func theTimeSinceTheLineBeforeIsSteppedOver(_ difference: String) throws {
        let text = "            bash-100     [002]  5.000100: \(difference) tlb_flush:            pages=7 reason=local shootdown (2)\n"
        try Text.open(Data(text.utf8)) { file in
            let found = try Text.records(file)
            #expect(found.map { $0["pages"] } == ["7"])
            #expect(!file.origin.leftOut.contains { $0.contains("that the replay does not use") })
        }
    }

    /// trace_stack_print() and trace_user_stack_print(), kernel/trace/trace_output.c: by a trigger, or the options stacktrace and userstacktrace.
    @Test func stacksOfTheKernelsTextAreSteppedOver() throws {
        let text = """
            # tracer: nop
            #
            # entries-in-buffer/entries-written: 6/6   #P:2
            #
            \(Text.line(Text.flush))\(Text.line("<stack trace>")) => trace_event_raw_event_tlb_flush
             => flush_tlb_func+0x12/0x340
             => flush_tlb_mm_range <ffffffff8105a122>
            \(Text.line("<user stack trace>")) =>  <00007f4277776353>
             => /usr/lib/x86_64-linux-gnu/libc.so.6[+0x106353]
             => ??
            \(Text.line("tracing_mark_write: hello"))\(Text.line("<stack trace>")) => vfs_write
            \(Text.line("tlb_flush: pages:7 reason:local shootdown (2)"))
            """
        try Text.open(Data(text.utf8)) { file in
            let found = try Text.records(file)
            #expect(found.map(\.event) == ["tlb_flush", "print", "tlb_flush"])
            #expect(found[1]["buf"] == "hello\n")
            #expect(file.problems.isEmpty)
            #expect(file.origin.leftOut.contains("3 lines are of events that the replay does not use: kernel_stack (2), user_stack (1)."), "\(file.origin.leftOut)")
        }
    }

    /// What trace_printk() writes may have line breaks (trace_bprint_print(), kernel/trace/trace_output.c); so may strings in the fields of any event.
    @Test func anEventThatIsNotReadMayGoOnWithTheNextLines() throws {
        let text =
            Text.line("my_func: first line") + "a second line of trace_printk\nshort\n\n" + Text.line(Text.flush) + Text.line("my_func: short") + "end\n"
            + "tlbbuf:   \(Text.line("tracing_mark_write: of another buffer"))and its second line\n"
            // A name with a line break is none of it.
            + Text.line("my_func: again") + "       two\nlines-300     [000] d..2.  5.000100: \(Text.flush)\n"
        try Text.open(Data(text.utf8)) { file throws in
            #expect(try Text.records(file).map { "\($0.event) \($0.pid)" } == ["tlb_flush 100", "tlb_flush 300"])
            #expect(file.origin.leftOut.contains("3 lines are of events that the replay does not use: my_func (3)."), "\(file.origin.leftOut)")
            // It has no line in saved_cmdlines; nor has the half of it.
            #expect(file.commands[300] == nil)
        }
        // What is of an event that is read, and has lost its head.
        let damaged = Text.line("my_func: first line") + "000] d..2.  5.000100: \(Text.flush)\n"
        #expect(try Text.failure(damaged)?.line == 2)
    }

    @Test func aBufferIsReadByTheNameBeforeItsLines() throws {
        let text =
            "cpus=4\n          \(Text.line("tlb_flush: pages:1 reason:x (2)"))"
            + "tlbbuf:   \(Text.line("tlb_flush: pages:2 reason:x (2)"))" + "          \(Text.line("tlb_flush: pages:3 reason:x (2)"))"
        let found3 = try Text.read(text)
        #expect(found3.map { $0["pages"] } == ["1", "3"])
        // The others are not left out in silence.
        try Text.open(Data(text.utf8)) { file in
            #expect(file.origin.leftOut.contains("Lines of other buffers are not read: \"tlbbuf\"."))
            #expect(MissingEvents(file, withoutRecord: ["sched:sched_switch"]).lines.contains("other buffers have data: --buffer tlbbuf (both events must be in one: the records of two buffers are not put together)"))
            #expect(MissingEvents(file, withoutRecord: ["sched:sched_switch", "tlb:tlb_flush"]).lines.contains("other buffers have data: --buffer tlbbuf"))
        }
        let found4 = try Text.read(text, buffer: "tlbbuf")
        #expect(found4.map { $0["pages"] } == ["2"])
        let error = try #require(throws: TraceError.self) { try Text.read(text, buffer: "other") }
        #expect(error.cause == "no line is of buffer \"other\"; there are lines of the top one (--buffer ''), \"tlbbuf\"")
    }

    /// `trace-cmd report -i host.dat -i g.dat` (print_handle_file(), tracecmd/trace-read.c of v3.1): the file's name before each line, filled up to the longest one's.
    @Test func filesThatTraceCmdPrintedTogetherAreToldApartLikeBuffers() throws {
        let text =
            "host.dat: cpus=4\n   g.dat: cpus=2\nhost.dat: \(Text.line("tlb_flush: pages:1 reason:x (2)"))   g.dat: \(Text.line("tlb_flush: pages:2 reason:x (2)"))"
            + "   g.dat: \(Text.line("tracing_mark_write: a", cpu: 1))b\n   g.dat: \(Text.line("tracing_mark_write: file: cpus=3", cpu: 1))"
        for (name, cpus, events) in [("host.dat", 4, ["tlb_flush 1"]), ("g.dat", 2, ["tlb_flush 2", "print a\nb\n", "print file: cpus=3\n"])] {
            try Text.open(Data(text.utf8), buffer: name) { file throws in
                #expect(try Text.records(file).map { "\($0.event) \($0["pages"] ?? $0["buf"] ?? "")" } == events)
                #expect(file.cpuCount == cpus)
                #expect(file.buffer.name == name)
            }
        }
        #expect(try Text.failure(text)?.cause == "no line is of the top buffer; there are lines of \"g.dat\", \"host.dat\"")
    }

    /// `trace-cmd report -V`.
    @Test func whatTraceCmdTellsOfItsPluginsIsNoRecord() throws {
        let text = "version = 7\nregistering plugin: /usr/lib/traceevent/plugins/plugin_tlb.so\noverriding event (57) tlb:tlb_flush with new print handler\ncpus=4\n"
        #expect(try Text.read(text + Text.line(Text.flush)).map(\.event) == ["tlb_flush"])
    }

    /// Options of the kernel that print something else (print_event_fields(), print_raw_fmt() and print_hex_fmt(), kernel/trace/; Linux 6.18 wrote these lines).
    @Test(arguments: [
        // Not in the order of the format, as kernels print fields that had the option first; and probe events.
        ("            bash-21787   [000] d..1. 50573.899910: tlb_flush: pages=0xffffffffffffffff (-1) reason=0x0 (0)", "fields", 0),
        ("            bash-21787   [000] d..1. 50573.899910: sw_mm: __probe_ip=0xffffffff8106d080 (-2130259840) prev=0x1 (1)", "fields", 0),
        ("21787 0 50573899910066 type: 188", "raw", 0), ("0000551b 00000000 00002dff2756cbb2 type: 188", "hex", 0), ("tlb_flush: pages:-1 reason:flush on task switch (0)", "context-info", 1),
    ])
    func whatAnOptionOfTheKernelPrintsOtherwiseIsRefusedWithItsName(_ line: String, _ option: String, _ value: Int) throws {
        let error = try #require(try Text.failure("# tracer: nop\n#\n\(line)\n"))
        #expect(error.line == 3)
        #expect(error.cause == "as the kernel's option \(option) prints events, which is not read: echo \(value) > options/\(option)")
    }

    /// v4.20 to v5.12: on_each_cpu_cond_mask() runs the remote handler on the sender as well (kernel/smp.c), in task context, when all others have answered; it has nothing left to flush.
    @Test(arguments: [("5.10.0", [false, true, true, false, true]), ("4.19.0", [true, true, true, false, true]), ("5.13.0", [true, true, true, false, true])])
    func whatASenderRepeatsIsNoHandlers(_ kernel: String, _ expected: [Bool]) throws {
        func line(_ body: String, cpu: Int, _ time: Int) -> String { "            bash-\(100 + cpu)     [00\(cpu)]     5.000\(time): tlb_flush: \(body)\n" }
        let text =
            line("pages:1 reason:remote ipi send (4)", cpu: 0, 100) + line("pages:0 reason:remote shootdown (1)", cpu: 0, 200)
            // Another one's flush, while it waits; and two of them, of which one finds nothing left to do.
            + line("pages:1 reason:remote ipi send (4)", cpu: 0, 300) + line("pages:3 reason:remote shootdown (1)", cpu: 0, 400)
            + line("pages:0 reason:remote shootdown (1)", cpu: 1, 500)
            + line("pages:5 reason:local mm shootdown (3)", cpu: 1, 600) + line("pages:0 reason:remote shootdown (1)", cpu: 1, 700)
        let found = try Text.read(text, kernel: kernel).filter { $0["reason"] != "4" }
        #expect(found.map { $0.flags & 0x08 != 0 } == expected)
    }

    /// The same beside probe events, of which the sender's own call has its own arguments: flush_tlb_func_remote() of v5.10.
    @Test(arguments: [28, 29]) func whatASenderRepeatsShowsInItsProbe(generation: Int) throws {
        func line(_ event: String, _ body: String, _ time: Int) -> String { "            bash-100     [000]     5.000\(time): \(event): \(body)\n" }
        let range = "mm=0xffff88801fe15500 start=0x7fd98b94b000 end=0x7fd98b94c000"
        let text =
            line("fl_others", "(ffffffff8106d2e0) mask=0xf \(range) tlb_gen=28", 100) + line("tlb_flush", "pages:1 reason:remote ipi send (4)", 200)
            + line("fl_remote", "(ffffffff8106d080) \(range) tlb_gen=\(generation) lm0=0xffff88801fe15500", 300) + line("tlb_flush", "pages:1 reason:remote shootdown (1)", 400)
        let found = try Text.read(text, kernel: "5.10.0").suffix(2)
        #expect(found.map { $0.flags & 0x08 != 0 } == (generation == 28 ? [false, false] : [true, true]))
    }

    @Test func aTextWithoutFlagsTellsHandlersByTheOrderOfEvents() throws {
        func line(_ body: String, _ pid: Int, _ cpu: Int, _ time: Int) -> String {
            "            bash-\(pid)     [00\(cpu)]  5.00010\(time): \(body)\n"
        }
        func change(_ from: Int, _ to: Int) -> String { "sched_switch: prev_comm=a prev_pid=\(from) prev_prio=120 prev_state=S ==> next_comm=b next_pid=\(to) next_prio=120" }
        let text =
            line(change(100, 0), 100, 1, 1) + line("tlb_flush: pages:1 reason:x (4)", 200, 0, 2) + line(Text.flush, 0, 1, 3) + line("tlb_flush: pages:1 reason:x (1)", 300, 2, 3)
            + line(change(0, 100), 0, 1, 4) + line(Text.flush, 0, 1, 5) + line(Text.flush, 100, 1, 6) + line(change(200, 0), 200, 0, 7) + line(Text.flush, 0, 0, 8)
        // In the handler: the idle CPU that leaves while CPU 0 sends, and the remote half. Not: the load of a switch, that of a task with an mm, idle's own.
        let found5 = try Text.read(text)
        #expect(found5.map { $0.flags & 0x08 != 0 } == [false, false, true, true, false, false, false, false, false])
    }

    /// A CPU answers others.
    @Test(arguments: [false, true]) func aTextWithoutFlagsTakesNoSendersCR3LoadForAnAnswerToItself(isAnotherSending: Bool) throws {
        func line(_ body: String, _ pid: Int, _ cpu: Int) -> String { "            bash-\(pid)     [00\(cpu)]  5.000100: \(body)\n" }
        let send = "tlb_flush: pages:-1 reason:remote ipi send (4)"
        let found = try Text.read((isAnotherSending ? line(send, 300, 1) : "") + line(send, 200, 0) + line(Text.flush, 200, 0))
        #expect(found.last.map { $0.flags & 0x08 != 0 } == isAnotherSending)
    }

    @Test func aTextThatIsCutOffInALineIsAnError() throws {
        let text = Text.line(Text.flush) + Text.line(Text.flush).dropLast()
        let error = try #require(try Text.failure(text))
        #expect(error.line == 2)
        #expect(error.cause.contains("cut off"))
        let seen1 = try Text.read(text, keepGoing: true)
        #expect(seen1.filter { $0.event != "lost" }.count == 1)
    }

    @Test func linesThatCannotBeReadAreListedAndLeaveGaps() throws {
        let text = Text.line(Text.flush) + "nonsense that is no line\n" + Text.line(Text.flush, time: "5.000200") + Text.line("tlb_flush: x") + Text.line(Text.flush, cpu: 1, time: "5.000300")
        let error = try #require(try Text.failure(text))
        #expect(error.description.hasSuffix("line 2: not a line of ftrace's text, which has a task, a CPU, a time and an event: \"nonsense that is no line\""))
        try Text.open(Data(text.utf8), keepGoing: true) { file in
            let found6 = try Text.records(file)
            #expect(found6.map { "\($0.cpu) \($0.event)" } == ["0 tlb_flush", "0 lost", "0 tlb_flush", "0 lost", "1 lost", "1 tlb_flush"])
            #expect(file.problems.map(\.error.line) == [2, 4])
        }
    }

    /// Its head tells on which CPU a record is missing.
    @Test func aLineWhoseHeadCanBeReadLeavesAGapOnItsCPUAlone() throws {
        let text = (0..<2).map { Text.line(Text.flush, cpu: $0) }.joined() + Text.line("tlb_flush: x", cpu: 1) + (0..<2).map { Text.line(Text.flush, cpu: $0, time: "5.000200") }.joined()
        #expect(try Text.read(text, keepGoing: true).map { "\($0.cpu) \($0.event)" } == ["0 tlb_flush", "1 tlb_flush", "0 tlb_flush", "1 lost", "1 tlb_flush"])
    }

    @Test func severalLinesThatCannotBeReadOnEndAreOneGapOnEachCPU() throws {
        let text = (0..<2).map { Text.line(Text.flush, cpu: $0) }.joined() + String(repeating: "nonsense that is no line\n", count: 5) + (0..<2).map { Text.line(Text.flush, cpu: $0, time: "5.000200") }.joined()
        #expect(try Text.read(text, keepGoing: true).map { "\($0.cpu) \($0.event)" } == ["0 tlb_flush", "1 tlb_flush", "0 lost", "0 tlb_flush", "1 lost", "1 tlb_flush"])
    }

    @Test func aProbeThatCannotBeReadLeavesNoRecord() throws {
        let text = Text.line("sw_mm: (1) prev=0x1") + Text.line("sw_mm: (1) other=0x1", time: "7.000000") + Text.line("sw_mm: (1) prev=0x2", time: "6.000000")
        let seen = try Text.read(text, keepGoing: true)
        #expect(seen.map(\.event) == ["sw_mm", "lost", "sw_mm"])
        #expect(seen.map { $0["prev"] } == ["1", nil, "2"])
    }

    @Test func onlySoManyProblemsAreListed() throws {
        let text = Text.line(Text.flush) + String(repeating: "nonsense that is no line\n", count: 1000) + Text.line(Text.flush)
        try Text.open(Data(text.utf8), keepGoing: true) { file in
            let seen2 = try Text.records(file)
            #expect(seen2.filter { $0.event == "tlb_flush" }.count == 2)
            #expect(file.problems.count == 21)
            #expect(file.problems.last?.error.cause == "980 more lines cannot be read")
        }
    }

    @Test(
        arguments: [
            "            bash-100     [99999999] d..2.  5.000100: \(Text.flush)", "            bash-100     [8192] d..2.  5.000100: \(Text.flush)",
            "            bash-9999999999     [000] d..2.  5.000100: \(Text.flush)", "            bash-100     [000] d..2.  99999999999999999999.000100: \(Text.flush)",
            "            bash-100     [000] d..2.  5.0001000000000: \(Text.flush)", "            bash-100     [000] d..2.  18000000000.000100: \(Text.flush)",
            "# entries-in-buffer/entries-written: 2/99999999999999999999   #P:4", "# entries-in-buffer/entries-written: 2/2   #P:99999", "cpus=99999",
            "CPU:99999999 [LOST EVENTS]", "    bash-100     0d..1. 17470us : \(Text.flush)", "            bash-100     [000] d..2.  x: \(Text.flush)",
            "            bash-100     [000] ?????  5.000100: \(Text.flush)", "\u{0}\u{0}\u{0}",
        ])
    func whatCannotBeIsAnErrorWithItsLine(_ line: String) throws {
        let error = try #require(try Text.failure(Text.line(Text.flush, time: "4.000000") + "\(line)\n"))
        #expect(error.line == 2, "\(error)")
    }

    @Test func aLineLongerThanAnyIsLeftOutWithoutKeepingIt() throws {
        let text = Text.line(Text.flush) + String(repeating: "x", count: 3 << 20) + "\n" + Text.line(Text.flush, time: "5.000200")
        let error = try #require(try Text.failure(text))
        #expect((error.line, error.cause) == (2, "the line is longer than 1048576 bytes, as no line of ftrace is"))
        let found7 = try Text.read(text, keepGoing: true)
        #expect(found7.map(\.event) == ["tlb_flush", "lost", "tlb_flush"])
    }

    @Test func whatIsNoTraceIsToldApart() throws {
        let found8 = try Text.failure("# lazytlb\n\nreplays traces\n")
        #expect(found8?.cause.hasPrefix("not a trace: neither trace.dat, perf.data nor ftrace's text; it begins with \"# lazytlb\\x0a") == true)
        let script = "swapper     0 [000]   100.000001: sched:sched_switch: prev_comm=swapper/0 prev_pid=0\n"
        #expect(try Text.failure("# captured on: x\n#\n" + script)?.cause == "the text of perf script, which is not read: give the perf.data that it was made of")
        let found9 = try Text.failure("")
        #expect(found9?.cause == "the file is empty")
        let found10 = try Text.failure(Data([0x17, 0x08]))
        #expect(found10?.cause == "truncated: the file has only 2 bytes")
    }

    @Test(arguments: [
        ([0x1f, 0x8b, 0x08], "gzip", "zcat"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz", "xzcat"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
        ([0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59], "bzip2", "bzcat"),
    ] as [([UInt8], String, String)]) func whatIsCompressedIsCalledSo(_ magic: [UInt8], _ what: String, _ program: String) throws {
        let error = try Text.failure(Data(magic + [UInt8](repeating: 0x55, count: 100)))
        #expect(error?.cause == "compressed with \(what): `\(program) FILE | lazytlb COMMAND -` reads what is in it")
    }

    @Test func aTextIsReadFromAPipe() throws {
        try withTemporaryFile(Data((Text.line(Text.flush) + Text.line(Text.flush, cpu: 2)).utf8)) { path in
            let result = try Program.run("/bin/sh", "-c", "cat \"$1\" | \"$0\" events -; mkfifo \"$1.fifo\"; cat \"$1\" >\"$1.fifo\" & \"$0\" events \"$1.fifo\"; rm \"$1.fifo\"", Program.lazytlb, path)
            #expect(result.errors == "")
            #expect(result.text.split(separator: "\n").count == 4)
        }
        let file = try Program.run("/bin/sh", "-c", "\"$0\" info - <\"$1\"", Program.lazytlb, Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        #expect(file.text.contains("trace.dat version 7"))
        let pipe = try Program.run("/bin/sh", "-c", "cat \"$1\" | \"$0\" info -", Program.lazytlb, Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        #expect(pipe.text == file.text)
    }
}
