import Foundation
import TestSupport
import Testing
import TraceData

/// The texts of the events, in all the ways in which the kernel and trace-cmd print them.
@Suite struct EventTextTests {
    private static let switches = [
        // The kernel, and trace-cmd without plugins.
        "prev_comm=bash prev_pid=100 prev_prio=120 prev_state=D ==> next_comm=kworker/0:1 next_pid=7 next_prio=-1",
        // libtraceevent's plugin.
        "bash:100 [120] D ==> kworker/0:1:7 [-1]",
        // trace-cmd report -R.
        "prev_comm=bash prev_pid=100 prev_prio=120 prev_state=2 next_comm=kworker/0:1 next_pid=7 next_prio=-1",
        "prev_comm=bash prev_pid=100 prev_prio=120 prev_state=0x2 next_comm=kworker/0:1 next_pid=7 next_prio=-1",
    ]

    @Test(arguments: switches)
    func eachFormOfSchedSwitchIsTheSameRecord(_ body: String) throws {
        let seen = try #require(try Text.read(Text.line("sched_switch: \(body)")).first)
        #expect(seen.time == 5_000_100_000)
        #expect((seen.cpu, seen.pid, seen.flags) == (0, 100, 1))
        #expect(
            seen.fields == [
                "prev_comm": "bash", "prev_pid": "100", "prev_prio": "120", "prev_state": "2", "next_comm": "kworker/0:1", "next_pid": "7", "next_prio": "-1",
            ])
    }

    /// Names that look like the text around them, or like the head of a line: prctl(PR_SET_NAME) takes any 15 bytes.
    private static let names = [
        "", " ", "a b", " ==> b", "x ==> y:1 [1]", "-1 [000] 1.0: ", "prev_pid=1", " prev_pid=1", "next_comm=", " next_pid=9", "a:1 [120] R", "[000]", "===> R ==>", "]", "a]",
        "R ==> b:1 [120]", " next_prio=1", "prev_state=S", "\u{1b}[31m\t", "a\nb", "\n\n\n", "a-1 [001]\n1.0: ", "naïve-名前",
    ]

    @Test(arguments: names)
    func namesMayHoldAnything(_ prev: String) throws {
        let forms: [(String) -> String] = [
            { "prev_comm=\(prev) prev_pid=100 prev_prio=120 prev_state=S ==> next_comm=\($0) next_pid=7 next_prio=120" },
            { "        \(prev):100 [120] S ==> \($0):7 [120]" },
            { "prev_comm=\(prev) prev_pid=100 prev_prio=120 prev_state=1 next_comm=\($0) next_pid=7 next_prio=120" },
        ]
        for form in forms {
            let text = Self.names.map { Text.line("sched_switch: \(form($0))", name: prev) + Text.line(Text.flush) }.joined()
            let seen = try Text.read(text)
            let switches = seen.filter { $0.event == "sched_switch" }
            #expect(seen.count == 2 * Self.names.count)
            #expect(switches.map { $0["prev_comm"] } == Self.names.map { _ in prev })
            #expect(switches.map { $0["next_comm"] } == Self.names)
            #expect(switches.allSatisfy { $0["prev_pid"] == "100" && $0["next_pid"] == "7" && $0.pid == 100 })
        }
    }

    /// include/trace/events/sched.h of v4.12 and of v4.14, and libtraceevent 1.7.1's plugin ("SDTtZXxW").
    @Test(
        arguments: [
            ("R", nil, 0), ("S", nil, 1), ("D", nil, 2), ("T", nil, 4), ("t", nil, 8), ("S|D", nil, 3), ("x", "4.12.4", 64), ("D|K", "4.12.4", 130), ("W", "4.12.4", 256),
            ("R+", "4.12.4", 4096), ("P", "4.12.4", 512), ("Z", "v4.13", 16), ("X", "v4.13", 32), ("X", "6.1", 16), ("Z", "6.1", 32), ("P", "6.1", 64), ("I", "6.1", 128),
            ("R+", "6.1", 256), ("I", nil, 128), ("x", nil, 64),
        ] as [(String, String?, Int)])
    func stateLettersBecomeTheBitsOfTheKernelsGeneration(_ letters: String, _ kernel: String?, _ bits: Int) throws {
        let line = Text.line("sched_switch: prev_comm=a prev_pid=100 prev_prio=120 prev_state=\(letters) ==> next_comm=b next_pid=7 next_prio=120")
        let found1 = try Text.read(line, kernel: kernel)
        #expect(found1.first?["prev_state"] == "\(bits)")
    }

    @Test(arguments: [("x", 64), ("D|W", 130), ("Z", 16), ("X", 32), ("R", 0)])
    func thePluginsLettersAreThoseOfItsOwnTable(_ letters: String, _ bits: Int) throws {
        let found2 = try Text.read(Text.line("sched_switch:         a:100 [120] \(letters) ==> b:7 [120]"))
        #expect(found2.first?["prev_state"] == "\(bits)")
    }

    @Test(
        arguments: [
            ("pages:-1 reason:flush on task switch (0)", 0, -1), ("pages=33 reason=remote shootdown (1)", 1, 33), ("reason=4 pages=-1", 4, -1),
            // A 32-bit kernel's -1, and a reason that libtraceevent has no name for.
            ("pages=4294967295 reason= (4)", 4, -1), ("reason=0 pages=4294967295", 0, -1), ("pages:0 reason:(null) (77)", 77, 0),
        ])
    func eachFormOfTLBFlushIsRead(_ body: String, _ reason: Int, _ pages: Int) throws {
        let seen = try #require(try Text.read(Text.line("tlb_flush: \(body)")).first)
        #expect(seen["reason"] == "\(reason)")
        #expect(seen["pages"] == "\(pages)")
    }

    @Test func theLifeCycleIsRead() throws {
        let seen = try Text.read(
            Text.line("task_newtask: pid=745 comm=s h clone_flags=1200011 oom_score_adj=-17") + Text.line("sched_process_fork: comm=a pid=53 child_comm=b child_comm=c child_pid=745")
                + Text.line("sched_process_fork:  parent_comm=sh parent_pid=53 child_comm=sh child_pid=745")
                + Text.line("task_rename: pid=745 oldcomm=sh newcomm=a newcomm=b oom_score_adj=0") + Text.line("task_rename: oldcomm=sh newcomm=w l oom_score_adj=0")
                + Text.line("sched_process_exec: filename=/bin/a pid=3 b pid=745 old_pid=746") + Text.line("sched_process_exit: comm=a pid=9 pid=745 prio=120")
                + Text.line("sched_process_exit: comm=wl pid=745 prio=120 group_dead=true"))
        #expect(
            seen.map(\.fields) == [
                ["pid": "745", "comm": "s h", "clone_flags": "\(0x1200011)", "oom_score_adj": "-17"],
                // The shortest name of the child that leaves a possible one for the parent.
                ["parent_comm": "a", "parent_pid": "53", "child_comm": "b child_comm=c", "child_pid": "745"],
                ["parent_comm": "sh", "parent_pid": "53", "child_comm": "sh", "child_pid": "745"],
                ["pid": "745", "oldcomm": "sh newcomm=a", "newcomm": "b", "oom_score_adj": "0"],
                ["pid": "100", "oldcomm": "sh", "newcomm": "w l", "oom_score_adj": "0"],
                ["filename": "/bin/a pid=3 b", "pid": "745", "old_pid": "746"],
                ["comm": "a pid=9", "pid": "745", "prio": "120"], ["comm": "wl", "pid": "745", "prio": "120"],
            ])
    }

    @Test func markersAreKeptWithTheirLineBreaks() throws {
        let seen = try Text.read(
            Text.line("tracing_mark_write: lazytlb-tasks 1 mm 1 2;") + Text.line("print: tracing_mark_write: two\nlines: and") + "# no comment\n"
                + Text.line("print: ip=tracing_mark_write buf=three"))
        #expect(seen.map { $0["buf"] } == ["lazytlb-tasks 1 mm 1 2;\n", "two\nlines: and\n", "three\n"])
    }

    @Test func probeEventsGetTheFieldsOfTheirLines() throws {
        let seen = try Text.read(
            Text.line("sw_mm: (switch_mm_irqs_off+0x0/0x1a0) prev=0xffff88000cd90380 next=0x0 st0=2 pid=-1 what=\"a b=\\\"1\" lm0=0x10")
                + Text.line("sw_mm: (ffffffff81030367) next=0xffff88000cd90381 prev=0x1 st0=-2 pid=5 what=(fault) lm0=0x11")
                + Text.line("leave: some tracepoint of this name"))
        #expect(seen.map(\.event) == ["sw_mm", "sw_mm"])
        #expect(
            seen.map(\.fields) == [
                ["__probe_ip": "0", "prev": "\(0xffff_8800_0cd9_0380 as UInt64)", "next": "0", "st0": "2", "pid": "-1", "lm0": "16"],
                ["__probe_ip": "\(0xffff_ffff_8103_0367 as UInt64)", "prev": "1", "next": "\(0xffff_8800_0cd9_0381 as UInt64)", "st0": "-2", "pid": "5", "lm0": "17"],
            ])
    }

    @Test func theAddressesOfAProbeTellA32BitKernel() throws {
        let text = Text.line("sw_mm:  __probe_ip=c1030367 prev=0xc1396a80 next=0x0") + Text.line(Text.flush)
        try Text.open(Data(text.utf8)) { file in
            #expect(file.longSize == 4)
            let found3 = try Text.records(file)
            #expect(found3.map(\.event) == ["sw_mm", "tlb_flush"])
        }
    }

    @Test(
        arguments: [
            "sched_switch: prev_comm=a prev_pid=1 prev_prio=1 prev_state=S ==> next_comm=b next_pid=x next_prio=1", "sched_switch: ", "sched_switch: ]", "tlb_flush: pages:1",
            "tlb_flush: pages:1 reason:x (99999999999)", "task_newtask: pid=1 comm=0123456789012345678 clone_flags=1 oom_score_adj=0", "task_rename: pid=1",
            "sched_process_fork: child_pid=1", "sched_process_exec: filename=", "sched_process_exit: comm=a prio=1", "print: nothing", "sw_mm: (",
            "sw_mm: (1) a", "sw_mm: (1) a=1 a=1", "sw_mm: (1) a;=1", "sched_switch: prev_comm=a prev_pid=99999999999 prev_prio=1 prev_state=S ==> next_comm=b next_pid=1 next_prio=1",
        ])
    func whatIsNotTheTextOfItsEventIsAnError(_ body: String) throws {
        let error = try #require(try Text.failure(Text.line(Text.flush) + Text.line(body) + Text.line(Text.flush)))
        #expect(error.line == 2, "\(error)")
    }
}
