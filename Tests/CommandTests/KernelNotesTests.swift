import Foundation
import Report
import Testing

/// What a report says of the recorded kernel where its records do not tell all.
@Suite struct KernelNotesTests {
    private func notes(_ arguments: String...) throws -> [String] {
        let outcome = try lazytlb(["report", "--format", "json"] + arguments)
        #expect(outcome.status == 0)
        return try #require(readReports(json: outcome.output).first).evidence.notes
    }

    /// ftrace's text does not name the kernel, and what its records mean hangs on that.
    @Test func aKernelThatIsNotKnown() throws {
        #expect(try notes("fixtures/forms/trace.txt").contains { $0.hasPrefix("The trace names no kernel.") })
        for kernel in ["4.12.4", "v4.12", "6.1.0"] {
            #expect(try !notes("fixtures/forms/trace.txt", "--kernel", kernel).contains { $0.hasPrefix("The trace names no kernel.") }, "\(kernel)")
        }
    }

    @Test func flushesWithoutARecord() throws {
        func isTold(_ arguments: String...) throws -> Bool { try notes(arguments[0], "--evidence", arguments[1]).contains { $0.hasPrefix("This kernel's flush_tlb_page() writes no record") } }
        #expect(try isTold("fixtures/v4.12-reclaim-4cpu-truth.dat", "no-probes"))
        #expect(try !isTold("fixtures/v4.12-reclaim-4cpu-truth.dat", "all"))
        #expect(try !isTold("fixtures/v4.13-reclaim-4cpu-plain.dat", "no-probes"))
        // A scheme is a kernel's name as well.
        #expect(try notes("fixtures/forms/trace.txt", "--kernel", "v4.12").contains { $0.hasPrefix("This kernel's flush_tlb_page() writes no record") })
    }

    /// The probes tell of 41,397 of which the records show a third: what is inferred is a lower bound, and is marked as such.
    @Test func theyAreLowerBounds() throws {
        func row(_ name: String, _ evidence: String) throws -> [Substring] {
            let text = try lazytlb(["report", "fixtures/v4.12-reclaim-4cpu-truth.dat", "--evidence", evidence]).output
            return try #require(String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.contains(name) }).split(separator: " ")
        }
        for name in ["local flushes", "nr_tlb_local_flush_one"] {
            #expect(try row(name, "no-probes").filter { $0 == "≥" }.count == (name == "local flushes" ? 4 : 3))
            #expect(try row(name, "all").filter { $0 == "≥" }.count == (name == "local flushes" ? 1 : 0))
        }
    }

    /// KVM's PV_TLB_FLUSH takes CPUs out that do not run, behind the record of the send.
    @Test func flushesByAHypervisor() throws {
        try withText(without: "remote ipi send") { path in
            let note = try #require(try notes(path, "--kernel", "4.12.4").first { $0.hasPrefix("No TLB_REMOTE_SEND_IPI is recorded, though flushes have ") })
            #expect(note.hasSuffix(": a hypervisor flushes for this kernel (Xen, Hyper-V), or flushes are broadcast."))
        }
    }

    @Test func flushesByBroadcast() throws {
        func isTold(_ kernel: String) throws -> Bool { try notes("fixtures/forms/trace.txt", "--kernel", kernel).contains { $0.contains("INVLPGB") } }
        #expect(try isTold("6.15.0"))
        #expect(try isTold("7.0.0"))
        #expect(try !isTold("6.14.0"))
    }
}
