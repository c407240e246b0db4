import LazyTLB
import Reconstruction
import Replay
import Report
import TraceData

/// What a window of a recording under way shows, as rates.
///
/// An estimate: the replay begins anew with each window, and knows nothing of what came before it. Recorded counts are exact.
struct LiveSummary {
    struct Process {
        var name: String
        var pid: Int32
        /// IPI targets a second under the primary scheme.
        var rate: Double
    }

    /// The span of the window, seconds.
    var seconds = 0.0
    var records = 0
    /// IPI targets a second, by scheme.
    var targets: [(scheme: String, rate: Double)] = []
    /// TLB_REMOTE_SEND_IPI records a second.
    var sends = 0.0
    /// Shares of the CPU time.
    var lazy = 0.0
    var unknown = 0.0
    /// Those with the most targets, the first of them first.
    var processes: [Process] = []

    private static let sendReason: Int32 = 4

    /// - Parameter limit: processes at most.
    /// - Throws: `TraceError` if the window cannot be read.
    init(_ file: TraceFile, processes limit: Int) throws(TraceError) {
        let cpus = Reconstruction<LiveWindow>.cpuCount(file)
        let start = try Reconstruction<LiveWindow>.firstTime(file)
        let recorded = RecordedKernel(release: file.kernelRelease)
        let history = try Reconstruction(file, sink: LiveWindow(cpus: cpus, start: start, primary: recorded.primary))
        records = history.records
        guard history.end > start else { return }
        seconds = Double(history.end - start) / 1e9
        var window = history.sink
        let times = window.finish(at: history.end)
        let replay = window.replay
        let span = seconds
        targets = replay.summaries.map { ($0.id, Double($0.counters.ipiTargets) / span) }
        sends = Double(replay.recorded.count(reason: Self.sendReason)) / span
        if times.all > 0 {
            lazy = Double(times.lazy) / Double(times.all)
            unknown = Double(times.unknown) / Double(times.all)
        }
        // A process has another mm after each exec, and flushes without one when it exits.
        var byPID: [Int32: Process] = [:]
        replay.traffic.forEachProcess { process, sums in
            let pid: Int32
            var name = ""
            switch process {
            case .mm(let mm): (pid, name) = (history.mms[mm]?.pid ?? -1, history.mms[mm]?.name ?? "")
            case .task(let task): pid = task
            }
            if let latest = history.names[pid] { name = latest.description }
            byPID[pid, default: Process(name: name, pid: pid, rate: 0)].rate += Double(sums.targets[recorded.primary]) / span
        }
        processes = byPID.values.filter { $0.rate > 0 }.sorted { ($0.rate, $1.pid) > ($1.rate, $0.pid) }
        if processes.count > limit { processes.removeLast(processes.count - limit) }
    }
}
