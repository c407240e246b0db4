import ArgumentParser
import Glibc
import LazyTLB
import Reconstruction
import Replay
import Report
import TraceData

struct ReportCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Replay traces through the lazy-TLB schemes and report what sets the schemes apart.",
        discussion: """
            Several traces give one report each; JSON has them in an array. Exit status: 0 fine, 2 if a trace could not be read, or, \
            with --keep-going, not all of it. docs/reading-a-report.md explains the sections.
            """)

    @Argument(help: ArgumentHelp("trace.dat files.", valueName: "trace"))
    var traces: [String]

    @Option(help: "The buffer to read, by its name (default: the top one).")
    var buffer: String?

    @Option(help: "text or json.")
    var format = Format.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("List the first divergences of each pair of schemes, so many or all.", valueName: "number|all"))
    var divergences: DivergenceLimit?

    @Option(help: ArgumentHelp("What may be used to find mms: all, no-probes or switches-only.", valueName: "level"))
    var evidence = EvidenceLevel.all

    @Option(
        help: ArgumentHelp(
            "The recorded kernel: a scheme (v4.12, v4.13-parent, v4.13) or a release, as 4.12.4 (default: what the trace says).",
            valueName: "id"))
    var kernel: String?

    @Option(help: ArgumentHelp("Threads that may work at the same time; the report is the same (default: one a processor).", valueName: "number"))
    var jobs: Int?

    @Flag(help: "Show no progress (which is shown on a terminal only).")
    var quiet = false

    @Flag(help: "Report on what can be read of a damaged trace, and list what cannot.")
    var keepGoing = false

    func run() throws {
        try Failures.handle {
            var documents: [ReportDocument] = []
            var failed = false
            if let kernel { _ = try RecordedKernel(named: kernel, traced: nil) }
            for path in traces {
                do {
                    let document = try report(path)
                    documents.append(document)
                    if !document.problems.isEmpty { failed = true }
                } catch let error as TraceError {
                    // The other traces' reports are not lost.
                    Failures.say(error.description)
                    failed = true
                }
            }
            if !documents.isEmpty { try write(documents) }
            if failed { throw ExitCode(2) }
        }
    }

    func validate() throws {
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs is a number from 1 to 256") }
    }

    private func report(_ path: String) throws -> ReportDocument {
        let progress = ReadingProgress()
        let line = ProgressLine(progress, quiet: quiet)
        defer { line?.end() }
        let file = try TraceFile(path: path, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing, progress: progress))
        try demand(file, withoutRecord: file.missingEvents)
        let named = try kernel.map { name in try RecordedKernel(named: name, traced: file.kernelRelease) }
        let recorded = named ?? RecordedKernel(release: file.kernelRelease)
        var history = try replayed(file, recorded)
        // Half of the work is for nothing then, but the other traces need no pass more.
        let skew = history.evidence.clocksDiffer ? try ClockSkew(file, kernel: kernel) : nil
        if let skew, !skew.cpus.isEmpty { history = try replayed(try file.corrected(by: skew.offsets), recorded) }
        var empty: [String] = []
        if history.switches == 0 { empty.append("sched:sched_switch") }
        if history.sink.recorded.total == 0 { empty.append("tlb:tlb_flush") }
        try demand(file, withoutRecord: empty)
        let context = ReportContext(
            tool: .init(version: lazytlbVersion), trace: .init(file, history, release: recorded.release), kernel: recorded,
            eventNames: Dictionary(file.formats.events.map { ($0.kind, $0.name) }, uniquingKeysWith: { first, _ in first }),
            savedNames: file.commands, listsDivergences: divergences != nil,
            silentCPUs: file.cpusWithoutData)
        var document = ReportDocument(history, context)
        if history.evidence.clocksDiffer {
            let why = skew == nil ? "there are too many to measure by how much" : skew?.cpus.isEmpty == true ? "no correction helps" : "they drift, or not only those that were corrected are off"
            document.evidence.notes.append("The CPUs' clocks differ, and \(why): what hangs on the order of CPUs may be wrong.")
        }
        document.trace.clockSkew = skew.flatMap { $0.inversions > 0 ? $0 : nil }.map(ReportDocument.ClockSkew.init)
        document.problems = file.problems.map { .init(offset: $0.error.offset, cause: $0.shortDescription) }
        return document
    }

    private func replayed(_ file: TraceFile, _ recorded: RecordedKernel) throws -> Reconstruction<Replay> {
        let replay = Replay(
            cpus: Reconstruction<Replay>.cpuCount(file), primary: recorded.primary, divergenceLimit: divergences?.limit ?? 0)
        let threads = jobs ?? processorCount()
        return threads == 1
            ? try Reconstruction(file, sink: replay, evidence: evidence, kernel: kernel)
            : try Reconstruction(file, sink: PipelinedReplay(replay), evidence: evidence, kernel: kernel, jobs: threads).map { $0.result() }
    }

    private func write(_ documents: [ReportDocument]) throws {
        switch format {
        case .json: try OutputFile.write(renderJSON(documents, asArray: traces.count > 1), to: output, inputs: traces)
        case .text:
            let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
            let texts = documents.map { renderText($0, style: style, divergenceLimit: .max) }
            try OutputFile.write(texts.joined(separator: "\n\n"), to: output, inputs: traces)
        }
    }
}

/// Processors that may be used now.
func processorCount() -> Int { min(256, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

/// Without records of both events there is nothing to replay.
func demand(_ file: TraceFile, withoutRecord: [String]) throws {
    let missing = MissingEvents(file, withoutRecord: withoutRecord).lines
    guard !missing.isEmpty else { return }
    // There will be no output to list them in.
    for problem in file.problems { Failures.say(problem.description) }
    throw TraceError(path: file.path, cause: missing.joined(separator: "; "))
}

/// How many divergences of each pair of schemes to list: a number, or all.
struct DivergenceLimit: ExpressibleByArgument {
    var limit: Int

    init?(argument: String) {
        if argument == "all" {
            limit = .max
        } else {
            guard let number = Int(argument), number >= 0 else { return nil }
            limit = number
        }
    }
}

extension TraceProblem {
    /// Without the file's path and the offset, which the report has elsewhere.
    var shortDescription: String { cpu.map { "CPU \($0): \(error.cause)" } ?? error.cause }
}

extension ReportDocument.Trace {
    /// What a file says about itself, and what was read of it.
    init(_ file: TraceFile, _ history: Reconstruction<Replay>, release: String?) {
        self.init(
            path: file.path, kernel: release, machine: file.machine, clock: file.clock.name,
            timeUnit: .init(file.clock), buffer: file.buffer.name, cpus: file.cpuCount,
            events: history.records, lostEvents: Int(clamping: history.evidence.lostEvents), lostGaps: history.evidence.gaps,
            startNS: history.start, durationNS: history.end - min(history.start, history.end), formatVersion: file.version,
            compression: file.compression.rawValue)
    }
}

extension ReportDocument.ClockSkew {
    init(_ skew: ClockSkew) {
        self.init(
            inversions: skew.inversions, inversionsLeft: skew.inversionsLeft, largestNS: Int(skew.largest),
            corrected: skew.cpus.map {
                CPU(cpu: $0.cpu, aheadNS: Int($0.ahead), atLeastNS: $0.atLeast.map { Int($0) }, atMostNS: $0.atMost.map { Int($0) })
            })
    }
}

extension ReportDocument.Trace.TimeUnit {
    init(_ clock: Clock) {
        switch clock.unit {
        case .nanoseconds: self = .ns
        case .cycles: self = .cycles
        case .events: self = .count
        }
    }
}
