import Foundation
import Report
import TestSupport
import Testing

/// `--keep-going` with a trace of which a part cannot be read: whatever is made of it, standard error names the file and the cause.
@Suite struct KeepGoingTests {
    /// A text with a line in it that is none of ftrace's.
    private func withDamaged<R>(_ body: (_ path: String) throws -> R) throws -> R {
        let whole = try String(contentsOfFile: Recordings.fixture("forms/trace.txt"), encoding: .utf8)
        var lines = whole.split(separator: "\n", omittingEmptySubsequences: false)
        lines.insert("what is this, then?", at: 1000)
        return try withTemporaryFile(Data(lines.joined(separator: "\n").utf8), body)
    }

    @Test(arguments: ["report", "report --format json", "report -o /dev/null", "baseline", "baseline -o /dev/null", "info", "info --format json", "events", "timeline"])
    func partsThatCannotBeReadAreNamedOnStandardError(_ command: String) throws {
        try withDamaged { path in
            let outcome = try Program.run(Program.lazytlb, with: command.split(separator: " ").map(String.init) + [path, "--keep-going"])
            #expect(outcome.status == 2)
            #expect(outcome.errors.hasPrefix("lazytlb: \(path): line 1001: "), "\(outcome.errors)")
        }
    }

    @Test func aCheckIsInconclusiveAndDoesNotSayThatEventsWereLost() throws {
        try withDamaged { path in
            let outcome = try Program.lazytlb("check", path, "--keep-going", "--conform", "--kernel", "v4.12")
            #expect(outcome.status == 3)
            #expect(outcome.text.contains("parts of the recording are missing, or could not be read"))
            #expect(!outcome.text.contains("events were lost"))
            #expect(outcome.errors.hasPrefix("lazytlb: \(path): line 1001: "), "\(outcome.errors)")
        }
    }

    /// To record other events is no remedy for a file whose end is missing, where a file of version 7 has all that tells what it is.
    @Test func whatADamagedFileLacksItMayHaveHad() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: Recordings.fixture("debian6.18-threads-4cpu-truth.dat")))
        try withTemporaryFile(whole.prefix(1000)) { path in
            for command in ["report", "timeline"] {
                let outcome = try Program.lazytlb(command, path, "--keep-going")
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                let lines = outcome.errors.split(separator: "\n")
                #expect(lines.count == 3, "\(outcome.errors)")
                #expect(lines[0].hasPrefix("lazytlb: \(path): at byte 1000: truncated: section 0 (options) begins at byte "))
                #expect(lines[1] == "lazytlb: \(path): the file has no buffers")
                #expect(
                    lines[2] == "lazytlb: \(path): sched:sched_switch is not declared by the file; tlb:tlb_flush is not declared by the file; "
                        + "the file is damaged, and may have had them in what cannot be read")
            }
        }
    }

    @Test func aReportKeepsItsProblems() throws {
        try withDamaged { path in
            try withTemporaryFile(Program.lazytlb("report", path, "--keep-going", "--format", "json", "--kernel", "v4.12").output) { report in
                let outcome = try Program.lazytlb("check", report, "--conform")
                #expect(outcome.status == 3)
                #expect(outcome.errors.hasPrefix("lazytlb: \(report): report on \(path): line 1001: "), "\(outcome.errors)")
            }
        }
    }

    @Test func aDiffOfWhatIsNotWholeTellsNothingAndSaysSo() throws {
        try withDamaged { path in
            for format in ["text", "json"] {
                let outcome = try Program.lazytlb("diff", path, path, "--keep-going", "--format", format)
                #expect(outcome.status == 3)
                #expect(outcome.text.contains("\(path): parts of the recording are missing, or could not be read: counts are lower bounds"))
                #expect(outcome.errors.hasPrefix("lazytlb: \(path): line 1001: "), "\(outcome.errors)")
            }
        }
    }

    @Test func aDiffBesideLostEventsTellsNothingAndSaysSo() throws {
        let lost = Recordings.fixture("v4.12-threads-4cpu-truth-lost.dat")
        let outcome = try Program.lazytlb("diff", Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat"), lost)
        #expect(outcome.status == 3)
        #expect(outcome.text.contains("not comparable: \(lost): events were lost in 4 places: counts are lower bounds\n"))
    }
}
