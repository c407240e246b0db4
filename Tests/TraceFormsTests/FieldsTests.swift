import Foundation
import TestSupport
import Testing
import TraceData
import TraceForms

/// A text that the kernel wrote with its option `fields` (print_fields(), kernel/trace/trace_output.c): these lines are of Linux 6.18.
@Suite struct FieldsTests {
    private static let lines: [(text: String, fields: [String: String])] = [
        ("tlb_flush: reason=0x3 (3) pages=0xffffffffffffffff (-1)", ["reason": "3", "pages": "-1"]),
        ("tlb_flush: reason=0x0 (0) pages=0x21 (33)", ["reason": "0", "pages": "33"]),
        (
            "sched_switch: prev_comm=bash (1) prev_pid=0x551b (21787) prev_prio=0x78 (120) prev_state=0x1 (1) next_comm=swapper/0 next_pid=0x0 (0) next_prio=0x78 (120)",
            [
                "prev_comm": "bash (1)", "prev_pid": "21787", "prev_prio": "120", "prev_state": "1", "next_comm": "swapper/0", "next_pid": "0", "next_prio": "120",
            ]
        ),
        (
            "task_newtask: pid=0x551e (21790) comm=bash clone_flags=0x1200000 (18874368) oom_score_adj=0x0 (0)",
            ["pid": "21790", "comm": "bash", "clone_flags": "18874368", "oom_score_adj": "0"]
        ),
        // A short without its sign: -1000.
        ("task_rename: pid=0x551e (21790) oldcomm=bash newcomm=ls oom_score_adj=0xfc18 (64536)", ["pid": "21790", "oldcomm": "bash", "newcomm": "ls", "oom_score_adj": "-1000"]),
        (
            "sched_process_fork: parent_comm=bash parent_pid=0x551b (21787) child_comm=bash child_pid=0x551e (21790)",
            ["parent_comm": "bash", "parent_pid": "21787", "child_comm": "bash", "child_pid": "21790"]
        ),
        ("sched_process_exec: filename=/usr/bin/ls pid=0x551e (21790) old_pid=0x551e (21790)", ["filename": "/usr/bin/ls", "pid": "21790", "old_pid": "21790"]),
        ("sched_process_exit: comm=ls pid=0x551e (21790) prio=0x78 (120) group_dead=(1)", ["comm": "ls", "pid": "21790", "prio": "120"]),
    ]

    @Test(arguments: lines.indices) func eachEventIsReadWithItsNumbers(_ index: Int) throws {
        let line = Self.lines[index]
        try Text.open(Data((Text.line("UNKNOWN TYPE 5") + Text.line(line.text)).utf8)) { file throws in
            let seen = try #require(try Text.records(file).first)
            for (name, value) in line.fields { #expect(seen[name] == value, "\(name)") }
            #expect(file.origin.leftOut.contains("The kernel's option fields prints no lines of trace_marker."))
        }
    }

    @Test func namesMayHaveLineBreaksAndTheOptionMayBeTurnedOff() throws {
        let change = "sched_switch: prev_comm=a\nb prev_pid=0x64 (100) prev_prio=0x78 (120) prev_state=0x0 (0) next_comm=c next_pid=0x65 (101) next_prio=0x78 (120)"
        let seen = try Text.read(Text.line(Self.lines[0].text) + Text.line(change) + Text.line(Text.flush))
        #expect(seen.map(\.event) == ["tlb_flush", "sched_switch", "tlb_flush"])
        #expect(seen[1]["prev_comm"] == "a\nb")
        #expect(seen[2]["pages"] == "-1")
    }
}
