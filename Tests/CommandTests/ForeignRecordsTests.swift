import Foundation
import Report
import Testing

/// What a report says of a recording whose kernel has other records than its release would have, or means other things by them.
struct ForeignRecordsTests {
    /// A thread of one process on each of two CPUs, as ftrace's text has it; `body` are further records, 10 µs apart.
    private func notes(_ kernel: String, _ body: [(cpu: Int, pid: Int, text: String)]) throws -> String {
        func name(_ pid: Int) -> String { pid == 0 ? "<idle>" : "task" }
        func record(_ index: Int, _ cpu: Int, _ pid: Int, _ text: String) -> String {
            let time = String(100_000 + 10 * index)
            return "\(name(pid))-\(pid) [00\(cpu)] d..2. 1.\(time): \(text)\n"
        }
        var records: [(cpu: Int, pid: Int, text: String)] = [
            (0, 0, "sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=task next_pid=10 next_prio=120"),
            (0, 0, "tlb_flush: pages:-1 reason:flush on task switch (0)"),
            (0, 10, "task_newtask: pid=11 comm=task clone_flags=10100 oom_score_adj=0"),
            (1, 0, "sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=task next_pid=11 next_prio=120"),
            (1, 0, "tlb_flush: pages:-1 reason:flush on task switch (0)"),
        ]
        records += body
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString).txt").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = "# tracer: nop\n#\n" + records.enumerated().map { record($0, $1.cpu, $1.pid, $1.text) }.joined()
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        let outcome = try lazytlb(["report", "--format", "json", "--kernel", kernel, path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(readReports(json: outcome.output).first).evidence.notes.joined(separator: "\n")
    }

    private func flushes(_ count: Int, sends: Bool) -> [(cpu: Int, pid: Int, text: String)] {
        (0..<count).flatMap { _ in
            [(0, 10, "tlb_flush: pages:1 reason:local mm shootdown (3)")] + (sends ? [(0, 10, "tlb_flush: pages:1 reason:remote ipi send (4)")] : [])
        }
    }

    private static let noFlush = [(cpu: 0, pid: 10, text: "tlb_flush: pages:0 reason:flush on task switch (0)")]
    private static let wrongCPU = [(cpu: 1, pid: 11, text: "tlb_flush: pages:0 reason:(5)")]

    @Test(arguments: [("4.12.4", true), ("4.13.9", true), ("4.14.0", false)]) func `0 pages at a switch are not of a kernel before v4.14`(kernel: String, isForeign: Bool) throws {
        #expect(try notes(kernel, Self.noFlush).contains("1 record of TLB_FLUSH_ON_TASK_SWITCH with 0 pages, which no kernel before v4.14 writes") == isForeign)
    }

    @Test(arguments: [("6.12.0", true), ("6.14.0", false)]) func `REMOTE_WRONG_CPU is not of a kernel before v6.14`(kernel: String, isForeign: Bool) throws {
        #expect(try notes(kernel, Self.wrongCPU).contains("1 record of TLB_REMOTE_WRONG_CPU, which no kernel before v6.14 writes") == isForeign)
    }

    @Test func `with PCID a report says what that leaves unknown`() throws {
        #expect(try notes("4.19.0", Self.noFlush).contains("With PCID this kernel keeps no CPU lazy"))
        #expect(try notes("6.1.0", Self.noFlush).contains("The machine has PCID."))
        for kernel in ["4.19.0", "6.1.0"] { #expect(try !notes(kernel, []).contains("PCID")) }
    }

    @Test func `sends since v4.20 are no IPIs`() throws {
        let note = "Since v4.20 SEND_IPI is recorded before lazy CPUs are left out"
        #expect(try !notes("4.19.0", []).contains(note))
        #expect(try notes("4.20.0", []).contains(note + ": recorded"))
        #expect(try notes("6.14.0", []).contains(note + ", since v6.14 for CPUs that have long left the mm, too: recorded"))
    }

    /// Xen PV and Hyper-V flush by hypercall.
    @Test(arguments: [(30, false, true), (30, true, false), (5, false, false)])
    func `flushes that reach others without any SEND_IPI are a hypervisor's`(count: Int, sends: Bool, isNoted: Bool) throws {
        #expect(try notes("4.13.9", flushes(count, sends: sends)).contains("No TLB_REMOTE_SEND_IPI is recorded, though flushes have \(count) other CPUs to reach") == isNoted)
    }
}
