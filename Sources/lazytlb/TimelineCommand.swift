import ArgumentParser
import Glibc
import LazyTLB
import Reconstruction
import Replay
import Report
import TraceData
import TraceForms

extension TimelineFormat: Choice {}
extension EvidenceLevel: Choice {}

struct TimelineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", _superCommandName: programName,
        abstract: "Print which mm each CPU had loaded, and when.",
        discussion: """
            One row an interval in which nothing changes. The rows of a CPU neither overlap nor leave holes; those of different CPUs \
            come in the order in which they end. docs/timeline.md explains the columns.
            """)

    @Argument(help: ArgumentHelp("A trace: trace.dat, perf.data, ftrace's text or a folder of raw pages; - for standard input.", valueName: "trace"))
    var trace: String

    @Option(help: "The buffer to read, by its name (default: the top one).")
    var buffer: String?

    @Option(help: "text, csv, json (one object a line), perfetto (tracks for ui.perfetto.dev) or svg (a picture).")
    var format = TimelineFormat.text

    @Option(help: ArgumentHelp("Only these CPUs, e.g. 0,2-3. Can be given several times.", valueName: "list"), transform: CPUList.init)
    var cpu: [CPUList] = []

    @Option(help: ArgumentHelp("Only from this time on: seconds of the trace's clock, as 16.855.", valueName: "time"), transform: TraceTime.init)
    var from: TraceTime?

    @Option(help: ArgumentHelp("Only up to this time.", valueName: "time"), transform: TraceTime.init)
    var to: TraceTime?

    @Option(
        help: ArgumentHelp(
            "Whose timeline: v4.12, v4.13-parent or v4.13 replayed on this history (default: the recorded kernel's own).", valueName: "id"))
    var scheme: String?

    @Option(help: ArgumentHelp("What may be used to find mms: all, no-probes or switches-only.", valueName: "level"))
    var evidence = EvidenceLevel.all

    @Option(help: ArgumentHelp("The recorded kernel's release or scheme (default: what the trace says).", valueName: "id"))
    var kernel: String?

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Flag(help: "Show no progress (which is shown on a terminal only).")
    var quiet = false

    @Flag(help: "Use what can be read of a damaged trace, and list what cannot on stderr.")
    var keepGoing = false

    func validate() throws {
        if let scheme, !RecordedKernel.schemes.contains(scheme) {
            throw ValidationError("--scheme: no such scheme: \(scheme); expected one of \(RecordedKernel.schemes.joined(separator: ", "))")
        }
    }

    func run() throws {
        try Failures.handle {
            if let kernel { _ = try RecordedKernel(named: kernel, traced: nil) }
            let progress = ReadingProgress()
            let file = try openTrace(trace, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing, progress: progress), kernel: kernel)
            defer { for problem in file.problems { Failures.say(problem.description) } }
            try MissingEvents(file, withoutRecord: file.missingEvents).refuse()
            let out = try OutputFile(path: output, inputs: [trace])
            let line = ProgressLine(progress, quiet: quiet, outputTo: out.fileDescriptor)
            defer { line?.end() }
            let writer = ByteWriter(descriptor: out.fileDescriptor)
            switch scheme {
            case nil: try replay(file, V413.self, replaying: false, writer)
            case V412.id: try replay(file, V412.self, replaying: true, writer)
            case V413Parent.id: try replay(file, V413Parent.self, replaying: true, writer)
            default: try replay(file, V413.self, replaying: true, writer)
            }
            do throws(WriteError) { try writer.finish() } catch {
                guard case .failed = error, let output, output != "-" else { throw error }
                throw Failures.fail("\(output): cannot write: \(error.text)")
            }
            try out.finish()
            if !file.problems.isEmpty { throw ExitCode(2) }
        }
    }

    /// - Throws: ``TraceError``, also where the trace turns out to lack what makes rows true.
    private func replay<Model: Scheme>(_ file: TraceFile, _ model: Model.Type, replaying: Bool, _ writer: ByteWriter) throws {
        let cpus = Reconstruction<Replay>.cpuCount(file)
        let wanted = try CPUList.union(cpu, in: file)
        let span = try TimeSpan(from: from, to: to, file)
        // With probe events the names of mms are known at the end only, and are read beforehand.
        let needsNames = evidence == .all && file.hasProbes
        let beforehand = needsNames || format.needsSpan ? try Reconstruction(file, sink: NoSink(), evidence: evidence, kernel: kernel) : nil
        var subject = TimelineSubject(
            trace: file.path, kernel: try kernel.map { try RecordedKernel(named: $0, traced: file.kernelRelease).release } ?? file.kernelRelease,
            scheme: replaying ? Model.id : nil, evidence: evidence.rawValue, clock: file.clock.name, unit: file.clock.unit == .nanoseconds ? .ns : .count,
            cpus: wanted?.count ?? cpus)
        if let beforehand {
            try span.demandPart(of: beforehand.start, beforehand.end)
            subject.span = span.part(of: beforehand.start, beforehand.end)
        }
        let output = format.output(to: writer, subject)
        output.begin()
        let start = try Reconstruction<NoSink>.firstTime(file)
        let sink = Timeline<Model>(cpus: cpus, start: start, replaying: replaying, mms: needsNames ? beforehand?.mms : nil) { interval, mms in
            guard wanted?.contains(interval.cpu) ?? true, interval.end > span.from, interval.start < span.to else { return }
            var interval = interval
            interval.start = max(interval.start, span.from)
            interval.end = min(interval.end, span.to)
            output.add(interval, mms)
        }
        let history = try Reconstruction(file, sink: sink, evidence: evidence, kernel: kernel)
        try span.demandPart(of: history.start, history.end)
        var timeline = history.sink
        timeline.finish(at: history.end)
        let missing = MissingEvents(
            file, hasSwitches: history.switches > 0, hasFlushes: timeline.hasFlushes, hasLoads: timeline.hasLoads, silentChanges: history.evidence.silentChanges)
        // Standard output has most rows by now: all, then. A file gets none, and a picture is not begun before its end.
        if missing.lines.isEmpty || !format.needsSpan { output.end() }
        if !missing.lines.isEmpty { writer.flush() }
        try missing.refuse()
        if history.evidence.clocksDiffer {
            Failures.say("\(file.path): the CPUs' clocks differ, so that what hangs on their order may be wrong; lazytlb report measures by how much")
        }
    }
}

/// A sink that wants nothing but what the reconstruction itself finds.
struct NoSink: StimulusSink {
    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {}
}
