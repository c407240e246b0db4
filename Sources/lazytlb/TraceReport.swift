import Reconstruction
import Report
import TraceData
import TraceForms

/// From a trace's path to its report: what all commands that work on reports share, with what decides how a trace is read.
struct TraceReport {
    /// By its name; nil for the top one.
    var buffer: String?
    var evidenceLevel: EvidenceLevel?
    /// A scheme or a release; nil for what the trace says.
    var kernel: String?
    /// Threads that may work at the same time; nil for one a processor.
    var jobs: Int?
    var quiet = false
    var keepGoing = false
    var part = TracePart()

    var evidence: EvidenceLevel { evidenceLevel ?? .all }

    /// The options on the command line that say what is read of a trace, and how.
    var optionsForTraces: [String] {
        [("--buffer", buffer != nil), ("--evidence", evidenceLevel != nil), ("--kernel", kernel != nil)].filter(\.1).map(\.0) + part.given
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
        try withTrace(input) { try document($0, divergences: divergences, deviations: deviations) }
    }

    /// What is made of a trace that is read as the options say.
    func withTrace<Result>(_ input: TraceInput, _ body: (TraceFile) throws -> Result) throws -> Result {
        let progress = ReadingProgress()
        let line = ProgressLine(progress, quiet: quiet)
        defer { line?.end() }
        return try body(openTrace(input, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing, progress: progress), kernel: kernel))
    }

    /// The same of a trace that is open.
    func document(_ file: TraceFile, divergences: Int? = nil, deviations: Int? = nil) throws -> ReportDocument {
        // Whatever becomes of the report, and without --keep-going what the trace itself says that it lacks.
        defer { for problem in file.problems { Failures.say(problem.description) } }
        let part = try part.window(file)
        let maker = ReportMaker(tool: .init(version: lazytlbVersion), evidence: evidence, kernel: kernel, jobs: jobs ?? processorCount(), window: part?.window)
        return try maker.document(file, divergences: divergences, deviations: deviations) { try part?.demand($0) }
    }
}

/// Processors that may be used now.
func processorCount() -> Int { min(256, Processors.count) }
