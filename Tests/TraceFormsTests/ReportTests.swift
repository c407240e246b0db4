import Foundation
import Report
import TestSupport
import Testing
import TraceData

/// The same recording in other forms gives the same report, but for what the form leaves out.
@Suite struct ReportTests {
    /// One ring buffer, and what perf recorded at the same time: fixtures/README.md.
    private static let forms = "fixtures/forms"
    private static let kernel = "6.1.0-56-amd64"

    /// What of a report does not depend on the form.
    enum Detail {
        /// All but what says which form it is.
        case everything
        /// Not what times have finer than a microsecond.
        case counts
    }

    static func expectSame(_ path: String, as trace: String, _ detail: Detail, _ options: [String] = []) throws {
        var (other, expected) = (try report(path, options), try report(trace, options))
        #expect(expected.trace.events > 0)
        for key in [\ReportDocument.Trace.path, \.clock] { other.trace[keyPath: key] = expected.trace[keyPath: key] }
        for key in [\ReportDocument.Trace.machine, \.form, \.formDetail] { other.trace[keyPath: key] = expected.trace[keyPath: key] }
        other.trace.leftOut = nil
        other.trace.formatVersion = expected.trace.formatVersion
        other.trace.compression = expected.trace.compression
        if detail == .counts {
            other = withoutTimes(other)
            expected = withoutTimes(expected)
        }
        if other != expected {
            let (found, wanted) = (try lines(other), try lines(expected))
            let difference = zip(found, wanted).filter { $0 != $1 }.prefix(5).map { "\($0) instead of \($1)" }
            Issue.record("\(path) \(options): \(difference)")
        }
    }

    private static func lines(_ document: ReportDocument) throws -> [Substring] { try renderJSON([document], asArray: false).split(separator: "\n") }

    static func lazytlb(_ arguments: [String]) throws -> Program.Result { try Program.run(Program.lazytlb, with: arguments, in: Recordings.package) }

    static func report(_ path: String, _ options: [String]) throws -> ReportDocument {
        let outcome = try lazytlb(["report", "--format", "json", path] + options)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try readReports(json: outcome.output).first)
    }

    private static func withoutTimes(_ document: ReportDocument) -> ReportDocument {
        var document = document
        document.trace.startNS = 0
        document.trace.durationNS = 0
        document.trace.clockSkew = nil
        document.evidence.unknownTimeNS = 0
        document.shootdownLatency = ShootdownLatency()
        for index in document.comparisons.indices { document.comparisons[index].staleActiveMMNS = 0 }
        for id in document.schemes.keys { document.schemes[id]?.cpuTime = nil }
        for index in (document.marks ?? []).indices { document.marks?[index].timeNS = 0 }
        return document
    }

    typealias ShootdownLatency = ReportDocument.ShootdownLatency

    @Test(arguments: [[], ["--evidence", "switches-only"]])
    func theKernelsTextGivesTheReportOfItsTraceDat(_ options: [String]) throws {
        try Self.expectSame("\(Self.forms)/trace.txt", as: "\(Self.forms)/trace.dat", .counts, ["--kernel", Self.kernel] + options)
    }

    @Test(arguments: [[], ["--evidence", "switches-only"]])
    func theRawPagesGiveTheReportOfTheirTraceDat(_ options: [String]) throws {
        try Self.expectSame("\(Self.forms)/pages", as: "\(Self.forms)/trace.dat", .everything, ["--kernel", Self.kernel] + options)
    }

    /// The kernel's text of the recording, changed line by line, without its header's count of lines, which no longer holds.
    private static func withText(_ change: (Substring) -> [Substring], _ body: (String) throws -> Void) throws {
        let text = try String(contentsOf: Recordings.package.appending(path: "\(forms)/trace.txt"), encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.contains("entries-in-buffer") }.flatMap(change)
        try withTemporaryFile(Data((lines.joined(separator: "\n") + "\n").utf8), body)
    }

    /// trace-cmd record -e tlb:tlb_flush -f 'reason != 0': the shootdowns alone. Whatever a CPU loads then nobody sees.
    @Test func aRecordingWithoutItsCR3LoadsIsRefused() throws {
        try Self.withText({ $0.contains("flush on task switch") ? [] : [$0] }) { path in
            for command in ["report", "timeline"] {
                let outcome = try Self.lazytlb([command, "--kernel", Self.kernel, path])
                #expect(outcome.status == 2)
                #expect(outcome.errors.contains("\(path): tlb:tlb_flush has no record of a CR3 load (reason 0, TASK_SWITCH), though "))
                // The rows are all there nevertheless, for what they are worth.
                #expect(outcome.text.isEmpty == (command == "report"))
            }
            // Nothing contradicts there: all tasks may have one mm.
            let found = try Self.report(path, ["--kernel", Self.kernel, "--evidence", "switches-only"])
            #expect(found.evidence.notes.contains { $0.hasPrefix("No record tells of a CR3 load") })
        }
    }

    /// What a BPF program writes at a tracepoint (bpf_trace_printk(), up to v5.8) comes between a switch and its CR3 load, by the task that goes.
    @Test(arguments: [[], ["--evidence", "switches-only"]])
    func linesThatAreWrittenInTheMiddleOfASwitchChangeNothing(_ options: [String]) throws {
        let expected = try Self.report("\(Self.forms)/trace.txt", ["--kernel", Self.kernel] + options)
        try Self.withText({ line in line.range(of: "sched_switch: ").map { [line, "\(line[..<$0.lowerBound])print: bpf: switched"] } ?? [line] }) { path in
            let found = try Self.report(path, ["--kernel", Self.kernel] + options)
            #expect(found.trace.events == expected.trace.events + expected.recorded.contextSwitches)
            #expect(found.evidence.brokenChains == 0 && found.marks == nil)
            #expect(found.evidence.switches == expected.evidence.switches)
            // Lines of the same microsecond are a nanosecond apart.
            #expect(Self.withoutTimes(found).schemes == Self.withoutTimes(expected).schemes)
            #expect(found.recorded == expected.recorded)
        }
    }

    /// perf takes its own time a little later, so that only counts are the same.
    @Test(arguments: [[], ["--evidence", "switches-only"]])
    func perfDataGivesTheReportOfATraceDatOfTheSameTime(_ options: [String]) throws {
        try Self.expectSame("\(Self.forms)/perf.data", as: "\(Self.forms)/trace.dat", .counts, ["--kernel", Self.kernel] + options)
    }

    /// 64 and 32 bits, with gaps of lost events; all that there are if there is time. Not what perf cannot have or what is no x86.
    static let recordings =
        ["v4.13-threads-4cpu-truth", "v4.12i386-threads-4cpu-truth", "v4.12-threads-4cpu-truth-lost"].map { Recordings.fixture("\($0).dat") }
        + (ProcessInfo.processInfo.environment["LAZYTLB_ALL_TRACES"] == nil
            ? []
            : Recordings.shared.filter { name in !["s390x", "-onlysched", "-onlytlb", "-onlyinst", "-twobuf"].contains { name.contains($0) } })

    @Test(arguments: recordings)
    func theRawPagesOfAnyFileGiveItsReport(_ trace: String) throws {
        try withPages(of: trace) { folder, release in
            try Self.expectSame(folder, as: trace, .everything)
            #expect(try Self.report(folder, []).trace.kernel == release)
        }
    }

    @Test(arguments: recordings.filter { name in !["-lost", "-counter", "-x86tsc"].contains { name.contains($0) } })
    func perfDataWithTheRecordsOfAnyFileGivesItsReport(_ trace: String) throws {
        let form = PerfData()
        try withTemporaryFile(Data(try form.bytes(of: try TraceFile(path: trace), path: trace))) { path in
            try Self.expectSame(path, as: trace, .everything)
        }
    }

    @Test(.enabled(if: Recordings.shared("s390x6.1-forkexec-2cpu-plain.dat") != nil, "needs the larger set of recordings"))
    func theByteOrderOfRawPagesIsSeenInThem() throws {
        let trace = try #require(Recordings.shared("s390x6.1-forkexec-2cpu-plain.dat"))
        try withPages(of: trace) { folder, _ in
            let lines = try [folder, trace].map { try Self.lazytlb(["events", $0]).text.split(separator: "\n").map { $0.dropFirst(17) } }
            #expect(lines[0].count > 1000)
            #expect(lines[0] == lines[1])
        }
    }

    static let fixtures = ["v4.13-threads-4cpu-truth", "v4.12i386-threads-4cpu-truth", "v4.12-threads-4cpu-truth-lost"].flatMap { name in
        [["-t", "-l"], ["-R", "-t", "-l"], ["-N", "-l"]].map { (name, $0) }
    }

    @Test(.enabled(if: Program.hasTraceCmd, "needs trace-cmd"), arguments: fixtures)
    func theTextOfTraceCmdGivesTheReportOfItsFile(_ name: String, _ options: [String]) throws {
        let trace = "fixtures/\(name).dat"
        try withTemporaryPath { path in
            let text = try Program.run(
                "/bin/sh", with: ["-c", "trace-cmd report \(options.joined(separator: " ")) \(trace) 2>/dev/null >\(path)"], in: Recordings.package)
            #expect(text.status == 0)
            let release = try Self.report(trace, []).trace.kernel
            try Self.expectSame(path, as: trace, options.contains("-t") ? .everything : .counts, ["--kernel", try #require(release)])
        }
    }

    @Test func theReportSaysWhatATextLeavesOut() throws {
        let outcome = try Self.lazytlb(["report", "\(Self.forms)/trace.txt"])
        #expect(outcome.text.contains("  form     text of the kernel, times in µs\n"))
        #expect(outcome.text.contains("--kernel names the kernel"))
        let document = try Self.report("\(Self.forms)/trace.txt", [])
        #expect(document.trace.form == "text")
        #expect(document.trace.formatVersion == nil)
        #expect(document.trace.leftOut?.contains { $0.contains("whole microseconds") } == true)
        #expect(try Self.report("\(Self.forms)/trace.dat", []).trace.form == "trace.dat")
        // perf's own compression is not that of the file which was made of it.
        #expect(!(try Self.lazytlb(["info", "\(Self.forms)/perf.data"]).text.contains("compressed")))
    }

    @Test func aProblemInATextNamesItsLine() throws {
        try withTemporaryPath { path in
            var lines = try String(contentsOfFile: Recordings.package.appendingPathComponent("\(Self.forms)/trace.txt").path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            lines.insert("what is this, then?", at: 100)
            try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
            let strict = try Self.lazytlb(["report", path])
            #expect(strict.status == 2)
            #expect(strict.errors.hasPrefix("lazytlb: \(path): line 101: not a line of ftrace's text"))
            let lax = try Self.lazytlb(["report", path, "--keep-going", "--format", "json"])
            #expect(lax.status == 2)
            #expect(try readReports(json: lax.output).first?.problems.map(\.line) == [101])
        }
    }
}
