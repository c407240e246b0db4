import ArgumentParser
import Glibc
import Reconstruction
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

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("Only these CPUs, e.g. 0,2-3. Can be given several times.", valueName: "list"), transform: CPUList.init)
    var cpu: [CPUList] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("Only from this time on: seconds of the trace's clock, as 16.855.", valueName: "time"), transform: TraceTime.init)
    var from: TraceTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Only up to this time.", valueName: "time"), transform: TraceTime.init)
    var to: TraceTime?

    @Option(
        help: ArgumentHelp(
            "Whose timeline: v4.12, v4.13-parent or v4.13 replayed on this history (default: the recorded kernel's own).", valueName: "id"))
    var scheme: String?

    @Option(help: ArgumentHelp("What may be used to find mms: all, no-probes, no-clone-flags or switches-only.", valueName: "level"))
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
            let span = try TimeSpan(from: from, to: to, file)
            var maker = TimelineMaker(scheme: scheme, evidence: evidence, kernel: kernel, cpus: try CPUList.union(cpu, in: file), from: span.from, to: span.to)
            if format == .perfetto, let scheme { maker.divergences = try divergences(of: scheme, file) }
            let made = try maker.make(file, demand: span.demandPart(of:_:)) { format.output(to: writer, $0) }
            // Standard output may have most rows by now: all, then. A file gets none.
            if !made.missing.lines.isEmpty { writer.flush() }
            try made.missing.refuse()
            if let clocks = made.clocks { Failures.say("\(file.path): \(clocks)") }
            for note in file.dropNotes { Failures.say("\(file.path): \(note)") }
            do throws(WriteError) { try writer.finish() } catch {
                guard case .failed = error, let output, output != "-" else { throw error }
                throw Failures.fail("\(output): cannot write: \(error.text)")
            }
            try out.finish()
            if !file.problems.isEmpty { throw ExitCode(2) }
        }
    }

    /// Where a scheme does something else than the newest one, which a replay of both tells.
    private func divergences(of scheme: String, _ file: TraceFile) throws -> [ReportDocument.Divergence] {
        guard let newest = RecordedKernel.schemes.last, scheme != newest else { return [] }
        let maker = ReportMaker(tool: .init(version: lazytlbVersion), evidence: evidence, kernel: kernel, jobs: processorCount())
        return try maker.document(file, divergences: .max).divergences?.filter { $0.old == scheme && $0.new == newest } ?? []
    }
}
