import ArgumentParser
import Reconstruction
import TraceData

/// The options that decide how a trace is read: those of all commands that work on reports.
struct TraceOptions: ParsableArguments {
    @Option(help: "The buffer to read, by its name (default: the top one).")
    var buffer: String?

    @Option(name: .customLong("evidence"), help: ArgumentHelp("What may be used to find mms: all, no-probes, no-clone-flags or switches-only (default: all).", valueName: "level"))
    var evidenceLevel: EvidenceLevel?

    @Option(
        help: ArgumentHelp(
            "The recorded kernel: a scheme (v4.12, v4.13-parent, v4.13) or a release, as 4.12.4 (default: what the trace says).",
            valueName: "id"))
    var kernel: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads that may work at the same time; the report is the same (default: one a processor).", valueName: "number"))
    var jobs: Int?

    @Flag(help: "Show no progress (which is shown on a terminal only).")
    var quiet = false

    @Flag(help: "Report on what can be read of a damaged trace, and list what cannot.")
    var keepGoing = false

    @OptionGroup var window: WindowOptions

    func validate() throws {
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs is a number from 1 to 256") }
    }

    var reading: TraceReport {
        TraceReport(buffer: buffer, evidenceLevel: evidenceLevel, kernel: kernel, jobs: jobs, quiet: quiet, keepGoing: keepGoing, part: window.part)
    }
}

/// The options for the part of a trace that a report is on.
struct WindowOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Count only from this time on: seconds of the trace's clock, as 16.855. What was before is replayed as well, so that it is known by then.", valueName: "time"),
        transform: TraceTime.init)
    var from: TraceTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Count only up to this time.", valueName: "time"), transform: TraceTime.init)
    var to: TraceTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Count only from the first line of trace_marker on that has this text in it.", valueName: "text"))
    var fromMarker: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Count only up to the first such line behind the beginning that has this text in it.", valueName: "text"))
    var toMarker: String?

    func validate() throws {
        if from != nil, fromMarker != nil { throw ValidationError("--from and --from-marker both say where to begin") }
        if to != nil, toMarker != nil { throw ValidationError("--to and --to-marker both say where to end") }
        for (option, text) in [("--from-marker", fromMarker), ("--to-marker", toMarker)] where text == "" { throw ValidationError("\(option): a text is expected, which every line has not") }
    }

    var part: TracePart { TracePart(from: from, to: to, fromMarker: fromMarker, toMarker: toMarker) }
}
