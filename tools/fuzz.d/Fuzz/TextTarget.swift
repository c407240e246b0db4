import Glibc
import TraceForms

@testable import TraceData

/// ftrace's text: what can be read can be read with --keep-going as well, and gives the same records; what it was turned into is a file in order.
func fuzzText(_ input: UnsafeRawBufferPointer) {
    // Not what is told apart before the text is read.
    guard input.count > 1, input[0] != 0x17, !input.starts(with: "PERFILE2".utf8), !input.starts(with: "2ELIFREP".utf8) else { return }
    let strict = try? read(input, keepGoing: false)
    let lax = try? read(input, keepGoing: true)
    if let strict {
        demand(lax != nil, "--keep-going cannot read what can be read without it")
        demand(strict == lax, "--keep-going reads other records of a text in order")
    }
}

/// A digest of all records.
private func read(_ input: UnsafeRawBufferPointer, keepGoing: Bool) throws -> [UInt64] {
    let descriptor = memfd
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, input.baseAddress, input.count, 0) == input.count else { abort() }
    let file = try openTrace("/proc/self/fd/\(descriptor)", options: TraceFile.Options(keepGoing: keepGoing))
    var digest: [UInt64] = []
    var merge = RecordMerge(file)
    var record = Record.none
    while true {
        do throws(TraceError) { if try !merge.next(&record) { break } } catch {
            // What was made of it is a trace.dat file in order, whatever it was.
            demand(false, "the file that it was turned into cannot be read: \(error)")
        }
        digest.append(record.time)
        digest.append(record.word0 ^ record.word1 << 1 ^ UInt64(UInt32(bitPattern: record.cpu)) << 2 ^ UInt64(record.kind.rawValue))
        for (_, value) in file.formats.fields(of: record) {
            if case .numbers(let bytes, let size, _) = value, bytes.count >= size { _ = file.formats.number(bytes, bytes.count / size - 1, size: size) }
        }
    }
    return digest
}

/// A file that the input is written to.
private let memfd: Int32 = {
    var name = "/tmp/lazytlb-fuzz-XXXXXX".utf8CString.map { $0 }
    let descriptor = mkstemp(&name)
    unlink(name)
    return descriptor
}()

/// Lines of all kinds, to begin with.
let textSeeds = [
    "       trace-cmd-744   [003]    15.323791: sched_switch:         trace-cmd:744 [120] x ==> swapper/3:0 [120]",
    "trace-cm-744     3d.h..    15.323791213: sched_switch:         trace-cmd:744 [120] D|W ==> swapper/3:0 [120]",
    "trace-cm-744     3-0x1    15.323791213: sched_switch:          prev_comm=a b prev_pid=744 prev_prio=120 prev_state=64 next_comm=swapper/3 next_pid=0 next_prio=-1",
    "          <idle>-0     [001]    15.324749: task_newtask:         pid=745 comm=sh clone_flags=1200011 oom_score_adj=0",
    "              wl-745   [001]    15.328479: print:                tracing_mark_write: lab start begin",
    "          <idle>-0     [001]    15.323415: sw_mm:                (ffffffff81030367) prev=0x0 next=0xffffffff81640780 tsk=0x0 lm0=0x1 st0=2",
    "            bash-15603   (  15603) [000] d..1. 34825.909537: sw_mm: (switch_mm_irqs_off+0x0/0x1a0) prev=0x0 s=\"a b\" st0=-2",
    "tlbbuf:           <idle>-0     [003]    43.801887: tlb_flush:            pages=-1 reason=flush on task switch (0)",
    "              sh-53    [001]    15.324754: sched_process_fork:   comm=sh pid=53 child_comm=sh child_pid=745",
    "              wl-745   [001]226185794207: task_rename:          pid=745 oldcomm=sh newcomm=wl oom_score_adj=0",
    "              wl-745   [001]    15.327149: sched_process_exec:   filename=/bin/wl pid=745 old_pid=745",
    "              wl-745   [001]    15.327149: sched_process_exit:   comm=wl pid=745 prio=120 group_dead=1",
    "       rcu_sched-8     [002]   112.048489: kernel_stack:         <stack trace >\n=> __schedule (ffffffff81261cb2)",
]
