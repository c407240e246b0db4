import Foundation
import Glibc
@testable import lazytlb
@testable import Recording
import TestSupport
import Testing
import TraceData

/// `lazytlb record --live`: summaries of the last seconds, and a report in the end.
@Suite(.serialized) struct LiveTests {
    /// A whole recording as a window: what a summary says must be the report's counts by its span.
    @Test func aSummaryHasTheCountsOfAReportAsRates() throws {
        let path = Recordings.fixture("v4.12-reclaim-4cpu-truth.dat")
        let summary = try LiveSummary(try TraceFile(path: path), processes: 2)
        // README has the report on the same file: 4.52 s, 13,427 recorded sends, 15,895 targets under each scheme.
        #expect(abs(summary.seconds - 4.52) < 0.01)
        #expect(summary.records == 115_075)
        #expect(summary.targets.map(\.scheme) == ["v4.12", "v4.13-parent", "v4.13"])
        for target in summary.targets { #expect(abs(target.rate * summary.seconds - 15_895) < 0.5) }
        #expect(abs(summary.sends * summary.seconds - 13_427) < 0.5)
        #expect(summary.processes.map(\.pid) == [861, 61])
        #expect(abs(summary.processes[0].rate * summary.seconds - 11_947) < 0.5)
        #expect(summary.lazy > 0 && summary.lazy < 1 && summary.unknown < 0.001)
    }

    @Test func theLazyShareIsThatOfTheTimeline() throws {
        let path = Recordings.fixture("v4.12-threads-4cpu-plain.dat")
        let lines = try Program.lazytlb("timeline", "--format", "csv", path).text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        let names = try #require(lines.first).map(String.init)
        let (start, end, state) = (try #require(names.firstIndex(of: "start_ns")), try #require(names.firstIndex(of: "end_ns")), try #require(names.firstIndex(of: "state")))
        var (lazy, all) = (0.0, 0.0)
        for line in lines.dropFirst() {
            let span = try #require(Double(line[end])) - (try #require(Double(line[start])))
            all += span
            if line[state] == "lazy" { lazy += span }
        }
        #expect(lazy > 0)
        #expect(abs(try LiveSummary(try TraceFile(path: path), processes: 1).lazy - lazy / all) < 1e-6)
    }

    @Test func aNameThatATerminalWouldActOnIsEscaped() throws {
        var summary = try LiveSummary(try TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat")), processes: 1)
        summary.processes = [.init(name: "a\u{1b}[2Jb", pid: 7, rate: 12)]
        let status = RecordingStatus(seconds: 3, size: 1_500_000, lost: 2)
        for text in [LiveDisplay.line(status, summary), LiveDisplay.block(status, summary).joined(separator: "\n")] {
            #expect(!text.contains("\u{1b}"))
            #expect(text.contains("[2Jb"))
            #expect(text.contains("2 events lost"))
        }
    }

    @Test(.enabled(if: Tracefs.isUsable, "\(Tracefs.reason)")) func aLineASecondAndAReportComeOut() throws {
        try withFolder { folder in
            // Storms with pauses: a summary must be there within its second even if the build is slow.
            let command = "for i in 1 2 3 4 5 6 7 8; do \"$0\" 2 3000; sleep 0.3; done"
            let result = try Program.run(Program.lazytlb, with: ["record", "--live", "--", "sh", "-c", command, Program.built("storm")], in: URL(fileURLWithPath: folder))
            #expect(result.status == 0, "\(result.errors)")
            let lines = result.text.split(separator: "\n")
            #expect(lines.count { $0.contains(" s, IPI targets/s v4.12 ") && $0.contains(", lazy ") } >= 1, "\(result.text)")
            #expect(result.text.contains("lazytlb 0.1.0: the live recording"))
            #expect(result.text.contains("storm"))
            #expect(try files(in: folder) == [])
        }
    }

    /// Else it would go on for ever: nobody sees it any more.
    @Test(.enabled(if: Tracefs.isUsable, "\(Tracefs.reason)"), arguments: ["", "-- sleep 100"]) func itEndsWhenItsReaderIsGone(command: String) throws {
        let result = try Program.run("/bin/bash", "-c", "timeout 60 \"$0\" record --live \(command) | head -n 1; echo ${PIPESTATUS[0]}", Program.lazytlb)
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 2 && lines.last == "0", "\(result.text)")
        #expect(!result.errors.contains("cannot write"), "\(result.errors)")
        // What became of the command is told all the same.
        #expect(command.isEmpty || result.errors.contains("sleep was ended by signal 15 (Terminated)"), "\(result.errors)")
    }

    @Test(.enabled(if: Tracefs.isUsable, "\(Tracefs.reason)")) func itEndsWhenItCannotBeShown() throws {
        let result = try Program.run("/bin/sh", "-c", "timeout 60 \"$0\" record --live >/dev/full", Program.lazytlb)
        #expect(result.status == 2)
        #expect(result.errors.hasSuffix("lazytlb: standard output: cannot write: No space left on device\n"), "\(result.errors)")
    }

    /// There the cursor cannot go back, nor a line be cleared.
    @Test(.enabled(if: Tracefs.isUsable, "\(Tracefs.reason)"), arguments: [["--live"], ["-o", "a.dat"]])
    func aDumbTerminalGetsNoControlBytes(options: [String]) throws {
        let script = """
            import os, pty, subprocess, sys
            terminal, inner = pty.openpty()
            child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=inner, stderr=inner, env=dict(os.environ, TERM="dumb"))
            os.close(inner)
            text = b""
            try:
                while piece := os.read(terminal, 4096): text += piece
            except OSError: pass
            print(child.wait(), len(text) > 0, b"\\x1b" in text)
            """
        try withFolder { folder in
            let arguments = ["python3", "-c", script, Program.lazytlb, "record", "--seconds", "2.3"] + options
            let result = try Program.run("/usr/bin/env", with: arguments, in: URL(fileURLWithPath: folder))
            #expect(result.text == "0 True False\n", "\(result.errors)")
        }
    }

    @Test func liveWritesNoFile() throws {
        let result = try Program.lazytlb("record", "--live", "-o", "x.dat")
        #expect(result.status == 2)
        #expect(result.errors.contains("--live writes no file"))
    }
}
