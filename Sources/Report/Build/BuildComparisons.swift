import LazyTLB
import Reconstruction
import Replay
import TraceData

/// The replay's own types, which inside of ``ReportDocument`` are hidden by its types of the same names.
typealias ReplayedComparison = Comparison
typealias ReplayedLatency = ShootdownLatency

extension ReportDocument.Comparison {
    init(_ comparison: ReplayedComparison) {
        self.init(old: comparison.old, new: comparison.new)
        extraIPITargets = comparison.extraIPITargets
        missingIPITargets = comparison.missingIPITargets
        staleActiveMMNS = comparison.staleNs
        redundantCR3Loads = comparison.count(.redundantCR3Load)
        for kind in Divergence.Kind.allCases where comparison.count(kind) > 0 {
            divergences[kind.rawValue] = comparison.count(kind)
        }
    }
}

extension ReportDocument.ShootdownLatency {
    init(_ latency: ReplayedLatency) {
        self.init()
        let histogram = latency.histogram
        samples = histogram.count
        unanswered = latency.unanswered
        cut = latency.cut
        sumNS = histogram.sum
        guard samples > 0 else { return }
        minNS = histogram.min
        p50NS = histogram.percentile(0.5)
        p90NS = histogram.percentile(0.9)
        p99NS = histogram.percentile(0.99)
        maxNS = histogram.max
    }
}

extension ReportBuilder {
    /// The divergences that the comparisons kept, in time order.
    ///
    /// At the same time: by CPU, then in the order in which the comparisons found them.
    func divergences() -> [ReportDocument.Divergence] {
        var all: [(order: Int, comparison: ReplayedComparison, divergence: Divergence)] = []
        for comparison in replay.comparisons {
            for divergence in comparison.divergences { all.append((all.count, comparison, divergence)) }
        }
        all.sort {
            ($0.divergence.moment.time, $0.divergence.cpu, $0.order) < ($1.divergence.moment.time, $1.divergence.cpu, $1.order)
        }
        return all.map { document($0.divergence, of: $0.comparison) }
    }

    private func document(_ divergence: Divergence, of comparison: ReplayedComparison) -> ReportDocument.Divergence {
        let moment = divergence.moment
        var records = [reference(moment)]
        if let since = divergence.since { records.append(reference(since)) }
        let detail: String? =
            switch divergence.kind {
            case .warning: "\(divergence.detail) in \(divergence.scheme)"
            case .extraFlush: "only \(divergence.scheme) flushes"
            default: nil
            }
        let task = moment.pid >= 0 ? moment.pid : nil
        return ReportDocument.Divergence(
            kind: divergence.kind.rawValue, timeNS: moment.time, endNS: divergence.end, cpu: divergence.cpu, pid: task.map(Int.init),
            comm: task.map { comm($0, cpu: divergence.cpu) }, mm: name(divergence.mm), old: comparison.old, new: comparison.new,
            targets: divergence.targets.isEmpty ? nil : divergence.targets, sender: divergence.sender, detail: detail, records: records)
    }

    func document(_ deviation: Deviation) -> ReportDocument.Deviation {
        let moment = deviation.moment
        let task = moment.pid >= 0 ? moment.pid : nil
        return ReportDocument.Deviation(
            kind: deviation.kind.rawValue, timeNS: moment.time, cpu: deviation.moment.cpu, pid: task.map(Int.init),
            comm: task.map { comm($0, cpu: moment.cpu) }, mm: name(deviation.mm), pages: deviation.pages.map(Int.init),
            targets: deviation.targets.isEmpty ? nil : deviation.targets, detail: deviation.detail.isEmpty ? nil : deviation.detail)
    }

    /// A task's name; each CPU's idle task has one of its own.
    private func comm(_ pid: Int32, cpu: Int) -> String {
        pid == 0 ? "swapper/\(cpu)" : name(pid) ?? "<...>"
    }

    private func reference(_ moment: Moment) -> ReportDocument.RecordReference {
        let event = context.eventNames[moment.cause] ?? moment.cause.eventName
        return ReportDocument.RecordReference(timeNS: moment.time, cpu: moment.recordCPU, event: event)
    }
}

extension Record.Kind {
    /// The kernel's name of the event; for probe events the one of docs/recording.md, and a few words for what is no record.
    var eventName: String {
        switch self {
        case .other: "end of the trace"
        case .lost: "lost events"
        case .schedSwitch: "sched_switch"
        case .tlbFlush: "tlb_flush"
        case .newTask: "task_newtask"
        case .fork: "sched_process_fork"
        case .exec: "sched_process_exec"
        case .exit: "sched_process_exit"
        case .rename: "task_rename"
        case .marker: "print"
        default: "\(self)"
        }
    }
}
