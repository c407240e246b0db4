import ArgumentParser
import Glibc
import LazyTLB
import Reconstruction
import Replay
import Report
import TraceData
import TraceForms

/// From a trace's path to its report: what all commands that work on reports share, with the options that decide how a trace is read.
struct TraceReport: ParsableArguments {
    @Option(help: "The buffer to read, by its name (default: the top one).")
    var buffer: String?

    @Option(name: .customLong("evidence"), help: ArgumentHelp("What may be used to find mms: all, no-probes or switches-only (default: all).", valueName: "level"))
    var evidenceLevel: EvidenceLevel?

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

    func validate() throws {
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs is a number from 1 to 256") }
    }

    var evidence: EvidenceLevel { evidenceLevel ?? .all }

    /// The options on the command line that say what is read of a trace, and how.
    var optionsForTraces: [String] {
        [("--buffer", buffer != nil), ("--evidence", evidenceLevel != nil), ("--kernel", kernel != nil)].filter(\.1).map(\.0)
    }

    /// Refuses a `--kernel` that names none, before any trace is read.
    func checkKernel() throws {
        if let kernel { _ = try RecordedKernel(named: kernel, traced: nil) }
    }

    /// The report on one trace.
    ///
    /// - Parameters:
    ///   - divergences: how many of each pair of schemes to list; nil to count them only.
    ///   - deviations: how many places to list where the recorded kernel parts from its own scheme; nil to count records only.
    /// - Throws: `TraceError` where the trace cannot be read, or holds nothing to replay.
    func document(_ path: String, divergences: Int? = nil, deviations: Int? = nil) throws -> ReportDocument {
        try document(TraceInput(path), divergences: divergences, deviations: deviations)
    }

    /// The same of what is open already.
    func document(_ input: TraceInput, divergences: Int? = nil, deviations: Int? = nil) throws -> ReportDocument {
        let progress = ReadingProgress()
        let line = ProgressLine(progress, quiet: quiet)
        defer { line?.end() }
        let file = try openTrace(input, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing, progress: progress), kernel: kernel)
        return try document(file, divergences: divergences, deviations: deviations)
    }

    /// The same of a trace that is open.
    func document(_ file: TraceFile, divergences: Int? = nil, deviations: Int? = nil) throws -> ReportDocument {
        try demand(file, withoutRecord: file.missingEvents)
        let named = try kernel.map { name in try RecordedKernel(named: name, traced: file.kernelRelease) }
        let recorded = named ?? RecordedKernel(release: file.kernelRelease)
        func replayed(_ file: TraceFile) throws(TraceError) -> (history: Reconstruction<Replay>, lists: [ConformanceWatch.List]) {
            func replay() -> Replay { Replay(cpus: Reconstruction<Replay>.cpuCount(file), primary: recorded.primary, divergenceLimit: divergences ?? 0) }
            // Unpacking, or reading probe events, is more than can be done beside a replay.
            let workers = Workers(jobs: jobs ?? processorCount(), shareLast: !file.buffer.compressed && !(evidence == .all && file.hasProbes))
            if let deviations {
                var lists: [ConformanceWatch.List] = []
                let watch = ConformanceWatch(replay(), candidates: recorded.candidates, limit: deviations)
                let history = try Reconstruction(file, sink: watch, evidence: evidence, kernel: kernel).map { watch in
                    lists = watch.finished()
                    return watch.replay
                }
                return (history, lists)
            }
            var first: FirstPass?
            switch try OneReading(file, sink: replay(), evidence: evidence, kernel: kernel, workers: workers) {
            case .done(let history): return (history, [])
            case .needsAnother(let pass): first = pass
            case nil: break
            }
            guard let last = workers.last else { return (try Reconstruction(file, sink: replay(), evidence: evidence, kernel: kernel, after: first), []) }
            let history = try Reconstruction(file, sink: PipelinedReplay(replay(), on: last), evidence: evidence, kernel: kernel, workers: workers, after: first)
            return (history.map { $0.result() }, [])
        }
        var (history, lists) = try replayed(file)
        // Half of the work is for nothing then, but the other traces need no pass more.
        let skew = history.evidence.clocksDiffer ? try ClockSkew(file, kernel: kernel) : nil
        if let skew, !skew.cpus.isEmpty { (history, lists) = try replayed(try file.corrected(by: skew.offsets)) }
        var empty: [String] = []
        if history.switches == 0 { empty.append("sched:sched_switch") }
        if history.sink.recorded.total == 0 { empty.append("tlb:tlb_flush") }
        try demand(file, withoutRecord: empty)
        var context = ReportContext(
            tool: .init(version: lazytlbVersion), trace: .init(file, history, release: recorded.release), kernel: recorded,
            eventNames: Dictionary(file.formats.events.map { ($0.kind, $0.name) }, uniquingKeysWith: { first, _ in first }),
            savedNames: file.commands, listsDivergences: divergences != nil)
        context.deviations = lists
        context.silentCPUs = file.cpusWithoutData
        var document = ReportDocument(history, context)
        document.trace.clockSkew = skew.flatMap(ReportDocument.ClockSkew.init)
        if let note = clockNote(history, skew) { document.evidence.notes.append(note) }
        document.problems = file.problems.map { .init(offset: $0.error.offset, line: $0.error.line, cause: $0.shortDescription) }
        // Whatever becomes of the report, and without --keep-going what the trace itself says that it lacks.
        for problem in file.problems { Failures.say(problem.description) }
        return document
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

extension TraceProblem {
    /// Without the file's path and the offset, which the report has elsewhere.
    var shortDescription: String { cpu.map { "CPU \($0): \(error.cause)" } ?? error.cause }
}
