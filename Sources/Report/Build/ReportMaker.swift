import LazyTLB
import Reconstruction
import Replay
import TraceData

/// From a trace that is open to its report: what the program does, whatever command asks for one.
public struct ReportMaker: Sendable {
    private let tool: ReportDocument.Tool
    private let evidence: EvidenceLevel
    private let kernel: String?
    private let jobs: Int
    private let window: Window?

    /// - Parameters:
    ///   - kernel: a scheme or a release, where the trace does not tell or tells wrong.
    ///   - jobs: threads that may work at the same time. The report is the same.
    ///   - window: the part of the trace that is counted; nil for all of it.
    public init(tool: ReportDocument.Tool, evidence: EvidenceLevel = .all, kernel: String? = nil, jobs: Int = 1, window: Window? = nil) {
        (self.tool, self.evidence, self.kernel, self.jobs, self.window) = (tool, evidence, kernel, jobs, window)
    }

    /// The report on one trace.
    ///
    /// - Parameters:
    ///   - divergences: how many of each pair of schemes to list; nil to count them only.
    ///   - deviations: how many places to list where the recorded kernel parts from its own scheme; nil to count records only.
    ///   - demand: throws if the window is nothing that the trace has.
    /// - Throws: ``TraceError`` where the trace cannot be read, or holds nothing to replay; ``UnknownKernel``.
    public func document(_ file: TraceFile, divergences: Int? = nil, deviations: Int? = nil, demand: (WholeTrace) throws -> Void = { _ in }) throws -> ReportDocument {
        try MissingEvents(file, withoutRecord: file.missingEvents).refuse()
        let named = try kernel.map { name in try RecordedKernel(named: name, traced: file.kernelRelease) }
        let recorded = named ?? RecordedKernel(release: file.kernelRelease)
        func replayed(_ file: TraceFile) throws(TraceError) -> Replayed { try self.replayed(file, recorded, divergences: divergences ?? 0, deviations: deviations) }
        var (history, lists) = try replayed(file)
        // Half of the work is for nothing then, but the other traces need no pass more.
        let skew = history.evidence.clocksDiffer && file.clock.unit != .jiffies ? try ClockSkew(file, kernel: kernel) : nil
        if let skew, !skew.cpus.isEmpty {
            let corrected = try file.corrected(by: skew.offsets)
            (history, lists) = try replayed(corrected)
            // What its times alone make unreadable is missing from this report.
            for problem in corrected.problems { file.note(problem) }
        }
        try missingEvents(file, history).refuse()
        if let whole = history.whole { try demand(whole) }
        var context = ReportContext(
            tool: tool, trace: .init(file, history, release: recorded.release), kernel: recorded,
            eventNames: Dictionary(file.formats.events.map { ($0.kind, $0.name) }, uniquingKeysWith: { first, _ in first }),
            savedNames: file.commands, listsDivergences: divergences != nil)
        context.deviations = lists
        context.silentCPUs = file.cpusWithoutData
        var document = ReportDocument(history, context)
        document.trace.clockSkew = skew.flatMap(ReportDocument.ClockSkew.init)
        if file.clock.unit == .jiffies {
            document.evidence.notes.append("Of records of one jiffy on different CPUs nothing tells the order. What hangs on that may be wrong.")
        } else if let note = clockNote(history, skew) {
            document.evidence.notes.append(note)
        }
        document.evidence.notes += file.dropNotes
        document.problems = file.problems.map { .init(offset: $0.error.offset, line: $0.error.line, cause: $0.shortDescription) }
        return document
    }

    /// Of all the trace, whatever part of it is counted.
    private func missingEvents(_ file: TraceFile, _ history: Reconstruction<Replay>) -> MissingEvents {
        if let whole = history.whole {
            return MissingEvents(file, hasSwitches: whole.switches > 0, hasFlushes: whole.flushes > 0, hasLoads: whole.loads > 0, silentChanges: whole.silentChanges)
        }
        let flushes = history.sink.recorded
        return MissingEvents(
            file, hasSwitches: history.switches > 0, hasFlushes: flushes.total > 0, hasLoads: flushes.count(reason: TLBReason.onTaskSwitch) > 0,
            silentChanges: history.evidence.silentChanges)
    }

    private typealias Replayed = (history: Reconstruction<Replay>, lists: [ConformanceWatch.List])

    /// In one reading where that is possible, else in two.
    private func replayed(_ file: TraceFile, _ recorded: RecordedKernel, divergences: Int, deviations: Int?) throws(TraceError) -> Replayed {
        func replay() -> Replay { Replay(cpus: Reconstruction<Replay>.cpuCount(file), primary: recorded.primary, divergenceLimit: divergences) }
        if let deviations {
            var lists: [ConformanceWatch.List] = []
            let watch = ConformanceWatch(replay(), candidates: recorded.candidates, limit: deviations)
            let history = try Reconstruction(file, sink: watch, evidence: evidence, kernel: kernel, window: window).map { watch in
                lists = watch.finished()
                return watch.replay
            }
            return (history, lists)
        }
        // Unpacking, or reading probe events, is more than can be done beside a replay.
        let workers = Workers(jobs: jobs, shareLast: !file.buffer.compressed && !(evidence == .all && file.hasProbes))
        var first: FirstPass?
        // Of a window there is no report in one reading.
        switch window == nil ? try OneReading(file, sink: replay(), evidence: evidence, kernel: kernel, workers: workers) : nil {
        case .done(let history): return (history, [])
        case .needsAnother(let pass): first = pass
        case nil: break
        }
        guard let last = workers.last else { return (try Reconstruction(file, sink: replay(), evidence: evidence, kernel: kernel, window: window, after: first), []) }
        let history = try Reconstruction(
            file, sink: PipelinedReplay(replay(), on: last), evidence: evidence, kernel: kernel, workers: workers, window: window, after: first)
        return (history.map { $0.result() }, [])
    }
}

extension TraceProblem {
    /// Without the file's path and the offset, which the report has elsewhere.
    var shortDescription: String { cpu.map { "CPU \($0): \(error.cause)" } ?? error.cause }
}
