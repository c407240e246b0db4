import Report
import TestSupport

@testable import Checks

/// A report on a made-up recording of a workload: 4 CPUs, 10 s, 10,000 switches, 1,000 sends.
func report(_ path: String = "a.dat", scheme: String? = "v4.13", change: (inout ReportDocument) -> Void = { _ in }) -> ReportDocument {
    var document = ReportDocument(
        tool: .init(version: "0"),
        trace: .init(path: path, kernel: "4.13.9", machine: "x86_64", cpus: 4, events: 50_000, durationNS: 10_000_000_000, formatVersion: 7))
    document.evidence = .init(kind: "life-cycle")
    document.evidence.switches.total = 10_000
    document.evidence.switches.lifeCycle = 10_000
    document.evidence.flushes.total = 2_000
    document.evidence.flushes.attributed = 2_000
    document.recorded.scheme = scheme
    document.recorded.contextSwitches = 10_000
    document.recorded.cr3Loads = 5_000
    document.recorded.ipiSends = 1_000
    document.recorded.remoteShootdowns = 1_400
    var own = ReportDocument.Scheme()
    own.contextSwitches = 10_000
    own.ipiSends = 1_000
    own.ipiTargets = 1_500
    own.ipiFlushed = 1_400
    own.ipiIgnored = 100
    document.schemes = ["v4.12": own, "v4.13-parent": own, "v4.13": own]
    document.comparisons = [.init(old: "v4.12", new: "v4.13"), .init(old: "v4.13-parent", new: "v4.13")]
    document.interrupters = [.init(process: "work", pid: 7, flushes: 1_000, ipiTargets: ["v4.12": 1_500, "v4.13-parent": 1_500, "v4.13": 1_500])]
    var workload = ReportDocument.Workload()
    workload.switches = 5_000
    workload.tasks = [.init(name: "work", isKernelThread: false, switches: 4_500), .init(name: "kworker", isKernelThread: true, switches: 500)]
    document.workload = workload
    change(&document)
    return document
}

func baseline(_ documents: [ReportDocument] = [report("base-1.dat"), report("base-2.dat"), report("base-3.dat")]) -> Baseline {
    Baseline(tool: "lazytlb 0", recordings: documents.map { Recording($0) })
}

/// More shootdowns: every number that has to do with them times a factor.
func sending(_ factor: Double, _ path: String = "a.dat") -> ReportDocument {
    report(path) { document in
        document.recorded.ipiSends = Int(Double(document.recorded.ipiSends) * factor)
        document.recorded.remoteShootdowns = Int(Double(document.recorded.remoteShootdowns) * factor)
        for id in document.schemes.keys { document.schemes[id]!.ipiTargets = Int(Double(document.schemes[id]!.ipiTargets) * factor) }
    }
}
